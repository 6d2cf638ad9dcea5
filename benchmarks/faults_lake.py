"""The same kills with a lake behind them: what had returned is in its tables once, and the ledger balances.

Each round has a lake of its own. Producers are killed as in ``faults_kill.py``, two waves of them; the journals are
brought into the lake while the second wave lives, and again when all are dead. That is done in a process of its own
(this file, run with the lake as its argument), since what forks here must not have the threads of Polars.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faults_kill import Producers, Result, check
from faults_rows import BATCH_ROWS, MODEL, Account
from vedette.capture import Recorder
from vedette.capture.format import STREAMS
from vedette.records import FUTURE_S, Settings

if TYPE_CHECKING:
    import polars as pl

__all__ = ["run"]

_WAVES = 2
_BLANK = b"id__" + b"0" * 28
"""Stands in the batches for the name of their worker and step."""


def run(folder: Path, n_rounds: int, *, n_threads: int, seed: int) -> Result:
    """Do the rounds, each in a lake below ``folder``."""
    chance, result = random.Random(seed), Result()
    template = folder / "template.arrow"
    subprocess.run([sys.executable, __file__, "template", template], check=True)
    pattern = template.read_bytes()
    assert pattern.count(_BLANK) == BATCH_ROWS

    def batch(worker: str, k: int) -> bytes:
        return pattern.replace(_BLANK, f"id__{worker}.{k}".ljust(len(_BLANK), "_").encode())

    for number in range(n_rounds):
        lake, stands = folder / f"lake-{number}", {}

        def record(lake: Path = lake) -> Recorder:
            return Recorder(lake / ".journal", MODEL, "1", Settings(), segment_bytes=(8192, 65_536))

        def ingest(lake: Path = lake) -> None:
            subprocess.run([sys.executable, __file__, "ingest", lake], check=True)

        for wave in range(_WAVES):
            with Producers(
                _WAVES * number + wave, record, chance, n_threads=n_threads, batch=batch, pause_s=0.02
            ) as made:
                made.wait_until_all_log()
                result.killed += made.end(0.1, during=ingest if wave else lambda: None)
            stands |= made.stands
        ingest()
        told = subprocess.run([sys.executable, __file__, "tell", lake], check=True, stdout=subprocess.PIPE)
        check(_account(json.loads(told.stdout)), stands, result, f"lake {number}")
        result.rounds += 1
    return result


def _account(told: dict[str, Any]) -> Account:
    """What a lake holds, as if it had been read from journals."""
    account = Account()
    parts = Counter(name for name, _ in told["predictions"])
    for name, row in told["predictions"]:
        if name.startswith("id__"):
            worker, k = name.split("#")[0].removeprefix("id__").rstrip("_").split(".")
            account.batches.add((worker, int(k)))
        else:
            account.rows[name] = {**row, "raw": bytes.fromhex(row["raw"])} if "raw" in row else row
    account.labels = dict(told["labels"])
    account.doubled = [name for name, n in parts.items() if n > 1]
    account.doubled += [name for name, n in Counter(name for name, _ in told["labels"]).items() if n > 1]
    for stream, counts in told["counts"].items():
        account.counts[stream].update(counts)
    account.problems = told["problems"]
    return account


def _template(path: Path) -> None:
    """Write a batch as ``log_many`` would, with a blank for the name in its ids."""
    import polars as pl

    from vedette.lake.events import settings_json
    from vedette.lake.frames import prediction_rows

    frame = pl.DataFrame(
        {
            "id": [f"{_BLANK.decode()}#{n}" for n in range(BATCH_ROWS)],
            "i": [0.5] * BATCH_ROWS,
            "prediction": [0] * BATCH_ROWS,
        }
    )
    rows = prediction_rows(frame, now_s=time.time(), future_s=FUTURE_S).frame
    said = pl.lit(settings_json(Settings()))
    whole = rows.with_columns(pl.lit("1").alias("version"), said.alias("_settings"))
    whole.write_ipc(
        path, compat_level=pl.CompatLevel.oldest()
    )  # the newest keeps the start of a text elsewhere


def _ingest(folder: Path) -> None:
    from vedette.engine import cycle
    from vedette.lake.tables import Lake

    cycle.once(Lake.at(folder), models=[MODEL])


def _tell(folder: Path) -> None:
    """Print the rows of a lake, and its ledger, as JSON."""
    from vedette.lake.ledger import ledger
    from vedette.lake.tables import Lake

    lake = Lake.at(folder)
    tables, found = lake.model(MODEL), ledger(lake, MODEL)
    counts: dict[str, Counter[str]] = {stream: Counter() for stream in STREAMS}
    problems = [] if found.balanced else [f"the ledger does not balance: {found}"]
    for part in found.producers:
        counts[part.stream].update(
            rows=part.in_lake, torn=part.torn, dropped=part.dropped, rejected=part.rejected, sampled_out=part.sampled_out
        )  # fmt: skip
        if part.in_journal:
            problems.append(f"{part.producer} {part.stream}: {part.in_journal} rows are still in the journal")
    print(
        json.dumps(
            {
                "predictions": _rows(tables["predictions"].scan().collect()),
                "labels": [
                    (name, next(iter(row.values()))) for name, row in _rows(tables["labels"].scan().collect())
                ],
                "counts": counts,
                "problems": problems,
            }
        )
    )


def _rows(frame: pl.DataFrame) -> list[tuple[str, dict[str, Any]]]:
    """Id and values of each row, under the features' own names."""
    own = {"id", "time", "received", "version", *(name for name in frame.columns if name.startswith("_"))}
    rows = []
    for row in frame.iter_rows(named=True):
        values = {
            name.partition("__")[0]: value
            for name, value in row.items()
            if name not in own and value is not None
        }
        rows.append((row["id"], {n: v.hex() if isinstance(v, bytes) else v for n, v in values.items()}))
    return rows


if __name__ == "__main__":
    {"template": _template, "ingest": _ingest, "tell": _tell}[sys.argv[1]](Path(sys.argv[2]))
