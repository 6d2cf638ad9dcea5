"""The frozen records that cross rooms, and the small vocabulary they share.

Standard library only: the recorder, which runs inside a user's model, imports this file.
Units are in the names (``window_s``, ``latency_s``); times are seconds since 1970-01-01 UTC where they are
floats, and UTC ``datetime`` where a person reads them.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from vedette.errors import SchemaError

__all__ = [
    "FUTURE_S",
    "JOURNAL_BYTES_MAX",
    "JOURNAL_BYTES_MIN",
    "RESERVED",
    "STRUCTURED",
    "SYNC_S",
    "Alert",
    "AlertState",
    "Attachment",
    "ChannelReport",
    "Counted",
    "Counters",
    "Delivery",
    "FalseAlarms",
    "Field",
    "Figure",
    "Gap",
    "Health",
    "Labels",
    "Ledger",
    "Notice",
    "Physical",
    "ProducerLedger",
    "ReportPage",
    "Role",
    "Settings",
    "Status",
    "Verdict",
    "Window",
    "check_feature_names",
    "check_journal_bytes_max",
    "check_model_name",
    "check_sync_s",
    "class_name",
    "in_order",
    "is_model_name",
    "is_runs",
    "is_storable",
    "owner_of",
]

FUTURE_S = 300.0
"""A row whose event time lies further ahead of the clock than this is rejected (clocks differ by seconds,
not by minutes)."""

JOURNAL_BYTES_MAX = 2**30
"""The room that a journal may take where nobody says; a smaller one than ``JOURNAL_BYTES_MIN`` would hold no row for long."""

JOURNAL_BYTES_MIN = 2**24

SYNC_S = 0.2
"""Rows are on disk about this long after they were logged, where nobody says; until then they are in the system's hands."""

RESERVED = frozenset(
    {
        "id",
        "time",
        "received",
        "version",
        "prediction",
        "probability",
        "label",
        "latency_s",
        "error",
        "inclusion",
    }
)
"""Columns of vedette's own tables; a feature cannot have such a name, nor one that starts with an underscore
or with ``probability_``, nor one that ends like the column of a second type (``__int64``)."""

STRUCTURED = ("detection", "ranking", "multilabel")
"""Tasks whose predictions and labels are more than a class or a number: boxes, lists of items, sets of labels."""

_MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


PROCESS, PROBE, RUN = "process", "probe", "run"
KIN = (PROCESS, PROBE)
"""What is recorded beside a model ``m``, as models of their own, and judged: ``m.process`` and ``m.probe``.

Training runs are ``m.run``, whose rows are points of curves and are not judged by windows."""


class Role(StrEnum):
    """What a field of a row is to the model."""

    FEATURE = "feature"
    PREDICTION = "prediction"
    PROBABILITY = "probability"
    LATENCY = "latency"
    LABEL = "label"
    ERROR = "error"
    INCLUSION = "inclusion"


class Physical(StrEnum):
    """The closed table of stored types. A feature keeps one; a value of another type goes to a column of its own."""

    FLOAT64 = "float64"
    INT64 = "int64"
    UINT64 = "uint64"
    BOOL = "bool"
    TEXT = "text"
    BYTES = "bytes"
    TIMESTAMP = "timestamp"  # microseconds since 1970-01-01 UTC
    VECTOR32 = "vector32"  # a fixed number of float32
    VECTOR64 = "vector64"  # a fixed number of float64

    @property
    def numeric(self) -> bool:
        """True where values of this type are numbers that can be averaged."""
        return self in (Physical.FLOAT64, Physical.INT64, Physical.UINT64)


_VARIANTS = tuple(f"__{physical.value}" for physical in Physical)


