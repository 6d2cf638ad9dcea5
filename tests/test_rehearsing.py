"""Rehearsals: what policies would do, with a fault planted into recorded rows or as it was, and that nothing is done."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import vedette
from vedette import config
from vedette.capture.routing import Policy, write
from vedette.engine.comparing import evaluate
from vedette.errors import DataError
from vedette.lake.tables import Lake
from vedette.testing.rehearsing import FAULTS, rehearse
from vedette.testing.rehearsing.faults import Recorded

START = 1_790_000_000.0 // 86400 * 86400


def record(
    lake: Path, versions: dict[str, int], *, hours: int = 36, seed: int = 1, worse: str | None = None
) -> None:
    """A logistic model of two numbers and a region, with labels at once; of one version a quarter of the answers is wrong."""
    rng = np.random.default_rng(seed)
    now = [START]
    for version, n in versions.items():
        monitor = vedette.Monitor(
            "net",
            version=version,
            lake=lake,
            window="1h",
            clock=lambda: now[0],
            task="classification",
            classes=["0", "1"],
        )
        for hour in range(hours):
            now[0] = START + (hour + 1) * 3600
            x, z = rng.normal(3, 1.5, n), rng.gamma(2, 2, n)
            region = rng.choice(["n", "s", "w"], n, p=[0.5, 0.3, 0.2])
            logit = 1.2 * (x - 3) + 0.5 * (z - 4) + np.where(region == "n", 0.8, -0.5)
            label = (rng.uniform(size=n) < 1 / (1 + np.exp(-2 * logit))).astype(int)
            prediction = (logit > 0).astype(int)
            if version == worse:
                prediction = np.where(rng.uniform(size=n) < 0.25, 1 - prediction, prediction)
            at = pl.Series(
                ((START + hour * 3600 + np.sort(rng.uniform(size=n)) * 3599) * 1e6).astype(np.int64)
            )
            rows = pl.DataFrame(
                {
                    "id": [f"{version}-{hour}-{number}" for number in range(n)],
                    "time": at.cast(pl.Datetime("us", "UTC")),
                    "prediction": prediction,
                    "probability": 1 / (1 + np.exp(-logit)),
                    "latency_s": rng.lognormal(-4, 0.4, n),
                    "x": x,
                    "z": z,
                    "region": region,
                }
            )
            monitor.log_many(rows)
            monitor.label_many(rows.select("id", pl.Series("label", label), "time"))
        monitor.flush()
        monitor.close()


def written(folder: Path, **more: str) -> config.Config:
    path = folder / "vedette.toml"
    path.write_text(
        '[models.net.compare.canary]\nchampion = "2"\nchallenger = "3"\n'
        "guard_rails = { accuracy = 0.02, error_rate = 0.01, latency_s = 0.005 }\nsame_inputs = true\nno_leak = true\n"
        '[models.net.policies.back]\non = "roll back canary"\n'
        f'do = [{{ action = "route", file = "{folder}/routing", to = "champion" }}]\n'
        + "".join(more.values())
    )
    return config.read(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with one version, and a routing file."""
    made = tmp_path_factory.mktemp("rehearsing")
    record(made / "lake", {"3": 240})
    write(made / "routing", Policy({"3": 1.0}))
    return made


def test_without_a_fault_nothing_is_rolled_back(folder: Path) -> None:
    """And nothing is named."""
    found = rehearse(Lake.at(folder / "lake"), "net", written=written(folder), windows=24)
    assert (found.right, found.named, found.fault) == (True, None, None)
    assert not any("roll back" in act.on for act in found.acts)
    assert found.windows == 16


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_each_fault_is_rolled_back_and_named(fault: str, folder: Path) -> None:
    """Within hours, by its own name; the file that routers read and the lake stay what they were."""
    lake = Lake.at(folder / "lake")
    before = (folder / "routing").read_bytes(), lake.model("net")["events"].scan().collect()
    found = rehearse(lake, "net", fault=fault, written=written(folder), windows=36)
    assert found.right, found
    (act,) = found.acts
    assert act.after_s is not None
    assert 0 < act.after_s < 13 * 3600
    assert act.plan == (f"route 1 of the traffic to version 3 ({folder}/routing)",)
    assert (folder / "routing").read_bytes() == before[0]
    assert lake.model("net")["events"].scan().collect().equals(before[1])


def test_what_was_recorded_is_replayed_as_it_was(tmp_path: Path) -> None:
    """Two versions, one worse: the policy would have acted, where the comparison over everything says the same."""
    record(tmp_path / "lake", {"2": 150, "3": 60}, hours=20, worse="3")
    said = written(tmp_path)
    found = rehearse(Lake.at(tmp_path / "lake"), "net", recorded=True, written=said)
    (act,) = found.acts
    assert act.policy == "back"
    assert act.on == "roll back canary: 3 against 2"
    assert evaluate(Lake.at(tmp_path / "lake"), "net", said.compare_of("net")[0]).decision == "roll back"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"fault": "rust"}, "must be one of schema, preprocessing"),
        ({"fault": "slow", "recorded": True}, "leave one out"),
        ({"share": 1.0}, "must be more than 0 and less than 1"),
        ({"policy": "live"}, "has back in vedette.toml"),
    ],
)
def test_what_cannot_be_rehearsed_is_refused(asked: dict[str, Any], words: str, folder: Path) -> None:
    """With its name, its value and what would be right."""
    with pytest.raises(ValueError, match=r".+") as told:
        rehearse(Lake.at(folder / "lake"), "net", written=written(folder), **asked)
    assert words in str(told.value)


def test_too_few_rows_are_said(tmp_path: Path) -> None:
    """As an error of the data, not as an answer."""
    record(tmp_path / "lake", {"3": 2}, hours=3)
    with pytest.raises(DataError, match="too few to rehearse with"):
        rehearse(Lake.at(tmp_path / "lake"), "net", written=written(tmp_path))


def test_an_answer_to_a_changed_input_is_that_of_the_nearest_recorded_one() -> None:
    """Brute force over a few rows of a number and a level."""
    rng = np.random.default_rng(0)
    rows = pl.DataFrame(
        {
            "x": rng.normal(size=60),
            "kind": rng.choice(["a", "b"], 60),
            "prediction": rng.integers(0, 1000, 60),
        }
    )
    asked = pl.DataFrame(
        {"x": rng.normal(size=20) * 2, "kind": rng.choice(["a", "b"], 20), "prediction": np.zeros(20, int)}
    )
    got = Recorded.of(rows, rng).answers(asked)["prediction"].to_list()
    spread = rows["x"].std()
    for row, answer in zip(asked.iter_rows(named=True), got, strict=True):
        far = ((rows["x"] - row["x"]) / spread) ** 2 + 2 * (rows["kind"] != row["kind"]).cast(pl.Float64)  # type: ignore[operator]
        assert answer == rows["prediction"][int(far.arg_min())]  # type: ignore[arg-type]


def test_the_command_line(folder: Path) -> None:
    """JSON as ``document`` has it; exit 0 where the fault is found."""
    written(folder)
    call = [
        sys.executable,
        "-m",
        "vedette",
        "rehearse",
        "net",
        "--lake",
        str(folder / "lake"),
        "--fault",
        "swapped classes",
    ]
    done = subprocess.run([*call, "--json"], capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    (one,) = json.loads(done.stdout)
    assert (one["fault"], one["named"], one["right"]) == ("swapped classes", "swapped classes", True)
