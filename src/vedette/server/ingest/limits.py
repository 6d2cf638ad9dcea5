"""How much a server takes, of one request and of all at once; and how it says that it is too much."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Limits", "Quota", "Refused", "Room"]


_MODELS_MAX = 100_000


class Refused(Exception):  # noqa: N818 - an answer
    """The answer to a request that is not taken: its status, why for a person, and what goes with it."""

    def __init__(
        self, status: int, error: str, *, retry_after_s: float | None = None, **more: object
    ) -> None:
        error = error.encode(
            "utf-8", "backslashreplace"
        ).decode()  # what came may have halves of surrogate pairs
        super().__init__(error)
        self.status, self.document = status, {"error": error, **more}
        self.headers = {} if retry_after_s is None else {"Retry-After": str(max(1, round(retry_after_s)))}


@dataclass(frozen=True, slots=True)
class Limits:
    """What is taken at most. A server may not say less than 8 MiB for ``body_bytes_max``.

    ``body_bytes_max`` is of one body, as it comes and unpacked, ``json_bytes_max`` of one of JSON, which takes ``json_weight``
    times its bytes when it is parsed; ``ratio_max`` what an unpacked one may be of the packed, above
    a megabyte; ``room_bytes`` of all requests that are being taken at one moment; ``queue_bytes`` of what waits to be
    written; ``rows_per_minute`` of one model, None without a quota; ``columns_max`` what all rows of a model may have by
    different names, over its life.
    """

    body_bytes_max: int = 64 * 2**20
    ratio_max: int = 200
    room_bytes: int = 256 * 2**20
    queue_bytes: int = 64 * 2**20
    json_bytes_max: int = 16 * 2**20
    json_weight: int = 8
    json_rows_max: int = 10_000
    rows_per_minute: int | None = None
    columns_max: int = 10_000
    request_s: float = 60.0
    slowest_bytes_s: float = 20_000.0


class Room:
    """Memory that requests share: who finds none is told to come again.

    >>> room = Room(10)
    >>> room.take(8), room.take(8)
    (True, False)
    """

    def __init__(self, n_bytes: int) -> None:
        self.left = self.whole = n_bytes

    def take(self, n_bytes: int) -> bool:
        """Take so much, where it is there; a request alone may take all there is and more."""
        if n_bytes > self.left and self.left < self.whole:
            return False
        self.left -= n_bytes
        return True

    def give(self, n_bytes: int) -> None:
        """Give it back."""
        self.left += n_bytes


class Quota:
    """Rows that each model may send, by a bucket that fills up by the minute.

    >>> quota = Quota(60, clock=lambda: 0.0)
    >>> quota.wait_s("net", 60), quota.wait_s("net", 3)
    (0.0, 3.0)
    """

    def __init__(self, rows_per_minute: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.rows_per_minute = rows_per_minute
        self._clock = clock
        self._level: dict[str, tuple[float, float]] = {}  # rows in the bucket, as of when

    def wait_s(self, model: str, n_rows: int) -> float:
        """Take the rows and return 0, or say after how long there is room for them; more than a minute's need a full one."""
        if self.rows_per_minute is None:
            return 0.0
        now = self._clock()
        level, at = self._level.get(model, (float(self.rows_per_minute), now))
        level = min(float(self.rows_per_minute), level + (now - at) * self.rows_per_minute / 60)
        wanted = min(n_rows, self.rows_per_minute)
        if wanted > level:
            self._level[model] = (level, now)
            return (wanted - level) * 60 / self.rows_per_minute
        self._level[model] = (level - n_rows, now)
        if len(self._level) > _MODELS_MAX:
            self._level.pop(next(iter(self._level)))
        return 0.0

    def give(self, model: str, n_rows: int) -> None:
        """Give back what was taken for rows that were not."""
        if self.rows_per_minute is not None and model in self._level:
            level, at = self._level[model]
            self._level[model] = (level + n_rows, at)
