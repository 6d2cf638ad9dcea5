"""The command ``vedette``: argument parsing only; each command is one call.

``--json`` prints one JSON document on stdout and nothing else; messages and progress go to stderr. Exit codes:
``check`` 0 healthy, 1 alarm, 2 unknown; ``ledger`` 1 where it does not balance; 64 for a wrong call; 70 where
vedette's own work failed.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

import vedette
from vedette.cli_alerting import escalate, maintenance_app
from vedette.cli_chain import actions, approve, policies, refuse, rehearse, undo
from vedette.cli_comparing import compare
from vedette.cli_deployments import deploy, deployments
from vedette.cli_exchange import export_app, import_app
from vedette.cli_files import report, series, splits
from vedette.cli_life import story
from vedette.cli_options import JsonOption, LakeOption, ModelArgument
from vedette.cli_options import where as _where
from vedette.cli_privacy import forget, membership, privacy, release
from vedette.cli_prometheus import metrics, prometheus_app
from vedette.cli_runs import run, runs
from vedette.cli_serve import serve, users_app
from vedette.cli_stability import endpoints, stability
from vedette.errors import VedetteError

__all__ = ["app", "main"]

EXIT_USAGE = 64
EXIT_FAILED = 70

app = typer.Typer(
    name="vedette",
    help="Watches a machine-learning model from its first training step to its last prediction.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)


def _unused(folder: Path) -> Path:
    """The folder, or the first of ``folder-2``, ``folder-3`` ... that is not there yet."""
    number = 1
    while (path := folder if number == 1 else folder.with_name(f"{folder.name}-{number}")).exists():
        number += 1
    return path


@app.command()
def demo(
    lake: LakeOption = None,
    seed: Annotated[int, typer.Option(help="Seed of the model and of the shuffled replay.")] = 2013,
) -> None:
    """The whole job on real data: 336,776 flights, a model, late labels, two planted faults, verdicts, a report."""
    from vedette.demo import flights

    flights.main(Path(lake) if lake else _unused(Path("vedette-demo")), seed=seed)


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)
    ] = False,
) -> None:
    """Watches a machine-learning model from its first training step to its last prediction."""
    if version:
        print(vedette.__version__)
        raise typer.Exit


@app.command()
def check(model: ModelArgument, lake: LakeOption = None, json: JsonOption = False) -> None:
    """Judge what came in, and give a verdict for each thing watched. Exit 0 healthy, 1 alarm, 2 unknown."""
    from vedette.engine import commands
    from vedette.output import console
    from vedette.output.progress import told

    with told(f"checking {model}"):
        health = commands.check(_where(lake), model)
    console.print_health(health, as_json=json)
    raise typer.Exit({"OK": 0, "WARN": 0, "ALARM": 1}.get(health.verdict, 2))


@app.command()
def guarantee(model: ModelArgument, lake: LakeOption = None, json: JsonOption = False) -> None:
    """Whether rows hang together, days differ or a season repeats, and which bound on false alarms stands."""
    from vedette.engine import commands
    from vedette.output import console

    console.print_guarantee(commands.check(_where(lake), model), as_json=json)


@app.command()
def figures(
    model: ModelArgument,
    metric: Annotated[
        str | None, typer.Option(help="Metrics, with commas between; default all.", show_default=False)
    ] = None,
    feature: Annotated[
        str | None, typer.Option(help="Columns, with commas between; default all.", show_default=False)
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="A column whose values become segments, or a,b.", show_default=False)
    ] = None,
    window: Annotated[
        str | None, typer.Option(help="A multiple of the model's window, or 'all'.", show_default=False)
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Event time from which on, ISO.", show_default=False)
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Event time before which, ISO.", show_default=False)
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(help="As known at this time, ISO; several with commas.", show_default=False)
    ] = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Estimate windows whose labels have not all come.")
    ] = False,
    iou: Annotated[
        float | None, typer.Option(help="Of boxes: the overlap that makes two the same.", show_default=False)
    ] = None,
    score: Annotated[
        float | None, typer.Option(help="Of boxes: the score from which on one is found.", show_default=False)
    ] = None,
    against: Annotated[
        str, typer.Option(help="What drift is measured from: reference, or training, the rows learned from.")
    ] = "reference",
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """Figures with their intervals, by window."""
    from vedette.engine import questions
    from vedette.output import console
    from vedette.output.progress import told

    with told(f"figures of {model}"):
        frame = questions.figures(
            _where(lake),
            model,
            metric,
            feature=feature,
            by=by,
            window=window,
            since=since,
            until=until,
            as_of=as_of,
            estimate=estimate,
            iou=iou,
            score=score,
            against=against,
        )
    console.print_figures(frame, as_json=json)


@app.command()
def labels(
    model: ModelArgument,
    by: Annotated[
        str | None, typer.Option(help="A column whose values become segments, or a,b.", show_default=False)
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Delays of predictions of windows from here on.", show_default=False)
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Delays of predictions of windows up to here.", show_default=False)
    ] = None,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """What became of the labels, how long they take, and whether late ones differ from early ones."""
    from vedette.engine import questions
    from vedette.output import labels_console
    from vedette.output.progress import told

    with told(f"labels of {model}"):
        found, delays = questions.labels(_where(lake), model, by, since=since, until=until)
    labels_console.print_labels(found, delays, as_json=json)


@app.command()
def fairness(
    model: ModelArgument,
    by: Annotated[str, typer.Option(help="The column whose values are the groups.", show_default=False)],
    metric: Annotated[
        str | None, typer.Option(help="Metrics, with commas between; default all.", show_default=False)
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(help="The group the others are compared with; default the largest.", show_default=False),
    ] = None,
    window: Annotated[
        str | None, typer.Option(help="A multiple of the model's window, or 'all'.", show_default=False)
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Event time from which on, ISO.", show_default=False)
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Event time before which, ISO.", show_default=False)
    ] = None,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """How far rates, or errors of a regression, lie apart between groups of rows, with intervals, by window."""
    from vedette.engine import questions
    from vedette.output.fairness_console import print_fairness
    from vedette.output.progress import told

    with told(f"fairness of {model}"):
        frame = questions.fairness(
            _where(lake), model, by, metric, against=against, window=window, since=since, until=until
        )
    print_fairness(frame, as_json=json)


@app.command()
def domain(
    model: ModelArgument,
    since: Annotated[
        str | None, typer.Option(help="Event time from which on, ISO.", show_default=False)
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Event time before which, ISO.", show_default=False)
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(help="The span compared with: FROM/BEFORE, ISO; default the first.", show_default=False),
    ] = None,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """How well all columns together tell rows of one span from those of another, and which tell most."""
    from vedette.engine import questions
    from vedette.output.domain_console import print_domain
    from vedette.output.progress import told

    with told(f"rows of {model}"):
        frame = questions.domain(_where(lake), model, since=since, until=until, against=against)
    print_domain(frame, as_json=json)


@app.command()
def ledger(
    model: ModelArgument,
    windows: Annotated[
        bool,
        typer.Option("--windows", help="Each window too; those in a row that lost nothing are one line."),
    ] = False,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """The equation of the rows, by producer: seen = in journal + in lake + sampled out + dropped + rejected + torn.

    Names the reasons and every gap. Exit 1 where it does not balance.
    """
    from vedette.engine import commands
    from vedette.output import ledger_console
    from vedette.output.progress import told

    with told(f"ledger of {model}"):
        found = commands.ledger(_where(lake), model)
    ledger_console.print_ledger(found, as_json=json, windows=windows)
    raise typer.Exit(0 if found.balanced else 1)


@app.command()
def alerts(model: ModelArgument, lake: LakeOption = None, json: JsonOption = False) -> None:
    """Alerts and what was said of them, the newest first. Exit 1 where any is firing."""
    from vedette.engine import commands
    from vedette.output import console
    from vedette.output.progress import told

    with told(f"alerts of {model}"):
        found = commands.alerts(_where(lake), model)
        false = commands.false_alarms(_where(lake), model)
    console.print_alerts(found, as_json=json, false_alarms=false)
    raise typer.Exit(1 if any(one.state == "firing" for one in found) else 0)


@app.command()
def explain(
    model: ModelArgument,
    watch: Annotated[
        str | None,
        typer.Argument(
            help="A watch as 'vedette check' names it, with its segment, or an alert's id; default the strongest alarm.",
            show_default=False,
        ),
    ] = None,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """Why something fired: which segments, which inputs, since when, which fault, what else happened then."""
    from vedette.engine import questions
    from vedette.output import explanation_console
    from vedette.output.progress import told

    with told(f"explaining {model}"):
        found = questions.explain(_where(lake), model, watch)
    explanation_console.print_explanation(model, found, as_json=json)


AlertArgument = Annotated[str, typer.Argument(help="Id of the alert, as 'vedette alerts' shows it.")]
IncidentOption = Annotated[bool, typer.Option("--incident", help="All open alerts of its incident.")]
ByOption = Annotated[str | None, typer.Option(help="Who says so; default the user.", show_default=False)]


@app.command()
def ack(
    alert: AlertArgument,
    reason: Annotated[str | None, typer.Option(help="What was found.", show_default=False)] = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="What it found is normal from now on: close it.")
    ] = False,
    false: Annotated[
        bool,
        typer.Option(
            "--false",
            help="Nothing was wrong: its windows are clean history, and it counts against the budget.",
        ),
    ] = False,
    incident: IncidentOption = False,
    by: ByOption = None,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """Say that someone has seen an alert, or that it was false; it stays open until the alarm recovers."""
    from vedette.engine import commands
    from vedette.output import console

    found = commands.acknowledge(
        _where(lake), alert, by=by, reason=reason, accept=accept, incident=incident, false=false
    )
    console.print_alerts(found, as_json=json)


@app.command()
def silence(
    alert: AlertArgument,
    reason: Annotated[str, typer.Option(help="Why.")],
    duration: Annotated[str, typer.Option("--for", help="How long: 30m, 4h, 2d.")] = "4h",
    incident: IncidentOption = False,
    by: ByOption = None,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """Tell nobody of an alert for a while; if the alarm is still there then, it fires again."""
    from vedette.engine import commands
    from vedette.output import console

    found = commands.silence(_where(lake), alert, by=by, reason=reason, duration=duration, incident=incident)
    console.print_alerts(found, as_json=json)


app.command()(escalate)
app.add_typer(maintenance_app, name="maintenance")

rules_app = typer.Typer(
    help="Plain rules: facts that somebody is told of, outside the budget.", no_args_is_help=True
)
app.add_typer(rules_app, name="rules")


@rules_app.command("show")
def rules_show(model: ModelArgument, lake: LakeOption = None, json: JsonOption = False) -> None:
    """The rules of a model, and what became of each."""
    from vedette.engine import commands
    from vedette.output import console
    from vedette.output.progress import told

    with told(f"rules of {model}"):
        found = commands.rules(_where(lake), model)
    console.print_rules(found, as_json=json)


@rules_app.command("test")
def rules_test(
    files: Annotated[list[Path], typer.Argument(help="Files of cases; docs/rules.md has the form.")],
    json: JsonOption = False,
) -> None:
    """Series and the alerts expected of them, as text: exit 1 where any comes otherwise."""
    from vedette import testing
    from vedette.output import console

    found = [testing.run_file(path) for path in files]
    console.print_cases(found, as_json=json)
    raise typer.Exit(0 if all(one.passed for one in found) else 1)


@rules_app.command("replay")
def rules_replay(
    model: ModelArgument,
    rule: Annotated[
        list[str] | None,
        typer.Argument(
            help="Names of rules, or conditions such as 'accuracy < 0.9 for 3 windows'; default those of vedette.toml.",
            show_default=False,
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Windows from this time on, ISO.", show_default=False)
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Windows that start before then, ISO.", show_default=False)
    ] = None,
    incident: Annotated[
        list[str] | None,
        typer.Option(
            help="START..END when something was wrong, again for others; default the alerts not marked as false.",
            show_default=False,
        ),
    ] = None,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """A dry run of rules over the history: would have fired when, which incidents caught, how late."""
    from vedette.engine import questions
    from vedette.output import replay_console
    from vedette.output.progress import told

    with told(f"replaying rules of {model}"):
        found = questions.replay_rules(
            _where(lake), model, rule or (), since=since, until=until, incidents=incident or ()
        )
    replay_console.print_replayed(found, as_json=json)


@app.command()
def advise(
    model: ModelArgument,
    seconds: Annotated[
        float, typer.Option(help="How long the race may take; Ctrl-C ends it, with what it showed by then.")
    ] = 60.0,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """Replay the model's clean history with faults, race the strategies, and say which to use and what it can see."""
    from vedette.engine import questions
    from vedette.output import advice_console
    from vedette.output.progress import told

    with told(f"advice for {model}") as progress:
        found = questions.advise(_where(lake), model, seconds=seconds, progress=progress)
    advice_console.print_advice(found, as_json=json)


