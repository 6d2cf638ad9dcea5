"""A Grafana dashboard of models: what is wrong first, then each figure with its interval, then the ledger."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from vedette.output.links import model_url
from vedette.output.names import visible
from vedette.output.prometheus.described import Described
from vedette.output.prometheus.panels import DATASOURCE, bars, figure, lines, stat, states, table

__all__ = ["dashboard"]

SCHEMA_VERSION = 39
"""Of the JSON of a dashboard: Grafana 10.4 and later; newer ones migrate it when it is loaded."""
PANELS_MAX = 60
"""Figures that have a panel of their own; Grafana asks for each that is in sight."""
_WIDTH = 24  # columns of Grafana's grid
_UNITS = {"_share": "percentunit", "_rate": "percentunit", "_s": "s", "rows": "short"}
_SHARES = {"accuracy", "precision", "recall", "f1", "roc_auc", "balanced_accuracy", "specificity"}


def dashboard(models: Sequence[Described]) -> str:
    """The JSON of one dashboard for one model or several; the model is a variable where there are several.

    Panels are made of the figures that the first model has now, features in the order of their names. The datasource is a
    variable, so that the file can be imported as it stands. Raises ``ValueError`` without a model.
    """
    if not models:
        raise ValueError("models: none is given, so there is nothing to draw")
    panels: list[dict[str, Any]] = []
    x = y = row = 0
    for height, width, one in _panels(models):
        if x + width > _WIDTH:
            x, y, row = 0, y + row, 0
        row = max(row, height)
        panels.append({"id": len(panels) + 1, "gridPos": {"x": x, "y": y, "w": width, "h": height}} | one)
        x += width
    names = [one.model for one in models]
    digest = hashlib.blake2b(" ".join(names).encode(), digest_size=6).hexdigest()
    title = f"vedette: {names[0]}" if len(names) == 1 else f"vedette: {len(names)} models"
    made = {
        "uid": f"vedette-{digest}",
        "title": title,
        "tags": ["vedette"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "refresh": "1m",
        "time": {"from": f"now-{_shown_days(models[0])}d", "to": "now"},
        "timezone": "utc",
        "graphTooltip": 1,  # the crosshair is shared: one moment over all figures
        "templating": {"list": _variables(names)},
        "annotations": {"list": [_alarms()]},
        "links": _links(models),
        "panels": panels,
    }
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def _shown_days(one: Described) -> int:
    """Days that are shown: thirty windows or more, between two days and ninety."""
    return int(min(90, max(2, 30 * one.window_s / 86400)))


def _panels(models: Sequence[Described]) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Height, width and JSON of each panel, in their order."""
    own = 'model="$model"'
    yield 4, 4, states("Verdict", f"vedette_model_verdict{{{own}}} == 1", "The gravest of all verdicts.")
    yield 4, 4, stat("Alerts firing", f'vedette_alerts{{{own},state="firing"}}', "short")
    yield (
        4,
        5,
        stat(
            "Age of the newest window",
            f"time() - vedette_window_end_timestamp_seconds{{{own}}}",
            "s",
            words="How long ago the window ended that the figures are of.",
        ),
    )
    yield (
        4,
        6,
        stat(
            "False alarms a month",
            f"vedette_false_alarms_per_month{{{own}}}",
            "short",
            words="As marked by people, since the reference in force.",
        ),
    )
    yield 4, 5, stat("Budget a month", f"vedette_false_alarms_per_month_budget{{{own}}}", "short")
    yield (
        8,
        14,
        table(
            "What is not OK",
            f'vedette_verdict{{{own},verdict!="OK"}} == 1',
            ("watch", "segment", "verdict"),
        ),
    )
    yield 8, 10, bars("Alerts by state", f'vedette_alerts{{{own},state!="resolved"}}', "{{state}}")
    for metric, feature in _drawn(models[0]):
        selector = f'{own},metric="{_quoted(metric)}",feature="{_quoted(feature)}",part="",segment=""'
        yield 7, 8, figure(f"{metric} of {visible(feature)}" if feature else metric, selector, _unit(metric))
    if models[0].segments:
        yield (
            8,
            24,
            lines(
                "Rows by segment",
                [(f'vedette_figure{{{own},metric="rows",feature="",part="",segment!=""}}', "{{segment}}")],
                "short",
            ),
        )
    yield (
        8,
        12,
        bars(
            "Ledger: what became of the rows",
            f'vedette_ledger_rows{{{own},stream="predictions"}}',
            "{{part}}",
            "Seen is the sum.",
        ),
    )
    yield (
        8,
        12,
        lines(
            "Completeness and labels",
            [
                (f"min by (model) (vedette_figure_completeness{{{own}}})", "completeness"),
                (f"min by (model) (vedette_figure_labelled_ratio{{{own}}})", "labelled"),
            ],
            "percentunit",
        ),
    )
    yield (
        8,
        24,
        bars(
            "Figures without a value, by reason",
            f"vedette_figures_unknown{{{own}}}",
            "{{reason}}",
            "What cannot be computed is absent above, and counted here.",
        ),
    )


def _drawn(one: Described) -> list[tuple[str, str]]:
    """The figures that have a panel: those of the model first, then those of its features."""
    pairs = [(metric, feature) for metric, features in one.figures.items() for feature in features]
    return sorted(pairs, key=lambda pair: (pair[1] != "", pair[1]))[:PANELS_MAX]


def _unit(metric: str) -> str:
    """Grafana's name of the unit of a metric."""
    if metric in _SHARES:
        return "percentunit"
    return next((unit for end, unit in _UNITS.items() if metric.endswith(end)), "none")


def _quoted(text: str) -> str:
    r"""A name in the quotes of a PromQL selector, as it stands in the label.

    >>> print(_quoted('a"b'))
    a\"b
    """
    return visible(text).replace("\\", "\\\\").replace('"', '\\"')


def _variables(names: Sequence[str]) -> list[dict[str, Any]]:
    options = [{"text": name, "value": name, "selected": at == 0} for at, name in enumerate(names)]
    return [
        {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0},
        {
            "name": "model",
            "label": "Model",
            "type": "custom",
            "query": ",".join(names),
            "current": options[0],
            "options": options,
            "hide": 0 if len(names) > 1 else 2,
        },
    ]


def _alarms() -> dict[str, Any]:
    """When each alarm began, on the time axis."""
    return {
        "name": "Alarms",
        "datasource": dict(DATASOURCE),
        "enable": True,
        "hide": False,
        "iconColor": "red",
        "expr": 'vedette_verdict_since_timestamp_seconds{model="$model"} * 1000',
        "useValueForTime": True,
        "titleFormat": "{{watch}}",
    }


def _links(models: Sequence[Described]) -> list[dict[str, Any]]:
    first = models[0]
    if first.url is None:
        return []
    url = model_url(first.url, first.model) if len(models) == 1 else f"{first.url.rstrip('/')}/models/$model"
    return [
        {
            "title": "vedette",
            "type": "link",
            "url": url,
            "icon": "external link",
            "targetBlank": True,
            "tags": [],
            "tooltip": "",
            "asDropdown": False,
            "includeVars": False,
            "keepTime": False,
        }
    ]
