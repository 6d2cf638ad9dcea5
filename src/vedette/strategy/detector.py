"""The default strategy: an e-detector on window-conformal scores, under one false-alarm budget."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from vedette.strategy.budget import BETS, PRIOR_WINDOWS
from vedette.strategy.latch import effects, recovered
from vedette.strategy.records import Bools, Evidence, Floats, Ints, Measure, State, Step
from vedette.strategy.scores import reference_scores, uniform, window_scores
from vedette.strategy.season import NO_SEASON, Scores, common_ring, compare, learn
from vedette.strategy.watches import ROWS_MIN

__all__ = ["EDetector", "EDetectorRows"]

_WARM_UP = 2  # judged windows before a row may bet: its dispersion is not known at all
_CAP = 16.0  # a window counts for four standard deviations at most, so that a change does not hide itself
_LEAST_P = 1e-300

_LEAN = 0.645
"""By how much a column's spread seems to widen where its location moves, in scores: with g the density at a value,
mid-ranks that are moved by m on average have squares greater by E[g^2]/(2 (E g)^2) m^2, .577 for normal values, .5 for
uniform and .667 for Laplace's; times the variance of ranks, 1/12, over the deviation of their squares, 1/sqrt(180)."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """What a step makes of the rows that are judged in it; ``rows`` are their numbers."""

    rows: Ints
    counts: Ints
    pool: Ints
    z: Floats
    known: Bools
    y: Floats
    scale: Floats
    heights: Floats