@dataclass(frozen=True, slots=True)
class Field:
    """One stored column of a row: what it is to the model, and how its values are kept.

    ``name`` is the user's name of the feature, or the class for ``probability`` of a multi-class model, or ``""``.
    Two fields can share a name: a feature that changed its type has one field for each type. ``length`` is the number
    of elements of a vector, 0 for a single value.
    """

    role: Role
    name: str
    physical: Physical
    length: int = 0

    @property
    def base(self) -> str:
        """The column in the lake while the feature keeps its first type."""
        match self.role:
            case Role.FEATURE:
                return self.name
            case Role.PROBABILITY:
                return f"probability_{self.name}" if self.name else "probability"
            case Role.LATENCY:
                return "latency_s"
            case _:
                return self.role.value


@dataclass(frozen=True, slots=True)
class Settings:
    """What vedette knows about a model besides its rows.

    ``classes`` is ``()`` until it is known; for a binary model the second is the positive one.
    ``budget_per_month`` is the number of false alarms that the owner will stand over everything watched; ``segments``
    are the columns whose values are watched as segments. ``given`` names what was said, as against what is a default.
    """

    window_s: float = 3600.0
    task: str | None = None
    classes: tuple[str, ...] = ()
    timezone: str = "UTC"
    budget_per_month: float = 1.0
    segments: tuple[str, ...] = ()
    given: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """The settings as plain values, for JSON."""
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}

    @classmethod
    def of_document(cls, values: Mapping[str, Any]) -> Settings:
        """The settings that ``document`` gave; what it lacks has its default, ``TypeError`` for what is none."""
        found: dict[str, Any] = {n: tuple(one) if isinstance(one, list) else one for n, one in values.items()}
        return cls(**found)


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open interval of time, ``start`` included and ``end`` not, UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with how sure it is and how much it saw.

    ``value``, ``low`` and ``high`` are None where ``reason`` says why. ``n`` is the number of rows the value rests
    on, ``completeness`` the share of the predictions seen in its window that are kept, ``labelled`` the share of the
    window's rows whose label is known (None where labels play no part). ``kind`` is measured, weighted, estimated or blended.
    """

    metric: str
    window: Window
    segment: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    completeness: float | None
    labelled: float | None
    kind: str
    reason: str | None


class Status(StrEnum):
    """The four words of a verdict."""

    OK = "OK"
    WARN = "WARN"
    ALARM = "ALARM"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be thought of one watched thing, and why."""

    watch: str
    segment: str
    verdict: Status
    since: datetime | None
    evidence: str
    guarantee: str
    reason: str | None = None


