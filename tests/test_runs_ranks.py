"""One run of many ranks: real processes over gloo, each with a journal of its own, and what is told of them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import vedette
from vedette.capture.ranks import rank_of
from vedette.engine.run_records import RunRecord, merged
from vedette.engine.runs_shown import show_runs
from vedette.records import Status
from vedette.strategy.training import LEVEL, Finding, Training, diagnose
from vedette.strategy.training.diverging_rank import DivergingRank
from vedette.strategy.training.straggler import Straggler

PROGRAM = Path(__file__).parent / "ranks_program.py"
distributed = pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is not installed")


def trained(folder: Path, faults: str, world: int = 3) -> list[int]:
    """Train by so many processes, a run for each fault, which the last one has; their exit statuses."""
    processes = [
        subprocess.Popen([sys.executable, str(PROGRAM), str(folder), f"{folder}.store", str(rank), str(world), faults],
                         stderr=subprocess.PIPE, text=True)
        for rank in range(world)
    ]  # fmt: skip
    for one in processes:
        one.communicate(timeout=200)
    return [one.returncode for one in processes]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with a run for each fault, and one without: the processes take far longer to begin than to train."""
    folder = tmp_path_factory.mktemp("ranks") / "lake"
    assert trained(folder, "none,slow,weights,rows,nan") == [0, 0, 0]
    return folder


def finding(lake: Path, run: str, diagnosis: str) -> Finding:
    """What a diagnosis says of a run."""
    with vedette.Monitor("net", lake=lake) as monitor:
        return next(one for one in monitor.diagnose(run) if one.diagnosis == diagnosis)


@distributed
def test_ranks_are_one_run(lake: Path) -> None:
    """Three ranks are one finished run: plain curves are rank 0's, the others have their prefix, events say whose they are."""
    monitor = vedette.Monitor("net", lake=lake)
    frame = monitor.runs()
    assert sorted(frame["name"]) == ["nan", "none", "rows", "slow", "weights"]
    row = frame.filter(frame["name"] == "none").row(0, named=True)
    assert (row["status"], row["ranks"], row["failed_rank"], row["steps"]) == ("finished", 3, None, 140)
    losses = [monitor.points("none", f"{rank}loss") for rank in ("", "rank1/", "rank2/")]
    assert [one["count"].sum() for one in losses] == [140, 140, 140]
    assert len({one["first"][5] for one in losses}) == 3  # each rank has rows of its own
    norms = [
        monitor.points("none", f"{rank}weight_norm")["last"].to_list() for rank in ("", "rank1/", "rank2/")
    ]
    assert norms[0] == norms[1] == norms[2]
    shown = show_runs(str(lake), "net", ["none"], "loss")()
    assert sorted(shown.panels[0].curves) == ["none", "none rank 1", "none rank 2"]
    assert sum("done" in one for one in shown.events) == 3
    assert any(one.startswith("rank 2: ") for one in shown.events)
    monitor.close()


@distributed
@pytest.mark.parametrize("diagnosis", ["straggler", "diverging_rank"])
def test_ranks_that_are_well_are_not_named(lake: Path, diagnosis: str) -> None:
    """Where nothing is wrong the verdict is OK, not UNKNOWN."""
    found = finding(lake, "none", diagnosis)
    assert found.verdict is Status.OK, found


@distributed
def test_a_rank_with_slow_rows_is_the_straggler(lake: Path) -> None:
    """20 ms a step in one rank's data: it is named, and so is the part of the step, though all ranks' steps are equally long."""
    found = finding(lake, "slow", "straggler")
    assert found.verdict is Status.ALARM, found
    assert found.layer == "rank 2"
    assert "data_s" in found.advice
    with vedette.Monitor("net", lake=lake) as monitor:
        usual = [float(np.median(monitor.points("slow", f"{rank}step_s")["mean"])) for rank in ("", "rank2/")]
    assert usual[0] == pytest.approx(usual[1], rel=0.3)


