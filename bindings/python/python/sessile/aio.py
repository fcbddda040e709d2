"""The same for ``asyncio``: each call on a thread, so that the loop goes on.

    async with sessile.aio.Store("agents.db") as store:
        session = await store.create("/home/me/project")
        await session.append({"role": "user", "content": "What is a leaf?"})
        async for hit in store.search("leaf"):
            print(hit["snippet"])

Every method is that of :class:`sessile.Store` or :class:`sessile.Session`, awaited;
what gives an iterator there gives an asynchronous one here. A call that is cancelled goes on
in its thread: what it was to write may be there.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from . import session as _session
from . import store as _store
from .errors import Closed

_END: Any = object()


class _Twin:
    """Stands for an object of the blocking half, which is ``blocking``."""

    def __init__(self, blocking: Any) -> None:
        self.blocking = blocking

    def __repr__(self) -> str:
        return f"aio.{self.blocking!r}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Twin) and self.blocking == other.blocking

    def __hash__(self) -> int:
        return hash(self.blocking)

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.blocking is not None:
            await asyncio.to_thread(self.blocking.close)

    def _half(self) -> Any:
        return self.blocking


def _twin(value: Any) -> Any:
    if isinstance(value, _session.Session):
        return Session(value)
    if isinstance(value, _store.Snapshot):
        return Snapshot(value)
    if isinstance(value, _store.Watch):
        return Watch(value)
    if isinstance(value, dict) and isinstance(value.get("session"), _session.Session):
        return {**value, "session": Session(value["session"])}
    return type(value)(map(_twin, value)) if isinstance(value, (list, tuple)) else value


def _bare(value: Any) -> Any:
    return value.blocking if isinstance(value, _Twin) else value


async def _each(rows: Iterator[Any]) -> AsyncIterator[Any]:
    while (row := await asyncio.to_thread(next, rows, _END)) is not _END:
        yield row


def _method(name: str, blocking: Callable[..., Any]) -> Callable[..., Any]:
    if name in ("sessions", "trash", "search"):

        @functools.wraps(blocking)
        def each(self: _Twin, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            named = {key: _bare(value) for key, value in kwargs.items()}
            return _each(getattr(self._half(), name)(*map(_bare, args), **named))

        return each

    @functools.wraps(blocking)
    async def awaited(self: _Twin, *args: Any, **kwargs: Any) -> Any:
        named = {key: _bare(value) for key, value in kwargs.items()}
        return _twin(await asyncio.to_thread(getattr(self._half(), name), *map(_bare, args), **named))

    return awaited


def _methods_of(blocking: type) -> Callable[[type], type]:
    def add(twin: type) -> type:
        for name in dir(blocking):
            if not name.startswith("_") and callable(getattr(blocking, name)):
                setattr(twin, name, _method(name, getattr(blocking, name)))
        return twin

    return add


@_methods_of(_session.Session)
class Session(_Twin):
    """:class:`sessile.Session`, awaited."""

    @property
    def key(self) -> int:
        return self.blocking.key

    @property
    def format(self) -> str:
        return self.blocking.format

    @property
    def id(self) -> str | None:
        return self.blocking.id


@_methods_of(_store.Snapshot)
class Snapshot(_Twin):
    """:class:`sessile.Snapshot`, awaited."""


@_methods_of(_store.Watch)
class Watch(_Twin):
    """:class:`sessile.Watch`, awaited."""


@_methods_of(_store.Store)
class Store(_Twin):
    """:class:`sessile.Store`, awaited; opened on entering ``async with``, or by :meth:`open`."""

    def __init__(self, path: _store.Path, **options: Any) -> None:
        super().__init__(None)
        self._open = functools.partial(_store.Store, path, **options)
        self._opening: asyncio.Future[_store.Store] | None = None

    def _half(self) -> _store.Store:
        if self.blocking is None:
            raise Closed("Closed", "the store is not open: use `async with`, or await its `open()`")
        return self.blocking

    async def open(self) -> Store:
        """Opens the database on a thread, once, whoever else waits for it."""
        if self.blocking is None:
            self._opening = self._opening or asyncio.ensure_future(asyncio.to_thread(self._open))
            try:
                self.blocking = await asyncio.shield(self._opening)
            finally:
                if self._opening is not None and self._opening.done():
                    self._opening = None  # of one that failed, another attempt may not
        return self

    async def __aenter__(self) -> Store:
        return await self.open()
