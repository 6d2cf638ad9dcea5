"""The names by which figures of two versions are compared: ``accuracy``, ``mean(cost)``, ``estimated_accuracy``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches

from vedette.config.comparing import CompareSettings
from vedette.statistics import every_statistic
from vedette.statistics.orientation import higher_is_better
from vedette.statistics.structured import TASK_FIGURES

__all__ = ["DISAGREEMENT", "MEAN_LATENCY", "Named", "named"]

DISAGREEMENT = "disagreement"
"""Of mode shadow: the share of rows on which the two versions predict another thing."""

MEAN_LATENCY = "latency_s"
_ESTIMATED = "estimated_"
_FORM = re.compile(r"\s*([A-Za-z_][\w@]*)\s*(?:\(\s*(.+?)\s*\))?\s*")


@dataclass(frozen=True, slots=True)
class Named:
    """A figure: the statistic, the column it is of where it is of one, and whether it is estimated where labels lack."""

    text: str
    metric: str
    feature: str | None
    estimate: bool
    higher_is_better: bool


def named(text: str, settings: CompareSettings) -> Named:
    """What a name means; ``ValueError`` where there is no such figure, or nobody said whether more of it is better.

    >>> named("estimated_accuracy", CompareSettings("a", "3", "4")).estimate
    True
    >>> named("mean(cost)", CompareSettings("a", "3", "4"))
    Traceback (most recent call last):
    ValueError: mean(cost): whether more is better is not known of it: name it in lower_is_better or higher_is_better
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f"figure {text!r}: must be like accuracy or mean(cost)")
    metric, feature = found[1], found[2]
    estimate = metric.startswith(_ESTIMATED)
    metric = metric.removeprefix(_ESTIMATED)
    known = {*every_statistic(), *(name for own in TASK_FIGURES.values() for name in own)}
    if metric == DISAGREEMENT:
        if settings.mode != "shadow":
            raise ValueError(
                f"{text}: is of mode shadow, where both versions answer a row; this is {settings.mode}"
            )
    elif metric not in known | {MEAN_LATENCY}:
        near = get_close_matches(metric, [*known, MEAN_LATENCY, DISAGREEMENT], 3)
        hint = f"did you mean {' or '.join(near)}?" if near else "docs/statistics.md lists the figures"
        raise ValueError(f"figure {text!r}: there is none of that name: {hint}")
    better = higher_is_better(metric)
    if text in settings.lower_is_better or text in settings.higher_is_better:
        better = text in settings.higher_is_better
    if better is None:
        raise ValueError(
            f"{text}: whether more is better is not known of it: name it in lower_is_better or higher_is_better"
        )
    return Named(text, metric, feature, estimate, better)
