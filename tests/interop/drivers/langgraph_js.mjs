// What npm's @langchain/langgraph-sdk does with a server, unmodified: every client of it. Prints what it saw as JSON.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, url, agent, asker, caller] = process.argv.slice(2);
const require = createRequire(`${folder}/index.js`);
const { Client } = await import(pathToFileURL(require.resolve("@langchain/langgraph-sdk")).href.replace(/\.cjs$/, ".js"));
const client = new Client({ apiUrl: url, apiKey: null });
const seen = {};
const all = async (stream) => {
  const found = [];
  for await (const part of stream) found.push(part);
  return found;
};

// assistants
const [assistant] = await client.assistants.search({ graphId: agent });
seen.assistant = (await client.assistants.get(agent)).assistant_id === assistant.assistant_id;
seen.schemas = Object.keys(await client.assistants.getSchemas(agent)).sort();
seen.graph = (await client.assistants.getGraph(agent)).nodes.length > 0;
const made = await client.assistants.create({ graphId: agent, name: "mine", config: { tags: ["x"] } });
const changed = await client.assistants.update(made.assistant_id, { name: "yours" });
seen.versions = (await client.assistants.getVersions(made.assistant_id)).map((a) => a.version);
seen.latest = (await client.assistants.setLatest(made.assistant_id, 1)).name;
seen.changed = changed.name;
await client.assistants.delete(made.assistant_id);

// threads
const thread = await client.threads.create({ metadata: { who: "js" } });
seen.thread = Object.keys(thread).sort();
seen.found = (await client.threads.search({ metadata: { who: "js" } })).length;
seen.counted = await client.threads.count({ metadata: { who: "js" } });
await client.threads.update(thread.thread_id, { metadata: { more: 1 } });
seen.metadata = (await client.threads.get(thread.thread_id)).metadata.more;

// runs
const said = { text: "hi you" };
let created = null;
const modes = ["values", "messages", "updates", "messages-tuple", "tasks", "checkpoints", "debug", "custom", "events"];
const parts = await all(
  client.runs.stream(thread.thread_id, caller, {
    input: said,
    streamMode: modes,
    streamSubgraphs: true,
    onRunCreated: (run) => (created = run),
  }),
);
seen.events = [...new Set(parts.map((p) => p.event.split("|")[0]))].sort();
seen.subgraphs = [...new Set(parts.filter((p) => p.event.includes("|")).map((p) => p.event.split("|")[1].split(":")[0]))].sort();
seen.created = created.run_id === (await client.runs.list(thread.thread_id))[0].run_id;
const joined = await all(client.runs.joinStream(thread.thread_id, created.run_id, { streamMode: modes, lastEventId: "-1" }));
seen.joined = joined.filter((p) => !p.event.includes("|")).length === parts.filter((p) => !p.event.includes("|")).length;
seen.waited = (await client.runs.wait(thread.thread_id, agent, { input: said })).output;
seen.stateless = (await client.runs.wait(null, agent, { input: said })).output;
const queued = await client.runs.create(thread.thread_id, agent, { input: said });
seen.join = (await client.runs.join(thread.thread_id, queued.run_id)).output;
seen.status = (await client.runs.get(thread.thread_id, queued.run_id)).status;
const batch = await client.runs.createBatch([{ assistantId: agent, input: said }, { assistantId: agent, input: said }]);
seen.batch = batch.length;
await client.runs.delete(thread.thread_id, queued.run_id);

// interrupt and resume
const asked = await client.threads.create();
const first = await client.runs.wait(asked.thread_id, asker, { input: said });
seen.asked = first.__interrupt__[0].value.message;
seen.status_asked = (await client.threads.get(asked.thread_id)).status;
seen.answered = (await client.runs.wait(asked.thread_id, asker, { command: { resume: "yes" } })).output;

// state
const state = await client.threads.getState(thread.thread_id);
const history = await client.threads.getHistory(thread.thread_id, { limit: 3 });
seen.state = state.checkpoint.checkpoint_id === history[0].checkpoint.checkpoint_id;
await client.threads.updateState(thread.thread_id, { values: { noted: 7 } });
seen.noted = (await client.threads.getState(thread.thread_id)).values.noted;
const copy = await client.threads.copy(thread.thread_id);
seen.copied = copy.thread_id !== thread.thread_id;
for await (const part of client.threads.joinStream(thread.thread_id, { lastEventId: "-1", streamMode: ["lifecycle"] })) {
  seen.joined_thread = part.event;
  break;
}

// the thread streaming protocol
for (const transport of ["sse", "websocket"]) {
  const stream = client.threads.stream({ assistantId: caller, transport });
  const output = stream.output;
  await stream.run.start({ input: said });
  const values = await output;
  seen[transport] = values.messages.at(-1).content;
  await stream.close();
}

// store and crons
await client.store.putItem(["a", "b"], "k", { v: 1 });
seen.item = (await client.store.getItem(["a", "b"], "k")).value.v;
seen.items = (await client.store.searchItems(["a"])).items.length;
seen.namespaces = (await client.store.listNamespaces({ prefix: ["a"] })).namespaces;
await client.store.deleteItem(["a", "b"], "k");
const cron = await client.crons.createForThread(thread.thread_id, agent, { schedule: "0 0 1 1 *", input: said });
seen.crons = (await client.crons.search({ threadId: thread.thread_id })).length;
await client.crons.delete(cron.cron_id);
await client.threads.delete(copy.thread_id);
console.log(JSON.stringify(seen));
process.exit(0);
