"""What a report holds in memory: the peak of a process of its own, in MiB, against what the rows would take at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

LIMIT_MIB = 1024


def peak_mib(*arguments: str) -> float:
    """The peak memory of ``vedette report`` with these arguments."""
    # a child inherits the peak of the process that starts it, so a small process starts the report
    starter = (
        "import os, subprocess, sys\n"
        "child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)\n"
        "_, status, used = os.wait4(child.pid, 0)\n"
        "print(used.ru_maxrss / 1024 if status == 0 else -1)\n"
    )
    command = [sys.executable, "-c", starter, sys.executable, "-m", "vedette", "report", *arguments, "--json"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    assert float(told.stdout) > 0, told.stderr
    return float(told.stdout)


@pytest.mark.parametrize("shape", ["long texts", "many columns of long texts"])
def test_long_texts_are_read_in_parts(tmp_path: Path, shape: str) -> None:
    """Two files of 1 GB of texts each are compared in less than one of them takes."""
    rows, columns, length = (1_000_000, 1, 1000) if shape == "long texts" else (4_000, 250, 1000)
    rng = np.random.default_rng(0)
    pl.DataFrame(
        {
            f"t{k}": pl.Series(rng.integers(0, 10**9, rows)).cast(pl.String).str.pad_start(length, "x")
            for k in range(columns)
        }
    ).write_parquet(tmp_path / "a.parquet", row_group_size=50_000)
    assert peak_mib(str(tmp_path / "a.parquet"), "--reference", str(tmp_path / "a.parquet")) < LIMIT_MIB


def test_a_stream_of_rows_does_not_fill_the_memory(tmp_path: Path) -> None:
    """Two Arrow streams of 576 MB each are compared in less than both take."""
    import pyarrow as pa

    batch = pa.RecordBatch.from_pydict(
        {f"x{k}": np.random.default_rng(k).normal(size=100_000) for k in range(12)}
    )
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as out, pa.ipc.new_stream(out, batch.schema) as stream:
        for _ in range(60):
            stream.write_batch(batch)
    assert peak_mib(str(tmp_path / "a.arrow"), "--reference", str(tmp_path / "a.arrow")) < LIMIT_MIB
