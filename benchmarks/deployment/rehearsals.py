"""Planted deployment faults: are they rolled back, how soon, and named as what they are?

``python benchmarks/deployment/rehearsals.py`` records models of its own (two to eight inputs, numbers and levels, labels at
once or hours late, 60 to 400 rows an hour), plants each fault of ``vedette rehearse`` into a challenger with 30 % of the
rows, and none, and prints for each how many were rolled back, after how many of the challenger's rows (median), and how many
were named rightly. Seeds are fixed; ``--rehearsals`` and ``--seed`` change how many and which.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl

import vedette
from vedette import config
from vedette.lake.tables import Lake
from vedette.testing.rehearsing import FAULTS, rehearse

START = 1_790_000_000.0 // 86400 * 86400
HOURS = 48
WRITTEN = (
    '[models.net.compare.canary]\nchampion = "0"\nchallenger = "1"\n'
    "guard_rails = { accuracy = 0.02, error_rate = 0.01, latency_s = 0.005 }\nsame_inputs = true\nno_leak = true\n"
    '[models.net.policies.back]\non = "roll back canary"\n'
    'do = [{ action = "route", file = "/nowhere/routing", to = "champion" }]\n'
)


def record(lake: Path, seed: int) -> None:
    """A model drawn by the seed, and two days of its rows."""
    rng = np.random.default_rng(seed)
    numbers, levels = int(rng.integers(1, 6)), int(rng.integers(1, 4))
    weights, sharp = rng.normal(size=numbers), float(rng.uniform(0.6, 3.0))
    centres, spreads = rng.normal(0, 5, numbers), np.exp(rng.normal(0, 1.5, numbers))
    effects = [rng.normal(0, 0.8, int(rng.integers(2, 6))) for _ in range(levels)]
    n, late = int(rng.integers(60, 400)), float(rng.choice([0.0, 2.0, 6.0]))
    now = START
    monitor = vedette.Monitor(
        "net",
        version="1",
        lake=lake,
        window="1h",
        clock=lambda: now,
        task="classification",
        classes=["0", "1"],
    )
    waiting = []
    for hour in range(HOURS):
        now = START + (hour + 1) * 3600
        z = rng.normal(size=(n, numbers))
        codes = [rng.integers(0, len(one), n) for one in effects]
        logit = z @ weights + sum(one[code] for one, code in zip(effects, codes, strict=True))
        label = (rng.uniform(size=n) < 1 / (1 + np.exp(-sharp * logit))).astype(int)
        at = START + hour * 3600 + np.sort(rng.uniform(size=n)) * 3599
        rows = pl.DataFrame(
            {
                "id": [f"{hour}-{number}" for number in range(n)],
                "time": pl.Series((at * 1e6).astype(np.int64)).cast(pl.Datetime("us", "UTC")),
                "prediction": (logit > 0).astype(int),
                "probability": 1 / (1 + np.exp(-logit)),
                "latency_s": rng.lognormal(-4, 0.4, n),
                **{f"x{k}": centres[k] + spreads[k] * z[:, k] for k in range(numbers)},
                **{f"c{k}": [f"level{one}" for one in code] for k, code in enumerate(codes)},
            }
        )
        monitor.log_many(rows)
        known = (pl.col("time") + pl.duration(milliseconds=round(late * 3_600_000))).alias("time")
        waiting.append(rows.select("id", pl.Series("label", label), known))
        every = pl.concat(waiting)
        due = pl.col("time") <= pl.lit(int(now * 1e6)).cast(pl.Datetime("us", "UTC"))
        if every.filter(due).height:
            monitor.label_many(every.filter(due))
        waiting = [every.filter(~due)]
    monitor.flush()
    monitor.close()


def main() -> None:
    """Print it all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rehearsals", type=int, default=200)
    parser.add_argument("--seed", type=int, default=20261128)
    given = parser.parse_args()
    kinds: list[str | None] = [None, *FAULTS]
    found = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vedette.toml"
        path.write_text(WRITTEN)
        said = config.read(path)
        for world in range(math.ceil(given.rehearsals / len(kinds))):
            lake = Path(folder) / f"lake{world}"
            record(lake, given.seed + world)
            for fault in kinds:
                one = rehearse(Lake.at(lake), "net", fault=fault, written=said, seed=world, windows=HOURS)
                found[fault].append(one)
                if not one.right:
                    print(
                        f"  world {world}: {fault or 'none'}: named {one.named}, {len(one.acts)} acts",
                        flush=True,
                    )
    faults = [one for fault, many in found.items() if fault is not None for one in many]
    for fault, many in found.items():
        acted = [one for one in many if one.acts]
        hours = [one.acts[0].after_s / 3600 for one in acted if one.acts[0].after_s is not None]
        after = f", after {median(hours):.1f} h (median)" if hours else ""
        right = sum(one.right for one in many)
        print(f"{fault or 'none':16} {len(many)} rehearsals: rolled back {len(acted)}{after}; right {right}")
    right = sum(one.right for one in faults)
    print(f"faults named: {right} of {len(faults)} = {right / len(faults):.1%} (goal 95 %)")


if __name__ == "__main__":
    main()
