"""What figures by hour over 30 days cost, read off the summaries, against computing them from ten million rows.

A model with 13 numeric features logs 30 days in daily batches, labels in the same hour; each is ingested and judged by
the product's own round. Then two programs give, for each of the 720 hours, rows, missing share, mean, standard
deviation, median and 99th percentile of the 13 features, and the accuracy: vedette reads its lake (with intervals),
Polars reads the rows (values only) from one Parquet file a day in which the labels are joined already, the kindest
case for it. Both run in processes of their own, in turn; what counts is user and system CPU of all threads: of the work
after the imports, the first time and again in the same process, which is to be a twentieth at most; and of whole
processes that do it once, most of which is the import of Polars, delta-rs and SciPy on our side.
Run: python benchmarks/hourly.py [ROUNDS] [ROWS] [FOLDER]
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

FEATURES = [f"f{i:02d}" for i in range(13)]
DAYS = 30
START = datetime(2026, 1, 1, tzinfo=UTC)
METRICS = ["missing_share", "mean", "sd", "p50", "p99"]
AT_MOST = 1 / 20
ROOM = {
    "p50": 0.1,
    "p99": 0.3,
}  # of features whose sd is 1; a cell of 1/128 of a normal's rows is 0.26 wide at the 99th


def build(folder: Path, n_rows: int) -> None:
    """Log and ingest 30 days, and write the same rows for Polars."""
    import numpy as np
    import polars as pl

    import vedette
    from vedette.engine import cycle
    from vedette.lake.tables import Lake

    rng = np.random.default_rng(5)
    begin, n = time.perf_counter(), n_rows // DAYS
    now = START
    (folder / "rows").mkdir()
    with vedette.Monitor(
        "wide", lake=folder / "lake", task="classification", clock=lambda: now.timestamp()
    ) as monitor:
        for day in range(DAYS):
            now = START + timedelta(days=day + 1)
            label = rng.integers(0, 2, n)
            micros = np.sort(rng.integers(0, 86_400_000_000, n))
            frame = pl.DataFrame(
                {
                    "id": pl.int_range(day * n, (day + 1) * n, eager=True).cast(pl.String),
                    "time": pl.Series(micros).cast(pl.Duration("us")),
                    **{name: rng.normal(size=n) for name in FEATURES},
                    "prediction": np.where(rng.uniform(size=n) < 0.1, 1 - label, label),
                    "label": label,
                }
            ).with_columns(
                pl.col("time") + pl.lit(START + timedelta(days=day), pl.Datetime("us", "UTC")),
                *(pl.when(pl.Series(rng.uniform(size=n) > 0.01)).then(pl.col(name)) for name in FEATURES),
            )
            frame.drop("id").write_parquet(folder / "rows" / f"{day:02d}.parquet")
            assert monitor.log_many(frame) == n, "the journal is full: fewer rows a day"
            cycle.once(Lake.at(folder / "lake"), models=["wide"])
    print(
        f"  {DAYS * n:,} rows logged, ingested and judged in {time.perf_counter() - begin:.0f} s",
        file=sys.stderr,
    )


def from_summaries(folder: Path, times: int) -> tuple[object, list[float]]:
    """The figures that vedette gives, and the CPU of getting them each time."""
    import vedette
    from vedette.engine.figures import figures
    from vedette.lake.tables import Lake

    assert vedette.__version__
    spent = []
    for _ in range(times):
        before = time.process_time()
        frame = figures(Lake.at(folder / "lake"), "wide", ["rows", *METRICS, "accuracy"])
        spent.append(time.process_time() - before)
    wanted = frame.sort("metric", "feature", "start").select("metric", "feature", "value")
    by_hour = {
        f"{metric} {feature or ''}".strip(): values
        for metric, feature, values in wanted.group_by("metric", "feature", maintain_order=True)
        .agg("value")
        .iter_rows()
    }
    return by_hour, spent


def from_rows(folder: Path, times: int) -> tuple[object, list[float]]:
    """The values that Polars computes, and the CPU of getting them each time."""
    import polars as pl

    spent = []
    for _ in range(times):
        before = time.process_time()
        frame = (
            pl.scan_parquet(folder / "rows" / "*.parquet")
            .group_by(pl.col("time").dt.truncate("1h"))
            .agg(
                pl.len().alias("rows"),
                (pl.col("prediction") == pl.col("label")).mean().alias("accuracy"),
                *(
                    pl.col(name).null_count().truediv(pl.len()).alias(f"missing_share {name}")
                    for name in FEATURES
                ),
                *(pl.col(name).mean().alias(f"mean {name}") for name in FEATURES),
                *(pl.col(name).std().alias(f"sd {name}") for name in FEATURES),
                *(pl.col(name).quantile(0.5, "higher").alias(f"p50 {name}") for name in FEATURES),
                *(pl.col(name).quantile(0.99, "higher").alias(f"p99 {name}") for name in FEATURES),
            )
            .sort("time")
            .collect()
        )
        spent.append(time.process_time() - before)
    return frame.drop("time").to_dict(as_series=False), spent


def child(what: str, folder: Path) -> tuple[dict[str, list[float]], list[float]]:
    """What a worker found, and CPU: of a whole process that works once, of its work, and of the same again in another."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    found, spent = run(what, folder, 1)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    whole = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return found, [whole, spent[0], run(what, folder, 2)[1][1]]


