"""A chat by the OpenAI Agents SDK, with its history in one file: python openai_chat.py agents.db

The model is a stub that needs no network: it answers with what it was told before.
"""

import asyncio
import sys

from agents import Agent, Model, ModelResponse, Runner, Usage, set_tracing_disabled
from openai.types.responses import ResponseOutputMessage, ResponseOutputText

from sessile.openai import SessileSession


class Stub(Model):
    async def get_response(self, system_instructions, input, *args, **kwargs):
        items = [input] if isinstance(input, str) else input
        asked = [item["content"] for item in items if item.get("role") == "user"]
        text = f"A leaf, and you asked {len(asked)} times: {asked[-1]}"
        part = ResponseOutputText(type="output_text", text=text, annotations=[])
        message = ResponseOutputMessage(
            id="__fake_id__", type="message", role="assistant", status="completed", content=[part]
        )
        return ModelResponse(output=[message], usage=Usage(), response_id=None)

    def stream_response(self, *args, **kwargs):
        raise NotImplementedError


async def main(path):
    set_tracing_disabled(True)
    agent = Agent(name="Botanist", model=Stub())
    for question in ("What is a sessile thing?", "And a stalk?"):
        # As in two requests of a server: each finds what was said before.
        session = SessileSession("user-4711", path, work_dir="/srv/chat")
        print((await Runner.run(agent, question, session=session)).final_output)
        session.close()


asyncio.run(main(sys.argv[1]))
