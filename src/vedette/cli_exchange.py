"""The commands ``vedette import`` and ``vedette export``: runs of TensorBoard and MLflow in, runs of a model out."""

from __future__ import annotations

from typing import Annotated

import typer

from vedette.cli_options import JsonOption, LakeOption, where

__all__ = ["export_app", "import_app"]

import_app = typer.Typer(help="Runs of another system become runs of a model.", no_args_is_help=True)
export_app = typer.Typer(help="Runs of a model, written for another system.", no_args_is_help=True)

ModelOption = Annotated[str, typer.Option("--model", help="Name of the model.", show_default=False)]
RunOption = Annotated[
    list[str] | None, typer.Option("--run", help="A run; again for others; default all.", show_default=False)
]
ExperimentOption = Annotated[str | None, typer.Option(help="The experiment, by name.", show_default=False)]
UriArgument = Annotated[
    str, typer.Argument(help="Tracking URI, such as sqlite:///mlflow.db or http://host:5000.")
]


def _import(kind: str, place: str, model: str, lake: str | None, json: bool) -> None:
    from vedette.engine.exchange.imported import import_runs
    from vedette.output.exchange_console import print_exchanged
    from vedette.output.progress import told

    with told(f"import into {model}") as progress:
        found = import_runs(kind, place, where(lake), model, progress)
    print_exchanged(found.document(), "imported", as_json=json)


def _export(kind: str, place: str, model: str, runs: list[str] | None, lake: str | None, json: bool) -> None:
    from vedette.engine.exchange.exported import export_runs
    from vedette.output.exchange_console import print_exchanged
    from vedette.output.progress import told

    with told(f"export of {model}") as progress:
        found = export_runs(kind, place, where(lake), model, runs or (), progress=progress)
    print_exchanged(found.document(), "exported", as_json=json)


@import_app.command("tensorboard")
def import_tensorboard(
    logdir: Annotated[
        str, typer.Argument(help="Log directory: each folder in it with event files is a run.")
    ],
    model: ModelOption,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """Runs of TensorBoard become runs of a model; a second time only what is new."""
    _import("tensorboard", logdir, model, lake, json)


@import_app.command("mlflow")
def import_mlflow(
    uri: UriArgument,
    model: ModelOption,
    experiment: ExperimentOption = None,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """Runs of MLflow become runs of a model; a second time only what is new."""
    _import("mlflow", f"{uri}#{experiment}" if experiment else uri, model, lake, json)


@export_app.command("tensorboard")
def export_tensorboard(
    target: Annotated[str, typer.Argument(help="Log directory; each run gets a folder in it.")],
    model: ModelOption,
    run: RunOption = None,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """Runs of a model as event files of TensorBoard; of those that are there what lacks."""
    _export("tensorboard", target, model, run, lake, json)


@export_app.command("mlflow")
def export_mlflow(
    uri: UriArgument,
    model: ModelOption,
    run: RunOption = None,
    experiment: ExperimentOption = None,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """Runs of a model as runs of MLflow; of those that are there what lacks."""
    _export("mlflow", f"{uri}#{experiment}" if experiment else uri, model, run, lake, json)