def run(what: str, folder: Path, times: int) -> tuple[dict[str, list[float]], list[float]]:
    """Let a worker work in a process of its own."""
    command = [sys.executable, __file__, what, str(folder), str(times)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    found, spent = json.loads(done.stdout)
    return found, spent


def compare(ours: dict[str, list[float]], theirs: dict[str, list[float]]) -> None:
    """Stop where the two programs do not tell the same of any hour: exact figures to rounding, percentiles to a cell."""
    for name, values in theirs.items():
        mine = ours.get(name, ours.get(f"{name} prediction"))
        assert mine is not None, f"{name}: vedette gave none"
        assert len(mine) == len(values) == 24 * DAYS, f"{name}: {len(mine)} and {len(values)} hours"
        room = ROOM.get(name.partition(" ")[0])
        for hour, (one, other) in enumerate(zip(mine, values, strict=True)):
            assert one is not None, f"{name}, hour {hour}: vedette gave none"
            near = abs(one - other) <= (1e-9 * max(abs(other), 1.0) if room is None else room)
            assert near, f"{name}, hour {hour}: {one} and {other}"


def main(rounds: int, n_rows: int, folder: Path) -> None:
    """Print the ratios of the medians."""
    if not (folder / "lake").is_dir():
        build(folder, n_rows)
    ours, theirs = [], []
    for _ in range(rounds):
        mine, spent = child("summaries", folder)
        ours.append(spent)
        other, spent = child("rows", folder)
        theirs.append(spent)
        compare(mine, other)
    for place, what in enumerate(("whole process", "work alone, first", "work alone, again")):
        a, b = (statistics.median(one[place] for one in runs) for runs in (ours, theirs))
        bound = f" (at most 1/{1 / AT_MOST:.0f}{'' if a <= b * AT_MOST else ': MISSED'})" if place else ""
        print(f"{what}: summaries {a:.2f} s CPU, {n_rows:,} rows {b:.2f} s CPU, ratio 1/{b / a:.0f}{bound}")


if __name__ == "__main__":
    os.environ.pop("VEDETTE_CONFIG", None)
    if sys.argv[1:2] in (["summaries"], ["rows"]):
        work = from_summaries if sys.argv[1] == "summaries" else from_rows
        print(json.dumps(work(Path(sys.argv[2]), int(sys.argv[3]))))
    else:
        arguments = sys.argv[1:]
        with tempfile.TemporaryDirectory() as temporary:
            main(
                int(arguments[0]) if arguments else 3,
                int(arguments[1]) if arguments[1:] else 10_000_000,
                Path(arguments[2]) if arguments[2:] else Path(temporary),
            )
