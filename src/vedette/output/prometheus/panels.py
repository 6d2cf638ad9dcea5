"""The panels of a Grafana dashboard: one function a kind, each gives the JSON of the panel without its place."""

from __future__ import annotations

from typing import Any

__all__ = ["DATASOURCE", "VERDICT_COLOURS", "bars", "figure", "lines", "stat", "states", "table"]

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
VERDICT_COLOURS = {"OK": "green", "WARN": "yellow", "ALARM": "red", "UNKNOWN": "purple"}
_SAME = "#5794F2"  # the blue of Grafana's palette: one line and its band


def stat(
    title: str, expression: str, unit: str, *, words: str = "", legend: str = "__auto"
) -> dict[str, Any]:
    """One number now, with nothing in the background."""
    return _panel("stat", title, words, [_query(expression, "A", legend, instant=True)]) | {
        "fieldConfig": {"defaults": {"unit": unit, "noValue": "unknown"}, "overrides": []},
        "options": {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "textMode": "value",
            "colorMode": "none",
            "graphMode": "none",
        },
    }


def states(title: str, expression: str, words: str = "") -> dict[str, Any]:
    """The verdict now: its word on its colour. The expression gives a series a verdict, the one that holds alone."""
    made = stat(title, expression, "none", words=words, legend="{{verdict}}")
    made["options"] |= {"textMode": "name", "colorMode": "background"}
    made["fieldConfig"]["overrides"] = [_colour(name, colour) for name, colour in VERDICT_COLOURS.items()]
    return made


def table(title: str, expression: str, columns: tuple[str, ...], words: str = "") -> dict[str, Any]:
    """What an instant query gives, a row a series, with some of its labels as columns."""
    query = _query(expression, "A", "__auto", instant=True) | {"format": "table"}
    verdicts = {
        name: {"color": colour, "index": at} for at, (name, colour) in enumerate(VERDICT_COLOURS.items())
    }
    return _panel("table", title, words, [query]) | {
        "fieldConfig": {
            "defaults": {},
            "overrides": [
                {
                    "matcher": {"id": "byName", "options": "verdict"},
                    "properties": [
                        {"id": "mappings", "value": [{"type": "value", "options": verdicts}]},
                        {"id": "custom.cellOptions", "value": {"type": "color-text"}},
                    ],
                }
            ],
        },
        "options": {"showHeader": True},
        "transformations": [
            {"id": "filterFieldsByName", "options": {"include": {"names": list(columns)}}},
            {
                "id": "organize",
                "options": {
                    "indexByName": {name: at for at, name in enumerate(columns)},
                    "excludeByName": {},
                },
            },
        ],
    }


def figure(title: str, selector: str, unit: str, words: str = "") -> dict[str, Any]:
    """A figure over time with its interval as a band; where there is no value there is no line."""
    made = lines(
        title,
        [
            (f"vedette_figure_high{{{selector}}}", "high"),
            (f"vedette_figure_low{{{selector}}}", "low"),
            (f"vedette_figure{{{selector}}}", "value"),
        ],
        unit,
        words,
    )
    edge = [{"id": "custom.lineWidth", "value": 0}, {"id": "custom.hideFrom", "value": _hidden()}]
    band = [{"id": "custom.fillBelowTo", "value": "low"}, {"id": "custom.fillOpacity", "value": 18}]
    blue = {"id": "color", "value": {"mode": "fixed", "fixedColor": _SAME}}
    made["fieldConfig"]["overrides"] = [
        {"matcher": {"id": "byName", "options": "high"}, "properties": [blue, *edge, *band]},
        {"matcher": {"id": "byName", "options": "low"}, "properties": [blue, *edge]},
        {"matcher": {"id": "byName", "options": "value"}, "properties": [blue]},
    ]
    return made


def lines(title: str, queries: list[tuple[str, str]], unit: str, words: str = "") -> dict[str, Any]:
    """Series over time, one for each query or each series that it gives."""
    asked = [
        _query(expression, chr(ord("A") + at), legend) for at, (expression, legend) in enumerate(queries)
    ]
    return _panel("timeseries", title, words, asked) | {
        "fieldConfig": {
            "defaults": {
                "unit": unit,
                "custom": {
                    "drawStyle": "line",
                    "lineInterpolation": "stepAfter",
                    "lineWidth": 2,
                    "fillOpacity": 0,
                    "showPoints": "never",
                    "spanNulls": False,
                },
            },
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "none"},
        },
    }


def bars(title: str, expression: str, legend: str, words: str = "") -> dict[str, Any]:
    """Counts over time, stacked."""
    made = lines(title, [(expression, legend)], "short", words)
    made["fieldConfig"]["defaults"]["custom"] |= {
        "fillOpacity": 40,
        "lineWidth": 1,
        "stacking": {"mode": "normal", "group": "A"},
    }
    return made


def _panel(kind: str, title: str, words: str, targets: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "type": kind,
        "title": title,
        "description": words,
        "datasource": dict(DATASOURCE),
        "targets": targets,
    }


def _query(expression: str, name: str, legend: str, *, instant: bool = False) -> dict[str, Any]:
    return {
        "refId": name,
        "expr": expression,
        "legendFormat": legend,
        "datasource": dict(DATASOURCE),
        "instant": instant,
        "range": not instant,
    }


def _colour(name: str, colour: str) -> dict[str, Any]:
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
    }


def _hidden() -> dict[str, bool]:
    """An edge of a band is not in the legend; the tooltip says it."""
    return {"legend": True, "tooltip": False, "viz": False}
