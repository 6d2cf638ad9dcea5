"""Service-level objectives against the rows of a lake: what was bad by bucket of time, what burns, what is left.

The events of an objective are rows of ``predictions``: of the model itself, or the looks at its endpoints. Only the columns that
are needed of the span that is needed are read. Sampled rows count as many as they stand for.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import polars as pl

from vedette.config.slo import SloSettings
from vedette.engine.stability.figured import figured
from vedette.lake.tables import ModelTables
from vedette.output.numbers import span
from vedette.records import Status
from vedette.records.stability import BurnReport, SloReport
from vedette.statistics.measured import unknown
from vedette.strategy.stability import Burn, budget, burns, exhausted_in, windows_of

__all__ = ["Burning", "buckets", "burning", "report"]

_BUCKETS_OF_SHORT = 5  # of the shortest window
_BUCKET_MAX_S = 60.0
_PRESENT = 1  # of the pairs of windows: whose long one is the present rate, 6 hours of 30 days


def bucket_s(slo: SloSettings) -> float:
    """The length of a bucket: a minute, or a fifth of the shortest window."""
    return min(_BUCKET_MAX_S, windows_of(slo.period_s)[0].short_s / _BUCKETS_OF_SHORT)


def buckets(tables: ModelTables, slo: SloSettings, since: datetime, until: datetime) -> pl.DataFrame | str:
    """By bucket of time: its end in seconds, bad events and all; or the reason why there are none."""
    table = tables["predictions"]
    rows, length = table.scan(), bucket_s(slo)
    names = rows.collect_schema().names()
    good = pl.col("time").is_between(since, until, closed="both")
    if slo.kind == "available":
        if "up" not in names:
            return "no look at an endpoint came yet"
        bad = pl.col("up").fill_null(0).cast(pl.Float64) != 1.0
        if slo.endpoint is not None:
            good &= pl.col("endpoint") == slo.endpoint
    elif slo.kind == "error_rate":
        if "prediction" not in names:
            return "no prediction came yet"
        answer = pl.col("prediction")  # as the figure error_rate counts: without one the call failed
        bad = answer.is_null()
        if rows.collect_schema()["prediction"].is_float():
            bad |= answer.is_nan()
    else:
        if slo.column not in names:
            return f"no row has a column {slo.column!r}"
        seconds = pl.col(slo.column).cast(pl.Float64, strict=False)
        good &= seconds.is_not_null()
        bad = ~(seconds < slo.below)
    if slo.version is not None:
        good &= pl.col("version") == slo.version
    weight = (
        (1.0 / pl.col("inclusion").cast(pl.Float64)).fill_null(1.0) if "inclusion" in names else pl.lit(1.0)
    )
    number = (pl.col("time").dt.epoch("us") / (length * 1e6)).floor()
    found = (
        rows.filter(good)
        .select(number.alias("number"), weight.alias("total"), (weight * bad.cast(pl.Float64)).alias("bad"))
        .group_by("number")
        .agg(pl.col("bad").sum(), pl.col("total").sum())
        .sort("number")
        .collect()
    )
    end = ((pl.col("number") + 1) * length).clip(upper_bound=until.timestamp())
    return found.select(end.alias("end"), "bad", "total")


class Burning:
    """What an objective is at a moment: its burn rates, and the status and the words that follow."""

    def __init__(self, slo: SloSettings, found: tuple[Burn, ...], reason: str | None) -> None:
        self.slo, self.burns, self.reason = slo, found, reason

    @property
    def status(self) -> Status:
        """ALARM or WARN where a pair of windows burns, UNKNOWN where too few rows came to tell, else OK."""
        broken = [one.window.severity for one in self.burns if one.broken]
        if "alarm" in broken:
            return Status.ALARM
        if self.reason is not None or all(one.broken is None for one in self.burns):
            return Status.UNKNOWN
        return Status.WARN if broken else Status.OK

    @property
    def words(self) -> str:
        """Which windows burn, or the fastest that none does."""
        broken = [one for one in self.burns if one.broken]
        if broken:
            one = broken[0]
            return (
                f"the error budget of {self.slo.of}, {self.slo.objective:.6g} over {span(self.slo.period_s)}, burns at "
                f"{one.long:.3g} times over {span(one.window.long_s)} and {one.short:.3g} times over "
                f"{span(one.window.short_s)}: {one.window.factor:g} is told"
            )
        known = [one for one in self.burns if one.broken is not None]
        if not known:
            return self.unknown_words
        return f"burns at {known[0].long:.3g} times what is allowed over {span(known[0].window.long_s)}"

    @property
    def unknown_words(self) -> str:
        """Why it is not known."""
        if self.reason is not None:
            return self.reason
        most = max((one.n_long for one in self.burns), default=0.0)
        return f"{most:.0f} rows in the longest window: {self.slo.min_rows} are needed"


def burning(tables: ModelTables, slo: SloSettings, now: datetime) -> Burning:
    """How an objective burns now; only the longest window is read."""
    longest = max(one.long_s for one in windows_of(slo.period_s))
    found = buckets(tables, slo, now - timedelta(seconds=longest), now)
    return _burning(slo, found, now)


def _burning(slo: SloSettings, found: pl.DataFrame | str, now: datetime) -> Burning:
    if isinstance(found, str):
        return Burning(slo, (), found)
    of = burns(
        found["end"], found["bad"], found["total"], now.timestamp(), slo.objective,
        period_s=slo.period_s, min_rows=slo.min_rows,
    )  # fmt: skip
    return Burning(slo, of, None)


def report(tables: ModelTables, slo: SloSettings, now: datetime) -> SloReport:
    """An objective as it stands over its whole period."""
    found = buckets(tables, slo, now - timedelta(seconds=slo.period_s), now)
    fire = _burning(slo, found, now)
    status = fire.status
    reason = fire.unknown_words if status is Status.UNKNOWN else None
    if isinstance(found, str):
        nothing = figured("budget_left", slo.name, unknown(found))
        later = figured("budget_exhausted_in_s", slo.name, unknown(found), "s")
        return SloReport(
            slo.name, slo.of, slo.objective, slo.period_s, 0.0, 0.0, nothing, later, (), status, "", reason
        )
    whole = budget(found["bad"], found["total"], slo.objective)
    present = found.filter(pl.col("end") > now.timestamp() - windows_of(slo.period_s)[_PRESENT].long_s)
    until = exhausted_in(whole.left, present["bad"], present["total"], slo.objective, slo.period_s)
    if whole.left.known and whole.left.value <= 0 and status is Status.OK:
        status = Status.WARN  # used up, though it burns no longer
    seen = _completeness(found, now, slo)
    return SloReport(
        slo.name, slo.of, slo.objective, slo.period_s, whole.bad, whole.total,
        figured("budget_left", slo.name, whole.left, completeness=seen),
        figured("budget_exhausted_in_s", slo.name, until, "s"),
        tuple(_reported(one) for one in fire.burns), status, fire.words if reason is None else "", reason,
    )  # fmt: skip


def _completeness(found: pl.DataFrame, now: datetime, slo: SloSettings) -> float | None:
    """The share of the period, since rows came, whose buckets have any: of a model without calls it is low, and right."""
    if found.is_empty():
        return None
    length = bucket_s(slo)
    span = now.timestamp() - float(found["end"][0]) + length
    return min(1.0, found.height * length / span)


def _reported(one: Burn) -> BurnReport:
    long, short = (None if math.isnan(rate) else rate for rate in (one.long, one.short))
    return BurnReport(
        one.window.factor, one.window.long_s, one.window.short_s, one.window.severity, long, short,
        round(one.n_long), one.broken,
    )  # fmt: skip
