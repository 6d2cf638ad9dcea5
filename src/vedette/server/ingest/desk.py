"""Where a request becomes a record: what was checked is held against what is known, written, and then it is known."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import partial
from typing import Any

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from vedette.lake.received.conflicts import Conflicts
from vedette.lake.received.records import Received
from vedette.lake.tables import Lake
from vedette.output.prometheus.own import ServerMetrics
from vedette.server.ingest.bodies import taken_body
from vedette.server.ingest.limits import Limits, Quota, Refused, Room
from vedette.server.ingest.log import Log
from vedette.server.ingest.otlp_totals import Totals
from vedette.server.ingest.turns import Turns
from vedette.server.ingest.validator import Validators
from vedette.server.ingest.watermarks import Key, Watermarks

__all__ = ["Desk"]

log = logging.getLogger("vedette")

_MODELS_MAX = 1_000  # whose columns are remembered
_REASONS = {408: "busy", 413: "too_large", 429: "quota", 503: "busy"}


class Desk:
    """What the routes of ingest share. Made when the server begins, closed when it ends."""

    def __init__(
        self,
        lake: Lake,
        limits: Limits,
        metrics: ServerMetrics | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.lake, self.limits, self.clock = lake, limits, clock
        self.metrics = metrics or ServerMetrics()
        self.room = Room(limits.room_bytes)
        self.quota = Quota(limits.rows_per_minute)
        self.watermarks = Watermarks(lake)
        self.conflicts = Conflicts(lake)
        self._others: dict[str, tuple[int, bool]] = {}
        self._looking = threading.Lock()
        self.log = Log(lake, limits.queue_bytes, self._after, clock)
        self.validators = Validators()
        self.totals = Totals()
        self.metrics.queued.labels("log_bytes").set_function(lambda: self.log.queued_bytes)
        self.metrics.queue_room.labels("log_bytes").set(limits.queue_bytes)
        self.metrics.queued.labels("bodies_bytes").set_function(lambda: self.room.whole - self.room.left)
        self.metrics.queue_room.labels("bodies_bytes").set(limits.room_bytes)
        self.names: set[int] = set()  # hashes of names of features that were found to be right
        self.checkers = anyio.CapacityLimiter(self.validators.n)
        self.turns = Turns(self.log.folder.parent / "turns")
        self._models: set[str] = set()
        self._columns: OrderedDict[str, set[str]] = OrderedDict()

    def close(self) -> None:
        """Write what waits, and end."""
        self.log.close()
        self.validators.close()
        self.turns.close()

    def _after(self, key: Key) -> int:
        return self.watermarks.through(key, fresh=True)

    def body(
        self, request: Request, *, digest: bool, json: bool = False
    ) -> AbstractAsyncContextManager[tuple[bytes, str]]:
        """The request's body and its digest, within the limits; ``json`` becomes many times its size when it is parsed."""
        return taken_body(request, self.limits, self.room, digest=digest, json=json)

    async def check(self, body: bytes, said: Mapping[str, Any], *, batch: bool) -> dict[str, Any]:
        """What is to be known of a body of Arrow. Those who wait for a checking process hold no thread."""
        found: dict[str, Any] = await anyio.to_thread.run_sync(
            partial(self.validators.check, body, said, batch=batch), limiter=self.checkers
        )
        return found

    async def check_columns(self, model: str, names: Set[str]) -> None:
        """Raise ``Refused`` (422) where rows would give a model more columns than it may have over its life.

        Names that are made anew with each row would fill the lake's table with columns, and each round with work.
        """
        known = self._columns.get(model)
        if known is None:
            known = await run_in_threadpool(self._known_columns, model)
            self._columns[model] = known
            while len(self._columns) > _MODELS_MAX:
                self._columns.popitem(last=False)
        if names <= known:
            return
        n = len(known | names)
        if n > self.limits.columns_max:
            raise Refused(
                422,
                f"model {model!r}: {n:,} columns by now, with {min(names - known)[:80]!r}: must be at most "
                f"{self.limits.columns_max:,} (columns_max) over its life: a feature's name must not be made anew for each row",
            )
        known |= names

    def _known_columns(self, model: str) -> set[str]:
        return set(self.lake.model(model)["predictions"].columns())

    def refused(self, status: int) -> None:
        """Count a request that was refused."""
        self.metrics.requests_refused.labels(_REASONS.get(status, "invalid")).inc()

    async def range(self, received: Received, body: bytes, *, after: int | None = None) -> tuple[int, bool]:
        """Take a range of a producer's numbers; how far it has come then, and whether it was known already.

        ``after`` is the number that must be known before, where that is not the one before the first.
        """
        key = received.key
        before = received.first - 1 if after is None else after
        async with self.turns.of(key):
            through = await run_in_threadpool(self._through, key, before)
            if before > through:
                raise Refused(412, f"numbers from {through + 1} on are lacking", through=through)
            known = self.watermarks.digest(key, received.first, received.end)
            if known not in (None, received.digest) and body:  # word that there are no rows takes none away
                await run_in_threadpool(self._conflict, received, body)
            if known is not None or received.end - 1 <= through:
                self.metrics.repeated.labels(received.stream or received.kind).inc(_rows(received))
                return through, True
            try:
                await self._write((received, body, 0))
            except asyncio.CancelledError:
                self.watermarks.forget(key)  # whether it was written is looked up
                raise
            self.watermarks.taken(key, received.first, received.end, received.digest)
            return received.end - 1, False

    def _through(self, key: Key, before: int) -> int:
        """How far a producer has come, by other processes too where there are any, or where something is lacking."""
        if self._others_write():
            return self.watermarks.through(key, fresh=True)
        through = self.watermarks.through(key)
        return through if before <= through else self.watermarks.through(key, fresh=True)

    def _conflict(self, received: Received, body: bytes) -> None:
        """Keep other rows apart that come under numbers that were taken. Raises ``Refused`` (409)."""
        self.conflicts.keep(received, body, round(self.clock() * 1e6))
        said = {
            name: getattr(received, name)
            for name in ("model", "producer", "stream", "first", "end", "digest")
        }
        log.warning("ingest: other rows came under numbers that were taken", extra={"said": said})
        raise Refused(
            409,
            f"numbers {received.first} to {received.end - 1} came before with another content: what came first stays, "
            "and these rows are counted as rejected",
        )

    def _others_write(self) -> bool:
        """True where another process takes rows of this lake now. What one took that is gone since is looked up anew."""
        with self._looking:
            others = self.log.others()
            if others != self._others:
                self.watermarks.forget_all()
                self._others = others
        return any(alive for _, alive in others.values())

    async def own(self, received: Received, body: bytes, n: int) -> int:
        """Take rows that have no numbers, under numbers of the server's own; the highest of them."""
        (written,) = await self._write((received, body, n))
        return written.end - 1

    async def own_all(self, ones: Sequence[tuple[Received, bytes, int]]) -> None:
        """Take several as :meth:`own`: all of them, or none."""
        if ones:
            await self._write(*ones)

    async def counters(self, received: Received, body: bytes) -> None:
        """Take what a producer says that it counted."""
        await self._write((received, body, 0))

    async def _write(self, *ones: tuple[Received, bytes, int]) -> list[Received]:
        """Write what was checked: all, or nothing. Each is a record, its body, and how many numbers it is to be given."""
        for received, _, _ in ones:
            if received.model not in self._models:
                await run_in_threadpool(self._meet, received.model)
        with self._quota(received for received, _, _ in ones):
            try:
                futures = self.log.append_all(ones)
                if futures is None:
                    raise Refused(503, "more waits to be written than may", retry_after_s=1)
                # a request that is given up does not take its record back: it is written all the same
                written = await asyncio.shield(asyncio.gather(*map(asyncio.wrap_future, futures)))
            except OSError as error:
                raise Refused(
                    503, f"it could not be written: {error.strerror or error}", retry_after_s=5
                ) from error
        for received in written:
            if _rows(received):
                self.metrics.ingested.labels(received.stream).inc(_rows(received))
        return written

    @contextmanager
    def _quota(self, ones: Iterable[Received]) -> Iterator[None]:
        """Take their rows of the models' quotas, and give them back where they are refused. Raises ``Refused`` (429)."""
        taken: list[tuple[str, int]] = []
        try:
            for one in ones:
                n_rows = 0 if one.stream == "reference" else _rows(one)
                wait_s = self.quota.wait_s(one.model, n_rows)
                if wait_s:
                    raise Refused(
                        429,
                        f"model {one.model!r}: at most {self.limits.rows_per_minute:,} rows a minute",
                        retry_after_s=wait_s,
                    )
                taken.append((one.model, n_rows))
            yield
        except Refused:
            for model, n_rows in taken:
                self.quota.give(model, n_rows)
            raise

    def _meet(self, model: str) -> None:
        """Make a model known to the lake, so that the ingester looks for it."""
        (self.lake.journal / model).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._models.add(model)


def _rows(received: Received) -> int:
    return int(received.about.get("n_rows", 0))
