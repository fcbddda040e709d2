"""A chat by the Claude Agent SDK, mirrored into one file: python claude_chat.py agents.db

What stands for Claude Code is a stub that needs no network: it answers with an echo, and
hands its transcript to the SDK as the program does.
"""

import asyncio
import json
import os
import sys
import uuid
from datetime import datetime, timezone
from pathlib import Path

from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    ClaudeSDKClient,
    Transport,
    get_session_messages_from_store,
    list_sessions_from_store,
)

from sessile.claude import SessileSessionStore

WORK_DIR = "/srv/chat"


class Stub(Transport):
    """Speaks for Claude Code."""

    def __init__(self):
        self.session_id, self.parent = str(uuid.uuid4()), None
        self.out = asyncio.Queue()
        projects = Path(os.environ.get("CLAUDE_CONFIG_DIR", Path.home() / ".claude")) / "projects"
        self.file = str(projects / "-srv-chat" / f"{self.session_id}.jsonl")

    async def connect(self):
        pass

    async def write(self, data):
        message = json.loads(data)
        if message["type"] == "control_request":
            response = {"subtype": "success", "request_id": message["request_id"], "response": {}}
            self.out.put_nowait({"type": "control_response", "response": response})
        elif message["type"] == "user":
            text = f"You said: {message['message']['content']}"
            answer = {"role": "assistant", "model": "stub", "content": [{"type": "text", "text": text}]}
            entries = [self.entry(message["message"]), self.entry(answer)]
            self.out.put_nowait({"type": "transcript_mirror", "filePath": self.file, "entries": entries})
            self.out.put_nowait({"type": "assistant", "message": answer, "session_id": self.session_id})
            self.out.put_nowait({
                "type": "result", "subtype": "success", "is_error": False, "result": text, "num_turns": 1,
                "duration_ms": 1, "duration_api_ms": 1, "session_id": self.session_id,
            })  # fmt: skip

    def entry(self, message):
        entry = {
            "parentUuid": self.parent, "isSidechain": False, "type": message["role"], "message": message,
            "uuid": str(uuid.uuid4()), "timestamp": datetime.now(timezone.utc).isoformat(), "cwd": WORK_DIR,
            "sessionId": self.session_id,
        }  # fmt: skip
        self.parent = entry["uuid"]
        return entry

    async def read_messages(self):
        while (message := await self.out.get()) is not None:
            yield message

    async def close(self):
        self.out.put_nowait(None)

    async def end_input(self):
        pass

    def is_ready(self):
        return True


async def main(path):
    store = SessileSessionStore(path)
    options = ClaudeAgentOptions(session_store=store, cwd=WORK_DIR)
    async with ClaudeSDKClient(options, transport=Stub()) as client:
        for question in ("What is a sessile leaf?", "And a stalk?"):
            await client.query(question)
            async for message in client.receive_response():
                if isinstance(message, AssistantMessage):
                    print(message.content[0].text)
    for session in await list_sessions_from_store(store, directory=WORK_DIR):
        messages = await get_session_messages_from_store(store, session.session_id, directory=WORK_DIR)
        print(f"{session.summary}: {len(messages)} messages")
    store.close()


asyncio.run(main(sys.argv[1]))
