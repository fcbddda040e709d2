"""A store behind the OpenAI Agents SDK: ``Runner.run(…, session=…)``.

    session = SessileSession("user-4711", "agents.db")
    await Runner.run(agent, "Hello", session=session)

An item is a message of a session of the store, whose id is the ``session_id``. Nothing is
lost: what :meth:`SessileSession.pop_item` or :meth:`SessileSession.clear_session` takes
away is a branch that was left, and stays in the tree.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote

from agents import TResponseInputItem
from agents.memory import SessionABC, SessionSettings

from ._inorder import InOrder
from .errors import Conflict
from .session import Session
from .store import Store

_ID = "openai_id"
"""Holds an item's own id: several items may have one, and an entry's is its own."""


class SessileSession(SessionABC):
    """The history of one conversation, in the database at ``path``.

    ``path`` may be a :class:`sessile.Store`, which several sessions share and which stays
    open; ``options`` are those of one that is opened here. ``work_dir`` is where the session
    is filed; the working directory unless it is given.
    """

    session_settings: SessionSettings | None

    def __init__(
        self,
        session_id: str,
        path: str | os.PathLike[str] | Store,
        *,
        work_dir: str | os.PathLike[str] | None = None,
        session_settings: SessionSettings | None = None,
        **options: Any,
    ) -> None:
        self.session_id = session_id
        self.session_settings = session_settings or SessionSettings()
        self._work_dir = os.path.abspath(work_dir or os.getcwd())
        self._owns_store = not isinstance(path, Store)
        self.store = path if isinstance(path, Store) else Store(path, **options)
        # A file is named by the id, and some characters cannot stand in a name.
        self._name = "".join(map(_fit, session_id)) or "%"
        self._found: Session | None = None
        self._in_order = InOrder()

    def close(self) -> None:
        """Waits for what is being written, and lets go of the database."""
        self._in_order.close()
        if self._owns_store:
            self.store.close()

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """The items, the oldest first; with ``limit`` the last of them."""
        if limit is None and self.session_settings is not None:
            limit = self.session_settings.limit
        return await self._in_order.run(self._get, limit)

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Adds items, all or none."""
        if items:
            await self._in_order.run(self._add, [_message(dict(item)) for item in items])

    async def pop_item(self) -> TResponseInputItem | None:
        """Takes the last item away and returns it; it stays in the tree, as a branch."""
        return await self._in_order.run(self._pop)

    async def clear_session(self) -> None:
        """Takes all items away; they stay in the tree, as a branch."""
        await self._in_order.run(self._clear)

    def _session(self) -> Session | None:
        if self._found is None:
            self._found = self.store.get(self._name)
        return self._found

    def _get(self, limit: int | None) -> list[Any]:
        session = self._session()
        if session is None or limit == 0:
            return []
        if limit is None or limit < 0:
            messages = session.context()
        else:
            messages = session.last_messages(limit)
        return [_item(message) for message in messages]

    def _add(self, messages: list[dict[str, Any]]) -> None:
        session = self._session()
        if session is None:
            try:
                session = self._found = self.store.create(self._work_dir, id=self._name)
            except Conflict:  # another process was quicker
                session = self._found = self.store.find(self._name)
        session.append_all(messages)

    def _pop(self) -> Any:
        session = self._session()
        message = None if session is None else session.pop()
        return None if message is None else _item(message)

    def _clear(self) -> None:
        session = self._session()
        if session is not None:
            session.branch(None)


def _fit(character: str) -> str:
    is_fit = character.isprintable() and character not in "/%"
    return character if is_fit else quote(character, safe="")


def _message(item: dict[str, Any]) -> dict[str, Any]:
    """An item as a message, whose ``id`` is the store's to give."""
    return {_ID if key == "id" else key: value for key, value in item.items()}


def _item(message: dict[str, Any]) -> Any:
    """The item that a message was."""
    return {"id" if key == _ID else key: value for key, value in message.items() if key != "id"}
