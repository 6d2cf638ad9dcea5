"""Why something fired, as data and in one paragraph: where, of what the change is made, since when, what else happened."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np

from vedette.output.names import visible
from vedette.records import Status
from vedette.statistics.decomposition import Decomposition, Part
from vedette.strategy.concept import Concept
from vedette.strategy.segment_search import Search, Segment

__all__ = [
    "Began",
    "Coincidence",
    "Explanation",
    "between",
    "explanation_json",
    "number",
    "paragraph",
    "step",
]

_SEGMENTS_TOLD = 2
_FEATURES_TOLD = 4
_FAULTS_TOLD = 3
_OTHERS_TOLD = 4


@dataclass(frozen=True, slots=True)
class Began:
    """The windows in which a change may have begun, by their starts: the likeliest, and the ends of the set."""

    best: datetime
    first: datetime
    last: datetime
    n_windows: int
    level: float


@dataclass(frozen=True, slots=True)
class Coincidence:
    """Something that happened about when a change began."""

    kind: str
    time: datetime
    words: str
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a watch fired. Parts that could not be had are None or empty, and ``notes`` says why.

    ``what`` is the figure that segments and parts are told in (a mean of rows). ``search`` are the segments, ``split``
    the columns over whose levels ``decomposition`` and ``concept`` are taken, ``features`` the watches that changed, in
    nats. ``faults`` are those of the pipeline, ``events`` what coincided, ``others`` the watches that alarm too where none
    was asked for by name.
    """

    model: str
    watch: str
    segment: str
    verdict: str
    evidence: str
    what: str
    began: Began | None
    search: Search | None
    split: tuple[str, ...]
    decomposition: Decomposition | None
    concept: Concept | None
    features: tuple[tuple[str, float], ...]
    faults: tuple[str, ...]
    events: tuple[Coincidence, ...]
    notes: tuple[str, ...]
    others: tuple[str, ...] = ()

    @property
    def is_share(self) -> bool:
        """True where the figure is a share of rows."""
        return self.what.startswith("the share")

    @property
    def fired(self) -> bool:
        """True where it alarms or warns."""
        return self.verdict in (Status.ALARM, Status.WARN)

    def __str__(self) -> str:
        """The paragraph."""
        return paragraph(self)


def explanation_json(one: Explanation) -> dict[str, Any]:
    """An explanation as the JSON of ``vedette explain --json``: every part, NaN as null, and the paragraph."""
    found = {
        "model": one.model,
        "watch": one.watch,
        "segment": one.segment,
        "verdict": one.verdict,
        "text": paragraph(one),
        "evidence": one.evidence,
        "figure": one.what,
        "began": None if one.began is None else asdict(one.began),
        "segments": None if one.search is None else _search_json(one.search),
        "split": list(one.split),
        "decomposition": None if one.decomposition is None else _decomposition_json(one.decomposition),
        "concept": None if one.concept is None else asdict(one.concept),
        "features": [{"watch": name, "nats": nats} for name, nats in one.features],
        "faults": list(one.faults),
        "events": [asdict(event) for event in one.events],
        "notes": list(one.notes),
        "others": list(one.others),
    }
    plain: dict[str, Any] = _plain(found)
    return plain


def _search_json(one: Search) -> dict[str, Any]:
    segments = [asdict(each) | {"name": each.name} for each in one.segments]
    return {
        "found": segments,
        "rate": one.rate,
        "looked_at": one.n_looked,
        "changed": one.n_changed,
        "left_out": one.left_out,
    }


def _decomposition_json(one: Decomposition) -> dict[str, Any]:
    parts = {name: asdict(getattr(one, name)) for name in ("total", "mix", "within", "new", "vanished")}
    return {"before": one.before, "after": one.after, **parts}


