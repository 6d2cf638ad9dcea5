"""A bar for what takes more than a second, on standard error and only where a person looks at it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["told"]

PATIENCE_S = 1.0


@contextmanager
def told(what: str) -> Iterator[Callable[[int, int, str], None] | None]:
    """A function to call with the number done, the number of all, and what comes next; None where nobody looks.

    The bar appears when a second has passed and there is more to do, and is wiped away at the end.
    """
    if not sys.stderr.isatty():
        yield None
        return
    bars: list[Any] = []
    began = time.monotonic()

    def tell(done: int, total: int, name: str) -> None:
        if not bars and time.monotonic() - began > PATIENCE_S and done < total:
            from rich.console import Console
            from rich.progress import Progress

            bar = Progress(console=Console(stderr=True), transient=True)
            bar.start()
            bars.append((bar, bar.add_task(what, total=total)))
        for bar, task in bars:
            plain = "".join(c if c.isprintable() else "?" for c in name[:30]).replace("[", "(")
            bar.update(task, completed=done, description=f"{what}: {plain}")

    try:
        yield tell
    finally:
        for bar, _ in bars:
            bar.stop()
