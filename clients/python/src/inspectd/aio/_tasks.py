"""Tasks that continue without their stream."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

# The event loop holds its tasks weakly. Each of these ends: by a time limit, or because it is cancelled.
RUNNING: set[asyncio.Task[None]] = set()


def start(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Starts a task."""
    task = asyncio.get_running_loop().create_task(work)
    RUNNING.add(task)
    task.add_done_callback(RUNNING.discard)
    return task