class AlertState(StrEnum):
    """What has become of an alert."""

    PENDING = "pending"
    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    SILENCED = "silenced"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alarm of one watch, as a person deals with it.

    A plain rule that is broken, and not yet for as long as it says, is ``pending``: nobody is told. ``opened`` is the
    start of the window that told of it, ``closed`` the end of the one that closed it. ``incident`` is the same for
    alerts that opened together. ``by`` and ``reason`` are of the last step, taken at ``changed``; ``until`` is when a
    silence ends. ``false`` is True where a person said that nothing was wrong. ``cause`` is the id of the open alert that
    explains it, ``hushed`` the end of the maintenance that it is in: it is not told by itself, or not until then.
    """

    id: str
    incident: str
    watch: str
    segment: str
    state: AlertState
    opened: datetime
    closed: datetime | None
    evidence: str
    by: str | None
    reason: str | None
    until: datetime | None
    changed: datetime
    false: bool = False
    cause: str | None = None
    hushed: datetime | None = None


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """How many alerts under the budget people marked as false, in how many months, beside the budget.

    ``told`` are all alerts under the budget in that time: of those that nobody marked it is not known whether they were
    false. ``low`` and ``high`` are exact 95 % limits of the marked ones a month.

    >>> str(FalseAlarms(3, 5, 2.1, 1.0, 0.29, 4.17))
    '3 of 5 alerts marked false in 2.1 months (0.29 to 4.17 a month); budget 1 a month'
    """

    marked: int
    told: int
    months: float
    budget_per_month: float
    low: float
    high: float

    def __str__(self) -> str:
        """The counts in words."""
        said = f"{self.marked} of {self.told} alerts marked false in {self.months:.1f} months"
        return f"{said} ({self.low:.2f} to {self.high:.2f} a month); budget {self.budget_per_month:g} a month"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A picture or a page that goes with a notice: a name for its file, its media type, and its bytes."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReportPage:
    """A page that was made by the calendar, of what lies from ``start`` to ``end``, and where it was written.

    ``page`` is what a channel attaches, None where it attaches nothing or the file cannot be read where it is told.
    """

    name: str
    start: datetime
    end: datetime
    path: str
    page: Attachment | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """What a channel is given to tell: the alerts of one incident whose state changed in one round.

    ``key`` is the same for the same steps to the same channel, however often they are sent, so that a receiver can drop
    what it has. ``kind`` is alerts, escalation (nobody reacted to them), heartbeat (a round was completed; no alerts),
    report (``report`` was made; no alerts) or test. ``repeat`` is true where nothing changed and the alerts still fire.
    ``time`` is when the notice was made, not when it is sent. ``url`` is the address of the server that shows the alerts,
    None where there is none; ``pictures`` show the same in several formats.
    """

    key: str
    kind: str
    model: str
    version: str | None
    incident: str | None
    alerts: tuple[Alert, ...]
    repeat: bool
    time: datetime
    url: str | None = None
    pictures: tuple[Attachment, ...] = ()
    report: ReportPage | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """How telling of one model by one channel stands: its last attempt, and what still waits.

    ``outcome`` is sent, failed or None where nothing was tried yet; ``tries`` counts the failures since anything last
    went through, ``next`` is when the next attempt is due.
    """

    model: str
    outcome: str | None
    time: datetime | None
    error: str | None
    tries: int
    next: datetime | None
    waiting: int


@dataclass(frozen=True, slots=True)
class ChannelReport:
    """A channel as ``vedette channels`` shows it: what it sends, and how that goes, by model. No secret is in it."""

    name: str
    type: str
    states: tuple[str, ...]
    models: tuple[str, ...]
    watches: tuple[str, ...]
    repeat_s: float | None
    timeout_s: float
    heartbeat: bool
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True, slots=True)
class Health:
    """The verdicts of a model. ``verdict`` is the gravest: ALARM, then UNKNOWN, then WARN, then OK.

    ``guarantee`` says in lines of words what was found of dependence and season, and which guarantee stands: the last.
    ``notes`` are lines about what is no part of the verdict, such as a training that failed.
    """

    model: str
    version: str
    verdict: Status
    verdicts: tuple[Verdict, ...]
    guarantee: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The verdict, and a line for each thing that is not OK."""
        version = f" version {self.version}" if self.version else ""
        rest = [one for one in self.verdicts if one.verdict is not Status.OK]
        lines = [
            f"{one.verdict} {one.watch}{f' [{one.segment}]' if one.segment else ''}: {one.reason or one.evidence}"
            for one in rest
        ]
        quiet = len(self.verdicts) - len(rest)
        last = [f"OK {quiet} more"] if quiet else []
        return "\n".join([f"{self.model}{version}: {self.verdict}", *lines, *last, *self.notes])


@dataclass(frozen=True, slots=True)
class Counted:
    """Rows of one window that a producer did not keep: ``n`` of a part (dropped, sampled_out, rejected), for a reason.

    The window is half-open, in microseconds since 1970-01-01 UTC.
    """

    part: str
    reason: str
    start_us: int
    length_us: int
    n: int


@dataclass(frozen=True, slots=True)
class Counters:
    """What one producer counted of a stream besides its rows, since its folder was made.

    Windows that start before ``before_us`` may have been folded into one, from 1970 to there. ``problem`` says what of
    it could not be read, and is empty where all could.
    """

    counted: tuple[Counted, ...] = ()
    before_us: int = 0
    problem: str = ""

    @property
    def dropped(self) -> int:
        """Rows for which there was no room or time."""
        return sum(one.n for one in self.counted if one.part == "dropped")

    @property
    def sampled_out(self) -> int:
        """Rows that a sampler left out."""
        return sum(one.n for one in self.counted if one.part == "sampled_out")

    @property
    def rejected(self) -> dict[str, int]:
        """Rows that could not be taken, by reason."""
        return self.reasons("rejected")

    def reasons(self, part: str) -> dict[str, int]:
        """The rows of a part by reason."""
        found: dict[str, int] = {}
        for one in self.counted:
            if one.part == part:
                found[one.reason] = found.get(one.reason, 0) + one.n
        return found


