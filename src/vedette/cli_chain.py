"""The commands ``vedette policies``, ``actions``, ``approve``, ``refuse`` and ``undo``: what is done on a verdict."""

from __future__ import annotations

from typing import Annotated

import typer

from vedette.cli_options import JsonOption, LakeOption, ModelArgument, where

__all__ = ["actions", "approve", "policies", "refuse", "rehearse", "undo"]

ActionArgument = Annotated[str, typer.Argument(help="The id of an action, as vedette actions shows it.")]
ByOption = Annotated[str | None, typer.Option(help="Who says so; default the user.", show_default=False)]
ReasonOption = Annotated[str | None, typer.Option(help="Why.", show_default=False)]


def policies(model: ModelArgument, lake: LakeOption = None, json: JsonOption = False) -> None:
    """The policies of vedette.toml: what sets each off, what it would do, what it did last. Exit 64 where one is wrong."""
    from vedette.engine import commands_chain
    from vedette.output import chain_console

    found = commands_chain.policies(where(lake), model)
    chain_console.print_policies(found, as_json=json)
    if any(one.wrong is not None for one in found):
        raise typer.Exit(64)


def actions(model: ModelArgument, lake: LakeOption = None, json: JsonOption = False) -> None:
    """What policies did, and what waits for approval, the newest first. Exit 1 where one waits, failed, or is unknown."""
    from vedette.engine import commands_chain
    from vedette.output import chain_console

    found = commands_chain.actions(where(lake), model)
    chain_console.print_actions(model, found, as_json=json)
    if any(one.status.value in ("waiting for approval", "failed", "unknown whether done") for one in found):
        raise typer.Exit(1)


def approve(
    model: ModelArgument,
    action: ActionArgument,
    by: ByOption = None,
    reason: ReasonOption = None,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """Let an action that waits be done: at once where its policy is written here, else by the next round."""
    from vedette.engine import chain

    _answer(chain.approve, model, action, by, reason, lake, json)


def refuse(
    model: ModelArgument,
    action: ActionArgument,
    by: ByOption = None,
    reason: ReasonOption = None,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """Do not let an action that waits be done."""
    from vedette.engine import chain

    _answer(chain.refuse, model, action, by, reason, lake, json)


def undo(
    model: ModelArgument,
    action: ActionArgument,
    by: ByOption = None,
    reason: ReasonOption = None,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """Bring back what was there before an action was done."""
    from vedette.engine import chain

    _answer(chain.undo, model, action, by, reason, lake, json)


def _answer(
    how: object, model: str, action: str, by: str | None, reason: str | None, lake: str | None, json: bool
) -> None:
    from vedette.engine import commands_chain
    from vedette.output import chain_console

    found = commands_chain.answer(where(lake), model, action, how, by=by, reason=reason, at_once=True)  # type: ignore[arg-type]
    chain_console.print_actions(model, [found], as_json=json)


def rehearse(
    model: ModelArgument,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="schema, preprocessing, slow or 'swapped classes'; again for others; default each that can be, and none.",
            show_default=False,
        ),
    ] = None,
    recorded: Annotated[
        bool, typer.Option("--recorded", help="Replay all versions as they were, in the place of faults.")
    ] = False,
    policy: Annotated[
        str | None, typer.Option(help="The only policy to rehearse; default all.", show_default=False)
    ] = None,
    share: Annotated[float, typer.Option(help="The part of the rows that the challenger gets.")] = 0.3,
    windows: Annotated[int, typer.Option(help="The last windows, which are replayed.")] = 48,
    seed: Annotated[int, typer.Option(help="By which rows are shared out.")] = 0,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """What the policies of vedette.toml would do: with faults planted into recorded rows, or as it was. Nothing is done.

    Exit 1 where a fault would not be rolled back, or one that is none would be.
    """
    from vedette.output import rehearsing_console
    from vedette.output.progress import told
    from vedette.testing.rehearsing import rehearse_all

    with told(f"rehearsing policies of {model}"):
        found = rehearse_all(
            where(lake),
            model,
            faults=fault,
            recorded=recorded,
            policy=policy,
            share=share,
            windows=windows,
            seed=seed,
        )
    rehearsing_console.print_rehearsed(found, as_json=json)
    if not recorded and not all(one.right for one in found):
        raise typer.Exit(1)
