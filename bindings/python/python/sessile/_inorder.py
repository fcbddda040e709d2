"""Blocking work of an event loop, one after another."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from .errors import Closed

_T = TypeVar("_T")


class InOrder:
    """Runs work on one thread, so that it is done in the order of the calls."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "sessile")
        self._process = os.getpid()

    async def run(self, work: Callable[..., _T], *args: object) -> _T:
        """What was begun is finished, also when the caller is cancelled meanwhile."""
        if os.getpid() != self._process:
            # The thread did not come along, and would never answer.
            raise Closed("Forked", "this was made in another process; make one in this one")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)

    def close(self) -> None:
        """Waits for what was begun."""
        self._thread.shutdown()
