"""Policies and what they did, for a terminal or as one JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.text import Text

from vedette.output.console import Terminal, print_json
from vedette.output.names import visible
from vedette.records.actions import ActionStatus, Taken

__all__ = ["print_actions", "print_policies"]

_COLOURS = {
    ActionStatus.DONE: "green",
    ActionStatus.UNDONE: "cyan",
    ActionStatus.WAITING: "yellow",
    ActionStatus.FAILED: "bold red",
    ActionStatus.UNKNOWN: "bold red",
}
_WORDS = 400


def print_policies(found: Sequence[Any], *, as_json: bool = False) -> None:
    """Print each policy: what sets it off, what it does, with what restraint, and what it did last."""
    if as_json:
        print_json([_document(one) for one in found])
        return
    console = Terminal()
    if not found:
        console.print(
            "no policies: [models.NAME.policies.NAME] in vedette.toml", highlight=False, markup=False
        )
    for one in found:
        said = one.settings
        restraint = [f"at most {said.at_most} per {said.per_s:g} s"]
        restraint += ["waits for approval"] if said.approval == "person" else []
        restraint += ["dry run"] if said.dry_run else []
        does = ", ".join(each.type for each in said.do)
        console.print(
            Text.assemble(
                (said.name, "bold"), f"  on {visible(f'{said.on.word} {said.on.pattern}', 200)}: {does}"
            ),
            highlight=False,
        )
        console.print(f"  {', '.join(restraint)}", highlight=False, markup=False)
        if one.wrong is not None:
            console.print(Text(f"  wrong: {visible(one.wrong, _WORDS)}", "bold red"), highlight=False)
        if one.last is not None:
            console.print(
                f"  last: {one.last.status.value} {one.last.changed:%Y-%m-%d %H:%M} UTC ({one.last.id})",
                highlight=False,
                markup=False,
            )


def print_actions(model: str, found: Sequence[Taken], *, as_json: bool = False) -> None:
    """Print what policies did, or wait to be allowed to do."""
    if as_json:
        print_json([one.document() for one in found])
        return
    console = Terminal()
    if not found:
        console.print(f"{model}: no policy was set off yet", highlight=False, markup=False)
    for one in found:
        line = Text.assemble((f"{one.id}  ", "dim"), (one.status.value, _COLOURS.get(one.status, "")))
        who = f" by {one.by}" if one.by else ""
        until = (
            ""
            if one.until is None or one.status is not ActionStatus.WAITING
            else f" until {one.until:%Y-%m-%d %H:%M}"
        )
        line.append(
            f"{visible(who, 80)}{until}  {one.changed:%Y-%m-%d %H:%M} UTC  policy {one.occasion.policy}"
        )
        console.print(line, highlight=False)
        for words in (f"on {one.occasion.what}: {one.occasion.evidence}", *one.plan, *one.said):
            console.print(f"    {visible(words, _WORDS)}", highlight=False, markup=False)
        if one.reason:
            console.print(f"    why: {visible(one.reason, _WORDS)}", highlight=False, markup=False)


def _document(one: Any) -> dict[str, Any]:
    said = one.settings
    return {
        "policy": said.name,
        "on": f"{said.on.word} {said.on.pattern}",
        "do": [each.type for each in said.do],
        "approval": said.approval,
        "at_most": said.at_most,
        "per_s": said.per_s,
        "expires_s": said.expires_s,
        "dry_run": said.dry_run,
        "wrong": one.wrong,
        "last": None if one.last is None else one.last.document(),
    }
