"""The default strategy: an e-detector on window-conformal scores, under one false-alarm budget."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.strategy.bets import Bets, advance, beginning, evidence, leaders, reset
from vedette.strategy.budget import PRIOR_WINDOWS
from vedette.strategy.latch import effects, recovered
from vedette.strategy.quantiles import normal_of_t
from vedette.strategy.records import (
    Bools,
    Evidence,
    Floats,
    Ints,
    Rows,
    State,
    Step,
    is_nothing,
    nothing,
    put,
)
from vedette.strategy.scores import Reference, Scored, ties, uniform, window_scores
from vedette.strategy.season import NO_SEASON, Chance, Scores, common_ring, compare, learn
from vedette.strategy.watches import ROWS_MIN

__all__ = ["EDetector", "EDetectorRows"]

_WARM_UP = 2  # judged windows before a row may bet: its dispersion is not known at all
_ALIKE, _DIFFER = 1.2, 1.6  # a common dispersion up to which windows are alike, and from which on they differ
_CAP = 16.0  # a window counts for four standard deviations at most, so that a change does not hide itself

_LEAN = 0.645
"""By how much a column's spread seems to widen where its location moves, in scores: with g the density at a value,
mid-ranks that are moved by m on average have squares greater by E[g^2]/(2 (E g)^2) m^2, .577 for normal values, .5 for
uniform and .667 for Laplace's; times the variance of ranks, 1/12, over the deviation of their squares, 1/sqrt(180)."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """What a step makes of the rows that are judged in it; ``rows`` are their numbers, a slice where they are all."""

    rows: Rows
    numbers: Ints
    counts: Ints
    n: Ints
    scored: Scored
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
        C   += min((z - zbar)^2 d/(d + 1), 16 s2)     about the mean of the scores before; the first adds s2
        E_j  = (E_j + 1) exp(lam_j y - lam_j^2 / 2)                          for each bet lam_j
        R    = mean of E_j over the bets and rows of a watch;  R >= A_k: ALARM, all E_j = 0

    lam = +-{.35, .7, 1.2, 1.8, 2.5, 3.3}, the bad side alone where a watch has one. A_k = T/(B v_k). If
    E0[exp(lam y - lam^2/2) | past] <= 1 then R_w + A_k N_w - w never grows in expectation, so E0[N_w] <=
    w / A_k: at most B false alarms in T windows over all watches, whatever ties them together. That
    condition holds exactly for exchangeable rows and exact scores; here the dispersion s2 stands in for
    days that differ, which is why the guarantee is called *calibrated*: it was measured
    (``benchmarks/budget.py``), not proved.

    In place of Q stands w Q + (1 - w) C, with w from 0 at G = 1.2 to 1 at 1.6: where windows do not differ otherwise, a
    level that was there from the first window on is a change and no dispersion.

    Without a season h = n (N - n)/N, with N the rows of P. Levels that differ from window to window by a variance t make
    E[z^2] = 1 + h t; h is small while P is, so what Q shows beyond 1 grows with it.

    A season (``season.learn``) is found after two whole periods; until then its wave is dispersion, and what is smaller
    than the wave is not seen.

    An alarm is latched until ``latch.recovered``. Windows judged while it is open are in the pool, but
    leave it when it closes, do not count in Q, d, G and H, and teach no season: else the fault would become a part of what is
    normal.

    ``tolerance``: changes up to this many standard deviations of the reference's score count as recovered;
    ``tolerances`` [S] (``tolerance.tolerances``) are those that were said of single watches, NaN where none was.

    Source: Shin, Ramdas and Rinaldo (2024), arXiv 2203.03532 (e-detectors); Vovk (2021), "Testing
    randomness online" (exactness of conformal p-values in sequence).

    >>> from vedette.strategy import STRATEGIES
    >>> STRATEGIES["e_detector"]().guarantee
    'calibrated'
    """

    name = "e_detector"
    guarantee = "calibrated"

    def __init__(self, tolerance: float = 0.2, tolerances: Floats | None = None) -> None:
        if not tolerance > 0:
            raise ValueError(f"tolerance={tolerance}: must be greater than 0, in standard deviations")
        self.tolerance = tolerance
        self.tolerances = tolerances
        self._reference = Reference()

    def judge(self, step: Step, state: State) -> tuple[Evidence, State]:
        """What a step shows, and the state after it; both arguments stay as they are.

        Raises ``ValueError`` where the step's rows are not the state's.
        """
        if not np.array_equal(step.key, state.key) or step.counts.shape != state.pool.shape:
            raise ValueError(
                f"step of {len(step.key)} rows for a state of {len(state.key)}: must be of the same plan"
            )
        counts = step.counts if is_nothing(state.carry) else state.carry + step.counts
        n = np.einsum("sb->s", counts)
        of_watch = n[state.first]
        judged, reason = _ready(counts, of_watch, step.window, state)
        whole = bool(judged.all())
        rows = slice(None) if whole else np.flatnonzero(judged[state.group])
        found = self._score(step, state, counts[rows], n[rows], rows)
        after = self._learn(step, state, self._remember(step, state, counts, judged, of_watch, found), found)
        after, alarm, log_evidence = self._bet(step, state, after, judged, found)
        after, closed = self._close(step, state, after, judged)
        return Evidence(judged, reason, of_watch, log_evidence, state.log_needed, alarm, closed), after

    def _score(self, step: Step, state: State, counts: Ints, n: Ints, rows: Rows) -> _Judged:
        key, measure, judged = state.key[rows], state.measure[rows], state.judged[rows]
        tied, numbers = state.tied[rows], np.arange(len(state.key))[rows]

        def chance(some: Ints) -> Floats:
            return uniform(key[some], step.start, judged[some])

        scored = window_scores(state.pool[rows], counts, measure, tied, chance)
        n_all = np.einsum("sb->s", scored.pool)
        scores = Scores(scored.z, scored.known, n * ((n_all - n) / np.maximum(n_all, 1)))
        scores = self._in_season(step, state, numbers, counts, scores, chance)
        scale = self._scale(state)[rows] + self._lift(state, rows, scores.heights)
        usual = np.where(judged > 0, state.dispersion[rows] / np.maximum(judged, 1), 1.0)
        z = self._upright(scores.z, scale, usual, np.flatnonzero(tied), n)
        y = self._standardise(z, scale, judged)
        return _Judged(rows, numbers, counts, n, scored, z, scores.known, y, scale, scores.heights)

    def _remember(
        self, step: Step, state: State, counts: Ints, judged: Bools, n: Ints, found: _Judged
    ) -> State:
        """The pool, the dispersion, the last windows, and what waits."""
        rows, past = found.rows, state.judged[found.rows]
        # windows of the warm-up are not bet on; in the pool they would hide a change that was there from the start
        warm = past >= _WARM_UP
        pool = state.pool
        if bool(warm.all()):
            pool = put(pool, rows, found.scored.pool)
        elif bool(warm.any()):
            pool = put(pool, rows, np.where(warm[:, None], found.scored.pool, pool[rows]))
        whole = isinstance(rows, slice)
        capped, about, centre = _dispersed(found, state.centre[rows], past)
        free = ~state.latched[state.group[rows]] if bool(state.latched.any()) else None
        if free is not None:
            capped, about = np.where(free, capped, 0.0), np.where(free, about, 0.0)
            centre = np.where(free, centre, state.centre[rows])
        sums = self._reference.sums(state, rows, found.scored)
        return replace(
            state,
            pool=pool,
            carry=nothing(counts.shape) if whole else put(counts, rows, 0),
            dispersion=put(state.dispersion, rows, state.dispersion[rows] + capped),
            about=put(state.about, rows, state.about[rows] + about),
            centre=put(state.centre, rows, centre),
            judged=put(state.judged, rows, past + (1 if free is None else free)),
            ring_n=_pushed(state.ring_n, rows, found.n),
            ring_sum=_pushed(state.ring_sum, rows, sums),
            ring_start=_pushed(state.ring_start, rows, step.start),
            last=np.where(judged, step.window, state.last),
            gap=np.where(judged & (state.last >= 0), step.window - state.last, state.gap),
            waiting=np.where(judged, 0, n),
            common=_common(state, found, free),
        )

    def _scale(self, state: State) -> Floats:
        """s2 [S]: the dispersion of the scores, from the reference and from the past."""
        common, in_season = (
            float(past.mean()) if len(past) else 1.0
            for past in (ring[~np.isnan(ring)] for ring in (state.common, state.season_common))
        )
        seen = self._seen(state)
        prior = PRIOR_WINDOWS * np.maximum(
            state.inflation, np.where(state.season == NO_SEASON, common, in_season)
        )
        return np.asarray(np.maximum(1.0, (prior + seen) / (PRIOR_WINDOWS + state.judged)))

    def _seen(self, state: State) -> Floats:
        """Q, or C where windows do not differ: by the common dispersion of all watches, where it is known.

        A level that was there from the first window on is a change where the levels of windows do not differ
        otherwise, and dispersion where they do.
        """
        past = state.common[~np.isnan(state.common)]
        if not len(past):
            return state.dispersion
        differ = min(max((float(past.mean()) - _ALIKE) / (_DIFFER - _ALIKE), 0.0), 1.0)
        plain = state.season == NO_SEASON
        return np.where(plain, differ * state.dispersion + (1.0 - differ) * state.about, state.dispersion)

    def _lift(self, state: State, rows: Rows, heights: Floats) -> Floats:
        """What s2 is raised by where a score weighs more rows than those of the past did.

        Levels that differ from day to day by a variance t make E[z^2] = s2 + h t; early in a stream h is held down by
        the rows of the reference, and what was seen of z^2 beyond 1 grows with it.
        """
        excess = np.maximum(self._seen(state)[rows] - state.judged[rows], 0.0)
        usual = state.heights[rows] / np.maximum(state.judged[rows], 1)
        more = np.maximum(heights / np.where(usual > 0, usual, np.inf) - 1.0, 0.0)
        return np.asarray(excess * more / (PRIOR_WINDOWS + state.judged[rows]))

    def _in_season(
        self, step: Step, state: State, rows: Ints, counts: Ints, scores: Scores, chance: Chance
    ) -> Scores:
        """The scores, those of rows with a season within their phase."""
        return compare(state, rows, counts, step.start, scores, chance)

    def _learn(self, step: Step, state: State, after: State, found: _Judged) -> State:
        """The state with what the step says of seasons."""
        scores = Scores(found.z, found.known, found.heights)
        return learn(state, after, found.numbers, step.start, scores, found.scale)

    def _upright(self, z: Floats, scale: Floats, usual: Floats, own: Ints, n: Ints) -> Floats:
        """The scores, those of spread without what the window's location does to them.

        The row before each of ``own`` is its column's location. Where days differ in level their values lie further
        from the middle, which is no change of spread, and as a square it has a tail that no dispersion allows for. What
        the level did on average, ``usual``, stays.
        """
        if not len(own):
            return z
        moved = np.minimum(np.square(z[own - 1]), _CAP * scale[own - 1]) - usual[own - 1]
        upright = z.copy()
        upright[own] -= _LEAN * moved / np.sqrt(n[own])
        return upright

    def _standardise(self, z: Floats, scale: Floats, judged: Ints) -> Floats:
        """y: Student's t for an estimated dispersion, made normal."""
        y = normal_of_t(z / np.sqrt(scale), np.asarray(int(PRIOR_WINDOWS) + judged, dtype=np.int64))
        return y if int(judged.min(initial=_WARM_UP)) >= _WARM_UP else np.where(judged < _WARM_UP, 0.0, y)

    def _bet(
        self, step: Step, state: State, after: State, judged: Bools, found: _Judged
    ) -> tuple[State, Bools, Floats]:
        """The recursions, their alarms, and the resets that follow."""
        rows, quiet = found.rows, judged & ~state.latched
        bets = advance(state, rows, found.y, step.start)
        log_evidence = evidence(state, bets.bets)
        crossed = judged & (log_evidence >= state.log_needed)
        alarm, since = crossed & ~state.latched, np.where(np.isnan(state.since), step.start, state.since)
        winner = np.where(quiet, leaders(state, bets.bets), state.winner)
        began = beginning(bets, winner[alarm])
        bets = reset(bets, crossed[state.group] if bool(crossed.any()) else crossed)
        since = np.where(quiet, since, state.since)
        since[alarm] = began
        told = replace(
            after,
            **bets._asdict(),
            log_evidence=np.where(quiet, log_evidence, state.log_evidence),
            winner=winner,
            latched=state.latched | alarm,
            since=since,
            opened=np.where(alarm, step.start, state.opened),
            alarms=state.alarms + alarm,
        )
        if bool(told.latched.any()):
            open_rows = told.latched[state.group[rows]]
            aside = state.aside[rows] + np.where(open_rows[:, None], found.counts, 0)
            told = replace(told, aside=put(state.aside, rows, aside))
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
            closed &= recovered(after, self._scale(after), self.tolerances)
        if not bool(closed.any()):
            return after, np.zeros_like(state.latched)
        rows = closed[state.group][:, None]
        pool = np.where(rows, after.pool - after.aside, after.pool)
        return replace(
            after,
            pool=pool,
            tied=ties(pool, after.tied > 0),
            aside=np.where(rows, 0, after.aside),
            **reset(Bets(after.bets, after.cusum, after.begun), rows[:, 0])._asdict(),
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
        self, step: Step, state: State, rows: Ints, counts: Ints, scores: Scores, chance: Chance
    ) -> Scores:
        del step, state, rows, counts, chance
        return scores

    def _learn(self, step: Step, state: State, after: State, found: _Judged) -> State:
        scores = Scores(found.z, found.known, found.heights)
        return learn(state, after, found.numbers, step.start, scores, found.scale, find=False)

    def _lift(self, state: State, rows: Rows, heights: Floats) -> Floats:
        del state, rows
        return np.zeros(len(heights))

    def _upright(self, z: Floats, scale: Floats, usual: Floats, own: Ints, n: Ints) -> Floats:
        del scale, usual, own, n  # exact as it is
        return z

    def _standardise(self, z: Floats, scale: Floats, judged: Ints) -> Floats:  # noqa: ARG002 - as in the base
        return z


