"""One request after another: a load is brought to the server, and what it answers decides what comes next."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from vedette.capture.journal import ProducerFolder
from vedette.capture.shipping import letters
from vedette.capture.shipping.answers import Meaning, delay_s, meaning
from vedette.capture.shipping.loads import Load
from vedette.capture.shipping.parts import ROWS_MAX, StreamReader
from vedette.capture.shipping.transport import Answer, Client, Unreachable
from vedette.errors import ConfigError

__all__ = ["BATCH", "OWN_DELAY_S", "Again", "Delivery", "Flow", "Shipped", "Stopped"]

BATCH = "batch"  # all batches of a producer have one count
BODY_BYTES_MAX = 8 * 2**20
OWN_DELAY_S = 60.0  # until a stream that cannot go on for reasons of its own is looked at again

_GROW_AFTER = 16  # so many requests after one was too large, a larger one is tried
_POISON_TRIES = 8  # with 500 alone, until less is sent at a time, and at last a row is set aside
_SPLIT_TRIES = 2  # and of each half

log = logging.getLogger("vedette")


class Again(Exception):  # noqa: N818 - an outcome
    """The server takes nothing now; ``retry_after`` is what it said of when it will."""

    def __init__(self, reason: str, retry_after: str | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Stopped(Exception):  # noqa: N818 - an outcome
    """The server takes nothing of a model, until somebody changes something: the token, the URL, what it is allowed."""


@dataclass(slots=True)
class Shipped:
    """What the server took, and what it was told of rows that do not come, in rows."""

    rows: int = 0
    torn: int = 0
    void: int = 0
    set_aside: int = 0


@dataclass(slots=True)
class Flow:
    """One stream of one producer, or its batches, and how far they have come.

    ``freed`` is up to where the journal was freed, and whether the producer lived then. ``why`` says what holds the flow up
    until ``ready_at`` (monotonic). ``poisoned`` is the last sequence of a load on which the
    server failed again and again.
    """

    model: str
    folder: ProducerFolder
    stream: str
    through: int
    reader: StreamReader
    freed: tuple[int, bool] = (0, False)
    rows_max: int = ROWS_MAX
    tries: int = 0
    poisoned: int = 0
    ready_at: float = 0.0
    why: str = ""

    @property
    def key(self) -> str:
        """Whose stream it is, in one word."""
        return f"{self.model}/{self.folder.name}/{self.stream}"

    def hold(self, why: str, wait_s: float) -> None:
        """Go on later."""
        self.why, self.ready_at = why, time.monotonic() + wait_s


@dataclass
class Delivery:
    """Brings loads to a server. ``aside`` is the folder for what it refuses.

    ``acknowledged`` has the highest number that a server ever acknowledged, by flow.
    """

    client: Client
    aside: Path
    rng: random.Random
    acknowledged: dict[str, int]
    shipped: Shipped = field(default_factory=Shipped)
    bytes_max: int = BODY_BYTES_MAX
    moved: bool = False
    _taken_since: int = 0

    def deliver(self, flow: Flow, load: Load) -> bool:
        """True where the flow goes on: the load was taken, or it is known what to send instead.

        Raises :class:`Again`, :class:`Stopped`, and ``OSError`` where a file cannot be read or written.
        """
        try:
            answer = self.post(load)
        except Unreachable as failure:
            if failure.sending and flow.stream != BATCH:
                # a server that closes upon what is too large for it may never get to say so
                self._less(max(2**16, load.n_bytes // 2))
            raise Again(str(failure)) from failure
        divisible = load.n_rows > 1 and flow.stream != BATCH
        match meaning(answer):
            case Meaning.TAKEN:
                self._taken(flow, load, answer)
            case Meaning.BEHIND:
                _back(flow, load, answer)
            case Meaning.SMALLER if divisible:
                self._less(load.n_bytes // 2)
            case Meaning.SMALLER | Meaning.ASIDE:
                return self._set_aside(flow, load, answer)
            case Meaning.AGAIN if answer.status == 500:
                return self._poison(flow, load, answer, divisible=divisible)
            case _:
                give_up(answer)
        return True

    def post(self, load: Load) -> Answer:
        """Send a load. Raises :class:`Unreachable`, :class:`Stopped`."""
        body, headers = load.wire(zipped=not self.client.loopback)
        try:
            return self.client.request("POST", load.path, load.query, body, headers)
        except ConfigError as error:
            raise Stopped(str(error)) from error

    def ask(self, path: str, query: dict[str, str | int]) -> dict[str, Any]:
        """The JSON object that the server gives for a path. Raises :class:`Again`, :class:`Stopped`."""
        try:
            answer = self.client.request("GET", path, query)
        except Unreachable as failure:
            raise Again(str(failure)) from failure
        except ConfigError as error:
            raise Stopped(str(error)) from error
        if meaning(answer) is not Meaning.TAKEN:
            give_up(answer)
        return dict(answer.document)

    def _less(self, bytes_max: int) -> None:
        self.bytes_max, self._taken_since = max(1, min(bytes_max, self.bytes_max)), 0

    def _taken(self, flow: Flow, load: Load, answer: Answer) -> None:
        through = answer.document.get("through")
        if type(through) is not int:
            raise Again("what answers does not speak vedette's protocol: no 'through' in what it says")
        if through < load.upto and through <= flow.through:
            raise Again(f"the server took {load.name} and says that it has no more than {through:,}")
        self.moved = True
        flow.through = min(load.upto, through)
        if flow.through < load.upto:
            return
        flow.tries = _POISON_TRIES - _SPLIT_TRIES if flow.through < flow.poisoned else 0
        flow.rows_max = min(2 * flow.rows_max, ROWS_MAX)
        flow.why = ""
        self.acknowledged[flow.key] = max(self.acknowledged.get(flow.key, 0), load.upto)
        for part, n in load.counts().items():
            setattr(self.shipped, part, getattr(self.shipped, part) + n)
        self._taken_since += 1
        if self._taken_since >= _GROW_AFTER:
            self.bytes_max, self._taken_since = min(2 * self.bytes_max, BODY_BYTES_MAX), 0

    def _poison(self, flow: Flow, load: Load, answer: Answer, *, divisible: bool) -> bool:
        """A server that fails on this load again and again may take others: less is sent, at last one row set aside."""
        flow.tries += 1
        if flow.tries >= _POISON_TRIES and divisible:
            flow.rows_max, flow.tries = load.n_rows // 2, _POISON_TRIES - _SPLIT_TRIES
            flow.poisoned = load.upto
        elif flow.tries >= _POISON_TRIES and load.n_rows:
            return self._set_aside(flow, load, answer)
        flow.hold(f"{load.name}: answered {answer.reason}", delay_s(flow.tries, answer.retry_after, self.rng))
        return False

    def _set_aside(self, flow: Flow, load: Load, answer: Answer) -> bool:
        """Keep what was refused apart, and tell the server that it does not come; True where it took that."""
        if not load.n_rows:
            # word of rows that do not come is refused itself: nothing may be freed, and the others go on
            flow.hold(f"{load.name}: answered {answer.reason}", OWN_DELAY_S)
            return False
        about = {**load.about, "status": answer.status, "reason": answer.reason, "time": time.time()}
        kept = letters.write(self.aside, load.name, load.body, about)
        word = load.without_rows(f"refused with {answer.status}")
        try:
            taken = self.post(word)
        except Unreachable as failure:
            raise Again(str(failure)) from failure
        if meaning(taken) is not Meaning.TAKEN:
            letters.remove(self.aside, load.name)  # it is the server that fails
            if meaning(taken) in (Meaning.STOPPED, Meaning.AGAIN) and taken.status != 500:
                give_up(taken)
            flow.hold(f"{load.name}: word that it was refused was answered {taken.reason}", OWN_DELAY_S)
            return False
        where = f"set aside in {self.aside}" if kept else f"lost, since there is no more room in {self.aside}"
        log.error("%s: %d rows were answered %s: %s", load.name, load.n_rows, answer.reason, where)
        self._taken(flow, word, taken)
        return True


def _back(flow: Flow, load: Load, answer: Answer) -> None:
    """The server lost what it had acknowledged: go back as far as it did."""
    through = answer.document.get("through")
    if type(through) is not int or not 0 <= through < flow.through:
        raise Again(f"{load.name}: answered {answer.reason}, without how far the server has come")
    log.warning("%s: the server has it up to %d alone, not %d: sent again", flow.key, through, flow.through)
    flow.through = through


def give_up(answer: Answer) -> NoReturn:
    """Raise what an answer means to whoever waits for another one."""
    if meaning(answer) is Meaning.STOPPED:
        raise Stopped(f"answered {answer.reason}")
    raise Again(f"answered {answer.reason}", answer.retry_after)
