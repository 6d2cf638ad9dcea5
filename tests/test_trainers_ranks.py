"""Lightning and Hugging Face's Trainer on two ranks: real processes under torchrun over gloo, and what is told of them."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import vedette
from vedette.records import Status
from vedette.strategy.training import Finding

PROGRAM = Path(__file__).parent / "trainers_program.py"
SLOW_S = 0.02  # what the program's slow rank adds to each backward pass
STAGES = ("data_s", "forward_s", "backward_s", "sync_s", "optimizer_s")

missing = [one for one in ("torch", "lightning", "transformers", "accelerate") if find_spec(one) is None]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing), reason=f"{missing} not installed")]
both = pytest.mark.parametrize("trainer", ["lightning", "transformers"])


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with two runs by each trainer; all in one launch, since to begin takes longer than to train."""
    folder = tmp_path_factory.mktemp("trainers")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    root = Path(__file__).parent.parent
    environment = {
        **os.environ,
        "PYTHONPATH": str(root / "src"),
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [*launch, str(PROGRAM), str(folder / "lake")], cwd=folder, env=environment, capture_output=True, text=True, timeout=200
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "lake"


def finding(lake: Path, run: str, diagnosis: str) -> Finding:
    """What a diagnosis says of a run."""
    with vedette.Monitor("net", lake=lake) as monitor:
        return next(one for one in monitor.diagnose(run) if one.diagnosis == diagnosis)


def curve(lake: Path, run: str, metric: str) -> np.ndarray:
    """The values of a metric, from the fifth step on, when all is warm."""
    with vedette.Monitor("net", lake=lake) as monitor:
        frame = monitor.points(run, metric)
    return frame.filter(frame["step"] >= 5)["last"].to_numpy()


@both
def test_the_ranks_of_a_trainer_are_one_run(lake: Path, trainer: str) -> None:
    """Each rank records its own part, at the trainer's steps; copies of the weights are compared, and are equal."""
    with vedette.Monitor("net", lake=lake) as monitor:
        frame = monitor.runs()
        row = frame.filter(frame["name"] == f"{trainer}-well").row(0, named=True)
    assert (row["status"], row["ranks"], row["failed_rank"], row["steps"]) == ("finished", 2, None, 80)
    norms = [curve(lake, f"{trainer}-well", f"{rank}weight_norm") for rank in ("", "rank1/")]
    assert len(norms[0]) >= 3
    assert norms[0].tolist() == norms[1].tolist()
    found = finding(lake, f"{trainer}-well", "diverging_rank")
    assert found.verdict is Status.OK, found
    assert "the weights of 2 ranks" in found.evidence


@both
def test_waiting_for_the_other_rank_is_told_apart_from_the_own_backward_pass(
    lake: Path, trainer: str
) -> None:
    """20 ms in one rank's backward pass are its ``backward_s`` and the other's ``sync_s``; stages are no more than the step."""
    slow = f"{trainer}-slow"
    own, waits = (np.median(curve(lake, slow, f"rank1/{name}")) for name in ("backward_s", "sync_s"))
    others, waited = (np.median(curve(lake, slow, name)) for name in ("backward_s", "sync_s"))
    assert SLOW_S <= own < 2 * SLOW_S
    assert others < SLOW_S / 2
    assert waited > 0.8 * SLOW_S
    assert waited > waits + SLOW_S / 2
    for rank in ("", "rank1/"):
        stages = [curve(lake, slow, f"{rank}{name}") for name in STAGES]
        steps = curve(lake, slow, f"{rank}step_s")
        assert np.median(np.sum(stages, axis=0) / steps) < 1.05
        assert np.median(np.sum(stages, axis=0) / steps) > 0.7  # and little of it is nobody's


@both
def test_a_rank_whose_backward_pass_is_slow_is_the_straggler(lake: Path, trainer: str) -> None:
    """It is named, with the stage; where nothing is slow the verdict is not for want of numbers."""
    found = finding(lake, f"{trainer}-slow", "straggler")
    assert found.named, found
    assert found.layer == "rank 1"
    assert "backward_s" in found.advice
    assert finding(lake, f"{trainer}-well", "straggler").verdict is not Status.UNKNOWN
