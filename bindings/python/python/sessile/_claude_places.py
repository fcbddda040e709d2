"""Where a transcript of the Claude Agent SDK lies in the folder of Claude Code, and its name there."""

from __future__ import annotations

import re
import uuid
from typing import Any, cast

from claude_agent_sdk import types as sdk

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_AGENT = re.compile(r"subagents/([^/]+/)*agent-[^/]+")
# Ends the file of what has a name that no file of Claude Code has.
_MADE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$")
_NAME = re.compile(r"(?!\.\.?$)[ -.0-~]{1,240}")
NAMES = "claude_agent_sdk.names"
"""Metadata of a transcript whose place is made of its names: the names themselves."""


def _made(name: str) -> str:
    # Half a surrogate pair has no UTF-8.
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name.encode(errors="backslashreplace").decode()))


def is_made(place: str) -> bool:
    return _MADE.search(place) is not None


def folder_of(project_key: str) -> str:
    return f"projects/{project_key if _NAME.fullmatch(project_key) else _made(project_key)}"


def place_of(key: sdk.SessionKey | sdk.SessionListSubkeysKey) -> str:
    """Without the end of the file's name."""
    name, subpath = key["session_id"], cast("str | None", key.get("subpath"))
    place = f"{folder_of(key['project_key'])}/{name if _UUID.fullmatch(name) else _made(name)}"
    if subpath is None:
        return place
    fits = _AGENT.fullmatch(subpath) and all(map(_NAME.fullmatch, subpath.split("/")))
    return f"{place}/{subpath if fits else 'subagents/agent-' + _made(subpath)}"


def name_of(row: dict[str, Any], folder: str, field: str) -> str | None:
    """What the SDK calls the transcript of a file below a folder; None for what is none of its own.

    A folder holds files of other programs, and those of sub-agents of old releases.
    """
    name: str = row["file"][len(folder) + 1 : -len(".jsonl")]
    if field == "session_id" and not _UUID.fullmatch(name):
        return None
    names = row["session"].metadata().get(NAMES, {}) if is_made(name) else {}
    return cast(str, names.get(field, name))


def rank(row: dict[str, Any]) -> tuple[bool, bool, float]:
    """Of one place: first what is not in the trash, then the store's own, then what was used last."""
    return row["trashed_at"] is not None, row["root"] != "", -row["modified_at"].timestamp()


def objects(records: list[Any]) -> list[Any]:
    """The entries among the lines of a file, which may hold anything."""
    return [record for record in records if isinstance(record, dict)]
