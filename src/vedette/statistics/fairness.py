"""Fairness by group: how far the usual rates of a classifier lie apart between groups of rows.

A ``GroupTable`` holds counts of labels against predictions by group; adding two is the table of both, so that rows may come
in any order and in shards. ``fairness_figures`` reads off it, for each pair of groups and over all of them, differences and
ratios with intervals. Only group membership, labels and predictions are looked at: whether a gap is unfair is not a
question that counts can answer.

>>> table = group_table([1, 1, 0, 0] * 40, [1, 0, 0, 0] * 20 + [1, 1, 0, 1] * 20, ["a"] * 80 + ["b"] * 80)
>>> found = fairness_figures(table, "equal_opportunity_difference")
>>> [(gap.group, gap.other, gap.figure.value, gap.figure.n) for gap in found]
[('b', 'a', 0.5, 80), (None, None, 0.5, 80)]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette.statistics.estimates import check_level
from vedette.statistics.gaps import (
    difference,
    largest_difference,
    pairs_level,
    ratio,
    smallest_ratio,
    sure,
)
from vedette.statistics.measured import CONSERVATIVE, Measured, unknown

__all__ = ["FAIRNESS", "ROWS_MIN", "Gap", "GroupTable", "fairness_figures", "group_table"]

Integers = npt.NDArray[np.int64]

ROWS_MIN = 10
"""With fewer rows of a group that a rate is a share of, there is no figure: its interval would be most of what is possible."""

_RATES: dict[str, tuple[str, ...]] = {
    "demographic_parity": ("selection_rate",),
    "equal_opportunity": ("true_positive_rate",),
    "equalised_odds": ("true_positive_rate", "false_positive_rate"),
    "predictive_parity": ("precision",),
    "false_positive_rate": ("false_positive_rate",),
    "false_negative_rate": ("false_negative_rate",),
    "accuracy": ("accuracy",),
}
"""The rates that each measure compares; of several, the one that lies furthest apart."""

_ROWS_OF = {
    "selection_rate": "rows",
    "true_positive_rate": "positive labels",
    "false_positive_rate": "negative labels",
    "false_negative_rate": "positive labels",
    "precision": "positive predictions",
    "accuracy": "rows",
}

FAIRNESS: tuple[str, ...] = tuple(
    f"{measure}_{kind}" for measure in _RATES for kind in ("difference", "ratio")
)
"""The names of the figures: differences and ratios of seven measures."""


@dataclass(frozen=True, slots=True, eq=False)
class GroupTable:
    """Counts of labels against predictions by group.

    ``counts`` (int64 [G, C + 1, C + 1]) are rows by group, label and prediction; the last label and the last prediction
    are any class that is none of ``classes``. Of two classes the second is the positive one.
    """

    groups: tuple[str, ...]
    classes: tuple[str, ...]
    counts: Integers

    def __post_init__(self) -> None:
        sides = len(self.classes) + 1
        if self.counts.shape != (len(self.groups), sides, sides):
            raise ValueError(
                f"counts of shape {self.counts.shape}: must be {(len(self.groups), sides, sides)}: groups, labels and "
                "predictions, each with one more for other classes"
            )
        if len(set(self.groups)) < len(self.groups):
            raise ValueError(f"groups={list(self.groups)!r}: names a group twice")

    def __add__(self, other: GroupTable) -> GroupTable:
        """The table of both sets of rows; ``ValueError`` where the classes differ."""
        if not isinstance(other, GroupTable):
            return NotImplemented
        if self.classes != other.classes:
            raise ValueError(f"classes {list(self.classes)} and {list(other.classes)}: must be the same")
        groups = tuple(sorted({*self.groups, *other.groups}))
        counts = np.zeros((len(groups), *self.counts.shape[1:]), dtype=np.int64)
        for one in (self, other):
            counts[[groups.index(name) for name in one.groups]] += one.counts
        return GroupTable(groups, self.classes, counts)

    def shares(self, positive: int) -> dict[str, tuple[Integers, Integers]]:
        """Each rate as counts of hits and of the rows that they are a share of, [G], of the class with that number.

        ``accuracy`` is the same whatever the class; a row whose label and prediction are none of the classes is wrong.
        """
        table = self.counts
        rows, labels = table.sum(axis=(1, 2)), table[:, positive].sum(axis=1)
        predictions, right = table[:, :, positive].sum(axis=1), table[:, positive, positive]
        diagonal = np.diagonal(table, axis1=1, axis2=2)[:, :-1].sum(axis=1)
        return {
            "selection_rate": (predictions, rows),
            "true_positive_rate": (right, labels),
            "false_positive_rate": (predictions - right, rows - labels),
            "false_negative_rate": (labels - right, labels),
            "precision": (right, predictions),
            "accuracy": (diagonal, rows),
        }


@dataclass(frozen=True, slots=True)
class Gap:
    """One figure of fairness.

    ``group`` and ``other`` are the groups compared (the difference is that of ``group`` less that of ``other``, the ratio
    the first over the second); both are None where it is the widest gap over all groups. ``part`` is the class that is
    told against the rest where there are more than two, else None.
    """

    metric: str
    part: str | None
    group: str | None
    other: str | None
    figure: Measured


def group_table(
    labels: npt.ArrayLike,
    predictions: npt.ArrayLike,
    groups: npt.ArrayLike,
    classes: Sequence[Any] | None = None,
) -> GroupTable:
    """The table of rows: label, prediction and group of each, [N].

    ``classes`` are the classes in order (default: those that occur, sorted; of one alone, 0 or 1, both). Raises
    ``ValueError`` where the lengths differ.

    >>> group_table([1, 0, 1], [1, 1, 0], ["f", "m", "f"]).counts[:, :2, :2].tolist()
    [[[0, 0], [1, 1]], [[0, 1], [0, 0]]]
    """
    label, prediction, group = (np.asarray(one) for one in (labels, predictions, groups))
    if not (label.shape == prediction.shape == group.shape and label.ndim == 1):
        raise ValueError(
            f"labels, predictions and groups of shapes {label.shape}, {prediction.shape} and {group.shape}: must be "
            "three rows of numbers or texts, as many of each"
        )
    if classes is None:
        found = sorted({*label.tolist(), *prediction.tolist()})
        classes = [0, 1] if set(found) <= {0, 1} else found
    places = {one: place for place, one in enumerate(classes)}
    names = sorted({str(one) for one in group.tolist()})
    at = {name: place for place, name in enumerate(names)}
    sides = len(places) + 1
    counts = np.zeros((len(names), sides, sides), dtype=np.int64)
    index = (
        np.array([at[str(one)] for one in group.tolist()], dtype=np.int64),
        *(
            np.array([places.get(one, sides - 1) for one in of.tolist()], dtype=np.int64)
            for of in (label, prediction)
        ),
    )
    np.add.at(counts, index, 1)
    return GroupTable(tuple(names), tuple(str(one) for one in classes), counts)


def fairness_figures(
    table: GroupTable,
    metric: str | Sequence[str] | None = None,
    *,
    against: str | None = None,
    level: float = 0.95,
) -> list[Gap]:
    """Differences and ratios of rates between groups, with intervals.

    Of two classes the rates are those of the second, of more those of each class against the rest (``part``); accuracy is
    one for all.

    * ``demographic_parity``: the share of rows predicted positive;
    * ``equal_opportunity``: the true positive rate, the share of rows labelled positive that were predicted so;
    * ``equalised_odds``: the true or the false positive rate, whichever lies further apart;
    * ``predictive_parity``: precision, the share of rows predicted positive whose label is;
    * ``false_positive_rate``, ``false_negative_rate``, ``accuracy``: themselves.

    Each group is compared with one other: ``against``, or the group with the most rows. These intervals hold each for
    itself: ``gaps.difference`` and ``gaps.ratio``. The last row of each metric, ``group`` None, is the widest gap over all
    groups: the greatest rate less the least, or the least over the greatest, as fairlearn has it. Its interval is what the
    intervals of all pairs, at a level raised so that they hold together (Bonferroni), leave of it; for equalised odds those
    of both rates. It is conservative, and with it the value itself lies too high where groups are small: chance alone sets
    them apart. Of equalised odds the row of a pair is the larger of both differences in size, and the ratio the smaller of
    both, each the lesser rate over the greater, with an interval of the same kind.

    ``n`` is the number of rows that both rates are shares of, or those of all groups. A rate of fewer than 10 rows, a
    single group, or a ratio to a rate of 0, has a reason; groups with fewer than 10 are left out of the widest gap, and its
    note names them. ``conservative`` is also said of pairs with fewer than 50 rows or 5 hits of either side.

    Raises ``ValueError`` for a metric that there is not, a group that there is not, or a level outside (0, 1).

    Sources: S. Barocas, M. Hardt and A. Narayanan, Fairness and Machine Learning (2023), chapter 3; M. Hardt, E. Price and
    N. Srebro (2016), NIPS, 3315-3323; O. J. Dunn (1961), JASA 56, 52-64 (simultaneous intervals).
    """
    check_level(level)
    names = _metrics(metric)
    if against is not None and against not in table.groups:
        raise ValueError(f"against={against!r}: must be one of the groups {', '.join(table.groups)}")
    if not table.classes:
        raise ValueError("classes=(): must be two or more")
    rows = table.counts.sum(axis=(1, 2))
    base = table.groups.index(against) if against is not None else int(rows.argmax()) if len(rows) else 0
    out = []
    for name in names:
        measure, _, kind = name.rpartition("_")
        many = len(table.classes) != 2 and measure != "accuracy"
        for place in range(len(table.classes)) if many else [min(1, len(table.classes) - 1)]:
            part = table.classes[place] if many else None
            shares = table.shares(place)
            of = [(rate, *shares[rate]) for rate in _RATES[measure]]
            for group in range(len(table.groups)):
                if group != base:
                    figure = _pair(of, kind, group, base, level)
                    out.append(Gap(name, part, table.groups[group], table.groups[base], figure))
            out.append(Gap(name, part, None, None, _widest(of, kind, table.groups, level)))
    return out


_Shares = list[tuple[str, Integers, Integers]]


def _metrics(metric: str | Sequence[str] | None) -> tuple[str, ...]:
    if metric is None:
        return FAIRNESS
    names = (metric,) if isinstance(metric, str) else tuple(dict.fromkeys(metric))
    for name in names:
        if name not in FAIRNESS:
            raise ValueError(f"metric={name!r}: must be one of {', '.join(FAIRNESS)}")
    if not names:
        raise ValueError("metric=[]: must be a name, or a list of names")
    return names


def _pair(of: _Shares, kind: str, group: int, base: int, level: float) -> Measured:
    """The difference or ratio of two groups."""
    if len(of) > 1:
        pair = np.array([group, base])
        return _over([(rate, k[pair], n[pair]) for rate, k, n in of], kind, None, level)
    rate, k, n = of[0]
    size = int(n[group] + n[base])
    if min(n[group], n[base]) < ROWS_MIN:
        return unknown(f"fewer than {ROWS_MIN} {_ROWS_OF[rate]} of a group: {min(n[group], n[base])}", size)
    both = k[group], n[group], k[base], n[base]
    if kind == "difference":
        value, (low, high) = k[group] / n[group] - k[base] / n[base], difference(*both, level)
    elif k[base] == 0:
        return unknown(f"a {rate.replace('_', ' ')} of 0 to compare with", size)
    else:
        value, (low, high) = k[group] / n[group] / (k[base] / n[base]), ratio(*both, level)
    well = bool(sure(k[group], n[group]) and sure(k[base], n[base]))
    return Measured.of(value, float(low), float(high), size, None if well else CONSERVATIVE)


def _widest(of: _Shares, kind: str, groups: Sequence[str], level: float) -> Measured:
    """The widest gap over all groups that have rows enough."""
    total = int(np.max([n.sum() for _, _, n in of])) if len(groups) else 0
    enough = np.all([n >= ROWS_MIN for _, _, n in of], axis=0)
    if enough.sum() < 2:
        rows = " or ".join(dict.fromkeys(_ROWS_OF[rate] for rate, _, _ in of))
        return unknown(f"fewer than two groups with {ROWS_MIN} {rows}", total)
    without = [name for name, kept in zip(groups, enough, strict=True) if not kept]
    note = f"{CONSERVATIVE}; without {', '.join(without)}" if without else CONSERVATIVE
    return _over([(rate, k[enough], n[enough]) for rate, k, n in of], kind, note, level)


def _over(of: _Shares, kind: str, note: str | None, level: float) -> Measured:
    """The widest gap of one rate or the wider of several, over groups."""
    n_groups = len(of[0][1])
    size = int(np.max([n.sum() for _, _, n in of]))
    each = pairs_level(n_groups, level, len(of))
    for rate, _, n in of:
        if n.min() < ROWS_MIN:
            return unknown(f"fewer than {ROWS_MIN} {_ROWS_OF[rate]} of a group: {n.min()}", size)
    if kind == "difference":
        found = [largest_difference(k, n, each) for _, k, n in of]
        value, low, high = (max(one[place] for one in found) for place in range(3))
    else:
        shown = [(k, n) for _, k, n in of if k.any()]
        if len(shown) < len(of):
            rate = next(rate for rate, k, _ in of if not k.any())
            return unknown(f"a {rate.replace('_', ' ')} of 0 in every group", size)
        found = [smallest_ratio(k, n, each) for k, n in shown]
        value, low, high = (min(one[place] for one in found) for place in range(3))
    return Measured.of(value, low, high, size, note or CONSERVATIVE)
