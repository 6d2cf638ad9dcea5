"""What the tests of the engine share: a small model, its rows, and rounds in this process."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

import vedette
from vedette.engine import cycle
from vedette.engine.health import health as model_health
from vedette.lake.tables import Lake

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


class World:
    """A lake with one model whose windows are days, a clock that the test moves, and rows of known law."""

    def __init__(self, folder: Path, *, window: str = "1d", seed: int = 0, model: str = "m") -> None:
        self.folder = folder
        self.rng = np.random.default_rng(seed)
        self.now = START
        self.model = model
        self.n = 0
        self.monitor = vedette.Monitor(
            model,
            version="1",
            lake=folder,
            window=window,
            task="classification",
            clock=lambda: self.now.timestamp(),
        )

    @property
    def lake(self) -> Lake:
        return Lake.at(self.folder)

    def rows(self, n: int, *, shift: float = 0.0, wrong: float = 0.1) -> pl.DataFrame:
        """Rows with a normal and a categorical feature; predictions are right but for a share of ``wrong``."""
        label = self.rng.integers(0, 2, n)
        prediction = np.where(self.rng.uniform(size=n) < wrong, 1 - label, label)
        return pl.DataFrame(
            {
                "x": self.rng.normal(size=n) + shift,
                "c": self.rng.choice(["a", "b", "c"], n),
                "prediction": prediction,
                "probability": np.clip(0.5 + 0.3 * (2 * prediction - 1) + self.rng.normal(0, 0.1, n), 0, 1),
                "label": label,
            }
        )

    def log_day(
        self, rows: pl.DataFrame, *, labels: bool = True, delay: timedelta = timedelta(hours=1)
    ) -> list[str]:
        """Log rows one by one over the day that begins now, and move the clock to its end."""
        begin, ids = self.now, []
        for i, row in enumerate(rows.iter_rows(named=True)):
            self.now = begin + DAY * (i / rows.height)
            name, label = f"id{self.n}", row.pop("label")
            prediction, probability = row.pop("prediction"), row.pop("probability")
            self.monitor.log(row, prediction, probability=probability, id=name, latency_s=0.01, time=self.now)
            if labels:
                self.monitor.label(name, label, time=self.now + min(delay, timedelta(minutes=4)))
            ids.append(name)
            self.n += 1
        self.now = begin + DAY
        return ids

    def round(self) -> int:
        """Ingest and judge, in this process."""
        return cycle.once(self.lake, models=[self.model])

    def health(self) -> vedette.Health:
        return model_health(self.lake, self.model)

    def verdict(self, watch: str) -> vedette.Verdict:
        return next(one for one in self.health().verdicts if one.watch == watch)

    def count(self, table: str) -> int:
        return int(self.lake.model(self.model)[table].scan().select(pl.len()).collect().item())