@dataclass(frozen=True, slots=True)
class ProducerLedger:
    """The ledger's equation for one producer and one stream (predictions or labels), over all or in one window.

    ``forgotten`` are the rows of subjects that were deleted. ``window`` is None for the whole, and for rows of which not even
    a time is known. ``reasons`` are, by part (dropped, sampled_out, rejected, torn, forgotten), the rows of each reason.
    """

    producer: str
    stream: str
    seen: int
    in_journal: int
    in_lake: int
    sampled_out: int
    dropped: int
    rejected: int
    torn: int
    reasons: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    window: Window | None = None
    forgotten: int = 0

    @property
    def balanced(self) -> bool:
        """True where every row that was seen is accounted for."""
        lost = self.sampled_out + self.dropped + self.rejected + self.torn
        return self.seen == self.in_journal + self.in_lake + lost + self.forgotten


@dataclass(frozen=True, slots=True)
class Gap:
    """Rows that are missing, or of which is not known whether they are, and why.

    ``stream`` is empty where it is not known, ``n`` is their number (None: not known; negative: too many), ``first`` and
    ``last`` the sequences between which they lie, or None; ``window`` is None where it is not known. ``accounted`` is true
    where the equation has them, as torn. ``said`` is the gap in words.
    """

    producer: str
    stream: str
    n: int | None
    first: int | None
    last: int | None
    window: Window | None
    reason: str
    accounted: bool
    said: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger of a model: seen = in journal + in lake + sampled out + dropped + rejected + torn + forgotten.

    ``producers`` are the equations over all, ``windows`` those of each window, whose parts add up to them; ``gaps`` are
    all rows that were lost after they were taken, and all that is not known.
    """

    model: str
    producers: tuple[ProducerLedger, ...]
    windows: tuple[ProducerLedger, ...] = ()
    gaps: tuple[Gap, ...] = ()

    @property
    def balanced(self) -> bool:
        """True where the equation holds for every producer, stream and window, and nothing is unknown."""
        equations = (*self.producers, *self.windows)
        return all(one.balanced for one in equations) and all(gap.accounted for gap in self.gaps)

    def total(self, part: str, stream: str = "predictions") -> int:
        """The sum of one part of the equation over the producers of a stream."""
        return sum(int(getattr(p, part)) for p in self.producers if p.stream == stream)


@dataclass(frozen=True, slots=True)
class Labels:
    """What became of the labels of a model, in numbers of labels but where said.

    ``received`` = ``counted`` + ``again`` + ``corrected`` + ``contradicting`` + ``waiting``: those that count now; that said
    what was known; that held until one known later said otherwise; that were known at the same time as one received later
    that says otherwise; whose id no prediction has so far. ``predictions`` are rows, of which ``labelled`` have a label,
    ``without_id`` never will, and ``repeated`` have an id that an earlier row of the version had.

    ``half_s`` and ``most_s`` are the delays within which half, and nine of ten, of the predictions have their label, to the
    length of a window, None where that was not seen; ``final`` is the share that has come at the greatest age seen.
    ``late_differ`` is true where labels that come late are others than those that come early, None where that could not be
    tested, with the ``late_p_value`` of the test and what of them differs, in words.
    """

    model: str
    received: int
    counted: int
    again: int
    corrected: int
    contradicting: int
    waiting: int
    predictions: int
    labelled: int
    without_id: int
    repeated: int
    half_s: float | None
    most_s: float | None
    final: float | None
    late_differ: bool | None
    late_p_value: float | None
    late_words: str


def is_runs(model: str) -> bool:
    """True for the name under which a model's runs are recorded.

    >>> is_runs("net.run"), is_runs("net")
    (True, False)
    """
    return model.endswith(f".{RUN}")


def owner_of(model: str) -> str:
    """The model beside which another is recorded, its runs or its process; else the model itself.

    >>> owner_of("net.run"), owner_of("net.process"), owner_of("net")
    ('net', 'net', 'net')
    """
    owner, _, kind = model.rpartition(".")
    return owner if owner and kind in (*KIN, RUN) else model


def check_model_name(name: str) -> str:
    """Return the name, or raise ``ValueError`` saying what a model's name may be."""
    if not isinstance(name, str) or not _MODEL_NAME.fullmatch(name):
        raise ValueError(
            f"model={name!r}: must be 1 to 63 characters of a-z, 0-9, '.', '_' and '-', and start with a letter or digit"
        )
    return name


