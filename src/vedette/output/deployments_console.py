"""Deployments in a terminal: a block for each, with its steps, what differs from its training, and what was told wrongly."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.text import Text

from vedette.output.console import Terminal, print_json
from vedette.output.deployments_words import duration, warm_up_words
from vedette.output.names import visible
from vedette.records import Deployment, DeploymentStatus

__all__ = ["print_deployments", "print_told"]

_COLOURS = {
    DeploymentStatus.SERVING: "green",
    DeploymentStatus.HEALTHY: "green",
    DeploymentStatus.FAILED: "bold red",
    DeploymentStatus.RETIRED: "dim",
    DeploymentStatus.DRAINING: "yellow",
}
_DIFFERENCES = 12
_STEPS = 12


def print_told(name: str, taken: bool, journal: str, why: str | None, *, as_json: bool = False) -> None:
    """Print that a status was told, and where it is."""
    if as_json:
        print_json({"id": name, "taken": taken, "journal": journal, "why": why})
    else:
        Terminal().print(visible(name, 200), highlight=False, markup=False)
    if not taken:
        print(f"kept in {journal}, and goes on from there: {why}", file=sys.stderr)


def print_deployments(found: Sequence[Deployment]) -> None:
    """Print deployments, the newest first."""
    console = Terminal()
    if not found:
        console.print("no deployments yet")
    for one in found:
        colour = _COLOURS.get(one.status, "cyan")
        head = Text.assemble(
            (str(one.status), colour), f"  version {visible(one.version, 60)} in {visible(one.stage, 60)} ",
            (visible(one.id, 120), "dim"),
        )  # fmt: skip
        console.print(head, highlight=False)
        for line in _lines(one):
            console.print(f"  {visible(line, 400)}", highlight=False, markup=False)


def _lines(one: Deployment) -> list[str]:
    left = len(one.steps) - _STEPS
    steps = [f"{step.status} {step.time:%Y-%m-%d %H:%M:%S}" for step in one.steps[-_STEPS:]]
    found = [(f"... {left} more, " if left > 0 else "") + ", ".join(steps) + " UTC"]
    found.append(f"by {one.by or 'unknown'}, on {one.where.words}")
    if one.artefact or one.run:
        how = " (by its artefact)" if one.run_by == "artefact" else ""
        found.append(f"from run {one.run or 'not known'}{how}, artefact {(one.artefact or 'not known')[:19]}")
    if one.start_up_s is not None or one.roll_out_s is not None:
        found.append(
            f"ready {duration(one.roll_out_s)} after it was requested, {duration(one.start_up_s)} after it started"
        )
    if one.first_prediction is not None:
        found.append(f"first prediction {one.first_prediction:%Y-%m-%d %H:%M:%S} UTC")
    if one.warm_up is not None:
        found.append(
            ("warm-up: " if one.warm_up.slower else "no warm-up told: ") + warm_up_words(one.warm_up)
        )
    if one.differences is None:
        found.append(
            "differences from training: not known (the environment of the one or the other was not recorded)"
        )
    elif not one.differences:
        found.append("no difference from what it was trained in")
    else:
        found += [f"differs: {each.words}" for each in one.differences[:_DIFFERENCES]]
        more = len(one.differences) - _DIFFERENCES
        found += [f"and {more} more differences (--json)"] if more > 0 else []
    found += [f"wrong order: {each}" for each in one.problems]
    found += [f"{step.status}: {step.note}" for step in one.steps if step.note]
    return found + list(one.notes)
