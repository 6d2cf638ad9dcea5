"""Endpoints of a served model that are looked at: the tables ``[models.M.endpoint.NAME]``.

::

    [models.delays.endpoint.production]
    url = "http://delays.internal:8080/metrics"
    kind = "prometheus"           # or http (any answer 200 to 299), or open_inference (/v2/health/live and so on)
    network = "own"               # it lies on the own network, which is not reached otherwise
    every = "15s"
    version = "4"
    stage = "production"

    [models.delays.endpoint.production.metrics]
    requests = "http_requests_total"                     # a counter becomes a rate, in events a second
    failures = 'http_requests_total{status=~"5.."}'
    queue = "queue_length"                               # any other its value, summed over its labels
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vedette.config.allow import check_allow
from vedette.config.channels import is_variable_name, is_web_url
from vedette.config.values import duration_s

__all__ = [
    "ENDPOINT_KEYS",
    "KINDS",
    "OWN_COLUMNS",
    "EndpointSettings",
    "Matcher",
    "Selector",
    "endpoint_of",
    "endpoints_of",
    "selector_of",
]

ENDPOINT_KEYS = {
    "url": "the address that is looked at; with kind = 'open_inference' that of the server, without /v2",
    "kind": "http, open_inference or prometheus",
    "every": "time between two looks, 1 s to a day",
    "timeout": "seconds until it must have answered, 0.1 to 60",
    "version": "the version that it serves",
    "stage": "the stage that it serves, such as canary or production",
    "model": "with kind = 'open_inference': the name that the server knows the model by",
    "metrics": "with kind = 'prometheus': columns and what is taken of the text for each, a table or a list of names",
    "network": "public, or own: addresses of this machine and of private networks are reached too",
    "allow": "hosts and networks, the only ones that are reached",
    "token_env": "the environment variable that holds a bearer token",
}
KINDS = ("http", "open_inference", "prometheus")
OWN_COLUMNS = (
    *("endpoint", "kind", "stage", "up", "status", "every_s", "answer"),
    *("live", "ready", "model_ready", "start_time", "restarted"),
)
"""The columns that a look has of its own; no metric may be called so."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_RESERVED = frozenset({"id", "time", "version", "prediction", "probability", "label", "latency_s", "error"})
_SELECTOR = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(.*)\})?\s*", re.DOTALL)
_MATCHER = re.compile(r'\s*([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')


@dataclass(frozen=True, slots=True)
class Matcher:
    """A label that must be a value, must not be it, or must (not) match a pattern as a whole."""

    label: str
    how: str
    value: str

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Whether labels fit; one that is not there is empty, as in Prometheus.

        >>> Matcher("code", "=~", "5..").fits({"code": "503"}), Matcher("code", "!=", "").fits({})
        (True, False)
        """
        found = labels.get(self.label, "")
        same = found == self.value if self.how in ("=", "!=") else bool(re.fullmatch(self.value, found))
        return same != self.how.startswith("!")


@dataclass(frozen=True, slots=True)
class Selector:
    """Which samples of an exposition are meant: those of a name whose labels fit."""

    name: str
    matchers: tuple[Matcher, ...] = ()

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels of a sample of this name fit."""
        return all(one.fits(labels) for one in self.matchers)


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """One endpoint: where it is, what is asked of it, and how often.

    >>> endpoint_of("live", {"url": "https://example.org/health"}).every_s
    15.0
    """

    name: str
    url: str
    kind: str = "http"
    every_s: float = 15.0
    timeout_s: float = 5.0
    version: str | None = None
    stage: str = ""
    model: str | None = None
    metrics: Mapping[str, Selector] = field(default_factory=dict)
    own_network: bool = False
    allow: tuple[str, ...] = ()
    token_env: str | None = None


