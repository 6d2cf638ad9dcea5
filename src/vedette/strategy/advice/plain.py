"""Plain rules as candidates: what people write down, with thresholds that the replays set to the budget.

A rule holds a window's figure against a threshold: means and spreads by how many standard deviations of the history's
windows they lie from its mean (``figure``), a distance from the reference (``psi``, ``kolmogorov_smirnov``). One number for
all columns: the least at which the replays keep the budget, or the one that people take (``fixed``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vedette.strategy.advice.figures import DISTANCES, FIGURES, distances, figures, n_of
from vedette.strategy.advice.history import Column, History
from vedette.strategy.advice.replays import Replays, Told
from vedette.strategy.records import Bools, Floats, Ints
from vedette.strategy.rules import parse
from vedette.strategy.watches import ROWS_MIN

__all__ = ["AIM", "Plain", "opened"]

AIM = 0.4
"""Share of the budget that thresholds aim at: they are set on one history, and the next months are others."""

_HALVINGS = 24


@dataclass(frozen=True, slots=True)
class Plain:
    """A rule on ``of``: ``figure``, ``psi`` or ``kolmogorov_smirnov``, broken for so many ``windows`` in a row.

    ``smooth``: what is held against the threshold is the mean of the deviations weighted by (1 - smooth)^age, in its own
    standard deviations. ``fixed``: the threshold, in standard deviations, or as the distance has it (of
    ``kolmogorov_smirnov`` times sqrt(1/n + 1/m)).
    """

    name: str
    words: str
    of: str
    windows: int = 1
    smooth: float = 1.0
    fixed: float | None = None

    @property
    def guarantee(self) -> str:
        """Calibrated where the replays set the threshold, else the bare rule."""
        return "rule" if self.fixed is not None else "calibrated"

    @property
    def runs(self) -> bool:
        """True: vedette.toml has such rules, but for those that remember."""
        return self.smooth == 1.0

    def unfit(self, _history: History) -> str | None:
        """None: any history will do."""
        return None

    def fit(self, history: History, calm: Mapping[str, Replays]) -> _Ready:
        """Scales from the history, and the least threshold at which the calm replays open 0.4 of the budget's alarms."""
        scales = {source: _scale(self, column) for source, column in history.columns.items()}
        made = _Ready(self, history, scales, self.fixed if self.fixed is not None else 0.0)
        if self.fixed is not None:
            return made
        told = {source: made.deviations(history.columns[source], one) for source, one in calm.items()}
        months = (
            history.months
            * sum(one.counts.shape[0] * one.counts.shape[1] for one in calm.values())
            / len(calm)
        )
        most = AIM * history.budget * history.share * months
        high = max((float(np.nanmax(one, initial=0.0)) for one in told.values()), default=0.0)
        low, high = 0.0, high * (1.0 + 1e-9) + 1e-9  # at which nothing opens
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            n = sum(int(opened(one, middle, self.windows).opens.sum()) for one in told.values())
            low, high = (low, middle) if n <= most else (middle, high)
        return _Ready(self, history, scales, high)


def opened(deviation: Floats, threshold: float, windows: int) -> Told:
    """Where a rule opens and stands: above the threshold for so many windows in a row; NaN neither counts nor interrupts.

    >>> told = opened(np.array([[[0.0], [4.0], [np.nan], [5.0], [1.0]]]), 3.0, 2)
    >>> told.opens[0, :, 0].tolist(), told.stands[0, :, 0].tolist()
    ([False, False, False, True, False], [False, False, False, True, False])
    """
    shape = deviation.shape
    broken = np.zeros((shape[0], *shape[2:]), dtype=np.int64)
    firing = np.zeros(broken.shape, dtype=np.bool_)
    opens, stands = np.zeros(shape, dtype=np.bool_), np.zeros(shape, dtype=np.bool_)
    with np.errstate(invalid="ignore"):
        above, known = deviation > threshold, ~np.isnan(deviation)
    for t in range(shape[1]):
        broken = np.where(known[:, t], np.where(above[:, t], broken + 1, 0), broken)
        now = np.where(known[:, t], broken >= windows, firing)
        opens[:, t] = now & ~firing
        stands[:, t] = firing = now
    return Told(opens, stands)


@dataclass(frozen=True, slots=True, eq=False)
class _Scale:
    """Of each watch [K]: the history's mean and standard deviation of windows, of the smoothed mean where it ended, and
    whether the rule watches it at all."""

    mean: Floats
    sd: Floats
    last: Floats
    watched: Bools


