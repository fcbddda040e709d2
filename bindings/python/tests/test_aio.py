"""The same for asyncio."""

import asyncio
import inspect
import os
from pathlib import Path

import pytest

import sessile
from sessile import aio


def test_calls_are_awaited_and_lists_iterated(tmp_path):
    async def main():
        async with aio.Store(tmp_path / "a.db") as store:
            session = await store.create("/w", id="s")
            await session.append({"role": "user", "content": "a leaf"})
            async for hit in store.search("leaf", session=session):
                assert hit["session_id"] == "s"
            assert [row["key"] async for row in store.sessions()] == [session.key]
            async with await store.snapshot() as state:
                await session.append({"role": "user", "content": "another"})
                assert len(await (await state.find("s")).context()) == 1
            assert (await store.get("s")) == session
            await asyncio.gather(*(session.append({"role": "user", "content": str(n)}) for n in range(20)))
            assert len(await session.context()) == 22
            fork = await session.fork()
            with pytest.raises(sessile.NotFound):
                await store.find("nobody")
            assert await store.purge([session, fork]) is None
        with pytest.raises(sessile.Closed):
            await session.context()

    asyncio.run(main())


def test_every_method_has_its_twin():
    pairs = [
        (sessile.Store, aio.Store),
        (sessile.Session, aio.Session),
        (sessile.Snapshot, aio.Snapshot),
        (sessile.Watch, aio.Watch),
    ]
    for blocking, twin in pairs:
        for name in dir(blocking):
            method = getattr(blocking, name)
            if not name.startswith("_") and callable(method):
                assert inspect.signature(getattr(twin, name)) == inspect.signature(method)


def stub():
    """The types of the asynchronous half, made of those of the blocking one."""
    out = [
        '"""Made of the signatures of the blocking half: SESSILE_WRITE_STUBS=1 pytest tests/test_aio.py."""',
        "",
        "from collections.abc import AsyncIterator, Iterable, Mapping",
        "from datetime import datetime",
        "from typing import Any, Literal",
        "",
        "from . import session as _session",
        "from . import store as _store",
        "from .session import UNSAID, Message, _Unsaid",
        "from .store import Archived, Format, Path",
        "",
    ]
    for blocking, name in (
        (sessile.Session, "Session"),
        (sessile.Snapshot, "Snapshot"),
        (sessile.Watch, "Watch"),
        (sessile.Store, "Store"),
    ):
        out.append(f"class {name}:")
        out.append(f"    blocking: _{'session' if name == 'Session' else 'store'}.{name}")
        if name == "Session":
            out += ["    @property", "    def key(self) -> int: ...", "    @property"]
            out += [
                "    def format(self) -> str: ...",
                "    @property",
                "    def id(self) -> str | None: ...",
            ]
        else:
            out.append("    async def __aexit__(self, *_: object) -> None: ...")
            out.append(f"    async def __aenter__(self) -> {name}: ...")
        if name == "Store":
            options = str_parameters(inspect.signature(sessile.Store.__init__))
            out.append(f"    def __init__({options}) -> None: ...")
            out.append("    async def open(self) -> Store: ...")
        for method in sorted(vars(blocking) | (vars(blocking.__base__) if name != "Session" else {})):
            found = getattr(blocking, method)
            if method.startswith("_") or not inspect.isfunction(found):
                continue
            signature = inspect.signature(found)
            returns = signature.return_annotation
            is_list = returns.startswith("Iterator[")
            keyword = "def" if is_list else "async def"
            returns = f"Async{returns}" if is_list else returns
            out.append(f"    {keyword} {method}({str_parameters(signature)}) -> {returns}: ...")
        out.append("")
    return "\n".join(out)


def str_parameters(signature):
    parts, is_keyword = [], False
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY and not is_keyword:
            parts.append("*")
            is_keyword = True
        kind = "" if parameter.annotation is parameter.empty else f": {parameter.annotation}"
        default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
        parts.append(name + kind + default)
    return ", ".join(parts)


def test_the_stub_says_what_there_is():
    path = Path(__file__).parents[1] / "python" / "sessile" / "aio.pyi"
    if os.environ.get("SESSILE_WRITE_STUBS"):
        path.write_text(stub())
        pytest.skip("aio.pyi was written anew")
    assert path.read_text() == stub()
