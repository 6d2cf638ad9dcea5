"""Disks that are full, broken or read-only, and files that go away: rows are kept or counted, and the model runs on."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hosts import BOTH_CORES, ROOT, Host
from tests.journals import MODEL, record
from vedette.capture import producers


@pytest.fixture(params=BOTH_CORES)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    return Host(tmp_path / "journal", request.param)


def test_a_segment_that_cannot_be_opened_now_is_not_given_up(tmp_path: Path) -> None:
    """While a segment cannot be opened, none behind it is read or freed; once it can, no row is torn or counted twice."""
    made = record(tmp_path, segment_bytes=4096)
    for i in range(200):
        made.log({"a": float(i)})
    made.close()
    (folder,) = producers(tmp_path, MODEL)
    first, middle = sorted(tmp_path.rglob("predictions-*.seg"))[:2]
    n_first = int(middle.stem[-16:]) - int(first.stem[-16:])
    aside = middle.with_name("aside")
    middle.rename(aside)
    middle.symlink_to(middle)  # to open it is an OSError, whoever asks
    before = [int(chunk.torn + len(chunk.ids)) for chunk in folder.read("predictions", 0)]
    freed = folder.free("predictions", 200)
    middle.unlink()
    aside.rename(middle)
    after = list(folder.read("predictions", n_first))
    assert (before, freed, len(folder.problems)) == ([n_first], 1, 1)
    assert (sum(len(chunk.ids) for chunk in after), sum(chunk.torn for chunk in after)) == (200 - n_first, 0)
    assert folder.highest("predictions") == 200


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or shutil.which("cc") is None, reason="needs a C compiler"
)
@pytest.mark.parametrize(
    "options",
    [("--how", "fail", "--every", "25"), ("--how", "kill", "--every", "2", "--only", "adopt empty")],
    ids=["fail", "kill"],
)
def test_a_system_call_that_fails_costs_what_is_counted(host: Host, options: tuple[str, ...]) -> None:
    """EIO, ENOSPC, a short write or a kill at a call: nothing is raised, lost unseen or doubled, and recording goes on."""
    script = ROOT / "benchmarks" / "faults.py"
    done = subprocess.run(
        [sys.executable, script, "calls", *options],
        env=host.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, " 0 amiss" in done.stdout) == (0, True), done.stdout + done.stderr