@dataclass(frozen=True, slots=True, eq=False)
class _Ready:
    rule: Plain
    history: History
    scales: Mapping[str, _Scale]
    threshold: float
    detectors: None = None
    series: None = None

    def opens(self, column: Column, replays: Replays) -> Told:
        """Where the rule opens and stands in replays of a column."""
        return opened(self.deviations(column, replays), self.threshold, self.rule.windows)

    def deviations(self, column: Column, replays: Replays) -> Floats:
        """float64[R, T, K]: what is held against the threshold; 0 of what the rule does not watch."""
        scale, rule = self.scales[column.source], self.rule
        if rule.of not in replays.figures:
            replays.figures[rule.of] = _raw(rule, column, replays.counts, replays.coarse(column))
        found = _deviations(rule, column, scale, replays.figures[rule.of], replays.coarse(column))
        if rule.smooth < 1.0:
            found = _smoothed(rule.smooth, found, scale.last) / np.sqrt(rule.smooth / (2.0 - rule.smooth))
        if rule.of != "figure":
            return found
        one_sided = np.array([watch.side > 0 or watch.kind == "mix" for watch in column.watches])
        return np.where(one_sided, np.maximum(found, 0.0), np.abs(found))

    @property
    def lines(self) -> tuple[str, ...]:
        """The rules as they would be written, one for each watch of the whole that a rule can say."""
        if not self.rule.runs:
            return ()
        found = []
        for source, column in self.history.columns.items():
            for k, watch in enumerate(column.watches):
                when = self._when(column, self.scales[source], k)
                if when is not None and not watch.segment and self.scales[source].watched[k]:
                    lasting = f" for {self.rule.windows} windows" if self.rule.windows > 1 else ""
                    found.append((watch.id, f"{when}{lasting}"))
        return tuple(_named(found))

    def _when(self, column: Column, scale: _Scale, k: int) -> str | None:
        """The condition of one watch."""
        watch, most = column.watches[k], self.threshold
        if self.rule.of != "figure":
            if self.rule.of == "kolmogorov_smirnov" and self.rule.fixed is not None:
                return None  # it goes by the number of rows
            limit = most if self.rule.fixed is not None else most * scale.sd[k]
            return f"{self.rule.of}({watch.column}) > {limit:.4g}"
        low, high = scale.mean[k] - most * scale.sd[k], scale.mean[k] + most * scale.sd[k]
        name = FIGURES.get(watch.kind)  # a watch without one is not watched, and has no line
        if name == "accuracy":
            return f"accuracy < {1.0 - high:.4g}"
        of = name if name in ("bias", "rmse") else f"{name}({watch.column})"
        return (
            f"{of} > {high:.5g}"
            if watch.side > 0 or name == "total_variation"
            else f"{of} outside {low:.5g} to {high:.5g}"
        )


def _named(rules: list[tuple[str, str]]) -> list[str]:
    """Lines of vedette.toml; a condition that can never be so is none."""
    out: list[str] = []
    for number, (watch, when) in enumerate(rules):
        name = re.sub(r"[^a-z0-9_-]+", "_", watch.lower()).strip("_-")[:50] or f"rule_{number}"
        name = f"{name}_{number}" if any(line.startswith(f"rules.{name} ") for line in out) else name
        try:
            parse(name, when)
        except ValueError:
            continue  # no value of the figure could cross it
        quoted = when.replace("\\", "\\\\").replace('"', '\\"')
        out.append(f'rules.{name} = "{quoted}"')
    return out


def _raw(rule: Plain, column: Column, counts: Ints, coarse: Ints) -> Floats:
    """float64[..., K]: the figures that the rule is about; NaN with fewer than 50 rows or of another kind of watch."""
    if rule.of == "figure":
        return figures(column, counts, coarse)
    out = np.full((*counts.shape[:-1], len(column.watches)), np.nan)
    own = [k for k, watch in enumerate(column.watches) if watch.kind in DISTANCES[rule.of]]
    if own and (rule.of == "psi" or column.grid.kind != "category"):
        out[..., own] = distances(column, counts, rule.of)[..., None]
    return out


def _scale(rule: Plain, column: Column) -> _Scale:
    raw = _raw(rule, column, column.counts, column.past)
    kinds = [watch.kind for watch in column.watches]
    watched = np.array([kind in (FIGURES if rule.of == "figure" else DISTANCES[rule.of]) for kind in kinds])
    watched &= (~np.isnan(raw)).sum(axis=0) >= 2
    if rule.of != "figure":
        if rule.fixed is not None:
            return _Scale(np.zeros(len(kinds)), np.ones(len(kinds)), np.zeros(len(kinds)), watched)
        usual = np.nan_to_num(np.nanquantile(np.where(watched, raw, 0.0), 0.9, axis=0))
        return _Scale(np.zeros(len(kinds)), np.maximum(usual, 1e-6), np.zeros(len(kinds)), watched)
    known = np.where(watched, raw, 0.0)
    mean, sd = np.nanmean(known, axis=0), np.nanstd(known, axis=0, ddof=1)
    n = np.maximum(np.median(n_of(column, column.past), axis=0), 1.0)
    # of a share that never moved: what half a row more would make of it
    least = np.sqrt((0.5 / n) * (1.0 - np.minimum(0.5 / n, 0.5)) / n)
    share = np.array([FIGURES.get(kind) in ("missing_share", "unseen_share", "accuracy") for kind in kinds])
    sd = np.where(share, np.maximum(sd, least), np.maximum(sd, 1e-12 + 1e-9 * np.abs(mean)))
    made = _Scale(mean, sd, np.zeros(len(kinds)), watched)
    if rule.smooth == 1.0:
        return made
    z = _deviations(rule, column, made, raw, column.past)
    return _Scale(mean, sd, _smoothed(rule.smooth, z[None], np.zeros(len(kinds)))[0, -1], watched)


def _deviations(rule: Plain, column: Column, scale: _Scale, raw: Floats, coarse: Ints) -> Floats:
    """Signed deviations of figures in sd; distances in units of their scale."""
    found = (raw - scale.mean) / scale.sd
    if rule.of == "kolmogorov_smirnov" and rule.fixed is not None:
        m = max(int(column.reference.counts[0].sum()), 1)
        found = found / np.sqrt(1.0 / np.maximum(n_of(column, coarse), ROWS_MIN) + 1.0 / m)
    return np.where(scale.watched, found, 0.0)


def _smoothed(smooth: float, z: Floats, last: Floats) -> Floats:
    """The weighted means of z [R, T, K] over T, which go on from ``last`` [K]; a window without a figure leaves them."""
    out, held = np.empty_like(z), np.broadcast_to(last, z[:, 0].shape)
    for t in range(z.shape[1]):
        held = np.where(np.isnan(z[:, t]), held, (1.0 - smooth) * held + smooth * z[:, t])
        out[:, t] = held
    return out