class EDetector:
    """Tells a lasting change in any watch, with a bound on the false alarms over all of them.

    For every sub-monitor row and every window with n >= 50 rows (else it waits, and is added to the next)::

        P += c;  z = score of c within P   (``scores.window_scores``; the first two windows do not stay in P)
        z   -= .645 (min(z'^2, 16 s2') - Q'/d)/sqrt(n)      (of a spread; z', s2' and Q' are its column's location's)
        z    = (r - m) sqrt(h), h = n M/(n + M)   where a season was found: M past rows of the phase, mean score m
        G    = mean over the last 30 steps of median z^2 / .455       (past only; 1 below 20 watches)
        s2   = max(1, (8 max(v0, G) + Q) / (8 + d)) + max(Q - d, 0) max(h d/H - 1, 0) / (8 + d)
        y    = sign(z) Phi^-1(t_cdf(|z| / sqrt(s2); 8 + d));  y = 0 in the first two windows
        Q   += min(z^2, 16 s2);  d += 1;  H += h                             (after use, so predictable)
        L_j  = logaddexp(L_j, 0) + lam_j y - lam_j^2 / 2                     for each bet lam_j
        R    = mean of exp(L_j) over the bets and rows of a watch;  R >= A_k: ALARM, all L_j = -inf

    lam = +-{.35, .7, 1.2, 1.8, 2.5, 3.3}, the bad side alone where a watch has one. A_k = T/(B v_k). If
    E0[exp(lam y - lam^2/2) | past] <= 1 then R_w + A_k N_w - w never grows in expectation, so E0[N_w] <=
    w / A_k: at most B false alarms in T windows over all watches, whatever ties them together. That
    condition holds exactly for exchangeable rows and exact scores; here the dispersion s2 stands in for
    days that differ, which is why the guarantee is called *calibrated*: it was measured
    (``benchmarks/budget.py``), not proved.

    Without a season h = n (N - n)/N, with N the rows of P. Levels that differ from window to window by a variance t make
    E[z^2] = 1 + h t; h is small while P is, so what Q shows beyond 1 grows with it.

    A season (``season.learn``) is found after two whole periods; until then its wave is dispersion, and what is smaller
    than the wave is not seen.

    An alarm is latched until ``latch.recovered``. Windows judged while it is open are in the pool, but
    leave it when it closes, do not count in Q, d, G and H, and teach no season: else the fault would become a part of what is
    normal.

    ``tolerance``: changes up to this many standard deviations of the reference's score count as recovered.

    Source: Shin, Ramdas and Rinaldo (2024), arXiv 2203.03532 (e-detectors); Vovk (2021), "Testing
    randomness online" (exactness of conformal p-values in sequence).

    >>> from vedette.strategy import STRATEGIES
    >>> STRATEGIES["e_detector"]().guarantee
    'calibrated'
    """

    name = "e_detector"
    guarantee = "calibrated"

    def __init__(self, tolerance: float = 0.2) -> None:
        if not tolerance > 0:
            raise ValueError(f"tolerance={tolerance}: must be greater than 0, in standard deviations")
        self.tolerance = tolerance

    def judge(self, step: Step, state: State) -> tuple[Evidence, State]:
        """What a step shows, and the state after it; both arguments stay as they are.

        Raises ``ValueError`` where the step's rows are not the state's.
        """
        if not np.array_equal(step.key, state.key) or step.counts.shape != state.pool.shape:
            raise ValueError(
                f"step of {len(step.key)} rows for a state of {len(state.key)}: must be of the same plan"
            )
        counts = state.carry + step.counts
        judged, reason, n = _ready(counts, step.window, state)
        found = self._score(step, state, counts, np.flatnonzero(judged[state.group]))
        after = self._learn(step, state, _remember(step, state, counts, judged, n, found), found)
        after, alarm, log_evidence = self._bet(step, state, after, judged, found)
        after, closed = self._close(step, state, after, judged)
        return Evidence(judged, reason, n, log_evidence, state.log_needed, alarm, closed), after

    def _score(self, step: Step, state: State, counts: Ints, rows: Ints) -> _Judged:
        part = counts[rows]
        pool = state.pool[rows] + part
        chance = uniform(state.key[rows], step.start, state.judged[rows])
        z, known = window_scores(pool, part, state.measure[rows], chance)
        n, n_all = part.sum(axis=1), pool.sum(axis=1)
        scores = Scores(z, known, n * ((n_all - n) / np.maximum(n_all, 1)))
        scores = self._in_season(step, state, rows, part, scores, chance)
        scale = self._scale(state)[rows] + self._lift(state, rows, scores.heights)
        past = np.maximum(state.judged[rows], 1)
        usual = np.where(state.judged[rows] > 0, state.dispersion[rows] / past, 1.0)
        z = self._upright(scores.z, scale, usual, state.measure[rows], part)
        y = self._standardise(z, scale, state.judged[rows])
        return _Judged(rows, part, pool, z, scores.known, y, scale, scores.heights)

    def _scale(self, state: State) -> Floats:
        """s2 [S]: the dispersion of the scores, from the reference and from the past."""
        common, in_season = (
            float(past.mean()) if len(past) else 1.0
            for past in (ring[~np.isnan(ring)] for ring in (state.common, state.season_common))
        )
        prior = PRIOR_WINDOWS * np.maximum(
            state.inflation, np.where(state.season == NO_SEASON, common, in_season)
        )
        return np.asarray(np.maximum(1.0, (prior + state.dispersion) / (PRIOR_WINDOWS + state.judged)))

    def _lift(self, state: State, rows: Ints, heights: Floats) -> Floats:
        """What s2 is raised by where a score weighs more rows than those of the past did.

        Levels that differ from day to day by a variance t make E[z^2] = s2 + h t; early in a stream h is held down by
        the rows of the reference, and what was seen of z^2 beyond 1 grows with it.
        """
        excess = np.maximum(state.dispersion[rows] - state.judged[rows], 0.0)
        usual = state.heights[rows] / np.maximum(state.judged[rows], 1)
        more = np.maximum(heights / np.where(usual > 0, usual, np.inf) - 1.0, 0.0)
        return np.asarray(excess * more / (PRIOR_WINDOWS + state.judged[rows]))

    def _in_season(
        self, step: Step, state: State, rows: Ints, counts: Ints, scores: Scores, chance: Floats
    ) -> Scores:
        """The scores, those of rows with a season within their phase."""
        return compare(state, rows, counts, step.start, scores, chance)

    def _learn(self, step: Step, state: State, after: State, found: _Judged) -> State:
        """The state with what the step says of seasons."""
        scores = Scores(found.z, found.known, found.heights)
        return learn(state, after, found.rows, step.start, scores, found.scale)

    def _upright(self, z: Floats, scale: Floats, usual: Floats, measure: np.ndarray, counts: Ints) -> Floats:
        """The scores, those of spread without what the window's location does to them.

        The row before that of a column's spread is its location. Where days differ in level their values lie further
        from the middle, which is no change of spread, and as a square it has a tail that no dispersion allows for. What
        the level did on average, ``usual``, stays.
        """
        own = np.flatnonzero((measure[1:] == Measure.SPREAD) & (measure[:-1] == Measure.LOCATION)) + 1
        own = own[(counts[own] == counts[own - 1]).all(axis=1)]
        if not len(own):
            return z
        moved = np.minimum(np.square(z[own - 1]), _CAP * scale[own - 1]) - usual[own - 1]
        upright = z.copy()
        upright[own] -= _LEAN * moved / np.sqrt(counts[own].sum(axis=1))
        return upright

    def _standardise(self, z: Floats, scale: Floats, judged: Ints) -> Floats:
        """y: Student's t for an estimated dispersion, made normal."""
        tail = special.stdtr(PRIOR_WINDOWS + judged, -np.abs(z) / np.sqrt(scale))
        y = np.copysign(-special.ndtri(np.maximum(tail, _LEAST_P)), z)
        return np.where(judged < _WARM_UP, 0.0, y)

    def _bet(
        self, step: Step, state: State, after: State, judged: Bools, found: _Judged
    ) -> tuple[State, Bools, Floats]:
        """The recursions, their alarms, and the resets that follow."""
        rows, lam = found.rows, np.concatenate([BETS, -BETS])
        gain = found.y[:, None] * lam - 0.5 * lam * lam
        before = state.cusum[rows]
        begun, cusum, log_bets = state.begun.copy(), state.cusum.copy(), state.log_bets.copy()
        begun[rows] = np.where(before <= 0.0, step.start, state.begun[rows])
        cusum[rows] = np.maximum(before, 0.0) + gain
        log_bets[rows] = np.logaddexp(state.log_bets[rows], 0.0) + gain
        log_bets[~_allowed(state)] = -np.inf
        log_evidence, winner, since = _mixture(state, log_bets, begun)
        crossed = judged & (log_evidence >= state.log_needed)
        alarm = crossed & ~state.latched
        reset = crossed[state.group]
        log_bets[reset], cusum[reset] = -np.inf, 0.0
        quiet = judged & ~state.latched
        told = replace(
            after,
            log_bets=log_bets,
            cusum=cusum,
            begun=begun,
            log_evidence=np.where(quiet, log_evidence, state.log_evidence),
            winner=np.where(quiet, winner, state.winner),
            latched=state.latched | alarm,
            since=np.where(alarm, since, np.where(quiet & np.isnan(state.since), step.start, state.since)),
            opened=np.where(alarm, step.start, state.opened),
            alarms=state.alarms + alarm,
        )
        open_rows = told.latched[state.group[rows]]
        if bool(open_rows.any()):
            aside = state.aside.copy()
            aside[rows[open_rows]] += found.counts[open_rows]
            told = replace(told, aside=aside)
        return replace(told, tolerance=self._tolerances(told, alarm)), alarm, log_evidence

    def _tolerances(self, state: State, alarm: Bools) -> Floats:
        """Half the change that alarmed, where that is less than the tolerance: a smaller change must be
        seen to go.
        """
        if not bool(alarm.any()):
            return state.tolerance
        change = np.nan_to_num(np.abs(effects(state, self._scale(state), state.since[state.group]).value))
        half = 0.5 * np.maximum.reduceat(change, state.first)
        return np.where(alarm, np.minimum(half, self.tolerance), state.tolerance)

    def _close(self, step: Step, state: State, after: State, judged: Bools) -> tuple[State, Bools]:
        """Alarms of earlier steps that have recovered: evidence to zero, the incident out of the pool."""
        closed = state.latched & judged
        if bool(closed.any()):
            closed &= recovered(after, self._scale(after))
        if not bool(closed.any()):
            return after, np.zeros_like(state.latched)
        rows = closed[state.group][:, None]
        return replace(
            after,
            pool=np.where(rows, after.pool - after.aside, after.pool),
            aside=np.where(rows, 0, after.aside),
            log_bets=np.where(rows, -np.inf, after.log_bets),
            cusum=np.where(rows, 0.0, after.cusum),
            latched=after.latched & ~closed,
            since=np.where(closed, step.start, after.since),
            opened=np.where(closed, np.nan, after.opened),
            tolerance=np.where(closed, np.nan, after.tolerance),
            log_evidence=np.where(closed, -np.inf, after.log_evidence),
        ), closed


