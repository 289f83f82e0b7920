"""Drives ADK's RemoteA2aAgent in a runner, as its users do. Argument: the server's address."""

import asyncio
import json
import sys
import warnings

warnings.simplefilter("ignore")  # ADK calls its own A2A support experimental

from google.adk.agents.remote_a2a_agent import RemoteA2aAgent  # noqa: E402
from google.adk.runners import InMemoryRunner  # noqa: E402
from google.genai import types  # noqa: E402

URL = sys.argv[1]


async def conversation(name: str, *texts: str) -> list[str]:
    """The last text that each message was answered with."""
    agent = RemoteA2aAgent(name=name, agent_card=f"{URL}/a2a/{name}/.well-known/agent-card.json")
    runner = InMemoryRunner(agent=agent, app_name="interop")
    session = await runner.session_service.create_session(app_name="interop", user_id="ada")
    told: list[str] = []
    for text in texts:
        content = types.Content(role="user", parts=[types.Part(text=text)])
        said = [""]
        async for event in runner.run_async(user_id="ada", session_id=session.id, new_message=content):
            assert not event.error_message, event.error_message
            parts = event.content.parts if event.content and event.content.parts else []
            said += [part.text for part in parts if part.text]
        told.append(said[-1])
    await runner.close()
    return told


async def main() -> None:
    print(json.dumps({"echo": await conversation("echo", "hello"), "asks": await conversation("asks", "hi", "Ada")}))


asyncio.run(main())
