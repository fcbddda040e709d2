"""Appends, loads and lists beside the SDKs' own stores, in one run: python bench.py [ROUNDS]

The middle of the rounds, and how much of it was work: the rest waits for the disk, and for
whoever else has the machine.
"""

import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import claude_agent_sdk as sdk
from agents.memory import SQLiteSession

from sessile.claude import SessileSessionStore
from sessile.openai import SessileSession

ROUNDS = int(sys.argv[1]) if sys.argv[1:] else 3
WORK_DIR, PROJECT = "/home/me/project", "-home-me-project"
TEXT = "What is a leaf? It is attached directly by its base, without a stalk between. " * 5


def item(n):
    return {"role": "user" if n % 2 == 0 else "assistant", "content": f"{n}: {TEXT}"}


def uuid(n):
    return f"0c000000-0000-4000-8000-{n:012}"


def entry(session, n):
    return {
        "type": item(n)["role"], "uuid": uuid(n + 1), "parentUuid": uuid(n) if n else None, "isSidechain": False,
        "sessionId": uuid(session), "timestamp": "2026-01-02T03:04:05.678Z", "cwd": WORK_DIR, "message": item(n),
    }  # fmt: skip


@contextlib.contextmanager
def timed(times, name):
    began, worked = time.perf_counter(), time.process_time()
    yield
    took, worked = time.perf_counter() - began, time.process_time() - worked
    times.setdefault(name, []).append((took * 1000, worked * 1000))


async def openai(folder, times):
    for name, make in (("sessile", SessileSession), ("SQLiteSession", SQLiteSession)):
        path = folder / f"{name}.db"
        session = make("one", path)
        with timed(times, f"OpenAI · append, one at a time (of 200) · {name}"):
            for n in range(200):
                await session.add_items([item(n)])
        with timed(times, f"OpenAI · append 800 at once · {name}"):
            await session.add_items([item(n) for n in range(200, 1000)])
        with timed(times, f"OpenAI · load 1,000 · {name}"):
            assert len(await session.get_items()) == 1000
        with timed(times, f"OpenAI · load the last 10 of 1,000 · {name}"):
            assert len(await session.get_items(10)) == 10
        session.close()


class Files:
    """File storage as the SDK has it: a line an entry, behind the others."""

    def __init__(self, root):
        self.root = root

    def path(self, session):
        return self.root / "projects" / PROJECT / f"{uuid(session)}.jsonl"

    async def append(self, session, entries):
        path = self.path(session)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.writelines(json.dumps(one) + "\n" for one in entries)

    async def load(self, session):
        return [json.loads(line) for line in self.path(session).open()]


async def claude(folder, times):
    store, files = SessileSessionStore(folder / "claude.db"), Files(folder / "config")

    def key(session):
        return {"project_key": PROJECT, "session_id": uuid(session)}

    stores = {
        "sessile": (lambda n, entries: store.append(key(n), entries), lambda n: store.load(key(n))),
        "files, not synced": (files.append, files.load),
    }
    for name, (append, load) in stores.items():
        with timed(times, f"Claude · append, one at a time (of 200) · {name}"):
            for n in range(200):
                await append(0, [entry(0, n)])
        with timed(times, f"Claude · append 800 at once · {name}"):
            await append(0, [entry(0, n) for n in range(200, 1000)])
        with timed(times, f"Claude · load 1,000 · {name}"):
            assert len(await load(0)) == 1000
        for session in range(1, 1000):
            await append(session, [entry(session, n) for n in range(4)])
    with timed(times, "Claude · list 1,000 sessions · sessile"):
        assert len(await sdk.list_sessions_from_store(store, directory=WORK_DIR)) == 1000
    fresh = SessileSessionStore(folder / "claude.db")
    with timed(times, "Claude · list 1,000 sessions, opened anew · sessile"):
        assert len(await sdk.list_sessions_from_store(fresh, directory=WORK_DIR)) == 1000
    os.environ["CLAUDE_CONFIG_DIR"] = str(files.root)
    with timed(times, "Claude · list 1,000 sessions · files, not synced"):
        assert len(sdk.list_sessions()) == 1000
    store.close()
    fresh.close()


def main():
    times = {}
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(openai(Path(folder), times))
            asyncio.run(claude(Path(folder), times))
    for name, all_of in times.items():
        took, worked = (statistics.median(one) for one in zip(*all_of))
        print(f"{took:9.1f} ms, of which the processor {worked:9.1f}  {name}")


main()
