"""The record of estimators on windows whose labels have come: which one is asked, what it is off by, how often it held."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.statistics.unlabelled.interval import Reach, limits
from vedette.statistics.unlabelled.mismatch import Mismatch, Outlook
from vedette.statistics.unlabelled.support import Support
from vedette.statistics.unlabelled.tables import Measure

__all__ = ["Followed", "Rehearsal", "follow"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Objects = npt.NDArray[np.object_]

FADE = 0.995
"""What a window counts for in the comparison of estimators one window later."""

EVIDENCE = 2.0
"""Standard errors by which the mean of paired differences must favour another estimator before it is asked in place of
the one that is: of two that are as good, chance alone seldom moves from the one to the other."""

BATCHES = 4
"""Batches of windows that a standard error of their mean needs."""

PAIRS = 10
"""Windows, as many as count fully, that must have told both before a switch."""

REFINES = {"leaves": "confidence"}
"""What says the same with more to go by, and of what. It is asked before there is evidence for it, so another takes its place
where there is evidence against the plain one: else it would be kept for being a little better than what had to go. Evidence
against it alone brings the plain one back."""


@dataclass(frozen=True, slots=True, eq=False)
class Rehearsal:
    """Windows of the reference, estimated by what the rest of the reference tells: the first record there is.

    ``measures`` by estimator and metric over R windows in order of time, ``realised`` float64 [R] by metric.
    """

    measures: Mapping[str, Mapping[str, Measure]]
    realised: Mapping[str, Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """A metric over W windows, each as it was to be told before its labels came.

    ``value``, ``low``, ``high`` float64 [W]; ``estimator`` object [W] the name of the one asked; ``variance`` [W] that of
    the value, ``reach`` [W] how many of its standard deviations away the limits lie. The record is what was known at the
    time: ``n`` int64 [W] windows whose labels had come, of the reference where ``rehearsed``; ``off`` the mean of their
    |realised - value|, ``held`` the share that lay within the limits.
    Where there is a ``reason`` object [W] (text or None), value, limits, variance and reach are NaN.
    """

    value: Floats
    low: Floats
    high: Floats
    variance: Floats
    reach: Floats
    estimator: Objects
    n: Integers
    off: Floats
    held: Floats
    rehearsed: npt.NDArray[np.bool_]
    reason: Objects

    def words(self, window: int, whose: str = "windows") -> str:
        """The record that stands beside a window's estimate, as a sentence; ``whose`` says which windows have told."""
        name, n = str(self.estimator[window]).replace("_", " "), int(self.n[window])
        if not n:
            return f"{name}; no record yet"
        where = "windows of the reference" if self.rehearsed[window] else f"{whose} whose labels have come"
        return (
            f"{name}; over {n} {where} off by {self.off[window]:.3g} on average, "
            f"{self.held[window]:.0%} within the interval"
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Told:
    """What was said of a window: ``value`` and ``variance`` float64 [estimator], and of the one that was asked the limits
    and how many standard deviations away they lie."""

    outlook: Outlook
    value: Floats
    variance: Floats
    asked: int
    low: float
    high: float
    reach: float


class _Metric:
    """One metric: the mismatch of each estimator, the one that is asked, and the record."""

    def __init__(self, metric: str, mismatch: Mismatch, names: Sequence[str], level: float) -> None:
        self.metric, self.mismatch, n_estimators = metric, mismatch, len(names)
        self.plain = [
            names.index(REFINES[one]) if REFINES.get(one) in names else at for at, one in enumerate(names)
        ]
        self.reaches = [Reach(level) for _ in range(n_estimators)]
        self.asked = 0
        self.settled = False
        self.weight = self.squares = 0.0
        self.differences = np.zeros((2, n_estimators, n_estimators))
        self.n, self.off, self.held = 0, 0.0, 0.0

    def tell(self, value: Floats, chance: Floats, ahead: int) -> _Told:
        """What is said of a window: of each estimator the value and its variance; who is asked, and its limits."""
        outlook = self.mismatch.outlook(ahead)
        variance = chance + outlook.variance
        reach = self.reaches[self.asked].now
        middle, low, high = limits(self.metric, value + outlook.level, variance, np.full(len(value), reach))
        return _Told(
            outlook, middle, variance, self.asked, float(low[self.asked]), float(high[self.asked]), reach
        )

    def learn(self, told: _Told, realised: float, value: Floats, chance: Floats) -> None:
        """A window's labels have come: ``told`` is what was said of it."""
        self.mismatch.update(realised - value, chance, told.outlook)
        off = np.abs(realised - told.value)
        for reach, error, variance in zip(self.reaches, off, told.variance, strict=True):
            if variance > 0:  # nothing can be off where chance moves nothing
                reach.add(float(error / np.sqrt(variance)))
        if np.isfinite(off[told.asked]):
            self.n += 1
            self.off += float(off[told.asked])
            self.held += float(told.low <= realised <= told.high)
        if np.isfinite(off).all() and not self.settled:
            self._compare(off, told.outlook.ahead)

    def settle(self, value: Floats, truth: Floats) -> None:
        """Ask from now on, whatever is learned, the estimator that errs least on windows of the reference [estimator, R].

        For a run in which no label comes: what is told then are the values as they are, so these are compared, not what is
        left of them once their level is learned. Each window was estimated by stretches that it is not of, so that all
        count; neighbours are alike, for which the standard error is that of the means of batches of the root of R windows.
        """
        self.settled = True
        off = np.abs(truth - value)
        off = off[:, np.isfinite(off).all(axis=0)]
        size = max(2, int(np.sqrt(off.shape[1])))
        n = off.shape[1] // size
        if off.shape[1] < PAIRS or n < BATCHES:
            return
        apart = off[:, np.newaxis] - off[np.newaxis]
        batches = apart[..., : n * size].reshape(*apart.shape[:2], n, size).mean(axis=3)
        self._choose(apart.mean(axis=2), np.sqrt(batches.var(axis=2, ddof=1) / n))

    def _choose(self, mean: Floats, error: Floats) -> None:
        """Ask another, where there is evidence for it: ``mean`` [one, other] by how much the other errs less, and its standard
        error."""
        better, plain = mean > EVIDENCE * error, self.plain[self.asked]
        rather = better[plain] & (mean[self.asked] > 0)
        if plain != self.asked:
            rather[plain] = better[self.asked].any() and mean[self.asked, plain] > 0
        if rather.any():
            self.asked = int(np.where(rather, mean[self.asked], -np.inf).argmax())

    def _compare(self, off: Floats, ahead: int) -> None:
        """Ask another estimator where its errors, window by window, are smaller by more than chance.

        Errors of windows that were foreseen from one past are alike: their mean is as much surer than one of them as
        that of a number less by the root of how far ahead they were.
        """
        apart = off[:, np.newaxis] - off[np.newaxis, :]
        self.weight = FADE * self.weight + 1
        self.squares = FADE**2 * self.squares + 1
        self.differences = FADE * self.differences + np.stack([apart, apart**2])
        mean, square = self.differences / self.weight
        n = self.weight**2 / self.squares
        if n > PAIRS - 0.5:
            error = np.sqrt(np.maximum(square - mean**2, 0.0) / max(n - 1, 1.0) * np.sqrt(ahead))
            self._choose(mean, error)

    def run(
        self, value: Floats, chance: Floats, truth: Floats, delay: int | None
    ) -> Iterator[tuple[_Told, tuple[int, float, float]]]:
        """Each window as it is told, with the record at the time; labels are learned when they have come."""
        said: list[_Told] = []
        for window in range(len(truth)):
            past = -1 if delay is None else window - delay
            if past >= 0:
                self.learn(said[past], float(truth[past]), value[:, past], chance[:, past])
            ahead = window + 1 if delay is None else min(delay, window + 1)
            said.append(self.tell(value[:, window], chance[:, window], ahead))
            yield said[-1], (self.n, self.off, self.held)

    def rehearse(self, value: Floats, chance: Floats, truth: Floats, delay: int) -> tuple[int, float, float]:
        """Run over windows whose labels have all come since, and begin again; returns the record."""
        said = [told for told, _ in self.run(value, chance, truth, delay)]
        for past in range(max(len(truth) - delay, 0), len(truth)):
            self.learn(said[past], float(truth[past]), value[:, past], chance[:, past])
        record = self.n, self.off, self.held
        self.mismatch.restart()
        self.n, self.off, self.held = 0, 0.0, 0.0
        return record


def follow(
    measures: Mapping[str, Mapping[str, Measure]],
    realised: Mapping[str, Floats],
    *,
    delay: int | None = 1,
    rehearsal: Rehearsal | None = None,
    support: Support | None = None,
    apart: Mapping[str, Mapping[str, float]] | None = None,
    level: float = 0.9,
) -> dict[str, Followed]:
    """Windows in order of time, each as it was to be told before its labels came; by metric.

    ``measures``: by estimator, the one to ask first of all first, and by metric, over W windows. ``realised`` float64 [W]
    by metric: what the metric came out as, NaN where labels did not come. ``delay``: the labels of a window are known
    when so many further windows have come, 1 or more; None: never. The value of a window is that of the estimator which
    was best by then (where no label ever comes, in the rehearsal), and what it was usually off by (see ``Mismatch``); its
    limits lie as far away as errors of that size have proved to (see ``Reach``). Windows for which ``support`` has a
    reason have no value, and teach nothing.

    ``apart``, by estimator and metric, is the variance of what the windows are off by from the start, all alike: of a
    segment of the rows whose whole the reference is (``Others``). None: as the reference's own calibration has it.

    Raises ``ValueError`` where a delay is less than 1, lengths differ or there is no estimator.
    """
    if delay is not None and delay < 1:
        raise ValueError(f"delay={delay}: must be 1 or more windows, or None for never")
    names = list(measures)
    if not names:
        raise ValueError("measures: no estimator")
    found = {}
    for metric, values in realised.items():
        truth = np.asarray(values, dtype=np.float64)
        own = [measures[name][metric] for name in names]
        lengths = {len(one.value) for one in own} | ({len(support.outside)} if support is not None else set())
        if lengths != {len(truth)}:
            raise ValueError(
                f"realised[{metric!r}]: {len(truth)} windows, estimates and support of {sorted(lengths)}"
            )
        reasons = np.full(len(truth), None, dtype=np.object_) if support is None else support.reasons
        past = None
        if rehearsal is not None:
            past = [rehearsal.measures[name][metric] for name in names], rehearsal.realised[metric]
        start = None if apart is None else np.array([apart[name][metric] for name in names])
        found[metric] = _follow(metric, names, own, truth, delay, past, reasons, start, level)
    return found


def _follow(
    metric: str,
    names: Sequence[str],
    own: Sequence[Measure],
    truth: Floats,
    delay: int | None,
    past: tuple[Sequence[Measure], Floats] | None,
    reasons: Objects,
    apart: Floats | None,
    level: float,
) -> Followed:
    refused = reasons != None  # noqa: E711  (by element)
    value, chance = _parts(own)
    value = np.where(refused, np.nan, value)
    unit = np.maximum([_usual(one.outcome, 1e-4) for one in own], 1e-12)
    calibration = np.array([_usual(one.calibration, 0.0) for one in own])
    state = _Metric(metric, Mismatch(unit, calibration), names, level)
    before = (0, 0.0, 0.0)
    if past is not None:
        n_past = len(past[1])
        if delay is None:
            state.settle(_parts(past[0])[0], past[1])
        lead = max(min(n_past if delay is None else delay, n_past // 2), 1)
        before = state.rehearse(*_parts(past[0]), past[1], lead)
    if apart is not None:
        state.mismatch.widen(apart)
    n_windows = len(truth)
    numbers = np.full((7, n_windows), np.nan)
    asked, n = np.zeros(n_windows, dtype=np.int64), np.zeros(n_windows, dtype=np.int64)
    rehearsed = np.zeros(n_windows, dtype=np.bool_)
    for window, (told, record) in enumerate(state.run(value, chance, truth, delay)):
        rehearsed[window] = not record[0]
        n[window], off, held = record if record[0] else before
        asked[window] = told.asked
        middle, spread = told.value[told.asked], told.variance[told.asked]
        numbers[:5, window] = middle, told.low, told.high, spread, told.reach
        numbers[5:, window] = np.array([off, held]) / max(n[window], 1)
    nothing = np.isnan(numbers[0])
    numbers[:5, nothing] = np.nan
    reasons[nothing & ~refused] = "no rows to take it of"
    name = np.array(names, dtype=np.object_)[asked]
    middle, low, high, variance, reach, off_mean, held_share = numbers
    return Followed(middle, low, high, variance, reach, name, n, off_mean, held_share, rehearsed, reasons)


def _parts(measures: Sequence[Measure]) -> tuple[Floats, Floats]:
    """Values and the variances of chance [estimator, W]."""
    return (
        np.array([one.value for one in measures]),
        np.array([one.outcome + one.weights for one in measures]),
    )


def _usual(parts: Floats, otherwise: float) -> float:
    good = parts[np.isfinite(parts)]
    return float(np.median(good)) if len(good) else otherwise
