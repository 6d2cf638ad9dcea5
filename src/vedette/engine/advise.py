"""Advice for a model in the lake: its clean windows are replayed with faults, and the strategies race."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from vedette import strategy
from vedette.engine import written
from vedette.engine.alerts import alerts
from vedette.engine.detecting import arrived
from vedette.engine.false_alarms import measured
from vedette.engine.judge import detectors_share, findings_of, reference_plan
from vedette.engine.state import Kept, kept_row
from vedette.engine.summarise import Shape
from vedette.errors import DataError
from vedette.lake.events import latest_reference
from vedette.lake.tables import ModelTables
from vedette.records import Status
from vedette.strategy.advice import (
    CANDIDATES,
    COLUMNS_MAX,
    WINDOWS_MIN,
    Advised,
    Candidate,
    History,
    OfStrategy,
    WithSeries,
    advise,
    history,
    race,
)

__all__ = ["SECONDS", "advise_model", "clean_windows"]

SECONDS = 60.0
"""How long a race may take where nobody says."""

_ROUNDS_MAX = 200
_COLUMNS_A_SECOND = (
    0.5  # that are replayed at most: to make ready and replay one takes a second on a machine that is busy
)
_COLUMNS_MIN = 2
_FIRST_ROUND = 0.1  # more of the time, before the first round is left in the midst of it
_WINDOWS_MAX = 1000
_SEED = 20260101  # the same history and rounds give the same advice

Span = tuple[datetime, datetime | None]


def advise_model(
    tables: ModelTables,
    *,
    seconds: float = SECONDS,
    tell: Callable[[int, int, str], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
    candidates: Mapping[str, Candidate] = CANDIDATES,
) -> Advised:
    """Race the strategies on the clean history of a model, for so many seconds at most.

    Where they are few, fewer columns and candidates race, which the advice says; of a round of replays that they do not last
    for, what was through counts. Nothing is written. Clean are the windows that were judged since the reference in force
    without an open alarm; those of alerts that were marked as false are clean. ``stop`` ends the race after the round that is
    running; ``candidates`` are who races. Raises ``ValueError`` for an impossible number of seconds, ``DataError`` where there
    is no reference, too little history, or so little time that nothing could be told.
    """
    if not seconds > 0:
        raise ValueError(f"seconds={seconds}: must be greater than 0")
    model, begun = tables.path.name, clock()
    kept = kept_row(tables)
    if kept is None or not kept.reference:
        raise DataError(f"model {model!r}: no reference: give one with monitor.reference(frame)")
    past, steps, n_left_out = _history(tables, kept)
    if _rows_in_force(tables, kept):
        past = replace(past, dependent=None)
    name = _in_force(
        tables, kept, {name: one for name, one in candidates.items() if one.unfit(past) is None}, past
    )
    try:
        course = race(
            past,
            seed=_SEED,
            candidates={name: candidates[name], **candidates},
            rounds_max=_ROUNDS_MAX,
            columns_max=max(min(round(seconds * _COLUMNS_A_SECOND), COLUMNS_MAX), _COLUMNS_MIN),
            go_on=lambda: clock() < begun + seconds and not stop(),
            late=lambda first: clock() > begun + seconds * (1.0 + first * _FIRST_ROUND),
            tell=tell,
        )
    except TimeoutError:
        raise DataError(
            f"model {model!r}: could not tell more in the time: {seconds:g} s were over before one column had been replayed; "
            f"give it more with --seconds ({SECONDS:g} is usual)"
        ) from None
    found = advise(course, seed=_SEED, in_force=name)
    return Advised(model, found, steps[0], steps[-1], n_left_out, measured(tables, alerts(tables)))


def _rows_in_force(tables: ModelTables, kept: Kept) -> bool:
    """True where the detector for independent rows judges the model now."""
    said = kept.guarantee.splitlines()[-1:]
    return written.in_force(tables).rows == "independent" and bool(said) and said[0].startswith("proved")


def _in_force(tables: ModelTables, kept: Kept, able: Mapping[str, Candidate], past: History) -> str:
    """What judges the model now, of those who can race: with series beside it where these are on, and with the part of its
    budget that is nearest to the one that is written.
    """
    make = strategy.EDetectorRows if _rows_in_force(tables, kept) else strategy.EDetector
    said = written.in_force(tables)
    part = detectors_share(said) / detectors_share(replace(said, detectors_share=None))
    for kind in (WithSeries, OfStrategy) if past.series else (OfStrategy,):
        parts = {name: one.part for name, one in able.items() if isinstance(one, kind) and one.make is make}
        if parts:
            return min(parts, key=lambda name: abs(math.log(parts[name] / part)))
    return strategy.EDetector.name


def clean_windows(tables: ModelTables, known: list[datetime], window: timedelta) -> list[datetime]:
    """Those of the windows in which no alarm was open, and no evidence of one gathered."""
    spans = _dirty(tables)
    return [
        one
        for one in known
        if not any(begin < one + window and (end is None or one < end) for begin, end in spans)
    ]


def _history(tables: ModelTables, kept: Kept) -> tuple[History, list[datetime], int]:
    model, shape = tables.path.name, Shape.of(tables)
    found = reference_plan(tables, shape)
    if found is None or not found[0].watches:
        raise DataError(
            f"model {model!r}: the reference has nothing to watch: columns with 50 rows are needed"
        )
    plan, reference, _ = found
    state = strategy.State.from_bytes(kept.block)
    if not np.array_equal(plan.key, state.key):
        state = strategy.extend(state, plan, reference, np.ones(len(plan.key)))
    rows = (
        tables["summaries"]
        .scan()
        .filter(
            (pl.col("part") == "live")
            & (pl.col("arrival") > kept.origin)
            & (pl.col("arrival") <= kept.arrival)
            & (pl.col("known") <= kept.known)
        )
        .drop("hashes")
        .collect()
    )
    window, event = timedelta(seconds=shape.settings.window_s), latest_reference(tables)
    known = sorted(rows["known"].unique().to_list())
    clean = clean_windows(tables, known, window)[-_WINDOWS_MAX:]
    n_left_out = len(known) - len(clean) if len(clean) < _WINDOWS_MAX else 0
    if len(clean) < WINDOWS_MIN:
        left = f", and {n_left_out} in which an alarm was open" if n_left_out else ""
        raise DataError(
            f"model {model!r}: too little history since the reference: needs {WINDOWS_MIN} clean windows; has {len(clean)}"
            f"{left}: an alert that was false is said to be by vedette ack ID --false"
        )
    windows = arrived(rows.filter(pl.col("known").is_in(clean)), plan.grids, clean)
    try:
        past = history(
            plan,
            reference,
            windows,
            np.array([one.timestamp() for one in clean]),
            inflation=state.inflation,
            window_s=shape.settings.window_s,
            budget=shape.settings.budget_per_month,
            weight=state.weight,
            series=written.in_force(tables).series is not False,
            findings=findings_of(event[1]) if event is not None else None,
        )
    except ValueError as error:
        raise DataError(f"model {model!r}: {error}") from None
    return past, clean, n_left_out


def _dirty(tables: ModelTables) -> list[Span]:
    """From when to when something was known to be wrong: each alert that was not marked as false, since its evidence began."""
    rows = (
        tables["verdicts"]
        .scan()
        .filter((pl.col("verdict") == Status.ALARM.value) & pl.col("since").is_not_null())
        .select("watch", "segment", "since")
        .collect()
    )
    since: dict[tuple[str, str], list[datetime]] = {}
    for watch, segment, begun in rows.iter_rows():
        since.setdefault((watch, segment), []).append(begun)
    every = [one for one in alerts(tables) if not one.false]
    return [
        (
            max((t for t in since.get((one.watch, one.segment), []) if t <= one.opened), default=one.opened),
            one.closed,
        )
        for one in every
    ]
