"""All methods over K series under one budget of false alarms, step by step or over a whole record.

Each bet of each method keeps R <- (R + 1) e. Series k alarms where their mean, weighted by methods and bets, reaches
A_k = T/(B v_k): T steps in a month, B false alarms a month over all series, v_k = 1/K. Since the mean of e is at most 1
where nothing changed, R less the number of steps never grows in expectation, and so there are at most B false alarms a
month in the mean, however series, methods and bets hang together (Shin, Ramdas and Rinaldo 2024, "E-detectors",
arXiv 2203.03532).

That holds as far as the means of the e-values do, which no reference can vouch for in a series that is never at rest. So
the limit is tracked as well: each alarm makes it e^1.5 times higher, and it comes down again by as much in the time in which
the budget allows one alarm. It is never below A_k.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.errors import DataError
from vedette.strategy.records import MONTH_S
from vedette.strategy.series import METHODS, Method, Told
from vedette.strategy.series.events import Calendar, seconds
from vedette.strategy.series.kept import from_bytes, to_bytes

__all__ = ["Alarm", "Judged", "SeriesWatch", "WatchState", "Watched", "watch_series"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

REFERENCE_MIN = 50
"""Numbers of a reference below which a series is not judged."""

_TRACKED = 1.5  # of the logarithm of the limit, for each alarm
_QUIET_S, _QUIET_STEPS_MIN, _QUIET_STEPS_MAX = 43200.0, 10, 150
_E_MAX = 1e200
_REFERENCE_SHARE, _REFERENCE_ROWS = 0.15, 750


@dataclass(frozen=True, slots=True)
class WatchState:
    """What a watch remembers of K series; M bets of all methods.

    ``methods``: the state of each by its name. ``evidence`` [K, M]: R of each bet; ``cusum`` and ``begun`` [K, M]: the log of
    its evidence since the time it began. ``limit`` [K], ``raised`` [K]: A_k, and the log by which it is raised. ``quiet`` [K]:
    steps without judgement left. ``alarmed`` [K]: these follow an alarm. ``seen`` [K]: numbers of the reference, whose usual
    step was ``step_s`` [K] seconds. ``passed_s``: the time up to which known events have passed.
    """

    methods: dict[str, Any]
    evidence: Floats
    cusum: Floats
    begun: Floats
    limit: Floats
    raised: Floats
    quiet: Ints
    alarmed: Bools
    seen: Ints
    step_s: Floats
    passed_s: float

    def to_bytes(self) -> bytes:
        """The state as bytes."""
        return to_bytes(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> WatchState:
        """The state that ``to_bytes`` gave. Raises ``DataError`` for other bytes."""
        state = from_bytes(data)
        if not isinstance(state, cls):
            raise DataError(f"state of a series: is a {type(state).__name__}, must be a WatchState")
        return state


@dataclass(frozen=True, slots=True)
class Judged:
    """What a step brought: ``verdict`` [K] OK, ALARM or UNKNOWN, ``fired`` [K] where an alarm began, ``strength`` [K] the
    evidence over its limit, ``told`` by method, and for alarms ``leader`` [K], the bet that told most, and ``since`` [K].
    """

    verdict: tuple[str, ...]
    fired: Bools
    strength: Floats
    told: Mapping[str, Told]
    leader: Ints
    since: Floats


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm in one series: when, since when, by which method, in words and numbers, and with which guarantee."""

    series: str
    row: int
    time: float
    since: float
    method: str
    value: float
    expected: float
    low: float
    high: float
    strength: float
    guarantee: str
    words: str


@dataclass(frozen=True, slots=True)
class Watched:
    """A whole record judged: ``alarms`` in order of time; ``verdict`` [n, K] as texts, "" for the reference; ``strength``,
    ``expected``, ``low``, ``high`` [n, K] of each step, NaN for the reference; ``guarantees`` by series and method.
    """

    alarms: tuple[Alarm, ...]
    verdict: NDArray[np.str_]
    strength: Floats
    expected: Floats
    low: Floats
    high: Floats
    guarantees: Mapping[str, Mapping[str, str]]
    state: WatchState


