"""Will a flight arrive more than 15 minutes late? Eight months of a model at work, replayed in a minute.

The flights that left New York from January to March 2013 train a classifier, those of April are its
reference. From May to December it predicts each flight as it leaves the gate. The truth comes when the flight
has landed, for one in ten two days later. Two faults are planted; the storms and the holidays are real. Run::

    vedette demo        # or: python flights.py [LAKE]
"""

from __future__ import annotations

import sys
from collections import deque
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

import vedette
from vedette.demo.data import load
from vedette.errors import LakeError, MissingExtraError

CATEGORIES = ["origin", "carrier"]
FEATURES = [*CATEGORIES, "hour", "distance", "dep_delay", "wind_speed", "visib", "precip"]
APRIL, MAY, JULY = (datetime(2013, month, 1, tzinfo=UTC) for month in (4, 5, 7))
NEW_YEAR = datetime(2014, 1, 1, tzinfo=UTC)
FAULTS = {  # feature: since when, and what is wrong with it
    "distance": (datetime(2013, 5, 20, tzinfo=UTC), "is in kilometres, no longer in miles"),
    "wind_speed": (datetime(2013, 6, 17, tzinfo=UTC), "is stuck at its last value"),
}


def prepare(until: datetime) -> pl.DataFrame:
    """The flights in the order in which they left: features, the truth, and when it comes to be known."""
    delay = pl.when(pl.int_range(pl.len()) % 10 == 0).then(timedelta(days=2)).otherwise(timedelta(0))
    return (
        load()
        .filter(pl.col("departed") < until)  # cancelled flights never left
        .with_columns(pl.col("distance", "dep_delay").cast(pl.Float64))
        .with_columns(late=(pl.col("arr_delay") > 15).cast(pl.Int8), known=pl.col("landed") + delay)
        .select("id", *FEATURES, "departed", "late", "known")
    )


def plant_faults(flights: pl.DataFrame) -> pl.DataFrame:
    """The same flights with two features gone wrong."""
    wrong = {feature: pl.col("departed") >= since for feature, (since, _) in FAULTS.items()}
    last_speed = flights.filter(~wrong["wind_speed"])["wind_speed"].drop_nulls()[-1]
    return flights.with_columns(
        distance=pl.when(wrong["distance"]).then(pl.col("distance") * 1.609344).otherwise("distance"),
        wind_speed=pl.when(wrong["wind_speed"]).then(last_speed).otherwise("wind_speed"),
    )


def shuffle(flights: pl.DataFrame, seed: int) -> pl.DataFrame:
    """The same flights in any order over the same times, the truth at once: now every alarm is false."""
    times = flights["departed"]
    return flights.sample(fraction=1.0, shuffle=True, seed=seed).with_columns(times, known=times)


def train(flights: pl.DataFrame, seed: int) -> Any:
    """An ordinary scikit-learn classifier."""
    try:
        from sklearn.compose import make_column_transformer
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OrdinalEncoder
        from threadpoolctl import threadpool_limits  # scikit-learn brings it
    except ModuleNotFoundError as error:
        raise MissingExtraError('the demo needs scikit-learn: pip install "vedette[demo]"') from error
    threadpool_limits(1)  # OpenMP's threads would spin on the cores that the ingester needs
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=float("nan"))
    columns = make_column_transformer((encoder, CATEGORIES), remainder="passthrough")
    model = make_pipeline(columns, HistGradientBoostingClassifier(random_state=seed))
    landed = flights.drop_nulls("late")
    return model.fit(landed.select(FEATURES), landed["late"].to_numpy())


def predict(model: Any, flights: pl.DataFrame) -> pl.DataFrame:
    """The flights with the model's answers, all in one call, and the time that it took for each."""
    start = perf_counter()
    probability = model.predict_proba(flights.select(FEATURES))[:, 1]
    latency_s = pl.lit((perf_counter() - start) / flights.height)
    prediction = (probability > 0.5).astype("int8")
    return flights.with_columns(prediction=prediction, probability=probability, latency_s=latency_s)


