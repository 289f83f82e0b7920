// Drives @a2a-js/sdk as its users do, and prints what it saw as one JSON object. Argument: the server's address.
import { randomUUID } from 'node:crypto';
import { CancelTaskRequest, GetTaskRequest, ListTasksRequest, SendMessageRequest, SubscribeToTaskRequest, Task, TaskStatus, taskStateToJSON } from '@a2a-js/sdk';
import { ClientFactory } from '@a2a-js/sdk/client';

const url = process.argv[2];
const seen = {};

const send = (parts, more = {}) =>
  SendMessageRequest.fromJSON({ message: { messageId: randomUUID(), role: 'ROLE_USER', parts, ...more } });

const state = (status) => taskStateToJSON(status.state).replace('TASK_STATE_', '');

async function read(updates, onFirst = async () => {}) {
  const told = [];
  for await (const update of updates) {
    const { $case, value } = update.payload;
    if ($case === 'artifactUpdate') {
      told.push(value.artifact.parts.map((part) => part.content.value).join(''));
    } else {
      told.push(`${$case} ${state(value.status)}`);
    }
    read.taskId = value.taskId ?? value.id;
    if (told.length === 1) await onFirst();
  }
  return told;
}

const echo = await new ClientFactory().createFromUrl(`${url}/a2a/echo/`);
const sent = await echo.sendMessage(send([{ text: 'good morning' }]));
const task = sent.payload?.value ?? sent;
seen.sent = [state(task.status), task.artifacts[0].parts[0].content.value];
seen.got = Task.toJSON(await echo.getTask(GetTaskRequest.fromJSON({ id: task.id }))).status.state;
seen.streamed = await read(echo.sendMessageStream(send([{ text: 'good morning' }])));
const listed = await echo.listTasks(ListTasksRequest.fromJSON({ pageSize: 1 }));
seen.listed = [listed.tasks.length, listed.totalSize, listed.nextPageToken !== ''];

const refunds = await new ClientFactory().createFromUrl(`${url}/a2a/refunds/`);
seen.asked = await read(refunds.sendMessageStream(send([{ data: { order: 'o1', amount: 5 } }])));
const taskId = read.taskId;
seen.subscribed = await read(refunds.resubscribeTask(SubscribeToTaskRequest.fromJSON({ id: taskId })), async () => {
  const answered = await refunds.sendMessage(send([{ text: 'yes' }], { taskId }));
  seen.answered = state((answered.payload?.value ?? answered).status);
});
try {
  await refunds.cancelTask(CancelTaskRequest.fromJSON({ id: taskId }));
} catch (error) {
  seen.refused = [error.name, error.message];
}
console.log(JSON.stringify(seen));
