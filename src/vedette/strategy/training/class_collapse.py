"""Class collapse: a class that is there is hardly ever predicted."""

from __future__ import annotations

from scipy import special

from vedette.records import Status
from vedette.statistics.intervals import share
from vedette.strategy.training.records import Finding, Training, unknown

__all__ = ["ClassCollapse"]

OF_LABELS = 1 / 3
"""A class predicted less than a third as often as it is there is as good as given up: two of three are missed."""

RARE = 0.02  # of the labels: a class as rare is often best not predicted at all


class ClassCollapse:
    """The share of predictions of each class of 2 % of the labels or more, against a third of its share of labels.

    Exact binomial tests at level/classes.
    """

    name = "class_collapse"

    def judge(self, training: Training, level: float) -> Finding:
        """ALARM where a single class is left, WARN where one class is surely given up."""
        labels, n = training.label_shares, training.n_predicted
        if not labels or not training.predicted_shares or n < 1:
            return unknown(self.name, "label_shares, predicted_shares and n_predicted are needed")
        judged = {name: one for name, one in labels.items() if one >= RARE}
        if len(judged) < 2:
            return unknown(
                self.name, f"{len(judged)} class of {RARE:.0%} of the labels or more: two are needed"
            )
        lost, worst = [], (2.0, "", 0.0, 0.0, 1.0)
        for name, one in judged.items():
            k = round(training.predicted_shares.get(name, 0.0) * n)
            low, high = (float(limit) for limit in share(k, n, 1 - level / len(judged)))
            if high < OF_LABELS * one:
                lost.append(name)
            # P(X <= k) where it is predicted a third as often as it is there
            p = float(special.bdtr(k, n, OF_LABELS * one))
            worst = min(worst, (p, name, k / n, low, high))
        p, name, value, low, high = worst
        words = f"class {name} is {judged[name]:.1%} of the labels and {value:.1%} of {n} predictions"
        figures = (value, low, high, min(1.0, p * len(judged)))
        if not lost:
            return Finding(self.name, Status.OK, words, "", None, name, *figures)
        verdict = Status.ALARM if len(lost) >= len(judged) - 1 else Status.WARN
        advice = "weight or sample classes, look at the learning rate, and move the threshold only then"
        said = f"{words}; given up: {', '.join(lost[:5])}" + (" ..." if len(lost) > 5 else "")
        return Finding(self.name, verdict, said, advice, None, name, *figures)