@distributed
@pytest.mark.parametrize(("fault", "first"), [("weights", 71), ("rows", 1), ("nan", 91)])
def test_a_rank_that_departs_is_named(lake: Path, fault: str, first: int) -> None:
    """Weights changed on one rank, labels that are noise on one rank, one rank's NaN: each names the rank, from its step on."""
    found = finding(lake, fault, "diverging_rank")
    assert found.named, found
    assert found.layer == "rank 2"
    assert found.since_step is not None
    assert first <= found.since_step <= first + 20


@distributed
def test_the_rank_that_was_killed_is_named(tmp_path: Path) -> None:
    """A rank that is killed takes the others with it; the run says by which it broke, and so does the terminal."""
    assert -signal.SIGKILL in trained(tmp_path / "lake", "killed")
    with vedette.Monitor("net", lake=tmp_path / "lake") as monitor:
        row = monitor.runs().row(0, named=True)
    assert (row["status"], row["failed_rank"]) == ("killed", 2), row["reason"]
    assert row["reason"].startswith("rank 2: ")
    assert "rank 0 failed" in row["reason"]
    done = subprocess.run(
        [sys.executable, "-m", "vedette", "runs", "net", "--lake", str(tmp_path / "lake")],
        capture_output=True, text=True, check=True, env={"COLUMNS": "160", "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert "killed (rank 2)" in done.stdout


def test_the_rank_is_what_torchrun_says() -> None:
    """Given comes first, then the environment; half of it is an error or nothing."""
    assert rank_of(environ={"RANK": "2", "WORLD_SIZE": "4"}) == (2, 4)
    assert rank_of(environ={"RANK": "2"}) == (0, 1)
    assert rank_of(environ={"RANK": "x", "WORLD_SIZE": "4"}) == (0, 1)
    assert rank_of(1, 2, {"RANK": "3", "WORLD_SIZE": "4"}) == (1, 2)
    for rank, world, words in (
        (2, 2, "rank=2"),
        (-1, 2, "rank=-1"),
        (0, 0, "world=0"),
        (True, 2, "rank=True"),
        (1, None, "both"),
    ):
        with pytest.raises(ValueError, match=words):
            rank_of(rank, world)


def test_without_a_name_rank_0_records_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training that records on rank 0 only needs no name under torchrun; another rank without one is refused."""
    monkeypatch.setenv("WORLD_SIZE", "4")
    with vedette.Monitor("net", lake=tmp_path) as monitor:
        monkeypatch.setenv("RANK", "0")
        with monitor.run(environment=False) as run:
            run.log(loss=1.0)
        assert (run.rank, run.world) == (0, 1)
        monkeypatch.setenv("RANK", "3")
        with pytest.raises(ValueError, match="4 ranks"):
            monitor.run(environment=False)
        with monitor.run("all", environment=False) as run:
            assert (run.rank, run.world) == (3, 4)


def test_ranks_go_on_each_with_their_own_part(tmp_path: Path) -> None:
    """A second try counts on from each rank's own last step; a name is needed, and one that is taken is refused."""
    monitor = vedette.Monitor("net", lake=tmp_path)
    for rank, steps in ((0, 5), (1, 3)):
        run = monitor.run("one", rank=rank, world=2, environment=False)
        for _ in range(steps):
            run.log(loss=float(rank))
        run.end("failed", type="KeyError", message="x")
    with pytest.raises(ValueError, match="there is one already"):
        monitor.run("one", rank=1, world=2, environment=False)
    with pytest.raises(ValueError, match=r"2 ranks .* one name"):
        monitor.run(rank=1, world=2, environment=False)
    for rank in (0, 1):
        with monitor.run("one", rank=rank, world=2, resume=True, environment=False) as run:
            run.log(loss=9.0)
    assert run.history.steps("loss") == [0, 1, 2, 3]
    assert monitor.points("one", "loss")["step"].to_list() == [0, 1, 2, 3, 4, 5]
    assert monitor.runs()["status"].to_list() == ["finished"]
    monitor.close()


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        # a kill takes the others' connections; an exception has the others killed by the launcher
        (
            {
                0: ("failed", "RuntimeError: Connection closed by peer"),
                1: ("killed", "gone"),
                2: ("finished", ""),
            },
            1,
        ),
        ({0: ("killed", "gone"), 1: ("killed", "gone"), 2: ("failed", "ValueError: a label of 11")}, 2),
        ({0: ("failed", "DistBackendError: x"), 1: ("finished", ""), 2: ("finished", "")}, 0),
        ({0: ("finished", ""), 1: ("finished", ""), 2: ("stopped", "early")}, None),
    ],
)
def test_who_broke_first_is_told_from_who_followed(
    reasons: dict[int, tuple[str, str]], expected: int | None
) -> None:
    """The cause is an exception of a rank's own, then a kill, then what speaks of the others."""
    parts = {
        f"one/rank{rank}" if rank else "one": RunRecord("one", status=status, reason=reason, ranks=3)
        for rank, (status, reason) in reasons.items()
    }
    found = merged(parts)
    assert list(found) == ["one"]
    assert found["one"].failed_rank == expected


