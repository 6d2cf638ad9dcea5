"""What a diagnosis is told of a training, and what it answers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vedette.capture.arguments import check_mapping, shown
from vedette.capture.run_parts import metric_by_rank
from vedette.records import Status, Verdict

__all__ = ["Diagnosis", "Finding", "Floats", "Ints", "Split", "Training", "unknown"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LARGEST = (
    1e75  # the fourth powers of ten million of it add up to a float; Welch's degrees of freedom have such
)
_SPLITS = ("train", "validation", "test")
_OTHER_NAMES = {"val_loss": ("val/loss", "loss_val"), "val_accuracy": ("val/accuracy", "accuracy_val")}


@dataclass(frozen=True, slots=True)
class Split:
    """What a model reached on one part of the data: a share (accuracy, F1 ...) of ``n`` rows.

    For an F1 or a recall ``n`` is the number of rows that it rests on, those that are or are called positive.
    """

    value: float
    n: int

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for what is no share of rows."""
        if not isinstance(self.value, int | float | np.number) or not 0 <= self.value <= 1:
            raise ValueError(f"value={self.value!r}: must lie in [0, 1]")
        if not isinstance(self.n, int | float | np.number) or self.n < 1:
            raise ValueError(f"n={self.n!r}: must be 1 row or more")


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """What is known of one training, so far or in the end.

    ``series`` are the curves, name -> (steps int64, values float64), steps in order; series of layers are named
    ``<what>/<layer>`` and stand in the order of the layers. ``splits`` may hold train, validation and test.
    ``label_shares`` and ``predicted_shares`` are shares of classes in ``n_predicted`` rows that were predicted.
    ``chance_loss`` is the loss of always saying the base rates (``chance_loss(label_shares)`` for log loss, the variance
    of the target for squared error); without it the first losses stand for it. ``feature_auc`` is the ROC AUC of single
    features on ``n_positive`` and ``n_negative`` rows. ``duplicates`` of ``n_validation`` rows are also in the training
    set. ``last`` is the run before, ``row_losses`` and ``last_row_losses`` the losses of this and of the last version
    on the same test rows; with ``row_counts`` they are mean losses of so many rows each. ``finished`` is False while it goes on.
    Of a distributed training the series of rank k are named ``rank<k>/<name>``, those of rank 0 plainly; ``replicated`` where
    each rank holds a copy of all weights (DistributedDataParallel).
    """

    series: Mapping[str, tuple[Ints, Floats]] = field(default_factory=dict)
    splits: Mapping[str, Split] = field(default_factory=dict)
    label_shares: Mapping[str, float] = field(default_factory=dict)
    predicted_shares: Mapping[str, float] = field(default_factory=dict)
    n_predicted: int = 0
    chance_loss: float | None = None
    feature_auc: Mapping[str, float] = field(default_factory=dict)
    n_positive: int = 0
    n_negative: int = 0
    duplicates: int | None = None
    n_validation: int = 0
    last: Training | None = None
    row_losses: Floats | None = None
    last_row_losses: Floats | None = None
    row_counts: Floats | None = None
    finished: bool = True
    replicated: bool = False

    def __post_init__(self) -> None:
        """Raise ``ValueError`` naming the series or the argument that cannot be what it should be."""
        for name, pair in check_mapping("series", self.series, "{'loss': (steps, values)}").items():
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise ValueError(f"series {name!r}: {shown(pair)}: must be a pair, (steps, values)")
            steps, values = pair
            if np.ndim(steps) != 1 or np.shape(steps) != np.shape(values):
                raise ValueError(
                    f"series {name!r}: steps of shape {np.shape(steps)} and values of shape {np.shape(values)}: "
                    "must be two arrays of one dimension and one length"
                )
            if np.any(np.diff(steps) < 0):
                raise ValueError(f"series {name!r}: steps must not go back")
            if np.asarray(values).dtype.kind not in "biuf":
                raise ValueError(f"series {name!r}: values of {np.asarray(values).dtype}: must be numbers")
        for name, split in check_mapping("splits", self.splits, "{'train': Split(0.9, 1000)}").items():
            if name not in _SPLITS or not isinstance(split, Split):
                raise ValueError(
                    f"splits[{name!r}]={shown(split)}: must be a Split, and the name one of {', '.join(_SPLITS)}"
                )
        for name, shares in (
            ("label_shares", self.label_shares),
            ("predicted_shares", self.predicted_shares),
        ):
            if any(not 0 <= one <= 1 for one in shares.values()):
                raise ValueError(f"{name}={dict(shares)!r}: shares must lie in [0, 1]")
        if self.duplicates is not None and not 0 <= self.duplicates <= self.n_validation:
            raise ValueError(
                f"duplicates={self.duplicates}: must lie in 0 to n_validation={self.n_validation}"
            )
        now, before = self.row_losses, self.last_row_losses
        if now is not None and before is not None and np.shape(now) != np.shape(before):
            raise ValueError(
                f"row_losses of shape {np.shape(now)} and last_row_losses of {np.shape(before)}: "
                "must be of the same rows"
            )

    def raw(self, name: str) -> tuple[Ints, Floats]:
        """Steps and values of a series as given, NaN and inf included; empty where there is no such series.

        What is so large that its fourth power is infinite, as a loss that ran away, or infinity as a database keeps it, is
        infinite: no mean or deviation can be had of it.
        """
        for one in (name, *_OTHER_NAMES.get(name, ())):
            if one in self.series:
                steps, values = self.series[one]
                found = np.asarray(values, dtype=np.float64)
                with np.errstate(invalid="ignore"):
                    found = np.where(np.abs(found) > _LARGEST, np.copysign(np.inf, found), found)
                return np.asarray(steps, dtype=np.int64), found
        return np.zeros(0, dtype=np.int64), np.zeros(0)

    def curve(self, name: str) -> tuple[Ints, Floats]:
        """Steps and values of a series where they are finite; empty where there is no such series."""
        steps, values = self.raw(name)
        finite = np.isfinite(values)
        return steps[finite], values[finite]

    def layers(self, what: str) -> dict[str, tuple[Ints, Floats]]:
        """The finite curves ``<what>/<layer>`` that are not empty, by layer, in the order given."""
        start = f"{what}/"
        found = {one.removeprefix(start): self.curve(one) for one in self.series if one.startswith(start)}
        return {layer: curve for layer, curve in found.items() if len(curve[1])}

    def ranks(self, name: str) -> dict[int, tuple[Ints, Floats]]:
        """Steps and values of a series by rank, NaN and inf included; empty where only one rank has it."""
        found = {
            rank: self.raw(one)
            for one in self.series
            for rank, plain in (metric_by_rank(one),)
            if plain == name and len(self.series[one][1])
        }
        return dict(sorted(found.items())) if len(found) > 1 else {}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one diagnosis says of a training.

    ``value``, ``low`` and ``high`` are the figure that decided with its interval at the level of the diagnosis, and
    ``p_value`` how likely as much would be were the figure no worse than what is put up with: NaN where nothing is left
    to chance (a NaN is a NaN) and where the verdict is UNKNOWN. ``since_step`` is None where there is no such step.
    ``layer`` is where it is: a layer, or ``rank 3`` of a distributed training.
    """

    diagnosis: str
    verdict: Status
    evidence: str
    advice: str = ""
    since_step: int | None = None
    layer: str = ""
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p_value: float = math.nan
    reason: str | None = None

    @property
    def named(self) -> bool:
        """True where something is wrong: WARN or ALARM."""
        return self.verdict in (Status.WARN, Status.ALARM)

    def as_verdict(self) -> Verdict:
        """The finding as a verdict of the house; the layer is its segment, the step stands in the evidence.

        >>> Finding("dead_units", Status.OK, "at most 3 % of a layer's units are dead").as_verdict().watch
        'training.dead_units'
        """
        since = "" if self.since_step is None else f" (since step {self.since_step})"
        words = f"{self.evidence}{since}" + (f"; {self.advice}" if self.advice else "")
        return Verdict(
            f"training.{self.diagnosis}", self.layer, self.verdict, None, words, "calibrated", self.reason
        )


def unknown(diagnosis: str, reason: str) -> Finding:
    """The finding of a diagnosis that lacks what it needs.

    >>> unknown("plateau", "no series loss").verdict.value
    'UNKNOWN'
    """
    return Finding(diagnosis, Status.UNKNOWN, "", reason=reason)


class Diagnosis(Protocol):
    """Looks for one fault. ``level`` is the chance it may have to name a training in which the fault is not there."""

    name: str

    def judge(self, training: Training, level: float) -> Finding:
        """What is to be thought of the training; the training is left as it is."""
