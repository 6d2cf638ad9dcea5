"""Whatever the order of judging, people, maintenances, causes, failures and restarts: who must know is told, and never twice.

What is expected is kept by hand beside the lake, as a person would note it: each alert, its state, the spans of maintenances.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.receivers import alert
from tests.test_delivery import Desk
from vedette import config
from vedette.engine import maintenance as maintenance_module
from vedette.engine import outbox
from vedette.errors import LakeError
from vedette.lake.tables import Table
from vedette.output.channels import CHANNELS
from vedette.records import Notice

MINUTES = timedelta(minutes=1)
WATCHES = {"c": "x.missing", "e": "x.location", "f": "x.spread", "o": "y.location"}
CAUSES = {"e": ["c"], "f": ["e", "c"]}  # by hand: what explains what of these, the nearest first
CHANNELS_TOML = ("ops repeat = 'never'", "narrow watches = ['x.location']; repeat = 'never'", "boss")
LEVELS = "[[alerts.escalate]]\nafter = '30m'\nchannels = ['boss']\nrepeat = '30m'\ntimes = 2\n"
NAMES = st.sampled_from(sorted(WATCHES))


class Telling(RuleBasedStateMachine):
    """A lake, three channels, and what a person would note."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = pytest.MonkeyPatch()
        self.folder = tempfile.TemporaryDirectory()
        self.desk = Desk(Path(self.folder.name))
        self.states: dict[str, str] = {}
        self.numbers: Counter[str] = Counter()  # how often each watch has alarmed: each time is another alert
        self.spans: list[tuple[datetime, datetime, str]] = []
        self.sent: list[tuple[datetime, str, Notice]] = []
        self.dead = self.armed = False
        self.again: set[str] = set()  # keys of what was under way when the process died

    @initialize()
    def begin(self) -> None:
        own, machine = self.desk, self

        class Told:
            def __init__(self, *, timeout_s: float, name: str) -> None:
                self.name = name

            def send(self, notice: Notice) -> str:
                assert not machine.dead, "a dead process sends nothing"
                if self.name in own.broken:
                    raise OSError("down")
                machine.sent.append((own.now, self.name, notice))
                if machine.armed:
                    machine.dead = True  # between the sending and its row
                    machine.again.add(notice.key)
                return "heard"

        write = Table.write

        def dying(table: Table, *arguments: Any, **more: Any) -> bool:
            if machine.dead:
                raise LakeError("the process died")
            return write(table, *arguments, **more)

        self.patches.setattr(Table, "write", dying)
        self.patches.setitem(CHANNELS, "desk", Told)
        self.patches.setitem(config.CHANNEL_TYPES, "desk", ("name",))
        self.patches.setitem(config.CHANNEL_KEYS, "name", "for tests")
        self.patches.setenv("VEDETTE_CONFIG", str(own.folder / "vedette.toml"))
        own.channels(*CHANNELS_TOML)
        path = own.folder / "vedette.toml"
        path.write_text(path.read_text() + LEVELS)
        own.lake.path.mkdir()
        own.tell()

    def teardown(self) -> None:
        try:
            self.settle()
        finally:
            self.patches.undo()
            self.folder.cleanup()

    # --- what happens ---------------------------------------------------------------------------------------------

    def identifier(self, name: str) -> str:
        return f"{name}{self.numbers[name]}"

    def says(self, name: str, state: str) -> None:
        """A step of an alert, as a round or a person writes it."""
        self.desk.now += timedelta(seconds=1)  # so that each step has a time of its own
        self.states[name] = state
        own = self.identifier(name)
        self.desk.says(alert(own, state, watch=WATCHES[name], incident=f"i{own}", at=self.desk.now))

    @rule(name=NAMES)
    def alarm(self, name: str) -> None:
        if self.states.get(name, "resolved") == "resolved":
            self.numbers[name] += 1
            self.says(name, "firing")

    @rule(name=NAMES, state=st.sampled_from(["acknowledged", "silenced", "resolved"]))
    def react_or_recover(self, name: str, state: str) -> None:
        if self.states.get(name, "resolved") in {"firing"} | (
            {"acknowledged"} if state == "resolved" else set()
        ):
            self.says(name, state)

    @rule(name=NAMES)
    def silence_ends(self, name: str) -> None:
        if self.states.get(name) == "silenced":
            self.says(name, "firing")

    @rule(
        after=st.integers(-30, 60),
        lasts=st.integers(10, 90),
        watch=st.sampled_from(["*", "x.*", "y.*", "x.missing"]),
    )
    def maintain(self, after: int, lasts: int, watch: str) -> None:
        self.desk.now += timedelta(seconds=1)  # what was told before was told before it began
        start = self.desk.now + after * MINUTES
        end = start + lasts * MINUTES
        if end > self.desk.now:
            table = {"reason": "r", "from": start.isoformat(), "to": end.isoformat(), "watches": [watch]}
            maintenance_module.add(self.desk.lake, table, by="ada", now=self.desk.now)
            self.spans.append((max(start, self.desk.now), end, watch))

    @rule(minutes=st.integers(0, 45))
    def tell(self, minutes: int) -> None:
        self.desk.tell(minutes * MINUTES)

    @rule(minutes=st.integers(0, 45))
    def tell_and_die(self, minutes: int) -> None:
        """The process dies after it sent something and before it wrote that; another one begins."""
        self.armed = True
        self.desk.tell(minutes * MINUTES)
        self.armed = self.dead = False

    @rule(channel=st.sampled_from(["ops", "narrow", "boss"]))
    def breaks_or_is_mended(self, channel: str) -> None:
        if self.desk.broken.pop(channel, None) is None:
            self.desk.broken[channel] = "down"

    # --- what must be so ------------------------------------------------------------------------------------------

    def hushed(self, name: str, at: datetime) -> bool:
        from fnmatch import fnmatchcase

        return any(
            start <= at < end and fnmatchcase(WATCHES[name], watch) for start, end, watch in self.spans
        )

    @invariant()
    def nobody_is_told_in_a_maintenance(self) -> None:
        for at, _, notice in self.sent:
            assert not any(self.hushed(one.id[0], at) for one in notice.alerts)

    @invariant()
    def nothing_is_told_twice(self) -> None:
        """A key comes twice only where the process died between the sending and its row, and no step has two keys."""
        keys = Counter((channel, notice.key) for _, channel, notice in self.sent)
        assert {key for (_, key), n in keys.items() if n > 1} <= self.again
        told: dict[tuple[str, str, str, datetime], str] = {}
        for _, channel, notice in self.sent:
            for one in notice.alerts if notice.kind == "alerts" else ():
                step = (channel, one.id, one.state.value, one.changed)
                assert told.setdefault(step, notice.key) == notice.key

    @invariant()
    def escalations_stop_when_somebody_reacts_and_are_as_many_as_were_set(self) -> None:
        counts: Counter[tuple[str, datetime]] = Counter()
        keys = set()
        for at, channel, notice in self.sent:
            if notice.kind != "escalation" or notice.key in keys:
                continue
            keys.add(notice.key)
            assert channel == "boss"
            for one in notice.alerts:
                counts[one.id, one.changed] += 1
                assert at - one.changed >= timedelta(minutes=30)
                assert one.state == "firing"
        assert not counts or max(counts.values()) <= 2

    def last_of(self, channel: str, name: str) -> str | None:
        """The state in which a channel last heard of an alert."""
        told = [
            one.state.value
            for _, to, notice in self.sent
            for one in notice.alerts
            if (to, one.id) == (channel, self.identifier(name))
        ]
        return told[-1] if told else None

    def settle(self) -> None:
        """Everything works again, no maintenance goes on, and half a day passes: then who must know knows."""
        self.desk.broken.clear()
        self.desk.now = max([self.desk.now, *(end for _, end, _ in self.spans)])
        for _ in range(8):
            self.desk.tell(31 * MINUTES)
        self.nobody_is_told_in_a_maintenance()
        self.nothing_is_told_twice()
        self.escalations_stop_when_somebody_reacts_and_are_as_many_as_were_set()
        for channel in ("ops", "narrow"):
            hears = [name for name, watch in WATCHES.items() if channel == "ops" or watch == "x.location"]
            is_open = {name for name, state in self.states.items() if state != "resolved"}
            for name in hears:
                explained = any(one in is_open and one in hears for one in CAUSES.get(name, ()))
                last = self.last_of(channel, name)
                if self.states.get(name) == "firing" and not explained:
                    assert last == "firing", (channel, name)
                if self.states.get(name) == "resolved" and last is not None:
                    assert last == "resolved", (channel, name)
        for name, state in self.states.items():
            assert state != "resolved" or self.last_of("boss", name) in ("resolved", None), name
            explained = any(self.states.get(one, "resolved") != "resolved" for one in CAUSES.get(name, ()))
            if state == "firing" and not explained:
                told = [
                    one
                    for _, to, notice in self.sent
                    for one in notice.alerts
                    if (to, notice.kind, one.id) == ("boss", "escalation", self.identifier(name))
                ]
                assert told, name
        boxes = outbox.read(self.desk.lake.model("m"))
        assert [len(box.waiting) for box in boxes.values()] == [0, 0, 0]


TestTelling = Telling.TestCase
TestTelling.settings = settings(
    max_examples=25,
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
