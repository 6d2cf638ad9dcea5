"""What was read of the models, as a collector for a registry of ``prometheus_client``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from vedette.output.prometheus.chosen import FIGURES_MAX, chosen, share
from vedette.output.prometheus.facts import ModelFacts, Reading
from vedette.output.prometheus.families import FAMILIES

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

__all__ = ["ModelCollector", "of_models", "of_reading"]


class ModelCollector:
    """Collects the metrics of models from a function that reads them, for a registry of one's own.

    ``text.Exposition`` tells the same, and makes the text of a model again only where it has changed: a server of many
    models uses that. ``figures_max`` bounds the figures of all models together; what is left out is counted by model.
    """

    def __init__(self, read: Callable[[], Reading], *, figures_max: int = FIGURES_MAX) -> None:
        if figures_max < 1:
            raise ValueError(f"figures_max={figures_max}: must be at least 1")
        self._read, self._figures_max = read, figures_max

    def describe(self) -> list[Metric]:
        """Nothing: a registry that asks would have the lake read where a collector is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The families of ``families.FAMILIES``, and how the reading itself went."""
        reading = self._read()
        limit = share([len(one.figures) for one in reading.models], self._figures_max)
        yield from of_models([chosen(one, limit) for one in reading.models])
        yield from of_reading(reading)


def of_models(told: Sequence[tuple[ModelFacts, int]]) -> Iterator[Metric]:
    """The families of models, with how much was left out of each."""
    from prometheus_client.core import GaugeMetricFamily

    for family in FAMILIES:
        metric = GaugeMetricFamily(family.name, family.help, labels=family.labels)
        for facts, _ in told:
            for labels, value in family.samples(facts):
                metric.add_metric([facts.model, *labels], value)
        yield metric
    lost = GaugeMetricFamily(
        "vedette_left_out",
        "Figures and verdicts of the model that are not in these metrics: too many.",
        labels=["model"],
    )
    for facts, n in told:
        lost.add_metric([facts.model], n)
    yield lost


def of_reading(reading: Reading) -> Iterator[Metric]:
    """The families that tell how the reading went."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    models = GaugeMetricFamily(
        "vedette_models",
        "Models by how they are told: current, behind (as last read), unread (not yet), failed (absent).",
        labels=["state"],
    )
    counts = {
        "current": len(reading.models) - len(reading.behind),
        "behind": len(reading.behind),
        "unread": len(reading.unread),
        "failed": len(reading.failed),
    }
    for state, n in counts.items():
        models.add_metric([state], n)
    yield models
    failures = CounterMetricFamily("vedette_reading_failures", "Readings of a model that failed.")
    failures.add_metric([], reading.failures)
    yield failures
