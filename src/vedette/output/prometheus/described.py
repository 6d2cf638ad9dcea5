"""What is generated for Prometheus and Grafana is generated from: a model's configuration, and what it has in the lake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Described"]


@dataclass(frozen=True, slots=True)
class Described:
    """A model as rules and dashboards are made for it.

    ``window_s`` is the length of its windows; ``live`` is True where its rows come by the wall's clock, so that their age
    means something. ``figures`` are the features of each metric that has a value (empty: of the model itself), ``segments``
    the columns that are watched as segments, ``severities`` those of the rules in ``vedette.toml`` by name.
    """

    model: str
    window_s: float
    live: bool
    budget_per_month: float
    figures: Mapping[str, tuple[str, ...]]
    segments: tuple[str, ...]
    severities: Mapping[str, str]
    url: str | None
