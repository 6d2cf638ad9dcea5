"""Runs of another system into a lake: through a journal, as a training's own rows, so that the ledger counts them too."""

from __future__ import annotations

import time
from collections.abc import Mapping

import polars as pl

from vedette import config
from vedette.capture.metrics import column_of
from vedette.capture.mirrors import Event
from vedette.capture.recorder import Recorder
from vedette.capture.run_events import event_text
from vedette.engine import cycle
from vedette.engine.runs import runs_of
from vedette.errors import IngestError
from vedette.lake.events import settings_json
from vedette.lake.tables import UTC, Lake
from vedette.records import Settings

__all__ = ["Intake"]

_CELLS_MAX = 4_000_000  # of a batch, 32 MB
_PENDING_MAX = 8_000_000  # cells that wait in the journal before they are brought in


class Intake:
    """What records the points and events of runs in the lake, each batch whole or not at all."""

    def __init__(self, lake: Lake, model: str) -> None:
        self._lake, self._model, self._pending = lake, runs_of(model), 0
        self._settings = Settings()
        self._recorder = Recorder(
            lake.journal, self._model, "imported", self._settings, **config.read().recording
        )

    def event(self, run: str, version: str, event: Event) -> None:
        """Record an event at its own time; ``IngestError`` where there is no room for it."""
        text = event_text(event.kind, version, event.step, event.detail)
        for again in (False, True):
            before = self._recorder.position()["labels"]
            self._recorder.label(run, text, time=min(event.time_s, time.time()))
            if self._recorder.position()["labels"] > before:
                return
            if not again:
                self.settle()
        raise IngestError(f"run {run}: no room in the journal for an event of kind {event.kind!r}")

    def points(self, run: str, points: pl.DataFrame, names: Mapping[str, str]) -> None:
        """Record points (``found.POINTS``) under the names that their metrics have here; ``IngestError`` where no room is."""
        if points.is_empty():
            return
        columns = {one: column_of(name) for one, name in names.items()}
        n_rows = max(1, _CELLS_MAX // max(1, points["metric"].n_unique()))
        for part in points.iter_slices(n_rows):
            frame = _wide(part, columns)
            self._batch(run, frame)
            self._pending += frame.height * frame.width
            if self._pending > _PENDING_MAX:
                self.settle()

    def settle(self) -> None:
        """Bring in what was recorded."""
        cycle.once(self._lake, models=[self._model])
        self._pending = 0

    def close(self) -> None:
        """Stop recording, and bring in what was recorded."""
        self._recorder.close()
        self.settle()

    def _batch(self, run: str, frame: pl.DataFrame) -> None:
        now = pl.lit(round(time.time() * 1e6), pl.Int64).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        whole = frame.with_columns(
            now.alias("received"),
            pl.lit(None, pl.String).alias("id"),
            pl.lit(run).alias("version"),
            pl.lit(settings_json(self._settings)).alias("_settings"),
        )
        for again in (False, True):
            number = self._recorder.write_batch(
                "predictions", whole.height, lambda path: whole.write_ipc(path, compression="zstd")
            )
            if number:
                return
            if not again:
                self.settle()
        raise IngestError(
            f"run {run}: no room in the journal for {whole.height:,} rows; what came before is in the lake"
        )


def _wide(points: pl.DataFrame, columns: Mapping[str, str]) -> pl.DataFrame:
    """Points as rows of the journal: a row for each step and time, a column for each metric."""
    turn = (
        pl.int_range(pl.len()).over("metric", "step", "time").alias("_turn")
    )  # of points that are there twice
    named = points.with_columns(pl.col("metric").replace_strict(columns, return_dtype=pl.String), turn)
    wide = named.pivot(on="metric", index=["step", "time", "_turn"], values="value", maintain_order=True)
    return wide.drop("_turn").select(
        pl.col("step").alias("prediction"), pl.col("time").cast(UTC), pl.exclude("step", "time")
    )
