"""One look at an endpoint: what is asked of it, and what came back."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit, urlunsplit

from vedette.config.endpoints import EndpointSettings
from vedette.engine.endpoints.exposition import Samples, samples_of
from vedette.errors import ChannelError, ConfigError, DataError, NotAllowedError
from vedette.output.channels.guarded import Answer, Reach, request

__all__ = ["Look", "look"]

_TEXT_BYTES_MAX = 2**24  # of an exposition: ten times what a scrape should have
_ACCEPT = "text/plain;version=0.0.4;q=1,application/openmetrics-text;version=1.0.0;q=0.5"


@dataclass(frozen=True, slots=True)
class Look:
    """What came back: whether the model is up, in words why not, the status, and the longest time that a request took.

    ``error`` names what went wrong, None where it is up; ``parts`` are the answers of several requests by name, 0 or 1;
    ``samples`` what Prometheus text said.
    """

    up: bool
    answer: str
    latency_s: float | None = None
    status: int | None = None
    error: str | None = None
    parts: dict[str, int] = field(default_factory=dict)
    samples: Samples | None = None


def look(settings: EndpointSettings) -> Look:
    """Ask an endpoint, now.

    What does not answer is a look that found the model down. Raises ``NotAllowedError`` where the address may not be reached,
    and ``ConfigError`` where the variable with the token is not set: then nothing was asked, and nothing is known.
    """
    if settings.kind == "open_inference":
        return _open_inference(settings)
    found, answer = _ask(settings, settings.url, _TEXT_BYTES_MAX + 1 if settings.kind == "prometheus" else 1)
    if settings.kind == "http" or answer is None or not found.up:
        return found
    try:
        if len(answer.content) > _TEXT_BYTES_MAX:
            raise DataError(f"has over {_TEXT_BYTES_MAX:,} bytes of metrics")
        samples = samples_of(answer.content.decode("utf-8"))
    except (DataError, UnicodeDecodeError) as error:
        words = str(error) if isinstance(error, DataError) else "is no Prometheus text: it is not UTF-8"
        return Look(False, words, found.latency_s, found.status, "no metrics")
    return Look(True, found.answer, found.latency_s, found.status, samples=samples)


def _open_inference(settings: EndpointSettings) -> Look:
    """Live, ready and, where it is named, the model ready: up where all are."""
    base = urlsplit(settings.url)
    paths = {"live": "/v2/health/live", "ready": "/v2/health/ready"}
    if settings.model is not None:
        paths["model_ready"] = f"/v2/models/{quote(settings.model, safe='')}/ready"
    looks = {}
    for name, path in paths.items():
        url = urlunsplit(base._replace(path=base.path.rstrip("/") + path))
        looks[name] = _ask(settings, url, 1)[0]
        if looks[name].status is None:  # it does not answer at all: the others would only wait
            break
    parts = {name: int(one.up) for name, one in looks.items()}
    times = [one.latency_s for one in looks.values() if one.latency_s is not None]
    first = next(((name, one) for name, one in looks.items() if not one.up), None)
    latency_s = max(times, default=None)
    if first is None:
        last = list(looks.values())[-1]
        return Look(True, last.answer, latency_s, last.status, parts=parts)
    name, one = first
    error = one.error if one.status is None else f"not {name.replace('_', ' ')}"
    return Look(False, f"{name}: {one.answer}", latency_s, one.status, error, parts)


def _ask(settings: EndpointSettings, url: str, size_max: int) -> tuple[Look, Answer | None]:
    """One request: what it found, and what came back, None where nothing did."""
    headers = {"User-Agent": "vedette", "Accept": _ACCEPT if settings.kind == "prometheus" else "*/*"}
    if settings.token_env is not None:
        token = os.environ.get(settings.token_env, "").strip()
        if not token:
            raise ConfigError(f"token_env={settings.token_env!r}: the variable is not set")
        headers["Authorization"] = f"Bearer {token}"
    reach = Reach(public=not settings.own_network, allow=settings.allow)
    start = time.perf_counter()
    try:
        answer = request(
            url, None, headers, timeout_s=settings.timeout_s, reach=reach, method="GET", size_max=size_max
        )
    except NotAllowedError as error:
        hint = "" if settings.own_network else ": network = 'own' reaches this machine and private networks"
        raise NotAllowedError(f"endpoint {settings.name}: {error}{hint}") from None
    except ChannelError as error:
        return Look(False, str(error), error=str(error)[:80]), None
    seconds = time.perf_counter() - start
    error_name = None if answer.taken else f"status {answer.code}"
    return Look(answer.taken, answer.said, seconds, answer.code, error_name), answer