def _plain(value: Any) -> Any:
    """Values that JSON has: times as ISO text, no NaN."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value


def paragraph(one: Explanation, *, lead: bool = True) -> str:
    """The explanation in one paragraph of plain words; every name is made safe to show. ``lead``: with what fired."""
    where = f"{one.watch} [{one.segment}]" if one.segment else one.watch
    fired = one.evidence.partition("; changed most")[0].partition("; evidence")[0]
    said = [f"{where} is {one.verdict}: {fired}."] if lead else []
    if one.began is not None:
        said.append(_when(one, one.began))
    if one.faults:
        more = f"; and {len(one.faults) - _FAULTS_TOLD} more" if len(one.faults) > _FAULTS_TOLD else ""
        said.append(f"It looks like a fault of the pipeline: {'; '.join(one.faults[:_FAULTS_TOLD])}{more}.")
    if one.events and one.fired:
        more = f", and {len(one.events) - 2} more" if len(one.events) > 2 else ""
        said.append(
            f"At that time {' and '.join(event.words for event in one.events[:2])}{more}: look there first."
        )
    if one.search is not None:
        said.append(_segments(one, one.search))
    if one.decomposition is not None:
        said.append(_parts(one, one.decomposition))
    if one.concept is not None and one.concept.reason is None:
        said.append(_concept(one, one.concept))
    if one.features:
        named = ", ".join(f"{name} {nats:.1f}" for name, nats in one.features[:_FEATURES_TOLD])
        said.append(f"Inputs that changed most, in nats: {named}.")
    said += [f"{note[0].upper()}{note[1:]}." for note in one.notes]
    if one.others:
        more = f" and {len(one.others) - _OTHERS_TOLD} more" if len(one.others) > _OTHERS_TOLD else ""
        verb = "alarms" if len(one.others) == 1 else "alarm"
        said.append(f"{', '.join(one.others[:_OTHERS_TOLD])}{more} {verb} too: name one to see why.")
    return visible(" ".join(said))


def _when(one: Explanation, began: Began) -> str:
    level, likeliest = f"{100 * began.level:.3g} % sure", f"most likely with the window of {_day(began.best)}"
    start = "It began" if one.fired else "If anything changed, it began"
    if began.first == began.last:
        return f"{start} with the window of {_day(began.best)} ({level})."
    return f"{start} between {_day(began.first)} and {_day(began.last)} ({level}), {likeliest}."


def _segments(one: Explanation, search: Search) -> str:
    named = search.named
    looked = f"{search.n_looked:,} segment{'s' if search.n_looked != 1 else ''} looked at"
    rate = f"at a false discovery rate of {100 * search.rate:.3g} %"
    if not named:
        return f"No segment stands out: of {looked} none is named {rate}."
    told = "; ".join(_segment(one, segment) for segment in named[:_SEGMENTS_TOLD])
    more = f"; and {len(named) - _SEGMENTS_TOLD} more" if len(named) > _SEGMENTS_TOLD else ""
    if not named[0].levels and (len(named) == 1 or one.faults):
        stands_out = "" if one.faults else f", no segment of {looked} stands out"
        return f"It is everywhere{stands_out}: {_segment(one, named[0])}."
    return f"Where: {told}{more} (of {looked}, {rate})."


def _segment(one: Explanation, segment: Segment) -> str:
    change = f"{number(one, segment.before)} to {number(one, segment.after)}"
    rows = f"{segment.n_before:,} rows before, {segment.n_after:,} after"
    by = f"by {between(one, segment.low, segment.high)}"
    name = segment.name if segment.levels else _whole(one)
    return f"in {name} {one.what} went from {change} ({by}; {rows}; {segment.nats:.1f} nats)"


def _parts(one: Explanation, parts: Decomposition) -> str:
    said = [f"{_part(one, parts.within)} comes of what changed within segments"]
    said.append(f"{_part(one, parts.mix)} of another mix of them")
    for part, words in ((parts.new, "new"), (parts.vanished, "vanished")):
        if part.value:
            said.append(f"{_part(one, part)} of {words} ones")
    split = " and ".join(one.split)
    return f"Of the change by {_part(one, parts.total)} over {_whole(one)}, by {split}: {', '.join(said)}."


def _whole(one: Explanation) -> str:
    """All rows that are explained: those of a segment where the watch is of one."""
    return f"all rows of {one.segment}" if one.segment else "all rows"


def _concept(one: Explanation, parts: Concept) -> str:
    said = [
        f"{_part(one, parts.concept)} for rows alike (concept)",
        f"{_part(one, parts.covariate)} of other inputs (covariate)",
    ]
    if parts.outside.value:
        said.append(f"{_part(one, parts.outside)} of inputs that one side alone has")
    return f"On rows that both sides have: {', '.join(said)}."


def _part(one: Explanation, part: Part) -> str:
    return f"{step(one, part.value)} ({between(one, part.low, part.high)})"


def number(one: Explanation, value: float) -> str:
    """A value of the figure in words."""
    return f"{100 * value:.3g} %" if one.is_share else f"{value:,.4g}"


def step(one: Explanation, value: float) -> str:
    """A difference of the figure in words: percentage points where it is a share."""
    return f"{_signed(one, value)} points" if one.is_share else _signed(one, value)


def between(one: Explanation, low: float, high: float) -> str:
    """The interval of a difference of the figure in words."""
    return f"{_signed(one, low)} to {step(one, high)}"


def _signed(one: Explanation, value: float) -> str:
    if np.isnan(value):
        return "?"
    return f"{100 * value:+.3g}" if one.is_share else f"{value:+,.3g}"


def _day(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M}".removesuffix(" 00:00")
