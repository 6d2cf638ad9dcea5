"""The commands ``vedette metrics`` and ``vedette prometheus``: what Prometheus and Grafana read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from vedette.cli_options import LakeOption, where

__all__ = ["metrics", "prometheus_app"]

prometheus_app = typer.Typer(
    help="Files for Prometheus and Grafana, made from models' settings and what they have.",
    no_args_is_help=True,
)

ModelsArgument = Annotated[
    list[str] | None, typer.Argument(help="Names of models.", metavar="MODEL...", show_default=False)
]
AllOption = Annotated[bool, typer.Option("--all", help="All models of the lake.")]


def metrics(
    models: ModelsArgument = None,
    every: AllOption = False,
    output: Annotated[
        Path | None,
        typer.Option(help="A file ending in .prom, written whole or not at all.", show_default=False),
    ] = None,
    open_metrics: Annotated[
        bool, typer.Option("--openmetrics", help="OpenMetrics' text rather than Prometheus' own.")
    ] = False,
    lake: LakeOption = None,
) -> None:
    """The metrics of models as the text of /metrics, without a server: for node_exporter's textfile collector."""
    from vedette.engine.prometheus_files import metrics_text, write_metrics

    if output is not None:
        if open_metrics:
            raise ValueError(
                "--output and --openmetrics: the textfile collector reads Prometheus' own format"
            )
        write_metrics(where(lake), models or [], output, every=every)
    else:
        text = metrics_text(where(lake), models or [], every=every, open_metrics=open_metrics)
        sys.stdout.write(text.decode("utf-8"))


def _print(kind: str, models: list[str] | None, every: bool, lake: str | None) -> None:
    from vedette.engine.prometheus_files import generated

    sys.stdout.write(generated(kind, where(lake), models or [], every=every))


@prometheus_app.command("scrape")
def scrape(models: ModelsArgument = None, every: AllOption = False, lake: LakeOption = None) -> None:
    """What goes into prometheus.yml; the address is that of [server] url."""
    _print("scrape", models, every, lake)


@prometheus_app.command("rules")
def rules(models: ModelsArgument = None, every: AllOption = False, lake: LakeOption = None) -> None:
    """Alert rules: verdicts, windows that no longer close, rows that are lost, and nothing scraped at all."""
    _print("rules", models, every, lake)


@prometheus_app.command("grafana")
def grafana(models: ModelsArgument = None, every: AllOption = False, lake: LakeOption = None) -> None:
    """A dashboard of Grafana as JSON."""
    _print("grafana", models, every, lake)
