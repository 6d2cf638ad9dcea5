"""Which of many have changed, with one error rate over all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["METHOD", "RATE", "named"]

RATE = 0.05
"""Of the columns that a report names, so large a share at most is named by chance, on average over reports."""

METHOD = "Benjamini-Yekutieli"


def named(p_values: Sequence[float | None], rate: float = RATE) -> list[bool | None]:
    """True for each hypothesis that is named as changed, None where there is no p-value.

    With K p-values in ascending order, the first k are named, k the largest with p_(k) <= rate k / (K (1 + 1/2 + ...
    + 1/K)). The expected share of false names among the names is at most ``rate`` whatever ties the columns together;
    where nothing has changed, that is the chance that anything is named at all.

    Source: Y. Benjamini and D. Yekutieli (2001), Annals of Statistics 29, 1165-1188, theorem 1.3.

    >>> named([0.5, 0.001, None, 0.02])     # limits: 0.0091, 0.0182, 0.0273
    [False, True, None, False]
    """
    if not 0 < rate < 1:
        raise ValueError(f"rate={rate}: must lie between 0 and 1, such as 0.05")
    known = [place for place, p in enumerate(p_values) if p is not None]
    p = np.array([p_values[place] for place in known], dtype=np.float64)
    count = len(p)
    rank = np.arange(1, count + 1)
    order = np.argsort(p, kind="stable")
    limit = rate * rank / (count * (1 / rank).sum()) if count else p
    below = np.flatnonzero(p[order] <= limit)
    last = int(below[-1]) + 1 if len(below) else 0
    out: list[bool | None] = [None] * len(p_values)
    for place, name in enumerate(known):
        out[name] = False
        if place in order[:last]:
            out[name] = True
    return out