class SeriesWatch:
    """Judges K series step by step by several methods, under one budget over all of them.

    ``names`` [K] of the series; ``budget_per_month``: false alarms over all series in 30 days; ``methods``: names of
    ``METHODS``, all by default; ``events``: times of known events, such as deployments, after which the level may be another:
    evidence starts anew, and for ``quiet_steps`` the new level is learnt without judgement; so it is after an alarm. By default
    these are half a day, at least 10 and at most 150 steps. ``calendar``: the clock of seasons, and holidays, which are
    neither judged nor learnt.

    Raises ``ValueError`` for a budget that is not positive, and methods that are not there.
    """

    def __init__(
        self,
        names: Iterable[str] = ("series",),
        *,
        budget_per_month: float = 1.0,
        methods: Iterable[str] | None = None,
        events: Any = (),
        calendar: Calendar | None = None,
        quiet_steps: int | None = None,
    ) -> None:
        self.names = tuple(names)
        chosen = tuple(METHODS if methods is None else methods)
        wrong = [name for name in chosen if name not in METHODS]
        if wrong or not chosen:
            raise ValueError(f"methods={chosen}: must be one or more of {', '.join(METHODS)}")
        if not (np.isfinite(budget_per_month) and budget_per_month > 0.0):
            raise ValueError(
                f"budget_per_month={budget_per_month}: must be a positive number of false alarms"
            )
        if quiet_steps is not None and quiet_steps < 0:
            raise ValueError(f"quiet_steps={quiet_steps}: must be 0 or more")
        if not self.names or len(set(self.names)) < len(self.names):
            raise ValueError(f"names={self.names}: must be one or more different names")
        self.budget_per_month = float(budget_per_month)
        self.methods: dict[str, Method] = {name: METHODS[name]() for name in chosen}
        self.calendar = calendar or Calendar()
        events = seconds(events) if np.size(events) else np.empty(0)
        self.events: Floats = np.sort(np.atleast_1d(events))
        self.quiet_steps = quiet_steps
        self._weights: Floats = np.empty(0)
        self._owner: Ints = np.empty(0, dtype=np.int64)

    def begin(self, past: Any, times: Any) -> WatchState:
        """The state after the reference: ``past`` [n, K] (NaN where missing), ``times`` [n] or [n, K].

        Raises ``ValueError`` for shapes that do not fit, and times that go backwards.
        """
        past, at = _checked(past, times, len(self.names))
        holiday = self.calendar.is_holiday(at)
        local = self.calendar.local(at)
        clean = np.where(_wide(holiday, past.shape), np.nan, past)
        states = {name: method.begin(clean, local) for name, method in self.methods.items()}
        k = len(self.names)
        step_s = _step_s(clean, at)
        seen = np.isfinite(clean).sum(axis=0)
        nothing = np.empty((k, 0))
        return WatchState(
            states,
            nothing,
            nothing,
            nothing,
            self._limit(step_s),
            np.zeros(k),
            np.zeros(k, dtype=np.int64),
            np.zeros(k, dtype=np.bool_),
            seen,
            step_s,
            float(at.max()) if at.size else -np.inf,
        )

    def step(self, state: WatchState, value: Any, time: Any) -> tuple[Judged, WatchState]:
        """What a number of each series [K] brings, and the state after it; the old state stays as it is."""
        return self._step(state, value, time, own=False)

    def advance(self, state: WatchState, value: Any, time: Any) -> tuple[Judged, WatchState]:
        """``step`` in a state of one's own, whose arrays are written over."""
        return self._step(state, value, time, own=True)

    def _limit(self, step_s: Floats) -> Floats:
        """A_k [K]: steps of a month, times series, over the budget."""
        return np.asarray(MONTH_S / step_s * len(self.names) / self.budget_per_month)

    def accept(self, state: WatchState, name: str) -> WatchState:
        """The state after a person said that the present level of a series is normal: it is learned anew."""
        return self._relearn(
            replace(state, alarmed=state.alarmed & (np.array(self.names) != name)),
            np.array([self.names.index(name)]),
        )

    def _step(self, state: WatchState, value: Any, time: Any, *, own: bool) -> tuple[Judged, WatchState]:
        k = len(self.names)
        value = np.atleast_1d(np.asarray(value, dtype=np.float64))
        if value.shape != (k,):
            raise ValueError(f"value of shape {value.shape}: must be a number for each of {k} series")
        at = np.broadcast_to(seconds(time), (k,))
        state = replace(state, limit=self._limit(state.step_s))  # the budget may be another than it was
        if bool(((self.events > state.passed_s) & (self.events <= at.max())).any()):
            state = self._relearn(state, np.arange(k))
            state = replace(state, quiet=np.maximum(state.quiet, self._quiet(state)))
        state = replace(state, passed_s=max(state.passed_s, float(at.max())))
        value = np.where(self.calendar.is_holiday(at) | ~np.isfinite(value), np.nan, value)
        local = self.calendar.local(at)
        told, states = {}, {}
        for name, method in self.methods.items():
            do = getattr(method, "advance", method.step) if own else method.step
            told[name], states[name] = do(state.methods[name], value, local)
        judged, state = self._judge(replace(state, methods=states), told, value, at)
        fired = np.flatnonzero(judged.fired)
        return judged, self._relearn(state, fired) if len(fired) else state

    def _judge(
        self, state: WatchState, told: Mapping[str, Told], value: Floats, at: Floats
    ) -> tuple[Judged, WatchState]:
        log_e = np.concatenate([one.log_e for one in told.values()], axis=1)
        weights = self._shares(state, told)
        fresh = state.evidence.shape[1] == 0
        r, cusum, begun = (
            (np.zeros_like(log_e), np.zeros_like(log_e), np.full_like(log_e, np.nan))
            if fresh
            else (state.evidence, state.cusum, state.begun)
        )
        missing = np.isnan(value)[:, None]
        with np.errstate(over="ignore"):
            grown = np.minimum((r + 1.0) * np.exp(np.minimum(log_e, 400.0)), _E_MAX)
        begun = np.where(missing | ((cusum > 0.0) & ~np.isnan(begun)), begun, at[:, None])
        cusum = np.where(missing, cusum, np.maximum(cusum, 0.0) + log_e)
        quiet = state.quiet > 0
        ready = state.seen >= REFERENCE_MIN
        r = np.where(missing, r, grown)
        r = np.where((quiet | ~ready)[:, None], 0.0, r)
        mean = (r * weights).sum(axis=1)
        limit = state.limit * np.exp(state.raised)
        fired = mean >= limit
        leader = np.argmax(r * weights, axis=1)
        since = np.where(fired, begun[np.arange(len(r)), leader], np.nan)
        verdict = tuple(
            "UNKNOWN"
            if not ready[one]
            else "ALARM"
            if fired[one] or (quiet[one] and state.alarmed[one])
            else "OK"
            for one in range(len(r))
        )
        judged = Judged(verdict, fired, mean / limit, told, leader, since)
        raised = np.maximum(state.raised - np.where(missing[:, 0], 0.0, _TRACKED / state.limit), 0.0)
        reset = (fired | quiet)[:, None]
        after = replace(
            state,
            evidence=np.where(reset, 0.0, r),
            cusum=np.where(reset, 0.0, cusum),
            begun=np.where(reset, np.nan, begun),
            raised=raised + _TRACKED * fired,
            quiet=np.where(fired, self._quiet(state), np.maximum(state.quiet - ~missing[:, 0], 0)),
            alarmed=fired | (state.alarmed & quiet),
        )
        return judged, after

    def _shares(self, state: WatchState, told: Mapping[str, Told]) -> Floats:
        """The share of each bet [K, M]: alike for methods that speak of a series, and within each as it says."""
        if not len(self._weights):
            parts, owners = [], []
            for number, (name, one) in enumerate(told.items()):
                n = one.log_e.shape[1]
                own = np.asarray(
                    getattr(self.methods[name], "weights", np.full(n, 1.0 / n)), dtype=np.float64
                )
                parts.append(own / own.sum())
                owners.append(np.full(n, number))
            self._weights, self._owner = np.concatenate(parts), np.concatenate(owners)
        k = len(self.names)
        speaks = np.ones((k, len(told)), dtype=np.bool_)
        for number, name in enumerate(told):
            method = self.methods[name]
            if hasattr(method, "speaks"):
                speaks[:, number] = method.speaks(state.methods[name])
        share = speaks / np.maximum(speaks.sum(axis=1, keepdims=True), 1)
        return np.asarray(self._weights * share[:, self._owner])

    def _quiet(self, state: WatchState) -> Ints:
        if self.quiet_steps is not None:
            return np.full(len(self.names), self.quiet_steps, dtype=np.int64)
        steps = np.rint(_QUIET_S / state.step_s)
        return np.clip(steps, _QUIET_STEPS_MIN, _QUIET_STEPS_MAX).astype(np.int64)

    def _relearn(self, state: WatchState, rows: Ints) -> WatchState:
        states = {
            name: method.relearn(state.methods[name], rows)
            if hasattr(method, "relearn")
            else state.methods[name]
            for name, method in self.methods.items()
        }
        evidence, cusum = state.evidence.copy(), state.cusum.copy()
        evidence[rows] = cusum[rows] = 0.0
        return replace(state, methods=states, evidence=evidence, cusum=cusum)

    def guarantees(self, state: WatchState) -> dict[str, dict[str, str]]:
        """What stands behind the evidence of each series and method: proved, calibrated or tracked."""
        by_method = {
            name: method.guarantees(state.methods[name])
            if hasattr(method, "guarantees")
            else (method.guarantee,) * len(self.names)
            for name, method in self.methods.items()
        }
        return {
            series: {name: said[one] for name, said in by_method.items()}
            for one, series in enumerate(self.names)
        }

    def alarms(self, judged: Judged, state: WatchState, value: Any, time: Any, row: int = 0) -> list[Alarm]:
        """The alarms of a step in words: ``state`` is the one after it, ``value`` [K] and ``time`` what was judged."""
        out: list[Alarm] = []
        if not judged.fired.any():
            return out
        value = np.atleast_1d(np.asarray(value, dtype=np.float64))
        at = np.broadcast_to(seconds(time), value.shape)
        said = self.guarantees(state)
        names = list(self.methods)
        for one in np.flatnonzero(judged.fired).tolist():
            method = names[int(self._owner[judged.leader[one]])]
            told = judged.told[method]
            expected, low, high = (float(array[one]) for array in (told.expected, told.low, told.high))
            series = self.names[one]
            since, now = float(judged.since[one]), float(at[one])
            held = float(value[one] if told.value is None else told.value[one])
            words = _words(method, held, (expected, low, high), since, now)
            out.append(
                Alarm(
                    series=series,
                    row=row,
                    time=now,
                    since=since,
                    method=method,
                    value=held,
                    expected=expected,
                    low=low,
                    high=high,
                    strength=float(judged.strength[one]),
                    guarantee=said[series][method],
                    words=words,
                )
            )
        return out