class EDetectorRows(EDetector):
    """The e-detector for independent rows: y = z, no allowance for windows that differ more than chance
    makes them.

    Faster by the allowance, and its budget is *proved* for exchangeable rows: exactly for shares, up to
    the normal law of rank sums for location and spread. Where rows hang together, or days differ, it
    makes tens to hundreds of false alarms a month; it is for users who know that their rows are
    independent.

    >>> EDetectorRows().guarantee
    'proved'
    """

    name = "e_detector_rows"
    guarantee = "proved"

    def _scale(self, state: State) -> Floats:
        return np.ones(len(state.key))

    def _in_season(
        self, step: Step, state: State, rows: Ints, counts: Ints, scores: Scores, chance: Floats
    ) -> Scores:
        del step, state, rows, counts, chance
        return scores

    def _learn(self, step: Step, state: State, after: State, found: _Judged) -> State:
        scores = Scores(found.z, found.known, found.heights)
        return learn(state, after, found.rows, step.start, scores, found.scale, find=False)

    def _lift(self, state: State, rows: Ints, heights: Floats) -> Floats:
        del state, heights
        return np.zeros(len(rows))

    def _upright(  # exact as it is
        self, z: Floats, scale: Floats, usual: Floats, measure: np.ndarray, counts: Ints
    ) -> Floats:
        del scale, usual, measure, counts
        return z

    def _standardise(self, z: Floats, scale: Floats, judged: Ints) -> Floats:  # noqa: ARG002 - as in the base
        return z


