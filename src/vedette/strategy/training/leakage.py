"""Label leakage: validation rows that were trained on, or a feature that knows the label."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from vedette.records import Status
from vedette.statistics.intervals import share
from vedette.strategy.training.records import Finding, Training, unknown

__all__ = ["Leakage", "count_duplicates"]

DUPLICATES = 0.05
"""Of the validation rows: a twentieth of them moves an accuracy of .8 by a point at most."""

AUC = 0.99
"""A single feature that orders the classes nearly without error is seldom known before the label is."""


def count_duplicates(train: ArrayLike, validation: ArrayLike) -> int:
    """How many rows of the validation set are, value for value, in the training set; NaN equals NaN.

    >>> count_duplicates([[1, 2], [3, 4]], [[3, 4], [5, 6]])
    1
    """
    first, second = np.asarray(train, dtype=np.float64), np.asarray(validation, dtype=np.float64)
    first, second = first.reshape(len(first), -1), second.reshape(len(second), -1)
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"train has {first.shape[1]} columns, validation {second.shape[1]}: must be the same"
        )
    known = {(row + 0.0).tobytes() for row in first}  # + 0.0 makes one of both zeros
    return sum((row + 0.0).tobytes() in known for row in second)


class Leakage:
    """The share of validation rows that are in the training set, and the AUC of each single feature.

    The interval of the share is Wilson's; that of an AUC Hanley and McNeil's (1982, Radiology 143, 29-36) at level/features,
    with the AUC of a feature that orders the other way turned round.
    """

    name = "leakage"

    def judge(self, training: Training, level: float) -> Finding:
        """ALARM where surely a twentieth of the validation rows was trained on, or a feature's AUC is above .99."""
        known_rows = training.duplicates is not None and training.n_validation > 0
        sizes = min(training.n_positive, training.n_negative)
        known_features = bool(training.feature_auc) and sizes > 1
        if not known_rows and not known_features:
            return unknown(self.name, "neither duplicates of n_validation rows nor feature_auc is given")
        level = level / 2 if known_rows and known_features else level
        said, quiet = [], Finding(self.name, Status.OK, "")
        if known_rows:
            found = self._rows(training, level)
            if found.named:
                return found
            said.append(found.evidence)
            quiet = found
        if known_features:
            found = self._features(training, level / len(training.feature_auc))
            if found.named:
                return found
            said.append(found.evidence)
            quiet = quiet if known_rows else found
        return Finding(
            self.name,
            Status.OK,
            "; ".join(said),
            value=quiet.value,
            low=quiet.low,
            high=quiet.high,
            p_value=quiet.p_value,
        )

    def _rows(self, training: Training, level: float) -> Finding:
        both, n = training.duplicates or 0, training.n_validation
        low, high = (float(one) for one in share(both, n, 1 - level))
        p = float(special.betainc(both, n - both + 1, DUPLICATES)) if both else 1.0
        words = f"{both} of {n} validation rows are in the training set"
        verdict = Status.ALARM if low > DUPLICATES else Status.OK
        advice = "" if verdict is Status.OK else "remove duplicates before the split, or split by group"
        return Finding(self.name, verdict, words, advice, None, "", both / n, low, high, p)

    def _features(self, training: Training, level: float) -> Finding:
        turned = {name: max(auc, 1 - auc) for name, auc in training.feature_auc.items()}
        name = max(turned, key=lambda one: turned[one])
        auc, m, n = turned[name], training.n_positive, training.n_negative
        # with a floor of half a pair, since an AUC of 1 has no variance by the formula
        a = min(auc, 1 - 0.5 / (m * n))
        q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
        variance = (a * (1 - a) + (m - 1) * (q1 - a * a) + (n - 1) * (q2 - a * a)) / (m * n)
        error = math.sqrt(max(variance, 0.25 / (m * n)))
        z = -float(special.ndtri(level / 2))
        low, high = a - z * error, min(a + z * error, 1.0)
        p = min(1.0, float(special.ndtr((AUC - a) / error)) * len(turned))
        words = f"feature {name} alone has an AUC of {auc:.3f}"
        verdict = Status.ALARM if low > AUC else Status.OK
        advice = (
            ""
            if verdict is Status.OK
            else f"find out whether {name} is known before the label is; if not, leave it out"
        )
        return Finding(self.name, verdict, words, advice, None, "", auc, low, high, p)
