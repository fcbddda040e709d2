"""What goes over the border: JSON, and times."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from typing import Any

from .errors import Invalid

_TIMES = (
    "created_at",
    "modified_at",
    "archived_at",
    "trashed_at",
    "labelled_at",
    "read_at",
    "at",
    "imported_at",
)


def dumps(value: Any) -> str:
    """Compact JSON; half a surrogate pair, which no UTF-8 can hold, as an escape."""
    text = _spelt_json(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return _spelt_json(value, ensure_ascii=True)
    return text


def _spelt_json(value: Any, *, ensure_ascii: bool) -> str:
    try:
        return json.dumps(
            value, ensure_ascii=ensure_ascii, allow_nan=False, separators=(",", ":"), default=_default
        )
    except (TypeError, ValueError, RecursionError) as err:
        raise Invalid("Argument", f"this is no JSON: {err}") from err


@contextlib.contextmanager
def arguments() -> Iterator[None]:
    """Of what goes over the border as it is, not as JSON, that does not fit there."""
    try:
        yield
    except (OverflowError, TypeError, UnicodeEncodeError) as err:
        raise Invalid("Argument", str(err)) from err


def _default(value: Any) -> Any:
    if isinstance(value, datetime):
        return spelt(value)
    if hasattr(value, "__fspath__"):
        return value.__fspath__()
    raise TypeError(f"{type(value).__name__} has no JSON")


def spelt(time: datetime) -> str:
    """RFC 3339 in UTC; a time without a zone counts as UTC."""
    if time.tzinfo is None:
        time = time.replace(tzinfo=timezone.utc)
    return time.astimezone(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment(text: str) -> datetime:
    """A time that the library wrote, to the microsecond."""
    head, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{head}.{fraction[:6]:0<6}+00:00")


def timed(row: dict[str, Any]) -> dict[str, Any]:
    """The row with its times as ``datetime``."""
    for key in _TIMES:
        if isinstance(row.get(key), str):
            try:
                row[key] = moment(row[key])
            except ValueError:  # a label's time, as its file has it
                pass
    return row


def all_timed(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [timed(row) for row in rows]


def with_bytes(value: Any) -> Any:
    """A value of a query: JSON has no bytes, which come as an object with their digits."""
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value
