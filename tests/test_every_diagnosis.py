"""What every diagnosis must do; whoever enters one in ``DIAGNOSES`` gets these checks for it."""

from __future__ import annotations

import copy
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import vedette.strategy.training
from vedette.records import Status, Verdict
from vedette.strategy.training import DIAGNOSES, LEVEL, Split, Training, diagnose

ROOT = Path(__file__).parent.parent
every = pytest.mark.parametrize("name", DIAGNOSES)
OWN = LEVEL / len(DIAGNOSES)
N = 400


def healthy(seed: int, n: int = N, last: bool = True) -> Training:
    """The curves of a training that goes as it should, with autocorrelated noise, and all else that may be known."""
    random = np.random.default_rng(seed)
    steps = np.arange(n)
    noise = random.normal(0, 0.1, n)
    for at in range(1, n):
        noise[at] += 0.5 * noise[at - 1]
    fall = 2.1 * np.exp(-steps / (0.12 * n)) + 0.2
    evaluations = steps[:: n // 20]
    series = {
        "loss": (steps, fall * np.exp(noise)),
        "val_loss": (
            evaluations,
            (fall[:: n // 20] + 0.05) * np.exp(random.normal(0, 0.03, len(evaluations))),
        ),
        "step_s": (steps, 0.02 * np.exp(random.normal(0, 0.1, n))),
        "data_s": (steps, 0.002 * np.exp(random.normal(0, 0.3, n))),
        "rss_bytes": (steps, 5e8 + 1e8 * (1 - np.exp(-steps / 20.0)) + random.normal(0, 1e5, n)),
    }
    for layer, factor in (("first", 0.3), ("second", 0.6), ("third", 1.0)):
        series[f"grad_norm/{layer}"] = (steps, factor * fall * np.exp(random.normal(0, 0.4, n)))
        series[f"weight_norm/{layer}"] = (steps, np.full(n, 5.0))
        series[f"update_ratio/{layer}"] = (steps, 0.003 * np.exp(random.normal(0, 0.3, n)))
        series[f"dead_share/{layer}"] = (steps, np.clip(random.normal(0.15, 0.03, n), 0, 1))
        series[f"nan_share/{layer}"] = (steps, np.zeros(n))
    series["forward_s"] = (steps, 0.005 * np.exp(random.normal(0, 0.1, n)))
    series["backward_s"] = (steps, 0.008 * np.exp(random.normal(0, 0.1, n)))
    series["sync_s"] = (steps, 0.003 * np.exp(random.normal(0, 0.3, n)))
    series["weight_norm"] = (steps, 9 + np.log1p(steps) / 10)
    for rank in (1, 2, 3):  # of equal parts of the data, with equal weights
        series |= {f"rank{rank}/{one}": series[one] for one in ("step_s", "weight_norm")}
        for one, spread in (("data_s", 0.3), ("forward_s", 0.1), ("backward_s", 0.1), ("sync_s", 0.3)):
            own = np.median(series[one][1]) * np.exp(random.normal(0, spread, n))
            series[f"rank{rank}/{one}"] = (steps, own)
        series[f"rank{rank}/loss"] = (steps, fall * np.exp(random.permutation(noise)))
    losses = random.exponential(0.3, 500)
    return Training(
        series,
        splits={
            "train": Split(random.binomial(2000, 0.93) / 2000, 2000),
            "validation": Split(random.binomial(500, 0.9) / 500, 500),
            "test": Split(random.binomial(500, 0.9) / 500, 500),
        },
        label_shares={str(one): 0.1 for one in range(10)},
        predicted_shares={str(k): v / 500 for k, v in enumerate(random.multinomial(500, [0.1] * 10))},
        n_predicted=500,
        feature_auc={f"x{one}": float(random.uniform(0.3, 0.8)) for one in range(20)},
        n_positive=500,
        n_negative=500,
        duplicates=int(random.binomial(500, 0.01)),
        n_validation=500,
        last=healthy(seed + 10_000, n, last=False) if last else None,
        row_losses=losses,
        last_row_losses=losses + random.normal(0, 0.1, 500),
        replicated=True,
    )


def changed(training: Training, name: str, change) -> Training:
    """The training with one series changed by a function of its steps and values."""
    steps, values = training.series[name]
    return replace(training, series={**training.series, name: (steps, change(steps, values.copy()))})


def faulty(name: str) -> Training:
    """A training with the fault of this name."""
    good = healthy(3)
    match name:
        case "nan_source":
            bad = changed(good, "nan_share/second", lambda s, v: np.where(s >= 120, 0.5, v))
            return changed(bad, "loss", lambda s, v: np.where(s >= 121, np.nan, v))
        case "divergence":
            return changed(good, "loss", lambda s, v: np.where(s >= 250, v + (s - 250) * 0.02, v))
        case "loss_spike":
            return changed(good, "loss", lambda s, v: np.where((s >= 200) & (s < 203), v + 5.0, v))
        case "rate_too_high":
            bad = changed(good, "loss", lambda s, v: 2.3 + 0.2 * np.sin(s))
            for layer in ("first", "second", "third"):
                bad = changed(bad, f"update_ratio/{layer}", lambda s, v: v * 100)
            return bad
        case "rate_too_low":
            return changed(good, "loss", lambda s, v: 2.3 - 0.2 * s / N + 0.02 * np.sin(s))
        case "exploding_gradients":
            return changed(good, "grad_norm/first", lambda s, v: np.where(s > 300, v * 1e6, v))
        case "vanishing_gradients":
            return changed(good, "grad_norm/first", lambda s, v: v * 1e-5)
        case "dead_units":
            return changed(good, "dead_share/second", lambda s, v: np.where(s > 100, 0.97, v))
        case "plateau" | "underfitting":
            return changed(good, "loss", lambda s, v: 2.25 + 0.03 * np.sin(s * 1.7))
        case "overfitting":
            return changed(good, "val_loss", lambda s, v: v + np.maximum(s - 120, 0) * 0.005)
        case "split_gap":
            return replace(good, splits={**good.splits, "validation": Split(0.6, 500)})
        case "leakage":
            return replace(good, duplicates=100)
        case "class_collapse":
            return replace(good, predicted_shares={"0": 1.0})
        case "worse_than_last":
            assert good.last_row_losses is not None
            return replace(good, row_losses=good.last_row_losses + 0.1)
        case "data_starvation":
            return changed(good, "data_s", lambda s, v: v * 8)
        case "memory_leak":
            return changed(good, "rss_bytes", lambda s, v: v + s * 1e6)
        case "straggler":
            return changed(good, "rank2/data_s", lambda s, v: v + 0.006)
        case "diverging_rank":
            return changed(good, "rank2/weight_norm", lambda s, v: np.where(s > 150, v * 1.001, v))
        case "slower":
            return changed(good, "step_s", lambda s, v: v * 1.6)
    raise AssertionError(f"no faulty training for {name}: add one")


@every
def test_its_fault_is_named_and_told_of(name: str) -> None:
    """The fault is named with evidence that has numbers, and advice."""
    found = DIAGNOSES[name]().judge(faulty(name), OWN)
    assert (found.diagnosis, found.named) == (name, True), found
    assert re.search(r"\d", found.evidence)
    assert found.advice


@every
def test_a_healthy_training_is_ok(name: str) -> None:
    """Nothing is named where nothing is wrong, and nothing is unknown where all is known."""
    assert DIAGNOSES[name]().judge(healthy(1), OWN).verdict is Status.OK


@every
@pytest.mark.parametrize("kind", ["none", "empty", "one", "nan", "inf"])
def test_what_cannot_be_judged_is_no_ok_without_data(name: str, kind: str) -> None:
    """Without values the verdict is UNKNOWN with a reason; values that are no numbers raise nothing."""
    good = healthy(2)
    values = {"empty": [], "one": [1.0], "nan": [math.nan] * 50, "inf": [math.inf] * 50}.get(kind, [])
    given = (np.arange(len(values)), np.array(values))
    training = Training({} if kind == "none" else dict.fromkeys(good.series, given))
    found = DIAGNOSES[name]().judge(training, OWN)
    if kind in ("none", "empty"):
        assert found.verdict is Status.UNKNOWN
        assert found.reason
    assert found.verdict is not Status.UNKNOWN or found.reason


@every
def test_constant_curves_raise_nothing(name: str) -> None:
    """Curves of one value, zeros among them, have an answer."""
    for value in (0.0, 1.0):
        series = {one: (s, np.full(len(s), value)) for one, (s, _) in healthy(2).series.items()}
        assert DIAGNOSES[name]().judge(replace(healthy(2), series=series), OWN).evidence is not None


@every
def test_a_training_is_left_as_it_is_and_answers_repeat(name: str) -> None:
    """The arrays given are not written to, and the same training has the same finding."""
    training = faulty(name)
    before = copy.deepcopy(training.series)
    first, second = (DIAGNOSES[name]().judge(training, OWN) for _ in range(2))
    assert repr(first) == repr(second)
    for one, (steps, values) in before.items():
        np.testing.assert_array_equal(training.series[one][0], steps)
        np.testing.assert_array_equal(training.series[one][1], values)


@every
def test_a_finding_is_a_verdict_of_the_house(name: str) -> None:
    """A finding becomes a ``Verdict`` that says what was found and what to do."""
    found = DIAGNOSES[name]().judge(faulty(name), OWN)
    verdict = found.as_verdict()
    assert isinstance(verdict, Verdict)
    assert found.advice in verdict.evidence


@every
def test_every_diagnosis_has_its_line_in_the_docs(name: str) -> None:
    """docs/diagnosis.md has a line of the table for each."""
    assert f"| `{name}` |" in (ROOT / "docs" / "diagnosis.md").read_text("utf-8")


@every
def test_its_file_has_its_name(name: str) -> None:
    """One diagnosis a file, found by its name."""
    folder = Path(vedette.strategy.training.__file__).parent
    assert (folder / f"{name}.py").exists()
    assert DIAGNOSES[name].__module__.endswith(f".{name}")


def test_healthy_trainings_are_named_no_more_often_than_the_level() -> None:
    """Of 40 healthy trainings at most three are named, and the seeds are fixed: P(more | 2 %) is 8e-3."""
    named = [[one.diagnosis for one in diagnose(healthy(100 + seed, 200)) if one.named] for seed in range(40)]
    assert sum(map(bool, named)) <= 3, [one for one in named if one]


def test_the_page_of_diagnoses_runs() -> None:
    """The code of docs/diagnosis.md does what the page says."""
    names: dict[str, object] = {}
    text = (ROOT / "docs" / "diagnosis.md").read_text("utf-8")
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, "diagnosis.md", "exec"), names)
    assert names["found"][0].diagnosis == "overfitting"  # type: ignore[index]
    assert names["gap"].verdict is Status.OK  # type: ignore[attr-defined]
    assert names["stop"].stop is True  # type: ignore[attr-defined]
