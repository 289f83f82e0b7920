// Drives @a2a-js/sdk as its users do. Arguments: the server's address, the binding.
import { randomUUID } from 'node:crypto';
import { CancelTaskRequest, GetTaskRequest, SendMessageRequest, taskStateToJSON } from '@a2a-js/sdk';
import { ClientFactory, ClientFactoryOptions, JsonRpcTransportFactory, RestTransportFactory } from '@a2a-js/sdk/client';

const [url, binding] = process.argv.slice(2);
const transport = binding === 'JSONRPC' ? new JsonRpcTransportFactory() : new RestTransportFactory();
const factory = new ClientFactory({ ...ClientFactoryOptions.default, transports: [transport] });
const state = (status) => taskStateToJSON(status.state).replace('TASK_STATE_', '');
const send = (parts, more = {}) =>
  SendMessageRequest.fromJSON({ message: { messageId: randomUUID(), role: 'ROLE_USER', parts, ...more } });
const sent = async (client, ...message) => {
  const told = await client.sendMessage(send(...message));
  return told.payload?.value ?? told;
};
const agent = (name) => factory.createFromUrl(`${url}/a2a/${name}/`);

const seen = {};
let task = await sent(await agent('greet'), [{ data: { name: 'Ada' } }]);
seen.greet = [state(task.status), task.artifacts[0].parts[0].content.value.text];
const refund = await agent('refund');
task = await sent(refund, [{ data: { order_id: 'A-1', amount: 500 } }]);
seen.asked = state(task.status);
task = await sent(refund, [{ text: 'approve' }], { taskId: task.id });
seen.answered = [state(task.status), task.artifacts[0].parts[0].content.value];
seen.streamed = [];
for await (const update of (await agent('count')).sendMessageStream(send([{ data: { to: 3 } }]))) {
  if (update.payload.value.status) seen.streamed.push(state(update.payload.value.status));
}
task = await sent(refund, [{ data: { order_id: 'A-2', amount: 500 } }]);
seen.cancelled = state((await refund.cancelTask(CancelTaskRequest.fromJSON({ id: task.id }))).status);
seen.got = state((await refund.getTask(GetTaskRequest.fromJSON({ id: task.id }))).status);
seen.failed = state((await sent(await agent('fail'), [{ text: 'now' }])).status);
console.log(JSON.stringify(seen));
