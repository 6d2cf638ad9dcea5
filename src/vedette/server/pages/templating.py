"""Templates: what every page is given, and how numbers, names and times read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import vedette
from vedette.config.roles import roles_said
from vedette.engine.versions_against import Quality
from vedette.output.comparison import Estimate
from vedette.output.deployments_words import duration, warm_up_words
from vedette.output.names import bidi, visible
from vedette.output.numbers import estimate, number, percent, unit_of
from vedette.server.api.answers import now
from vedette.server.needs import Need, may
from vedette.server.pages.files import address

__all__ = ["HEADERS", "link", "render"]

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}
"""Of every page: nothing is run or styled but files of our own."""


def _shown(value: Any) -> Any:
    """Text from outside with what cannot be seen, or turns what is beside it around, made visible; then escaped."""
    return visible(value, 4000) if type(value) is str else value


def _name(name: str, length: int = 80) -> Markup:
    """A name set apart from the direction of the text around it, escaped, and cut to a length."""
    return Markup(bidi(name, length))  # noqa: S704  # it escapes


def _when(value: datetime | None) -> str:
    """A time to the minute, UTC; a day alone where it is midnight."""
    return "" if value is None else f"{value.astimezone(UTC):%Y-%m-%d %H:%M}".removesuffix(" 00:00")


def _ago(seconds: float | None) -> str:
    """A length of time in its two largest units.

    >>> _ago(95.0), _ago(90000.0), _ago(None), _ago(3 * 86400.0)
    ('1 min', '25 h', 'never', '3 d')
    """
    if seconds is None:
        return "never"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return next(
        f"{seconds // unit:,.0f} {name}"
        for unit, name, from_s in ((86400, "d", 2 * 86400), (3600, "h", 2 * 3600), (60, "min", 0))
        if seconds >= from_s
    )


def _counted(n: int, word: str) -> str:
    """A number with its word, of which there may be one alone.

    >>> _counted(1, "alarm"), _counted(1200, "alarm")
    ('1 alarm', '1,200 alarms')
    """
    return f"{n:,} {word}{'' if n == 1 else 's'}"


def _figure(row: dict[str, Any]) -> tuple[str, str]:
    """A row of figures as its value and its interval."""
    return estimate(Estimate(row["value"], row["low"], row["high"], row["n"]), unit_of(row["metric"]))


_BROWSERS = (
    ("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"),
)  # fmt: skip
_SYSTEMS = (
    ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)  # fmt: skip


def _browser(said: str) -> str:
    """What a browser says that it is, as people call it; what is none of the usual as it says it.

    >>> _browser("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36")
    'Chrome on Linux'
    >>> _browser("curl/8.9.1")
    'curl/8.9.1'
    """
    name = next((name for mark, name in _BROWSERS if mark in said), None)
    system = next((name for mark, name in _SYSTEMS if mark in said), None)
    return said if name is None or system is None else f"{name} on {system}"


def _quality(one: Quality, metric: str) -> str:
    """A figure of a version in one text."""
    return " ".join(estimate(Estimate(one.value, one.low, one.high, one.n), unit_of(metric)))


def link(path: str, /, *parts: str, **query: Any) -> str:
    """A path with parts in the place of its braces, quoted whole, and a query; None and empty are left out.

    >>> link("/models/{}/runs/{}", "m", "a/b?", page=2, q="")
    '/models/m/runs/a%2Fb%3F?page=2'
    """
    pairs = [
        (key, one) for key, value in query.items() for one in (value if isinstance(value, list) else [value])
    ]
    asked = urlencode([(key, one) for key, one in pairs if one not in (None, "")])
    return path.format(*(quote(part, safe="") for part in parts)) + (f"?{asked}" if asked else "")


_environment = Environment(
    loader=PackageLoader("vedette.server.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_shown,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {
    "when": _when,
    "ago": _ago,
    "browser": _browser,
    "counted": _counted,
    "percent": percent,
    "number": number,
    "figure": _figure,
    "quality": _quality,
    "took": duration,
    "warm_up": warm_up_words,
    "unit": unit_of,
}
_environment.globals |= {
    "link": link,
    "address": address,
    "bidi": _name,
    "said_roles": roles_said,
}


def render(request: Request, template: str, status: int = 200, /, **given: Any) -> HTMLResponse:
    """A page. Templates are given who calls, the token that forms carry, and the time."""
    caller = getattr(request.state, "caller", None)
    common = {
        "caller": "" if caller is None else caller.name,
        "csrf": getattr(request.state, "csrf", ""),
        "is_admin": caller is not None and may(request, Need.ADMIN),
        "now": now(),
        "path": request.url.path,
        "query": request.url.query,
        "release": vedette.__version__,
    }
    text = _environment.get_template(template).render(common | given)
    return HTMLResponse(text, status, headers=HEADERS)
