"""The benchmark of recording runs: every part gives its figures, and every limit is judged or says why not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parent.parent / "benchmarks" / "capture.py"


def test_the_benchmark_judges_every_limit(tmp_path: Path) -> None:
    """One JSON document: no limit is left without a verdict but those of a core that is not built."""
    done = subprocess.run(
        [sys.executable, BENCHMARK, "--quick", "--json", "--folder", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    unjudged = {mark["reason"] for mark in document["limits"] if mark["met"] is None}
    assert unjudged <= ({"not built"} if document["ways"]["core"] is None else set())
    assert [mark["figure"] for mark in document["limits"] if mark["way"] == "fallback"] == [
        "with_id: cost, x yardstick, median",
        "99.9th percentile, x median, paced",
        "calls over 1 ms, paced",
        "99.9th percentile, x median, flat out",
        "calls over 1 ms, flat out",
        "calls a second, 8 threads / 1",
        "growth in MiB, dead server",
        "growth in MiB, all kept",
    ]
    assert document["peers"]["deque"]["ratio"] < document["peers"]["logging_json"]["ratio"]
    assert list(tmp_path.iterdir()) == []