def watch_series(
    values: Any,
    times: Any,
    *,
    budget_per_month: float = 1.0,
    methods: Iterable[str] | None = None,
    events: Any = (),
    calendar: Calendar | None = None,
    reference: int | None = None,
    names: Iterable[str] | None = None,
    quiet_steps: int | None = None,
) -> Watched:
    """Judges a whole recorded series, or K of them side by side, as if each number had just come.

    ``values`` [n] or [n, K], NaN or infinite where missing; ``times`` [n] or [n, K]: seconds since 1970, ``datetime64`` or
    datetimes, never backwards. ``reference``: the first rows, which are learnt from and not judged; by default 15 %, at
    most 750. The rest as for ``SeriesWatch``, which gives the same answers step by step.

    Raises ``ValueError`` for shapes that do not fit, no row after the reference, and times that go backwards.

    >>> hours = 3600.0 * np.arange(400)
    >>> latency_ms = 200.0 + 10.0*np.sin(np.arange(400.0)*1.7) + np.where(np.arange(400) >= 350, 140.0, 0.0)
    >>> watched = watch_series(latency_ms, hours, reference=300, names=["latency_ms"])
    >>> watched.alarms[0].row
    350
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 1:
        array = array[:, None]
    chosen = tuple(names) if names is not None else tuple(_names(array.shape[1] if array.ndim == 2 else 1))
    array, at = _checked(array, times, len(chosen))
    n = len(array)
    if n < 2:
        raise ValueError(
            f"values: {n} row{'s' if n != 1 else ''}: must be 2 or more, of which the first are learned from"
        )
    usual = min(max(int(_REFERENCE_SHARE * n), 1), _REFERENCE_ROWS)
    first = usual if reference is None else reference
    if not 0 < first < n:
        raise ValueError(f"reference={first}: must be 1 to {n - 1} rows, fewer than the {n} there are")
    watch = SeriesWatch(
        chosen,
        budget_per_month=budget_per_month,
        methods=methods,
        events=events,
        calendar=calendar,
        quiet_steps=quiet_steps,
    )
    state = watch.begin(array[:first], at[:first])
    verdict = np.full(array.shape, "", dtype="<U7")
    strength, expected, low, high = (np.full(array.shape, np.nan) for _ in range(4))
    alarms: list[Alarm] = []
    for row in range(first, n):
        judged, state = watch.advance(state, array[row], at[row])
        verdict[row], strength[row] = judged.verdict, judged.strength
        told = next(iter(judged.told.values()))
        expected[row], low[row], high[row] = told.expected, told.low, told.high
        alarms += watch.alarms(judged, state, array[row], at[row], row)
    return Watched(tuple(alarms), verdict, strength, expected, low, high, watch.guarantees(state), state)


def _names(n: int) -> list[str]:
    return ["series"] if n == 1 else [f"series {number}" for number in range(n)]


def _checked(values: Any, times: Any, k: int) -> tuple[Floats, Floats]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] != k:
        raise ValueError(f"values of shape {array.shape}: must be [rows, {k}], a column for each series")
    at = seconds(times)
    if at.shape not in ((len(array),), array.shape):
        raise ValueError(f"times of shape {at.shape}: must be one for each of {len(array)} rows")
    if (np.diff(at, axis=0) < 0.0).any():
        raise ValueError("times: must not go backwards")
    return array, at


def _wide(flags: Bools, shape: tuple[int, ...]) -> Bools:
    return np.broadcast_to(flags if flags.ndim == 2 else flags[:, None], shape)


def _step_s(past: Floats, at: Floats) -> Floats:
    """The usual step of each series [K] in seconds, 3,600 where the reference does not say."""
    out = np.full(past.shape[1], 3600.0)
    for one in range(past.shape[1]):
        own = at if at.ndim == 1 else at[:, one]
        gone = np.diff(own[np.isfinite(past[:, one])])
        gone = gone[gone > 0.0]
        if len(gone):
            out[one] = float(np.median(gone))
    return out


def _words(method: str, value: float, numbers: tuple[float, ...], since: float, at: float) -> str:
    expected, low, high = (_short(number) for number in numbers)
    began = datetime.fromtimestamp(since, UTC).strftime("%d %b %Y %H:%M") if since < at else "now"
    if np.isnan(numbers[0]):
        return f"{method}: was {_short(value)}, since {began}"
    between = f" ({low} to {high})" if np.isfinite(numbers[1]) and np.isfinite(numbers[2]) else ""
    return f"{method}: expected {expected}{between}, was {_short(value)}, since {began}"


def _short(number: float) -> str:
    return f"{number:.4g}" if abs(number) < 1e4 else f"{number:,.0f}"
