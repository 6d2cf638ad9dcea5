"""The page of a model's rules: what holds and where it is from, a dry run over the history, and changes with an undo."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response

from vedette.engine import rule_changes, written
from vedette.engine.rule_changes import Held
from vedette.engine.rules_replay import Replayed, RuleReplay
from vedette.lake.events import settings_of
from vedette.records import is_runs
from vedette.server.api.answers import Editor
from vedette.server.api.documents import ModelName
from vedette.server.api.models import known
from vedette.server.api.rules import changing, dry_run, verdicts_of
from vedette.server.needs import needs
from vedette.server.pages.route import PageRoute
from vedette.server.pages.templating import link, render

__all__ = ["router"]

router = APIRouter(route_class=PageRoute, include_in_schema=False)

CHANGES_SHOWN = 100
FIRINGS_SHOWN = 50
_WIDTH = 1000.0  # of the picture, in its own unit

Severity = Literal["alarm", "warn"]
Many = Annotated[str, Query(pattern=r"^[0-9]{0,7}$")]


@dataclass(frozen=True, slots=True)
class Asked:
    """What stands in the form. Numbers are text: empty for what is usual."""

    name: str = ""
    when: str = ""
    severity: str = "alarm"
    min_rows: str = ""
    clear_after: str = ""

    @classmethod
    def of(cls, one: Held) -> Asked:
        """What a rule that is set says."""
        said = {"when": one.said} if isinstance(one.said, str) else dict(one.said)
        return cls(one.name, **{key: str(value) for key, value in said.items()})

    def said(self) -> dict[str, Any]:
        """The rule as ``vedette.toml`` has it."""
        numbers = {"min_rows": self.min_rows, "clear_after": self.clear_after}
        return {
            "when": self.when,
            "severity": self.severity,
            **{key: int(text) for key, text in numbers.items() if text},
        }


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the picture of a dry run: where it begins and how long it is, and what it says."""

    x: float
    width: float
    words: str


@router.get("/models/{model}/rules", dependencies=[needs("view")])
def page(
    request: Request,
    model: ModelName,
    edit: Annotated[str, Query(max_length=63)] = "",
    name: Annotated[str, Query(max_length=63)] = "",
    when: Annotated[str, Query(max_length=500)] = "",
    severity: Severity = "alarm",
    min_rows: Many = "",
    clear_after: Many = "",
) -> Response:
    """All rules; with ``edit`` one of them in the form, with ``when`` a dry run of what the form says."""
    lake = known(request, model)
    if is_runs(model):
        raise HTTPException(404, f"model={model!r}: are runs, which have no rules")
    tables = lake.model(model)
    held = rule_changes.held(tables)
    asked = Asked(name, when, severity, min_rows, clear_after)
    if edit:
        asked = next((Asked.of(one) for one in held if (one.name, one.source) == (edit, "server")), asked)
    tried, problem = None, ""
    if when:
        try:
            tried = dry_run(lake, model, name, asked.said())
        except ValueError as error:
            problem = str(error)
    verdicts = verdicts_of(lake, model)
    settings = settings_of(tables)
    return render(
        request, "rules.html", model=model, held=held, verdicts=verdicts, asked=asked, problem=problem, tried=tried,
        one=None if tried is None else tried.rules[0], firings_shown=FIRINGS_SHOWN,
        drawn=None if tried is None or tried.first is None else _drawn(tried, tried.rules[0]),
        there=any((each.name, each.source) == (asked.name, "server") for each in held),
        version=rule_changes.version(tables), changes=rule_changes.changes(tables)[:CHANGES_SHOWN],
        settings=settings, said=written.of_file(tables),
    )  # fmt: skip


def _drawn(tried: Replayed, one: RuleReplay) -> dict[str, Any]:
    """When the rule would have fired, and when something was known to be wrong, along the windows of the dry run."""
    assert tried.first is not None
    assert tried.last is not None
    first, last = tried.first, tried.last + timedelta(seconds=tried.window_s)
    whole = (last - first).total_seconds()

    def span(start: datetime, end: datetime | None, words: str) -> Span:
        begin = max((start - first).total_seconds(), 0.0)
        length = max(min(((end or last) - first).total_seconds(), whole) - begin, 0.0)
        return Span(round(begin / whole * _WIDTH, 1), round(max(length / whole * _WIDTH, 2.0), 1), words)

    return {
        "firings": [span(each.opened, each.closed, each.evidence) for each in one.firings],
        "incidents": [span(each.start, each.end, each.name) for each in tried.incidents],
        "first": first,
        "last": last,
    }


@router.post("/models/{model}/rules")
def act(
    request: Request,
    caller: Editor,
    model: ModelName,
    action: Annotated[str, Form(max_length=20)],
    version: Annotated[int, Form(ge=0)],
    name: Annotated[str, Form(max_length=63)] = "",
    when: Annotated[str, Form(max_length=500)] = "",
    severity: Annotated[Severity, Form()] = "alarm",
    min_rows: Annotated[str, Form(pattern=r"^[0-9]{0,7}$")] = "",
    clear_after: Annotated[str, Form(pattern=r"^[0-9]{0,7}$")] = "",
    reason: Annotated[str, Form(max_length=2000)] = "",
    number: Annotated[int, Form(ge=0)] = 0,
) -> Response:
    """Save a rule, take one away, or undo a change; and back to the rules."""
    lake = known(request, model)
    with changing(lake, model) as (tables, moment):
        if action == "save":
            said = Asked(name, when, severity, min_rows, clear_after).said()
            rule_changes.put(tables, name, said, by=caller.name, now=moment, reason=reason, seen=version)
        elif action == "remove":
            rule_changes.remove(tables, name, by=caller.name, now=moment, reason=reason, seen=version)
        elif action == "undo":
            rule_changes.undo(tables, number, by=caller.name, now=moment, seen=version)
        else:
            raise HTTPException(404, f"action={action!r}: must be save, remove or undo")
    return RedirectResponse(link("/models/{}/rules", model), 303)
