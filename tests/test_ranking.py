"""What changed most, in nats."""

from __future__ import annotations

import numpy as np
import pytest

from vedette.statistics import numeric_grid, summarise_numeric
from vedette.strategy import EDetector, begin, plan, ranking


def judged(shifts: dict[str, float], days: int = 4, seed: int = 5) -> list[tuple[str, float, float]]:
    """The ranking after some days, of columns that shifted after the sixth."""
    random = np.random.default_rng(seed)
    grids = {name: numeric_grid(name, random.normal(size=1000)) for name in shifts}
    reference = {name: summarise_numeric(grid, random.normal(size=4000)) for name, grid in grids.items()}
    watches = plan(reference, "model")
    state = begin(watches, reference, np.ones(len(watches.key)), windows_per_month=30, budget=1e-9)
    for day in range(6 + days):
        rows = {
            name: summarise_numeric(grid, random.normal(shifts[name] * (day >= 6), size=500))
            for name, grid in grids.items()
        }
        _, state = EDetector().judge(watches.step(rows, day, day * 86400.0), state)
    return [(watch.id, nats, opened) for watch, nats, opened in ranking(watches, state)]


def test_the_larger_change_leads() -> None:
    """Of three columns that shifted, by the size of the shift; one that did not is far behind."""
    found = judged({"a": 0.0, "b": 0.3, "c": 0.6, "d": 0.15})
    locations = [name for name, _, _ in found if name.endswith("location")]
    assert locations[:2] == ["c.location", "b.location"]
    nats = {name: value for name, value, _ in found}
    assert nats.get("a.location", 0.0) < 3.0 < nats["b.location"] < nats["c.location"]


def test_evidence_adds_up_over_windows() -> None:
    """Twice the windows have more than one and a half times the nats (a little is lost to the pool)."""
    short, long = ({name: nats for name, nats, _ in judged({"a": 0.4}, days)} for days in (2, 4))
    assert long["a.location"] == pytest.approx(2 * short["a.location"], rel=0.45)
    assert all(np.isnan(opened) for _, _, opened in judged({"a": 0.4}))
