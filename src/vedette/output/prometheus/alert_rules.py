"""Alert rules of Prometheus for models: what vedette has judged, and what vedette cannot say once it is gone.

vedette judges by itself, and an alarm is latched until it recovers; so a rule on a verdict waits only long enough for one
scrape to be no accident. The rules that matter beside it are the dead man's: nothing scraped, a model that is told no more,
windows that no longer close.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from vedette.output.links import model_url
from vedette.output.prometheus.described import Described
from vedette.output.prometheus.scrape_config import JOB, SCRAPE_S
from vedette.output.prometheus.yaml import document, duration

__all__ = ["alert_rules"]

STALE_WINDOWS = 3
"""Windows that may be missing until they are stale: one is open, one is being ingested; ``no_data`` waits as long."""
LOST_SHARE = 0.01
"""The share of rows not kept from which on it is told, that of the verdict ``rows.kept``."""


def alert_rules(models: Sequence[Described], *, scrape_s: float = SCRAPE_S) -> str:
    """A file of rules for ``rule_files``: a group for each model, and one for the server. ``scrape_s`` seconds lie between
    two scrapes; most rules wait for two."""
    if not models:
        raise ValueError("models: none is given, so there is nothing to make rules for")
    if not 1 <= scrape_s <= 3600:
        raise ValueError(f"scrape_s={scrape_s!r}: must lie between 1 second and an hour")
    groups = [{"name": "vedette", "rules": list(_server(models[0].url, scrape_s))}]
    groups += [{"name": f"vedette:{one.model}", "rules": list(_model(one, scrape_s))} for one in models]
    comment = (
        "vedette prometheus rules: made from the models' settings; make it again when they change.\n"
        "Severities: critical wakes somebody, warning is for working hours, info is worth a look."
    )
    return document({"groups": groups}, comment)


def _server(url: str | None, scrape_s: float) -> Iterable[dict[str, Any]]:
    wait = duration(5 * scrape_s)
    yield _rule(
        "VedetteDown",
        f'up{{job="{JOB}"}} == 0 or absent(up{{job="{JOB}"}})',
        wait,
        "critical",
        "vedette cannot be scraped",
        "Nothing is known of any model: neither figures nor verdicts are current, and alerts may not be sent.",
        url,
    )
    yield _rule(
        "VedetteModelUnreadable",
        f'vedette_models{{job="{JOB}",state="failed"}} > 0',
        wait,
        "warning",
        "{{ $value }} models cannot be read from the lake",
        "They are absent from the metrics; the server's log names them and says why.",
        url,
    )
    yield _rule(
        "VedetteModelsBehind",
        f'sum by (instance) (vedette_models{{job="{JOB}",state=~"behind|unread"}}) > 0',
        duration(30 * scrape_s),
        "warning",
        "{{ $value }} models are told as they were, or not yet",
        "There is more to read than a scrape has time for.",
        url,
    )
    yield _rule(
        "VedetteSeriesLeftOut",
        f'sum by (instance) (vedette_left_out{{job="{JOB}"}}) > 0',
        wait,
        "info",
        "{{ $value }} figures or verdicts are left out of the metrics",
        "There are more than a scrape is given: the lake has them all.",
        url,
    )


def _model(one: Described, scrape_s: float) -> Iterable[dict[str, Any]]:
    link = None if one.url is None else model_url(one.url, one.model)
    own, two = f'model="{one.model}"', duration(2 * scrape_s)
    where = "{{ $labels.watch }}{{ if $labels.segment }} [{{ $labels.segment }}]{{ end }}"
    told = f"{one.model}: {where}"
    warnings = [f"rule:{name}" for name, severity in sorted(one.severities.items()) if severity == "warn"]
    yield _rule(
        "VedetteAlarm",
        f'vedette_verdict{{{own},verdict="ALARM"}} == 1',
        two,
        "critical",
        f"ALARM {told}",
        _evidence(one),
        link,
        model=one.model,
    )
    watched = f" (rules that warn: {', '.join(warnings)})" if warnings else ""
    yield _rule(
        "VedetteWarning",
        f'vedette_verdict{{{own},verdict="WARN"}} == 1',
        two,
        "info",
        f"WARN {told}",
        f"Worth a look{watched}. {_evidence(one)}",
        link,
        model=one.model,
    )
    yield _rule(
        "VedetteUnknown",
        f'vedette_verdict{{{own},verdict="UNKNOWN"}} == 1',
        duration(max(one.window_s, 5 * scrape_s)),
        "warning",
        f"UNKNOWN {told}",
        f"It is not watched as long as this lasts. {_evidence(one)}",
        link,
        model=one.model,
    )
    yield _rule(
        "VedetteModelMissing",
        f"absent(vedette_model_info{{{own}}})",
        duration(5 * scrape_s),
        "critical",
        f"{one.model}: nothing is told of it",
        "vedette is scraped and does not tell of the model: it was removed from the lake, or cannot be read.",
        link,
        model=one.model,
    )
    if one.live:
        yield _rule(
            "VedetteWindowStale",
            f"time() - vedette_window_end_timestamp_seconds{{{own}}} > {STALE_WINDOWS * one.window_s:g}",
            duration(5 * scrape_s),
            "critical",
            f"{one.model}: no window has closed for {{{{ $value | humanizeDuration }}}}",
            "No rows come, or nobody ingests and judges them: what is shown is old.",
            link,
            model=one.model,
        )
    hour = "[1h]"
    lost = f'sum by (model) (delta(vedette_ledger_rows{{{own},stream="predictions",part=~"dropped|rejected|torn|void"}}{hour}))'
    every = f'sum by (model) (delta(vedette_ledger_rows{{{own},stream="predictions"}}{hour}))'
    yield _rule(
        "VedetteRowsLost",
        f"{lost} > {LOST_SHARE} * {every} > 0",
        two,
        "warning",
        f"{one.model}: {{{{ $value | humanize }}}} rows and more were not kept in an hour",
        f"vedette ledger {one.model} says which, and why.",
        link,
        model=one.model,
    )
    yield _rule(
        "VedetteFalseAlarms",
        f"vedette_false_alarms_per_month_low{{{own}}} > vedette_false_alarms_per_month_budget{{{own}}}",
        two,
        "info",
        f"{one.model}: more false alarms than its budget of {one.budget_per_month:g} a month",
        "The lower end of the interval of the measured rate lies above what the owner will stand.",
        link,
        model=one.model,
    )


def _evidence(one: Described) -> str:
    return f"The evidence: vedette check {one.model}."


def _rule(
    name: str,
    expression: str,
    wait: str,
    severity: str,
    summary: str,
    description: str,
    link: str | None,
    **labels: str,
) -> dict[str, Any]:
    annotations = {"summary": summary, "description": description}
    if link is not None:
        annotations["link"] = link
    return {
        "alert": name,
        "expr": expression,
        "for": wait,
        "labels": {"severity": severity, **labels},
        "annotations": annotations,
    }
