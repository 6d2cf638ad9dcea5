"""When a comparison will be decided, from what was seen so far and how fast rows and labels come."""

from __future__ import annotations

import math

import numpy as np

from vedette.strategy.versions import Estimates, Looks, PairedRates, Rates, Shifted, forecast, smallest_of

__all__ = ["decided_in", "standard_error"]

_STEPS = 240
_HORIZON = 50.0  # times as long as it has run


def standard_error(looks: Looks) -> float:
    """About the standard error of the difference after the last look; inf where there is none."""
    if isinstance(looks, Shifted):
        return standard_error(looks.looks)
    if isinstance(looks, Rates):
        sides = ((looks.champion_hits, looks.champion_n), (looks.challenger_hits, looks.challenger_n))
        totals = [(float(np.sum(hits)) + 0.5, float(np.sum(n)) + 1.0) for hits, n in sides]
        return math.sqrt(sum(hits / n * (1 - hits / n) / n for hits, n in totals))
    if isinstance(looks, PairedRates):
        apart = float(np.sum(looks.only_champion) + np.sum(looks.only_challenger)) + 0.5
        return math.sqrt(apart) / (float(np.sum(looks.n)) + 1.0)
    assert isinstance(looks, Estimates)
    se = float(looks.se[-1])
    return se if np.isfinite(se) and se > 0 else float("inf")


def decided_in(
    looks: Looks, *, higher_is_better: bool, margin: float, smallest: float | None, alpha: float, run_s: float
) -> tuple[float | None, float | None]:
    """The seconds until one figure is decided either way, with probabilities of a half and of nine tenths; None where that
    is not within fifty times what it has run, ``run_s``: rows are taken to come on as they came."""
    se, value = standard_error(looks), float(looks.value[-1])
    if not (np.isfinite(se) and np.isfinite(value) and run_s > 0):
        return None, None
    times = run_s * np.geomspace(0.01, _HORIZON, _STEPS)
    matters = smallest if smallest is not None else smallest_of(looks.sd, margin)
    found = forecast(
        value,
        se,
        se * np.sqrt(run_s / (run_s + times)),
        margin=margin,
        smallest=matters,
        higher_is_better=higher_is_better,
        alpha=alpha,
    )
    half, most = (None if look is None else float(times[look]) for look in (found.median, found.late))
    return half, most
