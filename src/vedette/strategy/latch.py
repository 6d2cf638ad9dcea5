"""The verdict latch: how large a change is, when an alarm may close, and what is said of each watch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from vedette.records import Status, Verdict
from vedette.statistics.structured.ranking import HITS_AMONG
from vedette.strategy.budget import PRIOR_WINDOWS
from vedette.strategy.records import Bools, Floats, Ints, Measure, State
from vedette.strategy.scores import reference_share
from vedette.strategy.watches import ROWS_MIN, Plan

__all__ = ["Effects", "describe", "effects", "recovered", "verdicts"]

_RECENCY = 0.8  # weight of a window against the one after it: a slow return counts as what it has become
_CLEAN_MIN = 2  # one window within tolerance can be luck
_NORMAL_95 = 1.959963984540054
_WARN_SD = 0.2  # a change worth a look, in standard deviations of the score: Cohen's "small"
_MOVED = {
    "location": ("location moved", "location moved"),
    "spread": ("spread widened", "spread narrowed"),
    "bias": ("predictions are higher against labels", "predictions are lower against labels"),
    "errors": ("errors are larger", "errors are smaller"),
    "quality": ("what rows lack of F1 grew", "what rows lack of F1 shrank"),
    "direction": ("vectors moved along {axis}", "vectors moved back along {axis}"),
    "shape": ("vectors spread more along {axis}", "vectors spread less along {axis}"),
}
_WINDOWS_OPEN = (
    3  # an OK outlives its window by as many windows, or by twice the usual gap between judgements
)


@dataclass(frozen=True, slots=True)
class Effects:
    """The change of each row against the original reference, in its standard deviations, with a 95 %
    interval.
    """

    value: Floats
    low: Floats
    high: Floats
    n: Ints


def effects(state: State, scale: Floats, since: Floats) -> Effects:
    """The change over the windows in the ring (8 at most) that start at ``since`` [S] or later.

    The mean score of their rows, and 1.96 standard errors with the dispersion ``scale`` [S] (s^2) and the
    reference's own noise: sqrt(s^2 (1/n + 1/m)). NaN where no such window was judged.
    """
    used = (state.ring_n > 0) & (state.ring_start >= since[:, None])
    n = np.where(used, state.ring_n, 0).sum(axis=1)
    total = np.where(used, state.ring_sum, 0.0).sum(axis=1)
    value = np.where(n > 0, total / np.maximum(n, 1), np.nan)
    m = np.maximum(state.reference.sum(axis=1), 1)
    error = _NORMAL_95 * np.sqrt(scale * (1.0 / np.maximum(n, 1) + 1.0 / m))
    return Effects(value, value - error, value + error, n)


def recovered(state: State, scale: Floats, limits: Floats | None = None) -> Bools:
    """Which watches may close their alarm: evidence that they are back within tolerance of the ORIGINAL
    reference.

    Of the ring, a row's windows since the alarm count back to the last bad one, which is one whose own
    interval lies outside the tolerance. With weights 0.8^age their mean score has the interval mean +-
    1.96 s sqrt(sum w^2 n)/sum w n; it must lie within the tolerance, on the bad side where there is one,
    in every row, over 2 windows or more. The tolerance is that of ``limits`` [S] where one was said, else the state's
    (0.2 sd, or half the change that
    alarmed if that is less), but no finer than two standard errors of the reference, since a small
    reference cannot tell more.
    """
    rows = state.group
    m = np.maximum(state.reference.sum(axis=1), 1)
    tolerance = state.tolerance[rows]
    if limits is not None:
        tolerance = np.where(np.isnan(limits), tolerance, limits)
    tolerance = np.maximum(tolerance, 2.0 * np.sqrt(scale / m))
    n = state.ring_n
    used = (n > 0) & (state.ring_start >= state.opened[rows][:, None])
    away = _away(state.ring_sum / np.maximum(n, 1), state.side[:, None])
    bad = away - _NORMAL_95 * np.sqrt(scale[:, None] / np.maximum(n, 1)) > tolerance[:, None]
    clean = np.logical_and.accumulate(used & ~bad, axis=1)
    weight = np.where(clean, _RECENCY ** np.arange(n.shape[1]), 0.0)
    total = np.maximum((weight * n).sum(axis=1), 1e-300)
    mean = (weight * state.ring_sum).sum(axis=1) / total
    error = _NORMAL_95 * np.sqrt(scale * (weight * weight * n).sum(axis=1)) / total
    inside = (clean.sum(axis=1) >= _CLEAN_MIN) & (_away(mean, state.side) + error <= tolerance)
    return (
        np.asarray(state.latched & np.logical_and.reduceat(inside, state.first))
        if len(inside)
        else state.latched
    )


def _away(value: Floats, side: np.ndarray) -> Floats:
    """How far a change goes to the bad side, or to either where both are."""
    return np.where(side == 0, np.abs(value), side * value)


def describe(plan: Plan, state: State, k: int) -> str:
    """What the evidence of watch ``k`` is, in words and numbers.

    The change is that of its row with most evidence, over the windows since the alarm's evidence began,
    or the last 8.
    """
    watch, row = plan.watches[k], int(state.winner[k])
    since = -np.inf if np.isnan(state.since[k]) else state.since[k]
    one = _only(state, row)
    scale = np.array([_dispersion(state, row)])
    found = effects(one, scale, np.array([since]))
    if found.n[0] == 0:  # more than 8 windows since
        found = effects(one, scale, np.array([-np.inf]))
    told = _change(watch.kind, watch.rows[row - int(state.first[k])], one, found)
    evidence = np.exp(min(float(state.log_evidence[k]), 700.0))
    needed = float(state.windows_per_month[0] / (state.budget[0] * state.weight[k]))
    return f"{told}; evidence {_number(evidence)} against {_number(needed)} needed"


def _dispersion(state: State, row: int) -> float:
    d = float(state.judged[row])
    prior = PRIOR_WINDOWS * float(state.inflation[row])
    return max(1.0, (prior + float(state.dispersion[row])) / (PRIOR_WINDOWS + d))


def _only(state: State, row: int) -> State:
    part = slice(row, row + 1)
    return replace(
        state,
        key=state.key[part],
        measure=state.measure[part],
        reference=state.reference[part],
        ring_n=state.ring_n[part],
        ring_sum=state.ring_sum[part],
        ring_start=state.ring_start[part],
    )


def _change(kind: str, name: str, row: State, found: Effects) -> str:
    if found.n[0] == 0:
        return "nothing judged yet"
    value, low, high = float(found.value[0]), float(found.low[0]), float(found.high[0])
    if row.measure[0] != Measure.SHARE:
        moved = _MOVED[kind][value < 0].format(axis=name)
        return f"{moved} by {value:+.2f} sd of its ranks ({low:+.2f} to {high:+.2f})"
    before = float(reference_share(row.reference)[0])
    deviation = np.sqrt(before * (1.0 - before))
    after = min(max(before + value * deviation, 0.0), 1.0)
    counted = row.reference[0, 1] / max(int(row.reference[0, :2].sum()), 1)
    what = {
        "missing": "share of missing values",
        "mix": f"share of {name!r}" if name else "share of the other levels",
        "unseen": "share of new levels",
        "slow": f"share over {name}",
        "late": f"share of predictions without a label after {name}",
        "accuracy": "accuracy",
        "hits": f"hit rate among the first {HITS_AMONG}",
    }[kind]
    if kind in ("accuracy", "hits"):
        counted, after = 1.0 - counted, 1.0 - after
    return f"{what} went from {_percent(counted)} to {_percent(after)}"


def _percent(share: float) -> str:
    return f"{100.0 * share:.3g} %" if share > 1e-9 else "0 %"  # what rounding left of nothing


def _number(value: float) -> str:
    return (
        f"{value:,.2f}"
        if value < 10
        else f"{value:,.0f}"
        if value < 1e5
        else f"{value:.1e}".replace("e+0", "e").replace("e+", "e")
    )


def verdicts(
    plan: Plan, state: State, window: int, guarantee: str, minor: Bools | None = None
) -> tuple[Verdict, ...]:
    """The verdict of every watch as it stands in window number ``window``, and UNKNOWN for what cannot be
    watched.

    ALARM while latched, or WARN where the mask ``minor`` [K] says that the change is within its tolerance. WARN,
    outside the budget and paging nobody, where the interval of the change over the last 8 judged windows lies
    beyond 0.2 standard deviations of the score on the bad side: a change that was there from the first window looks
    to the detector like days that differ. OK where the last judgement is recent: no older than 3 windows, or twice
    the gap between the last two judgements if that is longer (a nightly batch). Else UNKNOWN, with the reason.
    """
    out = []
    beyond = _beyond(state)
    for k, watch in enumerate(plan.watches):
        reason = _unknown(state, k, window)
        status = Status.ALARM if state.latched[k] else Status.UNKNOWN if reason else Status.OK
        within = status is Status.ALARM and minor is not None and bool(minor[k])
        if within or (status is Status.OK and bool(beyond[k])):
            status = Status.WARN
        since = None if np.isnan(state.since[k]) else datetime.fromtimestamp(float(state.since[k]), UTC)
        said = describe(plan, state, k) + ("; within its tolerance" if within else "")
        out.append(
            Verdict(
                watch.id,
                watch.segment,
                status,
                since,
                said,
                guarantee,
                reason if status is Status.UNKNOWN else None,
            )
        )
    for (name, segment), reason in plan.unwatched.items():
        out.append(Verdict(name, segment, Status.UNKNOWN, None, "nothing judged yet", guarantee, reason))
    return tuple(out)


def _beyond(state: State) -> np.ndarray:
    """Which watches have a row whose change, with its whole interval, is larger than the tolerance."""
    if not len(state.key):
        return np.zeros(0, dtype=np.bool_)
    prior = PRIOR_WINDOWS * state.inflation
    dispersion = (prior + state.dispersion) / (PRIOR_WINDOWS + state.judged)
    since = np.where(np.isnan(state.since), -np.inf, state.since)  # not what was before a recovery
    found = effects(state, np.maximum(1.0, dispersion), since[state.group])
    least = np.where(found.value > 0, found.low, -found.high)
    bad = (state.side == 0) | (np.sign(found.value) == state.side)
    large = bad & (np.nan_to_num(least) > _WARN_SD)
    return np.asarray(np.logical_or.reduceat(large, state.first))


def _unknown(state: State, k: int, window: int) -> str | None:
    last, waiting = int(state.last[k]), int(state.waiting[k])
    if last >= 0 and window - last <= max(_WINDOWS_OPEN, 2 * int(state.gap[k])):
        return None
    return f"fewer than {ROWS_MIN} rows: {waiting}" if waiting else "no rows"