def of_ranks(seed: int, ranks: int = 4, n: int = 200) -> Training:
    """A healthy training: parts of steps, losses and weights of each rank, all with the same law."""
    random = np.random.default_rng(seed)
    steps = np.arange(n)
    fall = 2 * np.exp(-steps / 40) + 0.3
    series = {}
    for rank in range(ranks):
        prefix = f"rank{rank}/" if rank else ""
        series[f"{prefix}loss"] = steps, fall * np.exp(random.normal(0, 0.3, n))
        series[f"{prefix}weight_norm"] = steps, 3 + steps / 100
        series[f"{prefix}step_s"] = steps, np.full(n, 0.03)
        for name, usual in (
            ("data_s", 0.004),
            ("forward_s", 0.008),
            ("backward_s", 0.012),
            ("sync_s", 0.003),
        ):
            series[f"{prefix}{name}"] = steps, usual * np.exp(random.normal(0, 0.3, n))
    return Training(series, replicated=True)


@pytest.mark.parametrize("ranks", [2, 8])
def test_healthy_ranks_are_named_no_more_often_than_the_level(ranks: int) -> None:
    """Of 100 trainings by 2 and by 8 ranks none is named by either: P(any | level/20 each) is below .2."""
    level = LEVEL / 20
    named = [
        one.judge(of_ranks(seed, ranks), level).named
        for seed in range(100)
        for one in (Straggler(), DivergingRank())
    ]
    assert sum(named) <= 1


def test_two_ranks_with_other_weights_are_both_named() -> None:
    """Of two copies that differ nobody can say which is right; weights that are no copies may differ."""
    good = of_ranks(1, 2)
    steps, norms = good.series["rank1/weight_norm"]
    apart = {**good.series, "rank1/weight_norm": (steps, norms * np.where(steps >= 50, 1.0001, 1.0))}
    found = DivergingRank().judge(Training(apart, replicated=True), 0.001)
    assert (found.layer, found.since_step) == ("rank 0 or 1", 50)
    assert not DivergingRank().judge(Training(apart), 0.001).named


def test_findings_of_ranks_are_json_for_channels() -> None:
    """What is kept of a finding that names a rank says so in its words."""
    good = of_ranks(2)
    steps, values = good.series["rank3/data_s"]
    found = diagnose(Training({**good.series, "rank3/data_s": (steps, values + 0.02)}, replicated=True))
    one = next(one for one in found if one.diagnosis == "straggler")
    assert one.as_verdict().segment == "rank 3"
    assert "rank 3" in json.dumps(one.evidence)


def test_people_are_told_of_ranks_under_the_runs_name(tmp_path: Path) -> None:
    """What rank 1 says, and that it failed, are alerts of the run, with the rank in their words."""
    with vedette.Monitor("net", lake=tmp_path) as monitor:
        first = monitor.run("one", rank=0, world=2, environment=False)
        second = vedette.Monitor("net", lake=tmp_path).run("one", rank=1, world=2, environment=False)
        for run in (first, second):
            run.log(loss=1.0)
        second.alert("disk is full", level="error")
        second.end("failed", type="ValueError", message="a label of 11")
        first.end()
        monitor.flush()
        found = monitor.alerts().filter(pl.col("watch").is_in(["run.error", "run.failed"])).sort("watch")
    assert found["segment"].to_list() == ["one", "one"]
    assert found["evidence"][0].startswith("rank 1: disk is full")
    assert found["evidence"][1] == "rank 1: ValueError: a label of 11"
