"""The words of the pages, each explained once, where every page can point to it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from vedette.server.needs import needs
from vedette.server.pages.route import PageRoute
from vedette.server.pages.templating import render

__all__ = ["WORDS", "router"]

WORDS: dict[str, tuple[tuple[str, str], ...]] = {
    "Figures": (
        (
            "figure",
            "A number about a model over one window, such as its accuracy or the mean of a column, with a 95 % "
            "interval.",
        ),
        (
            "interval",
            "Where the figure would lie if there were no end of such rows: 95 of 100 intervals made like this "
            "hold it.",
        ),
        (
            "window",
            "The span of time that one figure is of. Windows follow each other without a gap, in UTC.",
        ),
        ("n", "How many rows the figure was counted on."),
        (
            "complete",
            "The share of the rows seen in the window that are kept. The rest was sampled out, dropped, rejected "
            "or torn: the ledger says which, and why.",
        ),
        ("labels", "The share of the window's predictions whose true outcome is known by now."),
        (
            "reference",
            "What normal looks like: rows that were given for it, or a training run's. Dashes in a picture, with "
            "its band.",
        ),
        (
            "restated",
            "A window whose figure changed after it had ended, because rows or labels came late. A hollow dot.",
        ),
        (
            "so far",
            "The window has not ended: the figure is of what came until now. A square on a dotted line, no part "
            "of the line.",
        ),
        ("as known at", "The figure as it would have been told on that day, without what came later."),
        (
            "estimated",
            "Told without labels, from what the model's scores promise; blended where some labels came.",
        ),
        ("segment", "Part of the rows, by the value of a column, such as region=north."),
        (
            "psi",
            "The population stability index: how far a column's distribution lies from the reference's. 0 is the "
            "same.",
        ),
        ("missing_share", "The share of rows in which a column has no value."),
    ),
    "Verdicts": (
        ("OK", "Nothing speaks for a change."),
        ("WARN", "Worth a look; it wakes nobody."),
        ("ALARM", "There is evidence enough that something changed; somebody is told."),
        ("UNKNOWN", "It cannot be told, and the reason is said. It never counts as OK."),
        (
            "watch",
            "One thing that is judged: location, spread, mix or missing values of a column, a figure, or a rule "
            "of yours.",
        ),
        (
            "evidence",
            "How many times likelier what was seen is under a lasting change than under none, gathered from "
            "window to window. It alarms above what is needed, which follows from the budget and from how much is"
            " watched.",
        ),
        (
            "nats",
            "Evidence as its natural logarithm, which can be added up: 2.3 nats are ten times as likely, 4.6 a "
            "hundred times.",
        ),
        (
            "sd of its ranks",
            "A shift as a share of the spread that the reference has, counted by ranks, so that outliers weigh no"
            " more than other rows.",
        ),
        ("budget", "How many false alarms you will stand in a month, over everything that is watched."),
        ("guarantee", "What stands behind the bound on false alarms."),
        (
            "proved",
            "The bound is mathematics: rows were declared independent, and what came does not speak against it.",
        ),
        ("calibrated", "The bound was measured, with allowance for days that differ from each other."),
        (
            "tracked",
            "The bound was widened while running, because what came hangs together more than the reference did.",
        ),
        (
            "rule",
            "A threshold that somebody set, or a fact such as a channel that does not answer: outside the budget.",
        ),
    ),
    "Alerts": (
        ("pending", "It is broken, but not yet for as long as its rule says; nobody was told."),
        ("firing", "Nobody has seen to it yet."),
        ("acknowledged", "Somebody sees to it; it is not sent again."),
        ("silenced", "It is not sent until the time that was said."),
        ("incident", "Alerts of a model that opened together: most likely one cause."),
        ("accept as normal", "What it is now is the new normal: the evidence begins anew from here."),
        (
            "false alarm",
            "Nothing had changed. It is counted, and the rate of false alarms is shown beside the budget.",
        ),
    ),
    "Ledger": (
        ("seen", "Every row that was given to vedette. It is the sum of all that follows."),
        ("in lake", "Kept, and counted in the figures."),
        ("in journal", "Kept by the producer, and not yet brought into the lake."),
        ("sampled out", "Left out on purpose by a sampler; figures are weighted for it."),
        ("dropped", "Not taken, because the journal was full or the process could not keep up."),
        (
            "rejected",
            "Not taken, because something in it is impossible, such as a time in the future; the reason is "
            "counted.",
        ),
        ("torn", "Half written when the process was killed."),
    ),
}
"""What each word means, in the order in which they are met."""

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/words", dependencies=[needs("view")])
def words(request: Request) -> Response:
    """What the words of the pages mean."""
    return render(request, "words.html", sections=WORDS)
