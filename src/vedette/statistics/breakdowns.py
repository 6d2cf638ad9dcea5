"""Figures of each class: breakdowns of the statistics that average over classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.statistics.class_shares import Which, by_class
from vedette.statistics.confusion import confusion, is_binary
from vedette.statistics.estimates import Estimates, Reasons, check_kind, check_level, reasons_of
from vedette.statistics.intervals import share
from vedette.statistics.ranking import CLASS_MIN, by_score
from vedette.statistics.roc_auc import area_by_class
from vedette.statistics.summary import Summary

__all__ = ["OTHER", "AreaPerClass", "ConfusionShares", "SharePerClass", "SupportPerClass"]

OTHER = "other"
"""What labels and predictions that are none of the model's classes are called; ``other_`` and so on where one of the
classes is called so."""

_KINDS = ("quality",)


@dataclass(frozen=True, slots=True)
class SharePerClass:
    """Precision, recall or F1 of each of the model's classes against all others.

    Each is that of a model with two classes, the one and the rest, with the same interval: a share's, of F1 carried
    over from TP/(TP + FP + FN). ``n`` is the number of rows that it is a share of, and none is a reason.

    >>> from vedette.statistics import BREAKDOWNS, quality_grid, summarise_quality
    >>> names, grid = ("a", "b", "c"), quality_grid(("a", "b", "c"))
    >>> summary = summarise_quality(grid, [0, 0, 1, 1, 2], [0, 1, 1, 1, 0], names)
    >>> parts = BREAKDOWNS["recall_per_class"].figures(summary)
    >>> {name: part.value.tolist() for name, part in parts.items()}     # 1 of 2, 2 of 2, 0 of 1
    {'a': [0.5], 'b': [1.0], 'c': [0.0]}
    """

    which: Which
    kinds: tuple[str, ...] = _KINDS
    mean_of_rows: bool = True

    @property
    def name(self) -> str:
        """What it is called: ``precision_per_class``."""
        return f"{self.which}_per_class"

    def figures(
        self,
        current: Summary,
        reference: Summary | None = None,  # noqa: ARG002
        level: float = 0.95,
    ) -> dict[str, Estimates]:
        """The figures by class; ``ValueError`` for another kind of summary or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        table, reasons = _table(current, level)
        parts = by_class(table, self.which, level)
        n = parts.rows - (parts.gain - 1) * np.diagonal(table, axis1=1, axis2=2)[:, :-1]
        nothing = {"precision": "predictions", "recall": "labels", "f1": "labels or predictions"}[self.which]
        return _by_class(
            current,
            reasons,
            (parts.value, parts.low, parts.high, n),
            lambda name: f"no {nothing} of {name!r}",
        )


class SupportPerClass:
    """The share of labels that each of the model's classes has, and all others together (``other``).

    Of rows with a label, whatever was predicted, with a share's interval; ``n`` is the number of those rows.

    >>> from vedette.statistics import BREAKDOWNS, quality_grid, summarise_quality
    >>> names, grid = ("no", "yes"), quality_grid(("no", "yes"))
    >>> parts = BREAKDOWNS["support_per_class"].figures(summarise_quality(grid, [0, 0, 0, 1], [0, 1, 1, 1], names))
    >>> {name: part.value.tolist() for name, part in parts.items()}
    {'no': [0.75], 'yes': [0.25], 'other': [0.0]}
    """

    name = "support_per_class"
    kinds: tuple[str, ...] = _KINDS
    mean_of_rows = True

    def figures(
        self,
        current: Summary,
        reference: Summary | None = None,  # noqa: ARG002
        level: float = 0.95,
    ) -> dict[str, Estimates]:
        """The shares by class; ``ValueError`` for another kind of summary or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        check_level(level)
        reasons = reasons_of(current)
        labels = np.where(reasons.given[:, np.newaxis], 0, current.cube.sum(axis=(1, 3)))
        n = labels.sum(axis=1)
        return {
            name: Estimates.of(
                labels[:, place] / np.maximum(n, 1), *share(labels[:, place], n, level), n, _same(reasons)
            )
            for place, name in enumerate((*current.grid.classes, _other(current)))
        }


class AreaPerClass:
    """The area under the ROC curve of each class against the rest, as ``roc_auc`` has it.

    Of two classes both areas are the same. ``n`` counts rows with a valid score and one of the classes for a label;
    fewer than 50 of either side are a reason.

    >>> import numpy as np
    >>> from vedette.statistics import BREAKDOWNS, quality_grid, summarise_quality
    >>> grid, label = quality_grid(("no", "yes")), np.repeat([0, 1], 100)
    >>> score = np.concatenate([np.tile([0.1, 0.3], 50), np.tile([0.3, 0.5], 50)])
    >>> parts = BREAKDOWNS["roc_auc_per_class"].figures(summarise_quality(grid, label, label, ("no", "yes"), score))
    >>> parts["yes"].value.tolist()     # by hand: 1 - 1/4 * 1/2
    [0.875]
    """

    name = "roc_auc_per_class"
    kinds: tuple[str, ...] = _KINDS

    def figures(
        self,
        current: Summary,
        reference: Summary | None = None,  # noqa: ARG002
        level: float = 0.95,
    ) -> dict[str, Estimates]:
        """The areas by class; ``ValueError`` for another kind of summary or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        check_level(level)
        positive, negative, reasons = by_score(current, self.name)
        value, low, high, _, _ = area_by_class(positive, negative, level)
        own, others = positive.sum(axis=2), negative.sum(axis=2)
        n = own + others
        reasons.add(n[:, 0] == 0, "no probabilities")
        out = {}
        for place, name in enumerate(current.grid.classes):
            at = 0 if n.shape[1] == 1 else place
            mine, rest = own[:, at], others[:, at]
            if is_binary(current) and place == 0:
                mine, rest = rest, mine
            told = _same(reasons)
            told.add(mine < CLASS_MIN, f"fewer than {CLASS_MIN} labels of {name!r}", mine)
            told.add(rest < CLASS_MIN, f"fewer than {CLASS_MIN} labels other than {name!r}", rest)
            out[name] = Estimates.of(value[:, at], low[:, at], high[:, at], n[:, at], told)
        return out


