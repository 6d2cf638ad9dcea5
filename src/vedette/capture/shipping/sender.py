"""The sender: ships what a journal holds to a server, and frees it once that has acknowledged it.

One a journal, under a lock, in a process of its own or in a thread. It goes round: of each model, of each producer that ever
recorded it, what lies beyond the server's watermark, a part at a time. Requests are idempotent: where an answer is lost, the
same is sent again, or what the server has is asked for.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field

from vedette.capture.counters import CounterFile
from vedette.capture.journal import ProducerFolder, producers
from vedette.capture.lost import Lost
from vedette.capture.shipping import loads
from vedette.capture.shipping.answers import Meaning, meaning
from vedette.capture.shipping.delivery import BATCH, OWN_DELAY_S, Again, Delivery, Flow, Stopped, give_up
from vedette.capture.shipping.desk import Desk, Request
from vedette.capture.shipping.parts import StreamReader
from vedette.capture.shipping.transport import Client, Unreachable
from vedette.errors import JournalError
from vedette.records import Counters

__all__ = ["STREAMS", "Round", "Sender"]

STREAMS = ("predictions", "labels")

_PARTS_A_ROUND = 20  # of one stream; then others have their turn
_COUNTERS_S = 10.0  # how often a producer's counters are looked at; a flush has them looked at at once

_Told = tuple[dict[str, Counters], dict[str, Lost | None], list[str]]
_NOTHING: _Told = ({stream: Counters() for stream in STREAMS}, dict.fromkeys(STREAMS), [])


@dataclass(slots=True)
class Round:
    """What a round came to: whether the server took anything, whether there is more, and what was held up, and why."""

    moved: bool = False
    more: bool = False
    behind: dict[str, str] = field(default_factory=dict)


class Sender:
    """Ships one journal to one server. Who holds it holds the lock of its desk."""

    def __init__(self, desk: Desk, client: Client, *, rng: random.Random | None = None) -> None:
        self.desk = desk
        self._delivery = Delivery(
            client,
            desk.path / "aside",
            rng or random.Random(),  # noqa: S311 - it spreads retries, and guards nothing
            desk.acknowledged(),
        )
        self.shipped = self._delivery.shipped
        self._journal = desk.identity()
        self._flows: dict[tuple[str, str, str], Flow] = {}
        self._known: dict[str, dict[str, dict[str, int]]] = {}  # the server's watermarks when asked, by model
        self._noted = dict(self._delivery.acknowledged)
        self._told: dict[
            tuple[str, str], tuple[_Told, float]
        ] = {}  # the counters that it has; looked at when
        self._turn = 0
        self._stopped: dict[str, tuple[float, str]] = {}  # of which it takes nothing, until when, and why

    @property
    def anybody_alive(self) -> bool:
        """True while a process records into the journal."""
        return any(one.alive for model in self.desk.models for one in producers(self.desk.journal, model))

    def round(self) -> Round:
        """Ship what there is now, and answer who waits for it.

        Raises :class:`Again`, :class:`Stopped` where nothing of any model is taken; what was acknowledged until then stays
        acknowledged. Raises ``OSError`` where the desk cannot be written.
        """
        found = Round()
        requests = self.desk.pending()
        goals = {name: self._goals(name) for name in {one.model for one in requests}}
        self._delivery.moved = False
        names = self.desk.models
        # each round begins with another model: one that the server has no room for starves no other
        self._turn += 1
        first = self._turn % max(len(names), 1)
        try:
            for model in (*names[first:], *names[:first]):
                self._model(model, found, at_once=model in goals)
        finally:
            found.moved = self._delivery.moved
            self._note()
        for request in requests:
            self._answer(request, goals[request.model])
        if names and len(self._stopped) == len(names):
            raise Stopped(next(why for _, why in self._stopped.values()))
        return found

    def _note(self) -> None:
        """Write down what is acknowledged, if that is news."""
        if self._delivery.acknowledged != self._noted:
            try:
                self.desk.acknowledge(self._delivery.acknowledged)
                self._noted = dict(self._delivery.acknowledged)
            except OSError:
                pass  # the disk is full, say: shipping is what makes room, and the next round writes it

    @property
    def moved(self) -> bool:
        """True where the last round brought anything to the server, however it ended."""
        return self._delivery.moved

    def _goals(self, model: str) -> dict[tuple[str, str, str], int]:
        """How far each stream must come for a request that was made before now."""
        return {
            (model, folder.name, stream): _last(folder, stream)
            for folder in producers(self.desk.journal, model)
            for stream in (*STREAMS, BATCH)
        }

    def _answer(self, request: Request, goals: dict[tuple[str, str, str], int]) -> None:
        if request.model in self._stopped:
            self.desk.serve(request, self._stopped[request.model][1])
        elif all(
            n == 0 or (key in self._flows and self._flows[key].through >= n) for key, n in goals.items()
        ):
            self.desk.serve(request)

    def _model(self, model: str, found: Round, *, at_once: bool) -> None:
        until, why = self._stopped.get(model, (0.0, ""))
        if time.monotonic() < until:
            found.behind[model] = why
            return
        try:
            folders = producers(self.desk.journal, model)
            if model not in self._known:
                if not any(_holds(folder) for folder in folders):
                    return  # nothing was ever recorded: there is nothing to ask the server for
                self._known[model] = self._watermarks(model)
            for folder in folders:
                for stream in (*STREAMS, BATCH):
                    self._stream(self._flow(model, folder, stream), found)
                self._counters(model, folder, at_once=at_once or folder.crowded)
        except Stopped as error:
            self._stopped[model] = (time.monotonic() + OWN_DELAY_S, str(error))
            found.behind[model] = str(error)
        else:
            self._stopped.pop(model, None)

    def _watermarks(self, model: str) -> dict[str, dict[str, int]]:
        marks = self._delivery.ask(f"/v1/ingest/{model}/watermarks", {"journal": self._journal}).get(
            "watermarks"
        )
        if not isinstance(marks, dict):
            raise Again("what answers does not speak vedette's protocol: no 'watermarks' in what it says")
        return {
            producer: {stream: n for stream, n in streams.items() if type(n) is int and n >= 0}
            for producer, streams in marks.items()
            if isinstance(streams, dict)
        }

    def _flow(self, model: str, folder: ProducerFolder, stream: str) -> Flow:
        key = (model, folder.name, stream)
        if key not in self._flows:
            through = self._known[model].get(folder.name, {}).get(stream, 0)
            flow = Flow(model, folder, stream, through, StreamReader(folder.path, stream))
            if through and folder.alive and through > _handed_out(folder, stream):
                # numbers of this folder were used before, by a copy of it or by what it was restored from: rows with
                # such a number would be taken for those that the server has
                why = f"the server has {flow.key} up to {through:,}, which was never handed out here: "
                flow.hold(why + "this journal is a copy, or was restored; move it away", float("inf"))
            self._flows[key] = flow
        return self._flows[key]

    def _stream(self, flow: Flow, found: Round) -> None:
        """Ship what there is of one stream. What holds it up holds up no other."""
        if time.monotonic() >= flow.ready_at:
            try:
                try:
                    flow.why = ""
                    found.more |= self._batches(flow) if flow.stream == BATCH else self._rows(flow)
                finally:
                    self._free(flow)
            except OSError as error:
                flow.hold(f"{flow.key}: {error.strerror or error}", OWN_DELAY_S)
        if flow.why:
            found.behind[flow.key] = flow.why

    def _rows(self, flow: Flow) -> bool:
        """True where there is more to come at once."""
        for _ in range(_PARTS_A_ROUND):
            part = flow.reader.read(flow.through, rows_max=flow.rows_max, bytes_max=self._delivery.bytes_max)
            if part is None:
                return False
            before = self._delivery.acknowledged.get(flow.key, 0)
            if not self._delivery.deliver(flow, loads.of_part(part, self._journal, flow.folder.name, before)):
                return False
            if part.header.end is not None and part.end >= part.header.end:
                self._free(flow)
        return True

    def _batches(self, flow: Flow) -> bool:
        for batch in flow.folder.batches(flow.through):
            load = loads.of_batch(batch, flow.model, self._journal, flow.folder.name, flow.through)
            if not self._delivery.deliver(flow, load):
                return False
            self._free(flow)
            if flow.through < batch.number:
                return True  # the server is behind: from what it has on
        return False

    def _free(self, flow: Flow) -> None:
        """Delete what the server has acknowledged."""
        now = (
            flow.through,
            flow.folder.alive,
        )  # what a dead producer left open can be freed, other than a living one's
        if not flow.through or now == flow.freed:
            return
        if flow.stream == BATCH:
            flow.folder.free_batches(flow.through)
        else:
            flow.folder.free(flow.stream, flow.through)
        flow.freed = now

    def _counters(self, model: str, folder: ProducerFolder, *, at_once: bool) -> None:
        """Tell what was counted besides rows, where that is other than what the server has; not all the time."""
        key, now = (model, folder.name), time.monotonic()
        told, at = self._told.get(key, (_NOTHING, -_COUNTERS_S))
        if now < at + _COUNTERS_S and not at_once:
            return
        counts = {stream: folder.counters(stream) for stream in STREAMS}
        flows = {stream: self._flows[model, folder.name, stream] for stream in STREAMS}
        missing = {stream: folder.missing_end(stream, flow.through) for stream, flow in flows.items()}
        problems = [*folder.problems, *(said for flow in flows.values() for said in flow.reader.problems)]
        new = (counts, missing, list(dict.fromkeys(problems)))
        self._told[key] = (told, now)
        if new == told:
            return
        load = loads.of_counters(*new, model, self._journal, folder.name)
        try:
            answer = self._delivery.post(load)
        except Unreachable as failure:
            raise Again(str(failure)) from failure
        if meaning(answer) in (Meaning.STOPPED, Meaning.AGAIN):
            give_up(answer)
        if meaning(answer) is Meaning.TAKEN and answer.document.get("taken") is not True:
            raise Again("what answers does not speak vedette's protocol: no 'taken' in what it says")
        self._told[key] = (new, now)  # taken, or refused: the same would be refused again


def _holds(folder: ProducerFolder) -> bool:
    """True where a folder has anything to ship or to tell."""
    return any(_last(folder, stream) for stream in (*STREAMS, BATCH)) or any(
        folder.counters(stream) != Counters() for stream in STREAMS
    )


def _last(folder: ProducerFolder, stream: str) -> int:
    """The highest sequence, or the highest number of a batch, that lies in a folder; 0 where there is none."""
    return (
        max((one.number for one in folder.batches(0)), default=0)
        if stream == BATCH
        else folder.highest(stream)
    )


def _handed_out(folder: ProducerFolder, stream: str) -> int:
    """The highest sequence, or number of a batch, that was ever given out in a folder; no bound where nobody knows."""
    try:
        counters = CounterFile(folder.path / "counters")
    except (OSError, JournalError):
        return 2**62
    last = counters.batch if stream == BATCH else counters.get(stream, "bound") - 1
    counters.close()
    return last
