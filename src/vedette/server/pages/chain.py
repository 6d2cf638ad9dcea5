"""The page of a model's comparisons and of what its policies did, with what waits for a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from vedette import config
from vedette.engine import chain, commands_chain
from vedette.engine.comparing import evaluate
from vedette.errors import VedetteError
from vedette.lake.tables import Lake
from vedette.output.comparing_console import when_words
from vedette.records import is_runs
from vedette.records.comparing import Difference, Evaluated
from vedette.server.api.answers import Editor
from vedette.server.api.documents import ModelName
from vedette.server.api.models import known
from vedette.server.needs import needs
from vedette.server.pages.route import PageRoute
from vedette.server.pages.templating import link, render

__all__ = ["router"]

router = APIRouter(route_class=PageRoute, include_in_schema=False)

ACTIONS_SHOWN = 100
_HOW = {"approve": chain.approve, "refuse": chain.refuse, "undo": chain.undo}
_WIDTH = 1000.0


@dataclass(frozen=True, slots=True)
class Drawn:
    """A confidence sequence as a picture: where it lies, where nothing and the margin do, on a scale of its own."""

    low: float
    value: float
    high: float
    nothing: float
    margin: float | None

    @classmethod
    def of(cls, one: Difference) -> Drawn | None:
        """None where there is no interval, or one without an end."""
        if (
            one.difference is None
            or one.low is None
            or one.high is None
            or not -1e300 < one.low <= one.high < 1e300
        ):
            return None
        margin = None
        if one.margin is not None:
            plain = one.champion is None  # it is no difference of the two: the margin is what is allowed
            margin = one.margin if plain or not one.higher_is_better else -one.margin
        ends = [one.low, one.high, 0.0, *([] if margin is None else [margin])]
        low, high = min(ends), max(ends)
        room = (high - low) * 0.06 or 1.0

        def place(value: float) -> float:
            return round((value - low + room) / (high - low + 2 * room) * _WIDTH, 1)

        held = None if margin is None else place(margin)
        return cls(place(one.low), place(one.difference), place(one.high), place(0.0), held)


@router.get("/models/{model}/actions", dependencies=[needs("view")])
def page(request: Request, model: ModelName) -> Response:
    """Comparisons as they stand, policies, and what they did."""
    lake = known(request, model)
    if is_runs(model):
        raise HTTPException(404, f"model={model!r}: are runs, which have no policies")
    written = config.read()
    found = [_evaluated(lake, model, one) for one in written.compare_of(model)]
    compared = [one for one in found if isinstance(one, Evaluated)]
    drawn = [(one, [(each, Drawn.of(each)) for each in one.found]) for one in compared]
    return render(
        request, "actions.html", model=model, compared=drawn,
        wrong=[one for one in found if isinstance(one, str)], when_words=when_words,
        policies=commands_chain.policies(str(lake.path), model), taken=chain.actions(lake.model(model))[:ACTIONS_SHOWN],
    )  # fmt: skip


def _evaluated(lake: Lake, model: str, asked: config.CompareSettings) -> Evaluated | str:
    """A comparison, or why it cannot be made."""
    try:
        return evaluate(lake, model, asked)
    except (VedetteError, ValueError) as error:
        return f"{asked.name}: {error}"


@router.post("/models/{model}/actions/{action}")
def act(
    request: Request,
    caller: Editor,
    model: ModelName,
    action: str,
    how: Annotated[Literal["approve", "refuse", "undo"], Form()],
    reason: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Approve, refuse or undo an action; and back to all of them."""
    where = str(known(request, model).path)
    commands_chain.answer(where, model, action, _HOW[how], by=caller.name, reason=reason or None)
    return RedirectResponse(link("/models/{}/actions", model), 303)
