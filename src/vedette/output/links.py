"""Where the dashboard shows a thing: the one place that knows the paths of its pages."""

from __future__ import annotations

from urllib.parse import quote

__all__ = ["alert_url", "model_url"]


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
