"""A gap between training, validation and test that sizes of samples do not explain."""

from __future__ import annotations

import math

from scipy import special

from vedette.records import Status
from vedette.statistics.intervals import wilson
from vedette.strategy.training.records import Finding, Split, Training, unknown

__all__ = ["SplitGap", "gap"]

FITTED_WARN, FITTED_ALARM = 0.1, 0.25
"""Points by which a model may be better on what it was trained on: some always are; a tenth is worth a look."""

CHOSEN = 0.02
"""Points by which validation and test may differ: choosing among models by validation gives one or two."""


def gap(first: Split, second: Split, level: float) -> tuple[float, float, float, float]:
    """The first value less the second with Newcombe's interval from both sizes, and its standard error.

    Source: R. G. Newcombe (1998), Statistics in Medicine 17, 873-890, method 10.

    >>> [round(one, 4) for one in gap(Split(56 / 70, 70), Split(48 / 80, 80), 0.05)[:3]]   # his table II: a
    [0.2, 0.0524, 0.3339]
    """
    limits = []
    for one in (first, second):
        ends = wilson(one.value * one.n, one.n, 1 - level)
        limits.append((one.value - float(ends[0]), float(ends[1]) - one.value))
    between = first.value - second.value
    low = between - math.hypot(limits[0][0], limits[1][1])
    high = between + math.hypot(limits[0][1], limits[1][0])
    return between, low, high, (high - low) / 2 / -float(special.ndtri(level / 2))


class SplitGap:
    """Differences of the shares in ``splits`` (train, validation, test), each with Newcombe's interval, at level/3.

    Without ``splits`` nothing is judged: the curves do not say how many rows are behind them. Rows of a split are taken
    as independent, so rows that belong together (frames of a film) should be counted once.
    """

    name = "split_gap"

    def judge(self, training: Training, level: float) -> Finding:
        """WARN where train is surely .1 above another, or validation and test surely .02 apart; ALARM from .25 on."""
        pairs = [
            (one, two)
            for one, two in (("train", "validation"), ("train", "test"), ("validation", "test"))
            if one in training.splits and two in training.splits
        ]
        if not pairs:
            return unknown(
                self.name, "two of the splits train, validation and test are needed, with their rows"
            )
        said, worst = [], Finding(self.name, Status.OK, "")
        for one, two in pairs:
            between, low, high, error = gap(training.splits[one], training.splits[two], level / 3)
            fitted = one == "train"
            bound = FITTED_WARN if fitted else CHOSEN
            away = between if fitted else abs(between)
            near = low if fitted or between > 0 else -high
            p = float(special.ndtr((bound - away) / error)) if error > 0 else float(away <= bound)
            said.append(
                f"{one} {'above' if between >= 0 else 'below'} {two} by {abs(between):.3f} ({low:.3f} to {high:.3f})"
            )
            verdict = Status.OK if near <= bound else Status.ALARM if near > FITTED_ALARM else Status.WARN
            advice = ""
            if verdict is not Status.OK:
                advice = (
                    "regularise, or get more data: much of what was learnt holds for the training rows alone"
                    if fitted
                    else "look whether the splits are alike and share no rows, and whether validation chose the model"
                )
            found = Finding(self.name, verdict, "", advice, None, "", between, low, high, min(1.0, 3 * p))
            order = [Status.OK, Status.WARN, Status.ALARM]
            if math.isnan(worst.value) or (order.index(verdict), -found.p_value) > (
                order.index(worst.verdict),
                -worst.p_value,
            ):
                worst = found
        return Finding(
            self.name,
            worst.verdict,
            "; ".join(said),
            worst.advice,
            None,
            "",
            worst.value,
            worst.low,
            worst.high,
            worst.p_value,
        )
