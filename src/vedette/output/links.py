"""Where the dashboard shows a thing: the one place that knows the paths of its pages."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

__all__ = ["alert_url", "model_url", "report_url", "stamp_of"]


def model_url(base: str, model: str) -> str:
    """The page of a model; ``base`` is the address of the server, as ``[server] url`` gives it.

    >>> model_url("https://vedette.example.org/", "delays")
    'https://vedette.example.org/models/delays'
    """
    return f"{base.rstrip('/')}/models/{quote(model, safe='')}"


def alert_url(base: str, model: str, alert: str) -> str:
    """The page of an alert.

    >>> alert_url("https://vedette.example.org", "delays", "a1")
    'https://vedette.example.org/models/delays/alerts/a1'
    """
    return f"{model_url(base, model)}/alerts/{quote(alert, safe='')}"


def report_url(base: str, model: str, report: str, due: datetime) -> str:
    """The page of a scheduled report, by when it was due.

    >>> report_url("https://vedette.example.org", "delays", "weekly", datetime(2026, 3, 2, 6, tzinfo=UTC))
    'https://vedette.example.org/models/delays/reports/weekly/2026-03-02-0600'
    """
    return f"{model_url(base, model)}/reports/{quote(report, safe='')}/{stamp_of(due)}"


def stamp_of(due: datetime) -> str:
    """When a report was due, as its file and its address say it: UTC, to the minute.

    >>> stamp_of(datetime(2026, 3, 2, 6, tzinfo=UTC))
    '2026-03-02-0600'
    """
    return f"{due.astimezone(UTC):%Y-%m-%d-%H%M}"