def _ready(counts: Ints, window: int, state: State) -> tuple[Bools, np.ndarray, Ints]:
    """Which watches have enough to be judged, why the others have not, and their rows."""
    n = counts.sum(axis=1)[state.first]
    least = np.minimum.reduceat(counts.min(axis=1), state.first) if len(counts) else n
    reason = np.full(len(n), None, dtype=object)
    again = state.last >= window
    for why, text in (
        (again, "this window was judged before"),
        (~again & (least < 0), "corrections outweigh new rows"),
        (~again & (least >= 0) & (n == 0), "no rows"),
    ):
        reason[why] = text
    for k in np.flatnonzero(~again & (least >= 0) & (n > 0) & (n < ROWS_MIN)):
        reason[k] = f"fewer than {ROWS_MIN} rows: {n[k]}"
    return np.array([why is None for why in reason], dtype=np.bool_), reason, n


def _remember(step: Step, state: State, counts: Ints, judged: Bools, n: Ints, found: _Judged) -> State:
    """The pool, the dispersion, the last windows, and what waits."""
    rows = found.rows
    pool, carry = state.pool.copy(), counts
    # windows of the warm-up are not bet on; in the pool they would hide a change that was there from the start
    warm = state.judged[rows] >= _WARM_UP
    pool[rows[warm]] = found.pool[warm]
    carry[rows] = 0
    quiet = rows[~state.latched[state.group[rows]]]
    dispersion, past = state.dispersion.copy(), state.judged.copy()
    free = ~state.latched[state.group[rows]]
    dispersion[quiet] += np.minimum(np.square(found.z), _CAP * found.scale)[free]
    past[quiet] += 1
    ring_n, ring_sum, ring_start = state.ring_n.copy(), state.ring_sum.copy(), state.ring_start.copy()
    for ring in (ring_n, ring_sum, ring_start):
        ring[rows, 1:] = ring[rows, :-1]
    scores = reference_scores(state.reference[rows], state.measure[rows])
    ring_n[rows, 0] = found.counts.sum(axis=1)
    ring_sum[rows, 0] = np.einsum("sb,sb->s", scores, found.counts)
    ring_start[rows, 0] = step.start
    return replace(
        state,
        pool=pool,
        carry=carry,
        dispersion=dispersion,
        judged=past,
        ring_n=ring_n,
        ring_sum=ring_sum,
        ring_start=ring_start,
        last=np.where(judged, step.window, state.last),
        gap=np.where(judged & (state.last >= 0), step.window - state.last, state.gap),
        waiting=np.where(judged, 0, n),
        common=_common(state, found, free),
    )


def _common(state: State, found: _Judged, free: Bools) -> Floats:
    """The ring of median z^2 / .455, one longer where 20 watches or more could tell."""
    told = found.known & free & (state.season[found.rows] == NO_SEASON)
    return common_ring(state.common, state.group[found.rows[told]], found.z[told])


def _allowed(state: State) -> Bools:
    """The bets [S, M] of the sides that count."""
    half = (len(state.key), len(BETS))
    up = np.broadcast_to((state.side >= 0)[:, None], half)
    down = np.broadcast_to((state.side <= 0)[:, None], half)
    return np.concatenate([up, down], axis=1)


def _mixture(state: State, log_bets: Floats, begun: Floats) -> tuple[Floats, Ints, Floats]:
    """log R of each watch, its row with most evidence, and the window where that row's best bet began."""
    if not len(log_bets):
        return np.zeros(0), np.zeros(0, dtype=np.int64), np.zeros(0)
    best = log_bets.argmax(axis=1)
    top = np.take_along_axis(log_bets, best[:, None], axis=1)[:, 0]
    peak = np.maximum.reduceat(top, state.first)
    shift = np.where(np.isfinite(peak), peak, 0.0)[state.group]
    total = np.add.reduceat(np.exp(log_bets - shift[:, None]).sum(axis=1), state.first)
    bets = np.add.reduceat(_allowed(state).sum(axis=1), state.first)
    with np.errstate(divide="ignore"):
        log_evidence = np.log(total / bets) + np.where(np.isfinite(peak), peak, 0.0)
    leading = np.flatnonzero(top == peak[state.group])
    winner = leading[np.unique(state.group[leading], return_index=True)[1]]
    return log_evidence, winner, begun[winner, best[winner]]
