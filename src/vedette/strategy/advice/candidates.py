"""What races: the strategies and rules that could watch a model, behind one protocol.

A ``Candidate`` is made ready once with the history and calm replays (``fit``: thresholds are set on them, so that the
budget holds), and then says of any replay of a column where its alarms open (``Ready.opens``). All candidates see the
same replays.

To add one: write a class with what ``Candidate`` asks for in a file of its own, and enter it in ``CANDIDATES``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from vedette.strategy.advice.detectors import Detectors, OfStrategy
from vedette.strategy.advice.expected import Series, WithSeries
from vedette.strategy.advice.history import Column, History
from vedette.strategy.advice.plain import Plain
from vedette.strategy.advice.replays import Replays, Told
from vedette.strategy.detector import EDetector, EDetectorRows

__all__ = ["CANDIDATES", "Candidate", "Ready"]


class Ready(Protocol):
    """A candidate that is ready for the replays of one history."""

    @property
    def lines(self) -> tuple[str, ...]:
        """What to write into the model's table of ``vedette.toml``, that it be in force; none where nothing is needed."""

    @property
    def detectors(self) -> Detectors | None:
        """The detectors that it judges with, which are judged together with those of others; None without any."""

    @property
    def series(self) -> Series | None:
        """The series that it watches, which are judged once for all who do; None without any."""

    def opens(self, column: Column, replays: Replays) -> Told:
        """Where alarms open, and stand, in replays of a column: bool [R, T, K] by its watches."""


class Candidate(Protocol):
    """A way to watch. ``words`` says what it does, ``guarantee`` is proved, calibrated or rule; ``runs`` is True where
    vedette can run it as it is raced.
    """

    @property
    def name(self) -> str:
        """By which it is known."""

    @property
    def words(self) -> str:
        """What it does, in a few words."""

    @property
    def guarantee(self) -> str:
        """Proved, calibrated or rule."""

    @property
    def runs(self) -> bool:
        """True where vedette can run it."""

    def unfit(self, history: History, /) -> str | None:
        """Why it cannot race on this history; None where it can."""

    def fit(self, history: History, calm: Mapping[str, Replays]) -> Ready:
        """Made ready with the history and calm replays of each column."""


CANDIDATES: dict[str, Candidate] = {
    one.name: one
    for one in (
        OfStrategy("e_detector", "the e-detector alone", EDetector),
        OfStrategy(
            "e_detector_quarter", "the e-detector alone, with a quarter of its budget", EDetector, 1 / 4
        ),
        OfStrategy("e_detector_sixteenth", "the same, with a sixteenth of it", EDetector, 1 / 16),
        OfStrategy("e_detector_sixty_fourth", "the same, with a sixty-fourth of it", EDetector, 1 / 64),
        OfStrategy("e_detector_rows", "the e-detector for independent rows alone", EDetectorRows),
        WithSeries("series", "the e-detector, and the series of figures beside it", EDetector),
        WithSeries(
            "series_quarter", "the same, the e-detector with a quarter of its budget", EDetector, 1 / 4
        ),
        WithSeries("series_sixteenth", "the same, with a sixteenth of it", EDetector, 1 / 16),
        WithSeries("series_sixty_fourth", "the same, with a sixty-fourth of it", EDetector, 1 / 64),
        WithSeries(
            "series_rows", "the e-detector for independent rows, and the series beside it", EDetectorRows
        ),
        OfStrategy(
            "e_detector_rows_quarter",
            "the e-detector for independent rows alone, with a quarter of its budget",
            EDetectorRows,
            1 / 4,
        ),
        WithSeries(
            "series_rows_quarter",
            "the e-detector for independent rows with a quarter of its budget, and the series beside it",
            EDetectorRows,
            1 / 4,
        ),
        Plain("limits", "limits on each window's figures", "figure"),
        Plain("limits_2", "the same, for 2 windows in a row", "figure", windows=2),
        Plain("limits_3", "the same, for 3 windows in a row", "figure", windows=3),
        Plain("ewma", "limits on an exponentially weighted mean of figures", "figure", smooth=0.2),
        Plain("psi", "a limit on each column's PSI", "psi"),
        Plain("ks", "a limit on each column's Kolmogorov-Smirnov distance", "kolmogorov_smirnov"),
        Plain("three_sigma", "3 standard deviations of each window's figures", "figure", fixed=3.0),
        Plain("psi_over_0.2", "PSI over 0.2", "psi", fixed=0.2),
        Plain(
            "ks_p_under_0.05",
            "a Kolmogorov-Smirnov test at 5 % each window",
            "kolmogorov_smirnov",
            fixed=1.3581,
        ),
    )
}
"""The candidates by name; ``e_detector`` is in force where nothing else is said."""