class ConfusionShares:
    """Of the rows labelled as a class, the share that was predicted as each: the parts are ``label>prediction``.

    For all pairs of the model's classes and ``other``, any class that is not the model's; of rows with both. Each has a
    share's interval; ``n`` is the number of rows with the label, and none is a reason.

    >>> from vedette.statistics import BREAKDOWNS, quality_grid, summarise_quality
    >>> names, grid = ("no", "yes"), quality_grid(("no", "yes"))
    >>> parts = BREAKDOWNS["confusion"].figures(summarise_quality(grid, [0, 0, 0, 0, 1], [0, 0, 0, 1, 1], names))
    >>> parts["no>yes"].value.tolist(), parts["no>yes"].n.tolist()
    ([0.25], [4])
    """

    name = "confusion"
    kinds: tuple[str, ...] = _KINDS
    mean_of_rows = True

    def figures(
        self,
        current: Summary,
        reference: Summary | None = None,  # noqa: ARG002
        level: float = 0.95,
    ) -> dict[str, Estimates]:
        """The shares by pair; ``ValueError`` for another kind of summary or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        table, reasons = _table(current, level)
        names = (*current.grid.classes, _other(current))
        out = {}
        for place, label in enumerate(names):
            rows = table[:, place]
            n = rows.sum(axis=1)
            told = _same(reasons)
            told.add(n == 0, f"no labels of {label!r}")
            low, high = share(rows, n[:, np.newaxis], level)
            for at, prediction in enumerate(names):
                value = rows[:, at] / np.maximum(n, 1)
                out[f"{label}>{prediction}"] = Estimates.of(value, low[:, at], high[:, at], n, _same(told))
        return out


def _table(current: Summary, level: float) -> tuple[npt.NDArray[np.int64], Reasons]:
    check_level(level)
    return confusion(current)


def _by_class(
    current: Summary,
    reasons: Reasons,
    numbers: tuple[npt.NDArray[np.float64] | npt.NDArray[np.int64], ...],
    nothing: Callable[[str], str],
) -> dict[str, Estimates]:
    """Estimates of each class from value, low, high and n, [W, classes] each."""
    value, low, high, n = numbers
    out = {}
    for place, name in enumerate(current.grid.classes):
        told = _same(reasons)
        told.add(n[:, place] == 0, nothing(name))
        out[name] = Estimates.of(value[:, place], low[:, place], high[:, place], n[:, place], told)
    return out


def _other(current: Summary) -> str:
    name = OTHER
    while name in current.grid.classes:
        name += "_"
    return name


def _same(reasons: Reasons) -> Reasons:
    """The reasons as they are, to add to."""
    own = Reasons(len(reasons.given))
    own.text, own.given = reasons.text.copy(), reasons.given.copy()
    return own
