"""The text of Prometheus and of OpenMetrics as samples, by the parsers of ``prometheus_client``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from vedette.config.endpoints import Selector
from vedette.errors import DataError, MissingExtraError

__all__ = ["START_TIME", "Samples", "check_parser", "samples_of"]

START_TIME = "process_start_time_seconds"
"""What client libraries call the time at which the process began, in seconds since 1970."""

_COUNTED = ("_total", "_count", "_sum", "_bucket")

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Samples:
    """What a text said: by name and labels a value, and the names of those that only rise."""

    values: Mapping[str, Mapping[Labels, float]] = field(default_factory=dict)
    counters: frozenset[str] = frozenset()

    @property
    def start_time(self) -> float | None:
        """When the process began, where it says so."""
        found = self.values.get(START_TIME, {})
        return max(found.values()) if found else None

    def chosen(self, selector: Selector) -> dict[Labels, float]:
        """The samples that a selector means."""
        found = self.values.get(selector.name, {})
        return {labels: value for labels, value in found.items() if selector.fits(dict(labels))}


def check_parser() -> None:
    """Raise ``MissingExtraError`` where the text cannot be read."""
    try:
        import prometheus_client.parser  # noqa: F401 - whether it can be had
    except ImportError:
        raise MissingExtraError(
            'prometheus_client is not installed: pip install "vedette[prometheus]"'
        ) from None


def samples_of(text: str) -> Samples:
    """The samples of an exposition; ``DataError`` where it is none.

    A name is a counter's where its family is said to be a counter, a histogram or a summary, and where nothing is said of a name
    that ends in ``_total``.

    >>> text = "# TYPE hits counter\\nhits_total{code=\\"200\\"} 3.0\\n# TYPE queue gauge\\nqueue 2.0\\n"
    >>> found = samples_of(text)
    >>> found.values["hits_total"], sorted(found.counters)
    ({(('code', '200'),): 3.0}, ['hits_total'])
    """
    check_parser()
    modern = text.rstrip().endswith("# EOF")  # the way that OpenMetrics ends
    module = import_module(f"prometheus_client.{'openmetrics.' if modern else ''}parser")
    families: Any = module.text_string_to_metric_families
    values: dict[str, dict[Labels, float]] = {}
    counters: set[str] = set()
    try:
        for family in families(text):
            for one in family.samples:
                values.setdefault(one.name, {})[tuple(sorted(one.labels.items()))] = float(one.value)
                typed = family.type in ("counter", "histogram", "summary") and one.name.endswith(_COUNTED)
                if typed or (family.type in ("unknown", "untyped") and one.name.endswith("_total")):
                    counters.add(one.name)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:  # what its parsers raise
        raise DataError(f"is no Prometheus text: {str(error)[:200]}") from None
    if not values:
        raise DataError("is no Prometheus text: it has no sample")
    return Samples(values, frozenset(counters))
