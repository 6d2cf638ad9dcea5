"""Which figures are told where there are more than a scrape should have: the whole before parts of it, and what is left
out is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vedette.output.prometheus.facts import FigureFact, ModelFacts
from vedette.output.prometheus.families import figure_labels, label
from vedette.records import Status, Verdict

__all__ = ["FIGURES_MAX", "MODEL_FIGURES_MAX", "WATCHES_MAX", "chosen", "share"]

MODEL_FIGURES_MAX = 500
"""Figures of one model: a model of thirty features has about as many; each is up to six series."""
WATCHES_MAX = 500
"""Verdicts of one model, those that are not OK first; each is four series."""
FIGURES_MAX = 100_000
"""Figures of all models: up to 600,000 series, which a Prometheus of one machine takes in a scrape of seconds."""


def chosen(one: ModelFacts, figures_max: int = MODEL_FIGURES_MAX) -> tuple[ModelFacts, int]:
    """A model with the figures and verdicts that are told, and how many of both were left out.

    Figures of the model come first, then those of its features, of parts, of segments; and verdicts that are not OK. Of
    two that have the same labels the first is told.
    """
    figures = _ordered(one)[:figures_max]
    verdicts = _verdicts(one)
    lost = len(one.figures) - len(figures) + len(one.verdicts) - len(verdicts)
    return replace(one, figures=tuple(figures), verdicts=verdicts), lost


def share(counts: Sequence[int], figures_max: int = FIGURES_MAX) -> int:
    """How many figures a model may have, of models that have so many each, so that all have at most ``figures_max``.

    An even share in steps, so that what is made for a model need not be made again whenever another has one more.

    >>> share([30, 700, 40], 1000), share([300, 700, 400], 1000), share([10] * 50, 200)
    (500, 320, 4)
    """
    if sum(min(one, MODEL_FIGURES_MAX) for one in counts) <= figures_max:
        return MODEL_FIGURES_MAX
    even = figures_max // len(counts)
    step = 1 << max(0, even.bit_length() - 4)
    return even // step * step


def _ordered(one: ModelFacts) -> list[FigureFact]:
    """The figures of a model, each set of labels once, those first that say most of it."""
    unique: dict[tuple[str, ...], FigureFact] = {}
    for figure in one.figures:
        unique.setdefault(figure_labels(figure), figure)
    return sorted(unique.values(), key=lambda f: (bool(f.segment), bool(f.part), bool(f.feature)))


def _verdicts(one: ModelFacts) -> tuple[Verdict, ...]:
    """The verdicts that are told, each set of labels once, those that are not OK first where there are too many."""
    unique: dict[tuple[str, ...], Verdict] = {}
    for each in one.verdicts:
        unique.setdefault((label(each.watch), label(each.segment)), each)
    return tuple(sorted(unique.values(), key=lambda each: each.verdict is Status.OK)[:WATCHES_MAX])