class Replay:
    """A model at work: its monitor, whose clock is the time of the replay, and the alarms that it raised."""

    def __init__(self, name: str, lake: Path, model: Any, console: Console) -> None:
        self.model, self.console, self.now_s = model, console, MAY.timestamp()
        self.alarms: list[tuple[datetime, vedette.Verdict]] = []
        self.monitor = vedette.Monitor(
            name, lake=lake, window="1d", task="classification", classes=[0, 1], clock=lambda: self.now_s
        )

    def run(self, flights: pl.DataFrame, progress: Progress) -> None:
        """April is the reference; from May on day by day, with a check at the end of each week."""
        april = predict(self.model, flights.filter(pl.col("departed") < MAY)).rename({"departed": "time"})
        self.monitor.reference(
            april.select("id", "time", *FEATURES, "prediction", "probability", label="late")
        )

        # all answers in one call: so a flight's latency is the same all year, whatever else the machine does
        flights = predict(self.model, flights.filter(pl.col("departed") >= MAY))
        truths = flights.drop_nulls("late").sort("known").select(_seconds("known"), "id", "late")
        self.truths = deque(truths.iter_rows())
        bar = progress.add_task(self.monitor.model, total=flights.height)
        days = flights.group_by(pl.col("departed").dt.truncate("1d").alias("day"), maintain_order=True)
        for number, ((day,), of_day) in enumerate(days, start=1):
            self.log(of_day)
            progress.advance(bar, of_day.height)
            if number % 7 == 0:
                self.check(day + timedelta(days=1))
        self.check(day + timedelta(days=4))  # by then every truth is known

    def log(self, flights: pl.DataFrame) -> None:
        """Each flight as it leaves, after the truths that came before it."""
        rows = flights.select(
            _seconds("departed"), "id", "prediction", "probability", "latency_s"
        ).iter_rows()
        for features in flights.select(FEATURES).iter_rows(named=True):
            now_s, flight, prediction, probability, latency_s = next(rows)
            self.tell_truths(now_s)
            self.now_s = now_s
            self.monitor.log(
                features, prediction, probability=probability, id=flight, latency_s=latency_s, time=now_s
            )

    def tell_truths(self, until_s: float) -> None:
        """The labels of the flights that landed, each when it came to be known."""
        while self.truths and self.truths[0][0] < until_s:
            self.now_s, flight, late = self.truths.popleft()
            self.monitor.label(flight, late, time=self.now_s)

    def check(self, now: datetime) -> None:
        """Ask for the verdicts, and print the alarms that are new."""
        self.tell_truths(now.timestamp())
        self.now_s = now.timestamp()
        known = {(one.watch, one.segment, one.since) for _, one in self.alarms}
        for one in self.monitor.check().verdicts:
            if one.verdict == "ALARM" and (one.watch, one.segment, one.since) not in known:
                self.alarms.append((now, one))
                told = escape(f"{one.watch} since {one.since or now:%d %b}: {one.evidence}")
                self.console.print(f"{now:%d %b}  [bold red]ALARM[/] {told}")


def main(lake: Path, *, seed: int = 2013, quick: bool = False) -> None:
    """The whole job; ``quick`` ends it with June, when both faults are in."""
    if any((lake / name).exists() for name in ("flights", "flights-shuffled")):
        raise LakeError(f"lake={str(lake)!r}: already holds the models of this demo: name another folder")
    console = Console(highlight=False, soft_wrap=True)
    flights = prepare(until=JULY if quick else NEW_YEAR)
    model = train(flights.filter(pl.col("departed") < APRIL), seed)
    since_april = flights.filter(pl.col("departed") >= APRIL)
    columns = TextColumn("{task.description:>16}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console) as progress:
        real = Replay("flights", lake, model, progress.console)
        real.run(plant_faults(since_april), progress)
        quiet = Replay("flights-shuffled", lake, model, Console(quiet=True))
        quiet.run(shuffle(since_april, seed), progress)

    others = real.alarms
    for feature, (began, what) in FAULTS.items():
        named = [one for now, one in others if feature in one.watch and now > began]
        others = [(now, one) for now, one in others if one not in named]
        answer = f"named, since {named[0].since or began:%d %b}" if named else "[red]not named[/]"
        console.print(f"Planted on {began:%d %b}: {feature} {what}: {answer}.")
    console.print(
        f"Not planted: {len(others)} alarms, by storms, holidays, schedules, gaps; a few may be false."
    )
    months = (flights["departed"][-1] - MAY) / timedelta(days=30)
    alarms = f"{len(quiet.alarms)} alarms in {months:.1f} months"
    console.print(f"Shuffled, so that nothing changes: {alarms}; the budget is one a month.")
    for monitor in (real.monitor, quiet.monitor):
        ledger = monitor.ledger()
        equation = f"{ledger.total('seen'):,} predictions seen, {ledger.total('in_lake'):,} in the lake"
        balanced = "balanced" if ledger.balanced else "[red]not balanced[/]"
        console.print(f"Ledger of {monitor.model}: {equation}, {balanced}.")
        monitor.close()
    console.print(f"Report: {real.monitor.report(lake / 'flights.html')}")


def _seconds(column: str) -> pl.Expr:
    return pl.col(column).dt.epoch("ms") / 1000.0


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "vedette-demo"))
