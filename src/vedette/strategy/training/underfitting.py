"""Underfitting: a training has ended and its loss is hardly better than saying the base rates."""

from __future__ import annotations

from vedette.records import Status
from vedette.strategy.training.curves import progress
from vedette.strategy.training.records import Finding, Training, unknown

__all__ = ["GAINED_LEAST", "Underfitting"]

GAINED_LEAST = 0.2
"""A model that explains less than a fifth of the loss of the base rates has learnt little: as an R2 of .2."""


class Underfitting:
    """The share of the chance loss that the training loss lost: 1 - end/chance, end the level of the last tenth."""

    name = "underfitting"

    def judge(self, training: Training, level: float) -> Finding:
        """WARN where the upper limit of the share that was gained is under a fifth, ALARM where it is under 1/20."""
        found = progress(training, level)
        if isinstance(found, str):
            return unknown(self.name, found)
        if not training.finished:
            return unknown(self.name, "the training goes on")
        end, chance = found.end, found.chance
        most, least = 1 - end.low / chance, 1 - end.high / chance
        words = f"loss {end.value:.4g} at the end, {chance:.4g} by chance: {found.gained_words} of it gained"
        p = end.above((1 - GAINED_LEAST) * chance)
        figures = (found.gained, least, most, p)
        if most >= GAINED_LEAST:
            return Finding(self.name, Status.OK, words, "", None, "", *figures)
        verdict = Status.ALARM if most < GAINED_LEAST / 4 else Status.WARN
        advice = "check that labels belong to their rows, then the learning rate, then a larger model or less regularisation"
        return Finding(self.name, verdict, words, advice, int(found.steps[0]), "", *figures)
