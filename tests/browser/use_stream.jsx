// A chat as people write it with useStream of npm's @langchain/langgraph-sdk; the test bundles it.
import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { useStream } from "@langchain/langgraph-sdk/react";

const apiUrl = new URLSearchParams(location.search).get("api");
window.shown = [];

function Chat() {
  const [threadId, setThreadId] = useState(localStorage.getItem("thread"));
  const stream = useStream({
    apiUrl,
    apiKey: null,
    assistantId: "slow_talker",
    threadId,
    onThreadId: (id) => {
      localStorage.setItem("thread", id);
      setThreadId(id);
    },
    reconnectOnMount: true,
    messagesKey: "messages",
  });
  const said = stream.messages.map((m) => `${m.type}: ${m.content}`);
  useEffect(() => {
    window.start = (text) => void stream.submit({ messages: [{ type: "human", content: text }] }, { streamResumable: true });
    window.answer = (value) => void stream.submit(undefined, { command: { resume: value } });
    window.chat = { said, loading: stream.isLoading, asked: stream.interrupt?.value?.message ?? "", error: String(stream.error ?? "") };
    window.shown.push(said.at(-1) ?? "");
  });
  return <pre>{said.join("\n")}</pre>;
}

createRoot(document.getElementById("root")).render(<Chat />);