def selector_of(said: Any) -> Selector:
    """The selector of a text such as ``http_requests_total{status=~"5.."}``.

    >>> selector_of('http_requests_total{status=~"5.."}').matchers[0].value
    '5..'
    """
    found = _SELECTOR.fullmatch(said) if isinstance(said, str) else None
    if found is None:
        raise ValueError(f'{said!r}: must be a metric such as http_requests_total{{status=~"5.."}}')
    matchers, rest = [], found[2] or ""
    while rest.strip():
        one = _MATCHER.match(rest)
        if one is None:
            raise ValueError(
                f"{said!r}: {rest.strip()!r}: must be a label, =, !=, =~ or !~, and text in quotes"
            )
        value = re.sub(r"\\(.)", r"\1", one[3]) if one[2] in ("=", "!=") else one[3]
        if one[2] in ("=~", "!~"):
            try:
                re.compile(value)
            except re.error as error:
                raise ValueError(f"{said!r}: {value!r}: is no pattern: {error}") from None
        matchers.append(Matcher(one[1], one[2], value))
        rest = rest[one.end() :]
    return Selector(found[1], tuple(matchers))


def endpoints_of(tables: Any) -> dict[str, EndpointSettings]:
    """The endpoints of a model by name; ``ValueError`` names what cannot be."""
    if not isinstance(tables, Mapping):
        raise ValueError(f"endpoint={tables!r}: must be tables, such as [models.delays.endpoint.production]")
    return {name: endpoint_of(name, table) for name, table in tables.items()}


def endpoint_of(name: str, table: Any) -> EndpointSettings:
    """The endpoint that a table describes.

    >>> endpoint_of("live", {"url": "file:///etc/passwd"})
    Traceback (most recent call last):
    ValueError: endpoint.live: url: must begin with https:// or http:// and name a host (not shown: it may hold a login)
    """
    where = f"endpoint.{name}"
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{where}: the name must be 1 to 63 characters of a-z, 0-9, '_' and '-'")
    if not isinstance(table, Mapping):
        raise ValueError(f"{where}: must be a table with the key url")
    unknown = sorted(set(table) - set(ENDPOINT_KEYS))
    if unknown:
        raise ValueError(f"{where}: unknown key {unknown[0]!r}: must be one of {', '.join(ENDPOINT_KEYS)}")
    try:
        return _made(name, table)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _made(name: str, table: Mapping[str, Any]) -> EndpointSettings:
    kind, url = table.get("kind", "http"), table.get("url")
    if not isinstance(url, str) or not is_web_url(url):
        raise ValueError(
            "url: must begin with https:// or http:// and name a host (not shown: it may hold a login)"
        )
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r}: must be one of {', '.join(KINDS)}")
    for key, only in (("model", "open_inference"), ("metrics", "prometheus")):
        if key in table and kind != only:
            raise ValueError(f"{key}: goes with kind = {only!r} alone")
    for key in ("version", "stage", "model"):
        if key in table and (not isinstance(table[key], str) or not 0 < len(table[key]) <= 128):
            raise ValueError(f"{key}={table[key]!r}: must be text of 1 to 128 characters")
    every_s = duration_s(table.get("every", "15s"), "every")
    if every_s > 86_400:
        raise ValueError(f"every={table['every']!r}: must be a day or less")
    timeout_s = table.get("timeout", 5.0)
    if isinstance(timeout_s, str):
        timeout_s = duration_s(timeout_s, "timeout")
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, int | float) or not 0.1 <= timeout_s <= 60:
        raise ValueError(f"timeout={timeout_s!r}: must be 0.1 to 60 seconds")
    network, allow = table.get("network", "public"), table.get("allow")
    if network not in ("public", "own"):
        raise ValueError(f"network={network!r}: must be 'public' or 'own'")
    if allow is not None:
        check_allow(allow)
    token_env = table.get("token_env")
    if token_env is not None and not is_variable_name(token_env):
        raise ValueError(f"token_env={token_env!r}: must be the name of an environment variable")
    return EndpointSettings(
        name, url, kind, every_s, float(timeout_s), table.get("version"), table.get("stage", ""),
        table.get("model"), _metrics(table.get("metrics", {})), network == "own", tuple(allow or ()), token_env,
    )  # fmt: skip


def _metrics(said: Any) -> dict[str, Selector]:
    if isinstance(said, list | tuple):
        said = {str(one): one for one in said}
    if not isinstance(said, Mapping):
        raise ValueError(f"metrics={said!r}: must be a table of columns and metrics, or a list of names")
    for column in said:
        if not _COLUMN.fullmatch(column) or column in _RESERVED or column in OWN_COLUMNS:
            raise ValueError(
                f"metrics.{column}: must be letters, digits and '_', and none of the columns of a look itself"
            )
    return {column: selector_of(one) for column, one in said.items()}
