"""What is wrong with a training: one diagnosis a file, each a verdict with its evidence, its step and its advice.

In comes a ``Training`` (curves by name, and what else is known), out come ``Finding`` records, one for each diagnosis:
OK, WARN, ALARM, or UNKNOWN with a reason. ``diagnose`` shares one level among all of them, so that of trainings in which
nothing is wrong at most that share is named. ``stopping`` says when to stop and what to keep. No store and no clock here.

To add a diagnosis: write a class with a ``name`` and ``judge`` in a file of its own, and enter it in ``DIAGNOSES``.
``tests/test_every_diagnosis.py`` then runs every shared check on it.
"""

from __future__ import annotations

from vedette.capture.arguments import shown
from vedette.records import Status
from vedette.strategy.training.class_collapse import ClassCollapse
from vedette.strategy.training.curves import chance_loss
from vedette.strategy.training.data_starvation import DataStarvation
from vedette.strategy.training.dead_units import DeadUnits
from vedette.strategy.training.divergence import Divergence
from vedette.strategy.training.diverging_rank import DivergingRank
from vedette.strategy.training.exploding_gradients import ExplodingGradients
from vedette.strategy.training.leakage import Leakage, count_duplicates
from vedette.strategy.training.loss_spike import LossSpike
from vedette.strategy.training.memory_leak import MemoryLeak
from vedette.strategy.training.nan_source import NanSource
from vedette.strategy.training.overfitting import Overfitting
from vedette.strategy.training.plateau import Plateau
from vedette.strategy.training.ranks import OF_RANKS
from vedette.strategy.training.rate_too_high import RateTooHigh
from vedette.strategy.training.rate_too_low import RateTooLow
from vedette.strategy.training.records import Diagnosis, Finding, Split, Training
from vedette.strategy.training.slower import Slower
from vedette.strategy.training.split_gap import SplitGap
from vedette.strategy.training.stopping import Stop, best, larger_is_better, should_stop
from vedette.strategy.training.straggler import Straggler
from vedette.strategy.training.underfitting import Underfitting
from vedette.strategy.training.vanishing_gradients import VanishingGradients
from vedette.strategy.training.worse_than_last import WorseThanLast

__all__ = [
    "DIAGNOSES",
    "LEVEL",
    "OF_RANKS",
    "Diagnosis",
    "Finding",
    "Split",
    "Stop",
    "Training",
    "best",
    "chance_loss",
    "count_duplicates",
    "diagnose",
    "larger_is_better",
    "should_stop",
]

LEVEL = 0.02
"""Of trainings in which nothing is wrong, at most this share is to be named by any diagnosis."""

DIAGNOSES: dict[str, type[Diagnosis]] = {
    one.name: one
    for one in (
        NanSource,
        DivergingRank,
        Divergence,
        LossSpike,
        RateTooHigh,
        RateTooLow,
        ExplodingGradients,
        VanishingGradients,
        DeadUnits,
        Plateau,
        Underfitting,
        Overfitting,
        SplitGap,
        Leakage,
        ClassCollapse,
        WorseThanLast,
        DataStarvation,
        Straggler,
        MemoryLeak,
        Slower,
    )
}
"""The diagnoses by name, causes before what follows from them."""

_GRAVITY = (Status.ALARM, Status.WARN, Status.UNKNOWN, Status.OK)


def diagnose(training: Training, *, level: float = LEVEL, look: int = 1) -> tuple[Finding, ...]:
    """All findings of a training, the gravest first, and among those causes before what follows from them.

    level: the chance to name anything where nothing is wrong, shared alike among the diagnoses (Bonferroni). look: the
    number of the look from 1, for a training that is looked at while it goes on: the k-th look gets 1/(k (k + 1)) of the
    level, so that all looks together keep it. A finding of a rule without a law of chance (``p_value`` NaN) keeps no level.
    Raises ``ValueError`` for a level outside (0, 1) and a look below 1.

    >>> import numpy as np
    >>> steps = np.arange(200)
    >>> loss = np.exp(-steps / 30.0) + 0.1
    >>> loss[150:] = np.nan
    >>> found = diagnose(Training({"loss": (steps, loss)}))[0]
    >>> found.diagnosis, found.verdict.value, found.since_step
    ('nan_source', 'ALARM', 150)
    """
    if not isinstance(training, Training):
        raise TypeError(
            f"training={shown(training)}: must be a Training, such as Training({{'loss': (steps, values)}})"
        )
    if not 0 < level < 1:
        raise ValueError(f"level={level!r}: must lie between 0 and 1")
    if look < 1:
        raise ValueError(f"look={look!r}: must be 1 or more")
    looks = look * (look + 1) if look > 1 or not training.finished else 1
    own = level / looks / len(DIAGNOSES)
    found = [one().judge(training, own) for one in DIAGNOSES.values()]
    return tuple(sorted(found, key=lambda one: _GRAVITY.index(one.verdict)))
