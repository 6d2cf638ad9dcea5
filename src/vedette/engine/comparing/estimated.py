"""Two versions by what their labels are estimated to be."""

from __future__ import annotations

import numpy as np
import polars as pl

from vedette.engine.comparing.counted import Z95, Both
from vedette.engine.comparing.looks import Seen, nothing
from vedette.engine.comparing.naming import Named
from vedette.engine.figures import figures
from vedette.lake.tables import Lake
from vedette.strategy.versions import Estimates

__all__ = ["estimates_of"]


def estimates_of(lake: Lake, model: str, figure: Named, both: Both) -> Seen:
    """A figure whose lacking labels are estimated, over all rows of each version."""
    sides = []
    for version in both.versions:
        found = figures(
            lake,
            model,
            figure.metric,
            version=version,
            since=both.first,
            estimate=True,
            k=0,
        )
        found = found.filter(both.within(), pl.col("part").is_null(), pl.col("value").is_not_null())
        if found.is_empty():
            return nothing(f"no estimate of version {version}")
        n = found["n"].to_numpy().astype(np.float64)
        weight = np.maximum(n, 1.0) / np.maximum(n, 1.0).sum()
        se = ((found["high"] - found["low"]) / (2 * Z95)).to_numpy()
        # what an estimate is off by may be so in every window: that is added up, where what was measured averages out
        alone = (found["kind"] == "measured").to_numpy()
        off = np.hypot(np.linalg.norm((weight * se)[alone]), (weight * se)[~alone].sum())
        sides.append((float(weight @ found["value"].to_numpy()), float(off), int(n.sum())))
    (a, se_a, n_a), (b, se_b, n_b) = sides
    looks = Estimates(np.array([b - a]), np.array([np.hypot(se_a, se_b)]), np.array([float(min(n_a, n_b))]))
    return Seen(looks, a, b, (n_a, n_b))