def check_journal_bytes_max(n_bytes: int) -> int:
    """Return the room of a journal in bytes, or raise ``ValueError`` saying what it may be."""
    if isinstance(n_bytes, bool) or not isinstance(n_bytes, int) or n_bytes < JOURNAL_BYTES_MIN:
        raise ValueError(
            f"journal_bytes_max={n_bytes!r}: must be a whole number of bytes, 16 MiB (2**24) or more"
        )
    return n_bytes


def check_sync_s(seconds: float) -> float:
    """Return how often a journal is put on disk, or raise ``ValueError`` saying what it may be."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= 3600:
        raise ValueError(f"sync_s={seconds!r}: must be 0 (never) to 3,600 seconds")
    return float(seconds)


def is_model_name(name: str) -> bool:
    """True for what may be the name of a model."""
    return _MODEL_NAME.fullmatch(name) is not None


def is_storable(text: str) -> bool:
    """True for text that may name a column: without NUL and without half of a surrogate pair.

    >>> is_storable("größe"), is_storable("a\\0b"), is_storable("\\ud800")
    (True, False, False)
    """
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def check_feature_names(names: Iterable[object]) -> tuple[str, ...]:
    """Return the names, or raise ``SchemaError`` naming those that are not strings, empty, reserved or alike.

    Two names are alike where they differ only by case or by Unicode normalisation (NFC): file systems, engines and
    people mix them up.
    """
    seen: dict[str, str] = {}
    for name in names:
        if not isinstance(name, str) or not name:
            raise SchemaError(f"feature name {name!r}: must be a non-empty string")
        if not is_storable(name):
            raise SchemaError(
                f"feature name {name[:80]!r}: must have no NUL and no half of a surrogate pair: rename the feature"
            )
        if len(name) > 256:
            raise SchemaError(
                f"feature name {name[:40]!r}... has {len(name)} characters: at most 256 are kept"
            )
        if name in RESERVED or name.startswith(("_", "probability_")) or name.endswith(_VARIANTS):
            raise SchemaError(
                f"feature name {name!r} is one of vedette's own column names: rename the feature"
            )
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in seen:
            raise SchemaError(
                f"feature names {seen[folded]!r} and {name!r} differ only by case or normalisation: rename one"
            )
        seen[folded] = name
    return tuple(seen.values())


def class_name(value: Any) -> str:
    """The one name of a class, however the caller spells it: ``1``, ``1.0``, ``True`` and ``"1"`` are the class ``1``.

    >>> class_name(True), class_name(1.0), class_name("late"), class_name(0.5)
    ('1', '1', 'late', '0.5')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    # int() of the value itself, not of the float, keeps integers above 2**53 apart
    return str(int(value)) if number.is_integer() else repr(number)


def in_order(names: Collection[str]) -> list[str]:
    """Names by size where all are finite numbers, else as text; the same whatever order they come in.

    >>> in_order({"10", "9", "9.0"}), in_order({"1", "nan"}), in_order({"b", "a"})
    (['9', '9.0', '10'], ['1', 'nan'], ['a', 'b'])
    """
    try:
        sizes = {name: float(name) for name in names}
    except ValueError:
        return sorted(names)
    if not all(map(math.isfinite, sizes.values())):
        return sorted(names)
    return sorted(names, key=lambda name: (sizes[name], name))
