"""The active probe: the same inputs, the answers expected, and what is said of a change of one of them."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from vedette import Monitor, Status
from vedette.capture.probe import Probe, rows_to_probe, same


def recorded() -> tuple[list[tuple[dict[str, Any], dict[str, Any]]], Callable[..., None]]:
    """A log that keeps what it is given."""
    kept: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def log(features: dict[str, Any], prediction: Any, **given: Any) -> None:
        kept.append((features, {"prediction": prediction, **given}))

    return kept, log


def probe(predict: Callable[[Any], Any], inputs: Any, **options: Any) -> tuple[Probe, list[Any]]:
    """A probe that has run once."""
    kept, log = recorded()
    made = Probe(predict, inputs, log, **{"expected": None, "every_s": 3600.0, "tolerance": 0.0, **options})
    for _ in range(500):
        if len(kept) >= len(made.expected):
            break
        time.sleep(0.01)
    return made, kept


def test_a_change_of_a_single_answer_is_found() -> None:
    """Of a hundred answers one differs by a millionth: that one is said, with what it was and should be."""
    offset = {}
    made, kept = probe(lambda x: 0.1 * x + offset.get(x, 0.0), list(range(100)))
    assert made.run() == 0
    offset[42] = 1e-6
    del kept[:]
    assert made.run() == 1
    made.close()
    changed = [(row, given) for row, given in kept if row["changed"]]
    ((row, given),) = changed
    assert (row["input"], given["prediction"]) == (42, "changed")
    assert row["difference"] == pytest.approx(1e-6)
    assert given["latency_s"] > 0


def test_answers_are_held_against_those_given() -> None:
    """Where they are known they are right from the first run on, within the tolerance."""
    made, kept = probe(lambda x: x + 0.0004, [1.0, 2.0], expected=[1.0, 2.1], tolerance=0.001)
    made.close()
    assert [row["changed"] for row, _ in kept] == [0, 1]


def test_a_model_that_fails_is_not_as_expected() -> None:
    """The type of what it raised is kept, and the first answer that comes is expected from then on."""
    answers: list[Any] = [ValueError("secret"), 5, 5, 6]

    def predict(_: int) -> int:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return int(found)

    made, kept = probe(predict, [1])
    assert [made.run(), made.run(), made.run()] == [0, 0, 1]
    made.close()
    assert [row["changed"] for row, _ in kept] == [1, 0, 0, 1]
    assert isinstance(kept[0][1]["error"], ValueError)


@pytest.mark.parametrize(
    ("answer", "expected", "tolerance", "alike"),
    [
        (1, 1.0, 0.0, True),
        (True, 1, 0.0, True),
        (True, 0.9, 0.2, False),
        (float("nan"), float("nan"), 0.0, True),
        (float("nan"), 0.0, 9.0, False),
        (float("inf"), float("inf"), 0.0, True),
        (0.0, float("inf"), 1e-6, False),
        (float("-inf"), float("inf"), 1e-6, False),
        (np.float32(0.5), 0.5, 0.0, True),
        (np.array([1.0, 2.0]), [1.0, 2.0], 0.0, True),
        (np.array([1.0, 2.0]), [1.0, 2.0, 3.0], 0.0, False),
        (np.array([[1.0]]), np.array([[1.001]]), 0.01, True),
        (1000.0, 1000.5, 0.001, True),
        ({"a": [1, 2]}, {"a": (1, 2)}, 0.0, True),
        ({"a": 1}, {"b": 1}, 0.0, False),
        ("late", "late", 0.0, True),
        ("late", "Late", 0.0, False),
        (None, None, 0.0, True),
        (None, 0, 0.0, False),
    ],
)
def test_what_is_the_same(answer: Any, expected: Any, tolerance: float, *, alike: bool) -> None:
    """Numbers within the tolerance, NaN as NaN, arrays, lists and mappings part by part, all else as it equals."""
    assert same(answer, expected, tolerance) is alike


def test_what_would_end_a_thread_is_an_answer_too() -> None:
    """``sys.exit`` in a model is what it raised; the next run comes."""
    made, kept = probe(lambda _: sys.exit(3), [1])
    assert made.run() == 1
    made.close()
    assert [type(given["error"]) for _, given in kept] == [SystemExit, SystemExit]


def test_a_table_is_probed_row_by_row() -> None:
    """Of pandas, Polars and lists alike; a text or a number is no sequence of inputs."""
    rows = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    assert (
        rows_to_probe(pd.DataFrame(rows)) == rows_to_probe(pl.DataFrame(rows)) == rows_to_probe(rows) == rows
    )
    assert rows_to_probe({"a": [1, 2], "b": np.array(["x", "y"])}) == rows
    for wrong in ("ab", 3, {"a": 1}):
        with pytest.raises(TypeError, match="must be a sequence of inputs, or a table"):
            rows_to_probe(wrong)


def test_a_model_that_gives_or_spoils_the_same_object_is_seen_through() -> None:
    """What it returns is kept as it was, what it is given is its own to write into."""
    buffer, scale = np.zeros(2), [1.0]

    def predict(x: np.ndarray) -> np.ndarray:
        buffer[:] = scale[0] * x
        x -= 1
        return buffer

    made, _ = probe(predict, [np.array([1.0, 2.0]), np.array([3.0, 4.0])])
    assert made.run() == 0
    scale[0] = 1.5
    assert made.run() == 2
    made.close()


@pytest.mark.parametrize(
    "answer",
    [pd.DataFrame({"a": [1, 2]}), pl.DataFrame({"a": [1, 2]}), pl.Series([1, 2]), pd.Series([1, 2])],
    ids=["pandas table", "polars table", "polars column", "pandas column"],
)
def test_answers_may_be_tables(answer: Any) -> None:
    """They are held against each other by their columns."""
    given = [answer]
    made, kept = probe(lambda _: given[0], [1])
    assert made.run() == 0
    given[0] = type(answer)({"a": [1, 3]}) if hasattr(answer, "columns") else type(answer)([1, 3])
    assert made.run() == 1
    made.close()
    assert [row["changed"] for row, _ in kept] == [0, 0, 1]


def test_an_answer_that_cannot_be_compared_is_not_as_expected() -> None:
    """And says why; the inputs after it are asked all the same."""

    class Odd:
        def __eq__(self, other: object) -> bool:
            raise RuntimeError

        __hash__ = None  # type: ignore[assignment]

    made, kept = probe(lambda x: Odd() if x == 1 else x, [1, 2])
    made.close()
    assert [row["changed"] for row, _ in kept] == [1, 0]
    assert isinstance(kept[0][1]["error"], RuntimeError)


def test_a_run_that_outlasts_the_probe_records_nothing_more() -> None:
    """What a slow model answers after the end is nobody's."""
    begun = threading.Event()

    def slow(_: int) -> int:
        begun.set()
        time.sleep(1.5)
        return 1

    kept, log = recorded()
    made = Probe(slow, [1, 2], log, expected=None, every_s=3600.0, tolerance=0.0)
    begun.wait(5)
    made.close()
    time.sleep(1.0)
    assert kept == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"inputs": []}, "inputs: 0 of them: must be 1 to 10,000"),
        ({"inputs": [1], "expected": [1, 2]}, "expected: 2 answers for 1 inputs"),
        ({"inputs": [1], "expected": "a"}, "expected: type str: must be a list with an answer"),
        ({"inputs": [1], "name": ""}, "name='': must be text"),
        ({"inputs": [1], "every_s": 0}, "every_s=0: must be 0.1 to 86,400"),
        ({"inputs": [1], "tolerance": -1}, "tolerance=-1: must be a number of 0 or more"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    """With the name, the value, and what would be right; no thread is left."""
    before = sum(thread.name == "vedette-probe" for thread in threading.enumerate())
    with Monitor("delays", lake=tmp_path) as monitor, pytest.raises(ValueError, match=said):
        monitor.probe(lambda x: x, **options)
    assert sum(thread.name == "vedette-probe" for thread in threading.enumerate()) <= before


def test_a_rule_beside_leaves_the_probes_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who adds a rule keeps the alarm; a rule of its name takes its place."""
    monkeypatch.chdir(tmp_path)
    now = [1_700_000_040.0]
    Path("vedette.toml").write_text('[models."delays.probe".rules]\nslow = "rows > 1e9"\n')
    with Monitor("delays", lake=tmp_path, clock=lambda: now[0]) as monitor:
        made = monitor.probe(lambda x: x, [1.0], expected=[2.0], every_s=60)
        for _ in range(4):
            now[0] += 60
            made.run()
        told = {one.watch: one.verdict for one in monitor.check().verdicts}
        assert (told["probe: rule:changed"], told["probe: rule:slow"]) == (Status.ALARM, Status.OK)
        command = [sys.executable, "-m", "vedette", "check", "delays", "--lake", str(tmp_path)]
        assert subprocess.run(command, capture_output=True, check=False).returncode == 1
        Path("vedette.toml").write_text('[models."delays.probe".rules]\nchanged = "rows > 1e9"\n')
        now[0] += 120
        made.run()
        told = {one.watch: one.verdict for one in monitor.check().verdicts}
    assert told["probe: rule:changed"] is not Status.ALARM


def test_a_changed_answer_is_an_alarm(tmp_path: Path) -> None:
    """It is a fact: the rule ``changed`` of the model beside, an alert, and part of the model's own verdict."""
    now, weight = [1_700_000_040.0], [1.0]
    with Monitor("delays", lake=tmp_path, clock=lambda: now[0], window="1h") as monitor:
        made = monitor.probe(lambda x: x * weight[0], [1.0, 2.0, 3.0], expected=[1.0, 2.0, 3.0], every_s=60)
        time.sleep(0.3)
        for _ in range(3):
            now[0] += 60
            assert made.run() == 0
        good = {one.watch: one.verdict for one in monitor.check().verdicts}
        weight[0] = 1.001
        for _ in range(3):
            now[0] += 60
            made.run()
        health = monitor.check()
        alerts = monitor._kin["probe"].alerts()
    assert good["probe: rule:changed"] is Status.OK
    assert {one.watch: one.verdict for one in health.verdicts}["probe: rule:changed"] is Status.ALARM
    assert health.verdict is Status.ALARM
    assert alerts["watch"].to_list() == ["rule:changed"]
