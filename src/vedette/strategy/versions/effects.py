"""How large a difference between two versions may be: the weights under which evidence is gathered.

A test that may be looked at whenever one likes bets on alternatives. Which ones it bets on changes how soon it decides, never
how often it is wrong.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

__all__ = ["FAR_WEIGHT", "POINTS", "sizes", "smallest_of"]

Floats = npt.NDArray[np.float64]

POINTS = 16
"""Sizes of effect that are bet on: the middles of as many equally likely parts of a half-normal law."""

FAR_WEIGHT = 0.1
"""What is bet on effects far beyond the smallest that matters. It costs the others ``log(1/0.9)``, a fortieth of the rows, and
keeps intervals narrow where the truth is far from what is asked."""

STANDARDISED = 1 / 15
"""The smallest effect that matters where nobody said one, in standard deviations of a row: 2 points of an accuracy of 0.9."""


def sizes(smallest: float) -> Floats:
    """The sizes of effect that are bet on, [``POINTS``]: half-normal around the ``smallest`` that matters.

    >>> sizes(0.02).round(4)[[0, 7, 15]].tolist()
    [0.0008, 0.0125, 0.0431]
    """
    if not (np.isfinite(smallest) and smallest > 0):
        raise ValueError(f"smallest={smallest}: must be positive, the smallest difference that matters")
    return np.asarray(
        smallest * special.ndtri(0.5 + (np.arange(POINTS) + 0.5) / (2 * POINTS)), dtype=np.float64
    )


def smallest_of(sd: float, margin: float = 0.0) -> float:
    """The smallest difference that matters: the margin where there is one, else a fifteenth of the standard deviation of a row.

    Of a standard deviation that is not known it is that of 1.

    >>> round(smallest_of(0.3), 6), smallest_of(0.3, margin=0.01)
    (0.02, 0.01)
    """
    return abs(margin) or STANDARDISED * (sd if np.isfinite(sd) and sd > 0 else 1.0)