@app.command()
def audit(model: ModelArgument, lake: LakeOption = None, json: JsonOption = False) -> None:
    """Who did what: alerts acknowledged, silenced and accepted, rules, channels and settings changed, references given."""
    from vedette.engine import commands
    from vedette.output import console

    console.print_audit(commands.history(_where(lake), model), as_json=json)


@app.command()
def channels(
    test: Annotated[
        str | None,
        typer.Option("--test", help="Send a test notice by this channel, and say what came back."),
    ] = None,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """Where alerts are told: the channels of vedette.toml, what they send, and how their last delivery went."""
    from vedette.engine import commands
    from vedette.output import console

    if test is not None:
        console.print_tried(test, commands.try_channel(test), as_json=json)
        return
    console.print_channels(commands.channels(_where(lake)), as_json=json)


@app.command()
def reports(
    run: Annotated[
        bool, typer.Option("--run", help="Make those that are due, as a server does by itself; for cron.")
    ] = False,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """The scheduled reports of vedette.toml: when each was due last, and with --run those that are due are made."""
    from vedette.engine import scheduled
    from vedette.lake.tables import Lake
    from vedette.output import reports_console

    if not run:
        reports_console.print_reports(scheduled.standing(), as_json=json)
        return
    found = scheduled.make_due(Lake.at(_where(lake)))
    reports_console.print_made(found, as_json=json)
    raise typer.Exit(1 if any(one.error is not None for one in found) else 0)


@app.command()
def ingest(
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on until stopped; the lake's only follower.")
    ] = False,
    interval_s: Annotated[float, typer.Option(help="Seconds between rounds when following.", min=0.05)] = 5.0,
    idle_exit_s: Annotated[
        float | None,
        typer.Option(help="Following ends after so long without rows; default never.", show_default=False),
    ] = None,
    owner: Annotated[
        int | None,
        typer.Option(
            help="Following ends when this process, which started it, has ended; default never.",
            show_default=False,
        ),
    ] = None,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """Bring what the journals hold into the lake, and judge it."""
    from vedette.engine import commands
    from vedette.output import console
    from vedette.output.progress import told

    if follow:
        commands.follow(_where(lake), interval_s=interval_s, idle_exit_s=idle_exit_s, owner=owner)
        return
    with told("ingest") as progress:
        found = commands.ingest(_where(lake), progress)
    console.print_ingested(found, as_json=json)


@app.command()
def ship(
    lake: Annotated[
        str | None,
        typer.Option(
            "--lake", help="URL of the server; default $VEDETTE_LAKE, vedette.toml.", show_default=False
        ),
    ] = None,
    journal: Annotated[
        str | None,
        typer.Option(
            help="As in Monitor; default $VEDETTE_JOURNAL, vedette.toml, ~/.local/state/vedette.",
            show_default=False,
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow/--once", help="Go on until stopped, or ship what there is now.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Ship what was recorded for a server and is still in the journal of this machine."""
    from vedette.capture.shipping import command
    from vedette.output import console

    found = command.ship(_where(lake), journal, go_on=follow)
    console.print_shipped(found, as_json=json)


app.add_typer(import_app, name="import")
app.add_typer(export_app, name="export")
app.command()(report)
app.command()(splits)
app.command()(series)
app.command()(runs)
app.command()(run)
app.command()(compare)
app.command()(policies)
app.command()(actions)
app.command()(approve)
app.command()(refuse)
app.command()(undo)
app.command()(rehearse)
app.command()(endpoints)
app.command()(stability)
app.command()(metrics)
app.command()(forget)
app.command()(membership)
app.command()(deploy)
app.command()(deployments)
app.command()(story)
app.command()(privacy)
app.command()(release)
app.add_typer(prometheus_app, name="prometheus")
app.command()(serve)
app.add_typer(users_app, name="users")


def _fail(message: str, code: int) -> NoReturn:
    line = "".join(c if c.isprintable() else " " for c in message)  # one line, and no escapes of a name's own
    print(f"vedette: {line}", file=sys.stderr)
    sys.exit(code)


def main() -> None:
    """Run the command; errors are one line on stderr that says what, the value, and what is right."""
    for library in (
        "OPENBLAS",
        "MKL",
    ):  # arrays here are small: their threads would cost thirty times the work
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    # typer brings its own click or uses the installed one, by version; its classes are had from typer's own
    usage_error = typer.BadParameter.__mro__[1]
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that temporary folders go
    try:
        result = app(standalone_mode=False)
    except typer.Exit as stop:
        sys.exit(stop.exit_code)
    except typer.Abort:
        _fail("stopped", 130)
    except KeyboardInterrupt:
        _fail("stopped", 130)
    except ValueError as error:
        _fail(str(error), EXIT_USAGE)
    except VedetteError as error:
        _fail(str(error), EXIT_FAILED)
    except BrokenPipeError:
        raise  # what reads our output has had enough: see output.pipes
    except OSError as error:
        _fail(f"{error.filename or 'output'}: {error.strerror or error}", EXIT_FAILED)
    except Exception as error:
        if not isinstance(error, usage_error):
            raise
        error.show()  # type: ignore[attr-defined]  # click's UsageError
        sys.exit(EXIT_USAGE)
    sys.exit(result if isinstance(result, int) else 0)
