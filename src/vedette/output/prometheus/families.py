"""The metrics that there are of a model: names, labels, what they mean, and how they are read off what is known of it.

Names follow the conventions of Prometheus: base units, ``_seconds`` and ``_total`` at the end, times as seconds since 1970
so that an age is ``time() - ...`` at the moment of the query. All are gauges: a figure may go either way, and a ledger is
corrected.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from vedette.output.names import visible
from vedette.output.prometheus.facts import FigureFact, ModelFacts
from vedette.records import Status
from vedette.records.stability import SloReport

__all__ = ["FAMILIES", "FIGURE_FAMILIES", "FIGURE_LABELS", "Family", "figure_labels", "label"]

LABEL_MAX = 200
"""Characters of the value of a label: Prometheus has no limit unless one is set, and a name may be a whole text."""
FIGURE_LABELS = ("model", "metric", "feature", "part", "segment")

Sample = tuple[Sequence[str], float]


@dataclass(frozen=True, slots=True)
class Family:
    """A metric of models: ``samples`` gives the values of its labels beside ``model``, and the value."""

    name: str
    help: str
    labels: tuple[str, ...]
    samples: Callable[[ModelFacts], Iterator[Sample]]


def label(text: str) -> str:
    """A name as the value of a label: what cannot be seen is shown, and it is cut.

    >>> label("a" + chr(10) + "b")
    'a⟨U+000A⟩b'
    """
    return visible(text, LABEL_MAX)


def figure_labels(one: FigureFact) -> tuple[str, str, str, str]:
    """The labels of a figure beside its model."""
    return label(one.metric), label(one.feature), label(one.part), label(one.segment)


def _of_figures(name: str, words: str, field: str) -> Family:
    def samples(facts: ModelFacts) -> Iterator[Sample]:
        for one in facts.figures:
            value = getattr(one, field)
            if value is not None:
                yield figure_labels(one), float(value)

    return Family(name, words, FIGURE_LABELS, samples)


def _of_model(name: str, words: str, value: Callable[[ModelFacts], float | datetime | None]) -> Family:
    def samples(facts: ModelFacts) -> Iterator[Sample]:
        found = value(facts)
        if found is not None:
            yield (), found.timestamp() if isinstance(found, datetime) else float(found)

    return Family(name, words, ("model",), samples)


def _info(facts: ModelFacts) -> Iterator[Sample]:
    yield (label(facts.version),), 1.0


def _model_verdict(facts: ModelFacts) -> Iterator[Sample]:
    for status in Status:
        yield (status.value,), float(facts.verdict is status)


def _verdicts(facts: ModelFacts) -> Iterator[Sample]:
    for one in facts.verdicts:
        for status in Status:
            yield (label(one.watch), label(one.segment), status.value), float(one.verdict is status)


def _since(facts: ModelFacts) -> Iterator[Sample]:
    for one in facts.verdicts:
        if one.since is not None and one.verdict is not Status.OK:
            yield (label(one.watch), label(one.segment)), one.since.timestamp()


def _alerts(facts: ModelFacts) -> Iterator[Sample]:
    for state, n in facts.alerts.items():
        yield (state,), float(n)


def _unknown(facts: ModelFacts) -> Iterator[Sample]:
    kinds = Counter[str]()
    for reason, n in facts.unknown.items():  # without their numbers: a series a reason, not one a count
        kinds[label(re.sub(r"\d[\d,.]*", "N", reason))] += n
    for reason, n in kinds.items():
        yield (reason,), float(n)


def _of_slos(name: str, words: str, value: Callable[[SloReport], float | None]) -> Family:
    def samples(facts: ModelFacts) -> Iterator[Sample]:
        for one in facts.slos:
            found = value(one)
            if found is not None:
                yield (label(one.name),), found

    return Family(name, words, ("model", "slo"), samples)


def _burns(facts: ModelFacts) -> Iterator[Sample]:
    for one in facts.slos:
        for each in one.burns:
            for length, rate in ((each.long_s, each.long), (each.short_s, each.short)):
                if rate is not None:
                    yield (label(one.name), f"{length:g}"), rate


def _ledger(facts: ModelFacts) -> Iterator[Sample]:
    for (stream, part), n in facts.rows.items():
        yield (stream, part), float(n)


def _false_alarms(facts: ModelFacts, field: str) -> float | None:
    return None if facts.false_alarms is None else float(getattr(facts.false_alarms, field))


def _rate(facts: ModelFacts) -> float | None:
    found = facts.false_alarms
    return None if found is None or found.months <= 0 else found.marked / found.months


FIGURE_FAMILIES: tuple[Family, ...] = (
    _of_figures("vedette_figure", "A figure of the newest closed window.", "value"),
    _of_figures("vedette_figure_low", "Lower end of the figure's 95 % interval.", "low"),
    _of_figures("vedette_figure_high", "Upper end of the figure's 95 % interval.", "high"),
    _of_figures("vedette_figure_rows", "Rows that the figure rests on.", "rows"),
    _of_figures(
        "vedette_figure_completeness",
        "Share of the predictions seen that the figure rests on, 0 to 1.",
        "completeness",
    ),
    _of_figures(
        "vedette_figure_labelled_ratio",
        "Share of the window's predictions whose label is known, 0 to 1.",
        "labelled",
    ),
)
"""What is told of each figure: as many series as there are families, at most."""

FAMILIES: tuple[Family, ...] = (
    Family("vedette_model_info", "A model that is watched, with its version.", ("model", "version"), _info),
    Family(
        "vedette_model_verdict",
        "1 for the gravest verdict of the model, 0 for the others.",
        ("model", "verdict"),
        _model_verdict,
    ),
    Family(
        "vedette_verdict",
        "1 for the verdict on what is watched, 0 for the others.",
        ("model", "watch", "segment", "verdict"),
        _verdicts,
    ),
    Family(
        "vedette_verdict_since_timestamp_seconds",
        "Since when a verdict that is not OK holds, in event time.",
        ("model", "watch", "segment"),
        _since,
    ),
    Family("vedette_alerts", "Alerts by state, resolved ones included.", ("model", "state"), _alerts),
    _of_model(
        "vedette_window_start_timestamp_seconds",
        "Start of the newest closed window, which the figures are of.",
        lambda facts: facts.window and facts.window[0],
    ),
    _of_model(
        "vedette_window_end_timestamp_seconds",
        "End of the newest closed window: its age is time() minus this.",
        lambda facts: facts.window and facts.window[1],
    ),
    _of_model(
        "vedette_judged_timestamp_seconds",
        "Start of the last window of knowledge that was judged.",
        lambda facts: facts.judged,
    ),
    _of_model(
        "vedette_ingested_timestamp_seconds",
        "When rows last came into the lake.",
        lambda facts: facts.ingested,
    ),
    *FIGURE_FAMILIES,
    Family(
        "vedette_figures_unknown",
        "Figures of the newest closed window without a value, by reason.",
        ("model", "reason"),
        _unknown,
    ),
    _of_slos("vedette_slo_objective_ratio", "Share of events that must be good.", lambda one: one.objective),
    _of_slos(
        "vedette_slo_budget_left_ratio",
        "Share of the error budget of the period that is left; negative beyond it.",
        lambda one: one.left.value,
    ),
    Family(
        "vedette_slo_burn_rate",
        "Share of bad events over what is allowed, by the length of the window in seconds.",
        ("model", "slo", "window_seconds"),
        _burns,
    ),
    Family(
        "vedette_ledger_rows",
        "Rows that producers saw, by what became of them.",
        ("model", "stream", "part"),
        _ledger,
    ),
    _of_model(
        "vedette_ledger_unexplained_rows",
        "Rows of which the ledger does not say what became of them.",
        lambda facts: facts.unexplained,
    ),
    _of_model(
        "vedette_false_alarms_marked",
        "Alerts under the budget that a person marked as false, since the reference in force.",
        lambda facts: _false_alarms(facts, "marked"),
    ),
    _of_model(
        "vedette_false_alarms_told",
        "Alerts under the budget since the reference in force.",
        lambda facts: _false_alarms(facts, "told"),
    ),
    _of_model("vedette_false_alarms_per_month", "Measured false alarms a month.", _rate),
    _of_model(
        "vedette_false_alarms_per_month_low",
        "Lower end of the exact 95 % interval of the false alarms a month.",
        lambda facts: _false_alarms(facts, "low"),
    ),
    _of_model(
        "vedette_false_alarms_per_month_high",
        "Upper end of the exact 95 % interval of the false alarms a month.",
        lambda facts: _false_alarms(facts, "high"),
    ),
    _of_model(
        "vedette_false_alarms_per_month_budget",
        "False alarms a month that the owner will stand.",
        lambda facts: _false_alarms(facts, "budget_per_month"),
    ),
)
"""Every metric of a model, in the order in which they are told."""
