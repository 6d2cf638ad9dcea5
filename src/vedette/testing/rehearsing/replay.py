"""Replaying recorded rows into a lake of their own."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from vedette import config
from vedette.engine import chain, cycle
from vedette.engine.commands import open_lake
from vedette.engine.query import Query
from vedette.engine.segments import labelled_rows, rows_of
from vedette.engine.versions import newest_version
from vedette.engine.view import view
from vedette.errors import DataError
from vedette.lake.events import settings_of
from vedette.lake.rows import label_text
from vedette.lake.tables import Lake
from vedette.monitor import Monitor
from vedette.records import PROCESS, Settings
from vedette.records.actions import Taken
from vedette.records.rehearsing import Rehearsed, WouldAct
from vedette.testing.rehearsing.faults import FAULTS, GROWTH, LEAKING, Recorded

__all__ = ["rehearse", "rehearse_all"]

log = logging.getLogger("vedette")

WINDOWS = 48
"""Windows that are replayed, the last that were recorded; a third of them are the reference."""

READINGS = 60
"""Readings of a process in a window."""

CHALLENGER = "challenger"
"""The version of the rows into which a fault is planted."""

_FEW = 50  # rows of a window of the challenger, below which windows are taken together


def rehearse(
    lake: Lake,
    model: str,
    *,
    fault: str | None = None,
    recorded: bool = False,
    policy: str | None = None,
    share: float = 0.3,
    windows: int = WINDOWS,
    seed: int = 0,
    written: config.Config | None = None,
) -> Rehearsed:
    """What the policies of ``vedette.toml`` would have done.

    ``recorded`` replays all versions as they were. Else the rows of the newest version are shared out between it and a
    challenger, which gets ``share`` of them and is compared with it by what each comparison asks for; a ``fault`` of
    ``FAULTS`` is planted into the challenger from its first row on, until every policy has been set off. ``policy`` names the
    only one that is rehearsed. Nothing is done, and the lake is not changed.

    Raises ``ValueError`` where there is no such fault or policy, and ``DataError`` where too few rows were recorded, or the fault
    cannot be planted into them.
    """
    written = config.read() if written is None else written
    if fault is not None and fault not in FAULTS:
        raise ValueError(f"fault={fault!r}: must be one of {', '.join(FAULTS)}")
    if fault is not None and recorded:
        raise ValueError(
            f"fault={fault!r}: is planted into a challenger, not into what was recorded: leave one out"
        )
    if not 0 < share < 1:
        raise ValueError(f"share={share!r}: must be more than 0 and less than 1")
    table = dict(written.models.get(model, {}))
    policies = table.get("policies", {})
    if not policies or (policy is not None and policy not in policies):
        known = ", ".join(policies) or "none"
        raise ValueError(f"policy={policy!r}: model {model!r} has {known} in vedette.toml")
    champion = newest_version(lake.model(model))
    if champion is None:
        raise DataError(f"model {model!r}: no rows were recorded yet")
    rows, settings = _recorded(lake, model, None if recorded else champion, windows)
    rng = np.random.default_rng(seed)
    kept = [name for name in policies if policy in (None, name)]
    table["policies"] = {
        name: {**policies[name], "dry_run": True, "at_most": "10000 per 1h"} for name in kept
    }
    if not recorded:
        compared = table.get("compare", {})
        table["compare"] = {
            name: {**_without(one, "since", "unit"), "champion": champion, "challenger": CHALLENGER}
            | ({"shares": {champion: 1 - share, CHALLENGER: share}} if one.get("shares") else {})
            for name, one in compared.items()
        }
    rehearsed = replace(written, models={model: table}, path=None, channels=(), reports=())
    with tempfile.TemporaryDirectory(prefix="vedette-rehearsal-") as folder:
        replayed = _Replay(Path(folder), model, settings, rehearsed, rows, champion)
        return replayed.as_recorded() if recorded else replayed.with_challenger(fault, share, rng)


def rehearse_all(
    location: str, model: str, *, faults: Sequence[str] | None, recorded: bool, **more: Any
) -> list[Rehearsed]:
    """Rehearsals of the faults that are named, default all that can be planted and none; or as it was ``recorded``."""
    lake = open_lake(location, model)
    if recorded:
        return [rehearse(lake, model, fault=faults[0] if faults else None, recorded=True, **more)]
    if faults:
        return [rehearse(lake, model, fault=None if fault == "none" else fault, **more) for fault in faults]
    found = [rehearse(lake, model, **more)]
    for fault in FAULTS:
        try:
            found.append(rehearse(lake, model, fault=fault, **more))
        except DataError as error:
            log.info("%s", error)
    return found


def _without(table: Any, *keys: str) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key not in keys}


def _recorded(lake: Lake, model: str, version: str | None, windows: int) -> tuple[pl.DataFrame, Settings]:
    """The rows of the last windows, with the label of each and when it was known."""
    settings = settings_of(lake.model(model))
    seen = view(lake, model, Query(metrics=("rows",)))
    if seen.extent is None:
        raise DataError(f"model {model!r}: no rows were recorded yet")
    since = datetime.fromtimestamp(seen.extent[1] / 1e6, UTC) - timedelta(
        seconds=settings.window_s * (windows - 1)
    )
    kept = pl.col("time") >= since
    if version is not None:
        kept &= pl.col("version") == version
    columns = [*seen.tables["predictions"].columns(), *seen.fresh.predictions.columns]
    rows = rows_of(seen, "predictions", list(dict.fromkeys(columns)), kept)
    labels = labelled_rows(seen, rows, kept, pl.lit(True)) if rows.height else rows
    if labels.height:
        labels = labels.filter(pl.col("_sign") > 0).sort("_known").unique(["version", "id"], keep="last")
        told = labels.select(
            "version", "id", label_text(labels, "label").alias("label"), pl.col("_known").alias("known")
        )
        rows = rows.join(told, on=["version", "id"], how="left")
    else:
        rows = rows.with_columns(label=pl.lit(None, pl.String), known=pl.lit(None, pl.Datetime("us", "UTC")))
    if rows.height < 3 * _FEW:
        raise DataError(
            f"model {model!r}: {rows.height} rows in the last {windows} windows are too few to rehearse with"
        )
    return rows.sort("time"), settings


class _Replay:
    """Recorded rows, and the lake that they are replayed into."""

    def __init__(
        self,
        folder: Path,
        model: str,
        settings: Settings,
        written: config.Config,
        rows: pl.DataFrame,
        champion: str,
    ) -> None:
        self.folder, self.model, self.settings, self.written = folder, model, settings, written
        self.rows, self.champion = rows, champion
        self.now = 0.0
        self.lake = Lake.at(folder / "lake")
        self.monitors: dict[str, Monitor] = {}
        self.leaks, self.rng = False, np.random.default_rng(0)
        self.late: list[tuple[str, pl.DataFrame]] = []

    def as_recorded(self) -> Rehearsed:
        """All versions as they were."""
        parts = [(version, part) for (version,), part in self.rows.group_by("version")]
        n = self._run([(str(version), part) for version, part in parts], None)
        return self._told(None, None, n, 0)

    def with_challenger(self, fault: str | None, share: float, rng: np.random.Generator) -> Rehearsed:
        """A part of the rows as a challenger's, after a reference of the champion's."""
        n = self.rows.height // 3
        reference, rest = self.rows.head(n), self.rows.tail(self.rows.height - n)
        chosen = rng.uniform(size=rest.height) < share
        champion, challenger = rest.filter(pl.Series(~chosen)), rest.filter(pl.Series(chosen))
        if any(one.mode == "shadow" for one in self.written.compare_of(self.model)):  # both answer every row
            champion, challenger = rest, rest
        if fault is not None:
            planted, known = FAULTS[fault], Recorded.of(self.rows, rng)
            if not planted.possible(known):
                raise DataError(f"fault={fault!r}: cannot be planted into the rows of {self.model!r}")
            challenger = planted.plant(challenger, known)
        self.leaks = fault == LEAKING
        self.rng = rng
        windows = self._run([(self.champion, champion), (CHALLENGER, challenger)], reference)
        began = challenger["time"].min()
        return self._told(fault, began if isinstance(began, datetime) else None, windows, challenger.height)

    def _monitor(self, version: str, model: str | None = None) -> Monitor:
        key = f"{model or self.model} {version}"
        if key not in self.monitors:
            said = self.settings
            self.monitors[key] = Monitor(
                model or self.model,
                version=version,
                lake=self.folder / "lake",
                window=said.window_s,
                task=said.task if model is None else None,
                classes=said.classes if model is None else None,
                resources=False,
                clock=lambda: self.now,
            )
        return self.monitors[key]

    def _run(self, parts: Sequence[tuple[str, pl.DataFrame]], reference: pl.DataFrame | None) -> int:
        """Window after window: rows come, labels come when they came, a round judges and policies plan."""
        width = self.settings.window_s
        if reference is not None:
            self.now = max(_seconds(reference["time"])) + 1
            self._monitor(self.champion).reference(_plain(reference, label=True))
        times = [one for _, part in parts for one in _seconds(part["time"])]
        begin, end = min(times) // width * width, max(times)
        late = max([one for _, part in parts for one in _seconds(part["known"])], default=end)
        windows = 0
        while begin <= max(end, min(late, end + 48 * width)):
            moment = datetime.fromtimestamp(begin, UTC)
            after = moment + timedelta(seconds=width)
            self.now = begin + width
            for version, part in parts:
                some = part.filter((pl.col("time") >= moment) & (pl.col("time") < after))
                if some.height:
                    self._monitor(version).log_many(_plain(some, label=False))
                due = part.filter(
                    (pl.col("known") >= moment) & (pl.col("known") < after) & pl.col("label").is_not_null()
                )
                if due.height:
                    self._monitor(version).label_many(
                        due.select("id", "label", pl.col("known").alias("time"))
                    )
            if reference is not None:
                self._read(begin, windows)
            cycle.once(self.lake, clock=lambda: self.now, models=self.lake.models(), written=self.written)
            begin += width
            windows += 1
            if reference is not None and self._all_acted():
                break
        for monitor in self.monitors.values():
            monitor.close()
        return windows

    def _read(self, begin: float, number: int) -> None:
        """Readings of the processes of both versions: a gigabyte, which of one that leaks grows."""
        for version in (self.champion, CHALLENGER):
            monitor = self._monitor(version, f"{self.model}.{PROCESS}")
            grows = GROWTH if self.leaks and version == CHALLENGER else 0.0
            for part in range(READINGS):
                level = 1e9 * (1 + grows * (number + part / READINGS)) + 2e6 * self.rng.standard_normal()
                at = begin + self.settings.window_s * (part + 0.5) / READINGS
                monitor.log({"rss_bytes": level}, "read", time=at)

    def _all_acted(self) -> bool:
        """True once every policy has been set off: what comes after is no news."""
        acted = {one.occasion.policy for one in chain.actions(self.lake.model(self.model))}
        return acted >= {one.name for one in self.written.policies_of(self.model)}

    def _told(self, fault: str | None, began: datetime | None, windows: int, rows: int) -> Rehearsed:
        taken = sorted(chain.actions(self.lake.model(self.model)), key=lambda one: one.opened)
        acts = tuple(_would(one, began) for one in taken)
        first = next(
            (
                one
                for one in taken
                if one.occasion.challenger is not None and "roll back" in one.occasion.what
            ),
            None,
        )
        named = None if first is None else _named(first.occasion.evidence)
        right = (
            named in FAULTS[fault].looks_like
            if fault is not None
            else not any("roll back" in one.on for one in acts)
        )
        return Rehearsed(self.model, fault, began, acts, named, right, rows, windows)


def _seconds(times: pl.Series) -> list[float]:
    """The first and the last of some times, in seconds since 1970; none of no times."""
    ends = times.min(), times.max()
    return [one.timestamp() for one in ends if isinstance(one, datetime)]


def _would(one: Taken, began: datetime | None) -> WouldAct:
    after_s = None if began is None else (one.opened - began).total_seconds()
    return WouldAct(
        one.occasion.policy, one.opened, after_s, one.plan, one.occasion.what, one.occasion.evidence
    )


def _named(evidence: str) -> str | None:
    """What the evidence says first that it looks like."""
    said = evidence.partition("looks like ")[2]
    return said.partition(":")[0] or None


def _plain(rows: pl.DataFrame, *, label: bool) -> pl.DataFrame:
    """The rows as a table that can be logged: without what the lake keeps beside them."""
    own = [
        name
        for name in rows.columns
        if name.startswith("_") or name in ("version", "received", "known", "inclusion")
    ]
    empty = [name for name in rows.columns if name not in own and rows[name].null_count() == rows.height]
    return rows.drop([*own, *empty, *([] if label else ["label"])], strict=False)
