"""Two versions of a model side by side: is the challenger better, as good, or worse, and when will that be known?

In come looks, which are counts or estimates of champion and challenger in the order in which they became known (``Rates``
on different rows, ``PairedRates`` on the same rows, ``Estimates`` of any figure); ``compare`` says of one figure what may be
claimed, ``decide`` of several whether to promote, hold or roll back, ``forecast`` when; ``mismatch`` whether traffic was
split as it was set. All of it may be looked at after every row, for ever: claims are wrong no oftener than asked for,
whenever one stops.

To add a kind of looks: write a class with what ``Looks`` asks for in a file of its own, and enter it in ``LOOKS``;
``tests/test_versions.py`` then runs every shared check on it.
"""

from __future__ import annotations

from vedette.strategy.versions.compared import Compared, Looks, compare, interval
from vedette.strategy.versions.decision import Decided, Decision, Question, decide
from vedette.strategy.versions.effects import smallest_of
from vedette.strategy.versions.forecast import Forecast, forecast
from vedette.strategy.versions.normal import Estimates
from vedette.strategy.versions.pairs import PairedRates
from vedette.strategy.versions.rates import Rates
from vedette.strategy.versions.shifted import Shifted
from vedette.strategy.versions.traffic import mismatch

__all__ = [
    "LOOKS",
    "Compared",
    "Decided",
    "Decision",
    "Estimates",
    "Forecast",
    "Looks",
    "PairedRates",
    "Question",
    "Rates",
    "Shifted",
    "compare",
    "decide",
    "forecast",
    "interval",
    "mismatch",
    "smallest_of",
]

LOOKS: dict[str, type[Looks]] = {"rates": Rates, "pairs": PairedRates, "estimates": Estimates}
"""By name, what two versions can be compared by."""