def _ready(counts: Ints, n: Ints, window: int, state: State) -> tuple[Bools, np.ndarray]:
    """Which watches have enough to be judged, and why the others have not."""
    reason = np.full(len(n), None, dtype=object)
    short = np.zeros(len(n), dtype=np.bool_)
    if int(counts.min(initial=0)) < 0:
        short = np.minimum.reduceat(counts.min(axis=1), state.first) < 0
    again = state.last >= window
    judged = ~(again | short | (n < ROWS_MIN))
    if not bool(judged.all()):
        reason[again] = "this window was judged before"
        reason[~again & short] = "corrections outweigh new rows"
        few = ~(again | short | judged)
        reason[few] = [f"fewer than {ROWS_MIN} rows: {m}" if m else "no rows" for m in n[few]]
    return judged, reason


def _dispersed(found: _Judged, centre: Floats, past: Ints) -> tuple[Floats, Floats, Floats]:
    """What scores add to the sums Q and C, and the mean of the scores with them.

    C is about the mean of the scores before: (z - mean)^2 d/(d + 1). The first tells its level alone, and adds what was
    expected.
    """
    d, most = past.astype(np.float64), _CAP * found.scale
    away = found.z - centre
    about = np.where(past == 0, found.scale, np.minimum(away * away * (d / (d + 1.0)), most))
    room = np.sqrt(most * (d + 1.0) / np.maximum(d, 1.0))
    kept = np.where(past == 0, away, np.clip(away, -room, room))
    return np.minimum(np.square(found.z), most), about, centre + kept / (d + 1.0)


def _common(state: State, found: _Judged, free: Bools | None) -> Floats:
    """The ring of median z^2 / .455, one longer where 20 watches or more could tell."""
    told = found.known if free is None else found.known & free
    plain = state.season[found.rows] == NO_SEASON
    if not bool(plain.all()):
        told = told & plain
    return common_ring(state.common, state.group[found.rows], found.z, told)


def _pushed(ring: NDArray[Any], rows: Rows, newest: NDArray[Any] | float) -> NDArray[Any]:
    """The ring [S, 8] with a number more in front of these rows, and the oldest gone."""
    held = ring[rows]
    out = np.empty_like(held)
    out.ravel()[1:] = held.ravel()[:-1]  # in one piece: what this moves into the first column is overwritten
    out[:, 0] = newest
    return put(ring, rows, out)
