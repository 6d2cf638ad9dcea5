"""A bar for what takes more than a second, on standard error and only where a person looks at it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["told"]

PATIENCE_S = 1.0


@contextmanager
def told(what: str) -> Iterator[Callable[[int, int, str], None] | None]:
    """A function to call with the number done, the number of all, and what comes next; None where nobody looks.

    The bar appears when a second has passed, goes to and fro until the function is first called, and is wiped away at
    the end.
    """
    if not sys.stderr.isatty():
        yield None
        return
    shown = _Bar(what)
    waiting = threading.Timer(PATIENCE_S, shown.start)
    waiting.daemon = True
    waiting.start()
    try:
        yield shown.tell
    finally:
        waiting.cancel()
        shown.stop()


class _Bar:
    """A bar that is drawn by a thread of its own from its start to its stop."""

    def __init__(self, what: str) -> None:
        self.what = _plain(what)
        self.state: dict[str, Any] = {"total": None, "completed": 0, "description": self.what}
        self.lock = threading.Lock()
        self.bar: Any = None
        self.ended = False

    def tell(self, done: int, total: int, name: str) -> None:
        self.state = {"total": total, "completed": done, "description": f"{self.what}: {_plain(name)}"}
        with self.lock:
            if self.bar is not None:
                self.bar.update(self.bar.task_ids[0], **self.state)

    def start(self) -> None:
        from rich.console import Console
        from rich.progress import Progress

        with self.lock:
            if self.ended:
                return
            self.bar = Progress(console=Console(stderr=True), transient=True)
            self.bar.add_task(**self.state)
            self.bar.start()

    def stop(self) -> None:
        with self.lock:
            self.ended = True
            if self.bar is not None:
                self.bar.stop()


def _plain(name: str) -> str:
    """A name without escapes of the terminal's and marks of rich's."""
    return "".join(c if c.isprintable() else "?" for c in name[:40]).replace("[", "(").replace("]", ")")
