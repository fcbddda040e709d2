"""Stores of programs in Python, and JSONL with a sync a line.

usage: peers.py PEER FOLDER SESSIONS LONG LISTED; prints a line of JSON an operation.
"""

import asyncio
import json
import os
import sqlite3
import statistics
import sys
import time
from pathlib import Path

PEER, FOLDER = sys.argv[1], Path(sys.argv[2])
SESSIONS, LONG, LISTED = map(int, sys.argv[3:6])
# A checkpoint of LangGraph holds all messages so far: 10,000 would take 50 GB.
SHORTENED = 300


def text(n):
    """1 KB that nothing else says: one of the peers keeps equal messages once."""
    text.count += 1
    start = f"message {n} ({text.count}): "
    return (start + "one more file is read, and what it says is told again. " * 20)[:1024]


text.count = 0


def say(what, value, unit, note=""):
    print(json.dumps({"what": what, "value": value, "unit": unit, "note": note}), flush=True)


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def median(rounds, work):
    return statistics.median(timed(work) for _ in range(rounds))


class Store:
    """What each peer is asked for; `begin` gives a session of the store in this folder."""

    longest = LONG

    def __init__(self, folder):
        folder.mkdir(parents=True)
        self.folder = folder

    def end(self, session):
        pass

    list = fork = None


class Jsonl(Store):
    def path(self, name):
        return self.folder / f"{name}.jsonl"

    def begin(self, name):
        return open(self.path(name), "ab", buffering=0)

    def append(self, session, n):
        session.write(json.dumps({"id": n, "role": "user", "content": text(n)}).encode() + b"\n")
        os.fdatasync(session.fileno())

    def end(self, session):
        session.close()

    def restore(self, name):
        with open(self.path(name), "rb") as lines:
            return [json.loads(line) for line in lines]

    def list(self):
        files = sorted(os.scandir(self.folder), key=lambda file: -file.stat().st_mtime)[:100]
        for file in files:
            with open(file.path, "rb") as lines:
                json.loads(lines.readline())

    def fork(self, session, middle):
        lines = Path(session.name).read_bytes().split(b"\n", middle)[:middle]
        with open(session.name + ".fork", "wb") as fork:
            fork.write(b"\n".join(lines) + b"\n")
            os.fsync(fork.fileno())


class OpenAiAgents(Store):
    def __init__(self, folder):
        super().__init__(folder)
        self.loop = asyncio.new_event_loop()

    def begin(self, name):
        from agents import SQLiteSession

        return SQLiteSession(name, self.folder / "all.db")

    def append(self, session, n):
        self.loop.run_until_complete(session.add_items([{"role": "user", "content": text(n)}]))

    def end(self, session):
        session.close()

    def restore(self, name):
        return self.loop.run_until_complete(self.begin(name).get_items())

    def list(self):
        # It has no call for that; this is what a program would ask.
        conn = sqlite3.connect(self.folder / "all.db")
        newest = "SELECT session_id FROM agent_sessions ORDER BY updated_at DESC LIMIT 100"
        conn.execute(newest).fetchall()


class LangGraph(Store):
    longest = min(LONG, SHORTENED)

    def __init__(self, folder):
        super().__init__(folder)
        from langgraph.checkpoint.sqlite import SqliteSaver

        self.saver = SqliteSaver(sqlite3.connect(folder / "all.db", check_same_thread=False))

    def begin(self, name):
        return {"messages": [], "at": {"configurable": {"thread_id": name, "checkpoint_ns": ""}}}

    def append(self, session, n):
        from langgraph.checkpoint.base import empty_checkpoint

        session["messages"].append({"role": "user", "content": text(n)})
        state = {**empty_checkpoint(), "channel_values": {"messages": list(session["messages"])}}
        about = {"source": "loop", "step": n, "parents": {}}
        session["at"] = self.saver.put(session["at"], state, about, {})

    def restore(self, name):
        found = self.saver.get_tuple({"configurable": {"thread_id": name, "checkpoint_ns": ""}})
        return found.checkpoint["channel_values"]["messages"]

    def fork(self, session, middle):
        name = session["at"]["configurable"]["thread_id"]
        states = list(self.saver.list({"configurable": {"thread_id": name}}))
        about = {"source": "fork", "step": middle, "parents": {}}
        self.saver.put(states[middle].config, states[middle].checkpoint, about, {})


class Llm(Store):
    def __init__(self, folder):
        super().__init__(folder)
        import sqlite_utils
        from llm.logs import LogStore
        from llm.migrations import migrate

        self.db = sqlite_utils.Database(folder / "all.db")
        migrate(self.db)
        self.log = LogStore(self.db)

    def begin(self, name):
        self.log.ensure_thread(name)
        return name

    def append(self, session, n):
        from llm import Message
        from llm.parts import TextPart

        self.log.append(session, [Message(role="user", parts=[TextPart(text=text(n))])])

    def restore(self, name):
        return self.log.thread_messages(name)

    def list(self):
        list(self.db.query("select * from threads order by datetime_utc desc limit 100"))


def bytes_below(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def measure(kind):
    store = kind(FOLDER / "many")

    def create():
        for k in range(SESSIONS):
            session = store.begin(f"session {k}")
            for n in range(20):
                store.append(session, n)
            store.end(session)

    messages = SESSIONS * 20
    say("create: a message", timed(create) / messages * 1e6, "µs")
    say("bytes on disk a message byte", bytes_below(store.folder) / messages / len(text(0)), "")

    store = kind(FOLDER / "long")
    note = "" if kind.longest == LONG else f" at {kind.longest}"
    for asked, count in [(100, 100), (LONG, kind.longest)]:
        session = store.begin(f"of {count}")
        for n in range(count):
            store.append(session, n)

        def restore():
            assert len(store.restore(f"of {count}")) == count

        say(f"open and restore {asked}", median(5, restore) * 1e3, "ms", note if asked == LONG else "")
    say(f"append to {LONG}", median(200, lambda: store.append(session, 1)) * 1e6, "µs", note)
    if store.fork:
        fork = median(3, lambda: store.fork(session, kind.longest // 2))
        say(f"fork at the middle of {LONG}", fork * 1e3, "ms", note)
    store.end(session)

    if store.list:
        store = kind(FOLDER / "listed")
        for k in range(LISTED):
            session = store.begin(f"session {k}")
            store.append(session, 0)
            store.end(session)
        say(f"list the newest 100 of {LISTED}", median(5, store.list) * 1e3, "ms")
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    say("peak memory", peak / 1024, "MB")


measure({"jsonl": Jsonl, "openai-agents": OpenAiAgents, "langgraph": LangGraph, "llm": Llm}[PEER])
