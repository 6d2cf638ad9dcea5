"""The commands ``vedette report``, ``splits`` and ``series``: what can be told of files, without a lake."""

from __future__ import annotations

from typing import Annotated

import typer

from vedette.cli_options import JsonOption

__all__ = ["report", "series", "splits"]


def report(
    current: Annotated[str, typer.Argument(help="Parquet, CSV or Arrow file, or Delta table.")],
    reference: Annotated[
        str | None, typer.Option(help="The file to compare with; what normal looks like.", show_default=False)
    ] = None,
    html: Annotated[str | None, typer.Option(help="Write a page to this file.", show_default=False)] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="A column, or two with a comma between, whose values are segments.", show_default=False
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="label=churned: which column is vedette's 'label'; again for others.", show_default=False
        ),
    ] = None,
    separator: Annotated[
        str | None, typer.Option(help="Separator of CSV files; default a comma.", show_default=False)
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="classification or regression; told from the rows.", show_default=False)
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(help="ok,fraud: the classes, the second of two the positive one.", show_default=False),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Compare two files: what changed, how much, how sure that is; or describe one."""
    from vedette.engine.two_files import run
    from vedette.output.comparison_console import print_comparison
    from vedette.output.progress import told

    with told("report") as progress:
        found = run.report(
            current,
            reference,
            columns=_pairs(column or []),
            by=() if by is None else by,
            separator="\t" if separator == "\\t" else separator,
            task=task,
            classes=classes or (),
            html=html,
            progress=progress,
        )
    print_comparison(found, as_json=json, html=html)


def splits(
    train: Annotated[str, typer.Argument(help="Parquet, CSV or Arrow file, or Delta table.")],
    validation: Annotated[
        str | None, typer.Option(help="The set that choices are made by.", show_default=False)
    ] = None,
    test: Annotated[
        str | None, typer.Option(help="The set that the last figures are of.", show_default=False)
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="The column that is learned.", show_default=False)
    ] = None,
    groups: Annotated[
        str | None, typer.Option(help="A column whose values must lie in one set alone.", show_default=False)
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="A column by which the sets follow one another.", show_default=False)
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(help="A column that is not the model's; again for others.", show_default=False),
    ] = None,
    json: JsonOption = False,
) -> None:
    """What training, validation and test sets share that they should not, and how they differ."""
    from vedette.engine import splits as splits_module
    from vedette.output.progress import told
    from vedette.output.splits_console import print_splits

    with told("splits"):
        found = splits_module.splits(
            train,
            validation=validation,
            test=test,
            target=target,
            groups=groups,
            time=time,
            ignore=ignore or (),
        )
    print_splits(found.document(), as_json=json)
    if found.verdict == "ALARM":
        raise typer.Exit(1)


def series(
    file: Annotated[str, typer.Argument(help="Parquet, CSV or Arrow file, or Delta table.")],
    column: Annotated[
        list[str] | None,
        typer.Option(help="A column to judge; again for others; default all numbers.", show_default=False),
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="The column of times; default the first one.", show_default=False)
    ] = None,
    budget: Annotated[float, typer.Option(help="False alarms a month over all series.")] = 1.0,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="statistical, time_step, chain or blocks; again for others; default all.", show_default=False
        ),
    ] = None,
    reference: Annotated[
        int | None, typer.Option(help="Rows that are learned from; default 15 %.", show_default=False)
    ] = None,
    event: Annotated[
        list[str] | None,
        typer.Option(
            help="A time after which the level may be another; again for others.", show_default=False
        ),
    ] = None,
    holiday: Annotated[
        list[str] | None,
        typer.Option(help="A day of which nothing is expected; again for others.", show_default=False),
    ] = None,
    timezone: Annotated[str, typer.Option(help="Whose hours and days seasons go by.")] = "UTC",
    above: Annotated[
        float | None, typer.Option(help="Tell when it is expected to be over this.", show_default=False)
    ] = None,
    below: Annotated[
        float | None, typer.Option(help="Tell when it is expected to be under this.", show_default=False)
    ] = None,
    separator: Annotated[
        str | None, typer.Option(help="Separator of CSV files; default a comma.", show_default=False)
    ] = None,
    json: JsonOption = False,
) -> None:
    """Judge recorded series as if each number had just come: what was expected, what came; and when each changed."""
    from vedette.engine import series_file
    from vedette.output import series_console
    from vedette.output.progress import told

    with told(f"series of {file}"):
        found = series_file.judge_file(
            file,
            columns=column,
            time=time,
            budget_per_month=budget,
            methods=method,
            reference=reference,
            events=event or (),
            holidays=holiday or (),
            timezone=timezone,
            above=above,
            below=below,
            separator="\t" if separator == "\\t" else separator,
        )
    series_console.print_series(found, as_json=json)


def _pairs(texts: list[str]) -> dict[str, str]:
    """``name=their`` texts as a mapping."""
    pairs = [text.partition("=") for text in texts]
    for (ours, equal, theirs), text in zip(pairs, texts, strict=True):
        if not (ours and equal and theirs):
            raise ValueError(f"--column {text!r}: must be like label=churned")
        if [one for one, _, _ in pairs].count(ours) > 1:
            raise ValueError(f"--column {text!r}: {ours!r} is given twice")
    return {ours: theirs for ours, _, theirs in pairs}
