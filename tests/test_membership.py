"""Membership inference: held against theory, brute force and models that do and do not leak."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats

from vedette.engine.auditing import membership_of
from vedette.errors import DataError
from vedette.statistics.membership import (
    _p_value,
    likelihood_ratio,
    membership,
    one_run_epsilon,
    shadow_scores,
)


def test_without_leakage_the_interval_holds_a_half() -> None:
    """Over 400 draws without leakage the area's interval holds 0.5 at its level, and epsilon is 0 at its level."""
    found = []
    for seed in range(400):
        random = np.random.default_rng(seed)
        found.append(membership(random.normal(size=150), random.normal(size=200), seed=seed))
    holds = sum(one.auc_low <= 0.5 <= one.auc_high for one in found)
    # 95 % of 400 is 380; five standard errors of a share below it
    assert holds >= 380 - 5 * np.sqrt(400 * 0.05 * 0.95)
    assert sum(one.epsilon > 0 for one in found) <= 20 + 5 * np.sqrt(400 * 0.05 * 0.95)


def test_area_and_rates_are_those_of_theory() -> None:
    """Two normals a shift of 1.5 apart: area and true positive rates within their intervals of the exact ones."""
    random = np.random.default_rng(3)
    found = membership(random.normal(1.5, 1, 20_000), random.normal(0, 1, 200_000))
    assert found.auc_low < stats.norm.cdf(1.5 / np.sqrt(2)) < found.auc_high
    for rate in found.rates:
        assert rate.value is not None
        assert rate.false_positive_rate == pytest.approx(rate.at, rel=0.4)
        exact = stats.norm.sf(stats.norm.isf(rate.false_positive_rate) - 1.5)
        assert rate.value == pytest.approx(exact, rel=0.25)


def test_the_area_is_that_of_all_pairs() -> None:
    """Ties count half: the area is the share of pairs in which the member scores higher, by brute force."""
    random = np.random.default_rng(5)
    inside, outside = random.integers(0, 6, 60), random.integers(0, 5, 80)
    pairs = np.sign(inside[:, np.newaxis] - outside[np.newaxis, :])
    assert membership(inside, outside).auc == pytest.approx((pairs + 1).mean() / 2, abs=1e-12)


@pytest.mark.parametrize("epsilon", [0.5, 1.0, 3.0])
def test_epsilon_is_a_lower_bound_and_not_far_below(epsilon: float) -> None:
    """Randomised response of known epsilon: over 200 runs the bound is above it in 5 % at most, and within reach of it."""
    right = 1 / (1 + np.exp(-epsilon))
    bounds = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        member = random.random(2000) < 0.5
        told = np.where(random.random(2000) < right, member, ~member)
        bounds.append(one_run_epsilon(told.astype(float), member))
    assert np.mean(np.array(bounds) > epsilon) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)
    assert np.median(bounds) > 0.6 * epsilon


def test_the_p_value_is_the_tail_of_the_binomial() -> None:
    """Without delta it is scipy's tail; with one it adds at most what the published algorithm, written out, adds."""
    m, r, v, epsilon, delta = 500, 60, 45, 0.7, 1e-4
    q = 1 / (1 + np.exp(-epsilon))
    tail = stats.binom.sf(v - 1, r, q)
    assert _p_value(m, r, v, epsilon, 0.0) == pytest.approx(tail, rel=1e-9)
    alpha = running = 0.0
    for i in range(1, v + 1):
        running += stats.binom.pmf(v - i, r, q)
        alpha = max(alpha, running / i)
    assert _p_value(m, r, v, epsilon, delta) == pytest.approx(tail + 2 * m * delta * alpha, rel=1e-9)


def test_the_order_of_the_rows_tells_nothing() -> None:
    """Members first, all scores tied: nothing is shown."""
    assert one_run_epsilon(np.zeros(2000), np.arange(2000) < 1000) == 0.0


def confidences(model: object, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray(model.predict_proba(x))[np.arange(len(y)), y]  # type: ignore[attr-defined]


def test_a_tree_that_overfits_is_found_and_a_small_model_is_not() -> None:
    """scikit-learn on noisy labels: full-grown trees know their rows, a logistic regression of two columns does not."""
    ensemble = pytest.importorskip("sklearn.ensemble")
    linear = pytest.importorskip("sklearn.linear_model")
    random = np.random.default_rng(11)
    x = random.normal(size=(3000, 2))
    y = (x[:, 0] + random.normal(0, 1.5, 3000) > 0).astype(int)
    inside = np.arange(1500)
    forest = ensemble.RandomForestClassifier(20, random_state=0).fit(x[inside], y[inside])
    scores = confidences(forest, x, y)
    assert membership(scores[:1500], scores[1500:]).leaks
    small = confidences(linear.LogisticRegression().fit(x[inside], y[inside]), x, y)
    found = membership(small[:1500], small[1500:])
    assert found.auc_low <= 0.5 <= found.auc_high
    assert found.epsilon == 0.0
    assert "no proof" in found.meaning


def test_the_likelihood_ratio_beats_the_threshold() -> None:
    """Rows of unlike difficulty hide who was trained on from a threshold; held against shadow models each is told."""
    random = np.random.default_rng(2)
    hard = random.normal(0, 3, 300)

    def train(rows: np.ndarray) -> np.ndarray:
        logits = hard + np.isin(np.arange(300), rows) + random.normal(0, 0.4, 300)
        return np.asarray(1 / (1 + np.exp(-logits)))

    shadow, included = shadow_scores(train, 300, 16, seed=4)
    assert (included.sum(axis=0) == 8).all()
    mine = random.permutation(300)[:150]
    observed = train(mine)
    own = np.isin(np.arange(300), mine)
    plain = membership(observed[own], observed[~own])
    ratio = likelihood_ratio(observed, shadow, included)
    better = membership(ratio[own], ratio[~own])
    assert better.auc_low > plain.auc_high
    # by theory, with the means known: Phi(1 / (0.4 sqrt 2)) = 0.961
    assert better.auc == pytest.approx(stats.norm.cdf(1 / (0.4 * np.sqrt(2))), abs=0.04)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: membership([1.0] * 5, [1.0] * 50), "members: 5 scores"),
        (lambda: membership([1.0] * 50, [float("nan")] * 50), "others: 50 scores are NaN"),
        (lambda: membership([1.0] * 50, [1.0] * 50, delta=1.0), "delta=1.0"),
        (lambda: membership([1.0] * 50, [1.0] * 50, level=1.0), "level=1.0"),
        (lambda: one_run_epsilon([1.0], [True, False]), "one of each"),
        (lambda: shadow_scores(lambda rows: rows, 5, 2, seed=0), "n_models=2"),
        (lambda: shadow_scores(lambda _: [0.5], 5, 4, seed=0), "must be"),
        (lambda: likelihood_ratio([0.5], [[0.5], [0.6]], [[True], [True]]), "row 0: 2 of 2"),
    ],
)
def test_a_wrong_call_is_told(call: object, said: str) -> None:
    """What is given and what is right."""
    with pytest.raises(ValueError, match=said):
        call()  # type: ignore[operator]


@pytest.mark.parametrize("kind", ["number", "truth", "word"])
def test_the_command_reads_losses_of_a_table(kind: str, tmp_path: Path) -> None:
    """A loss is lower for rows trained on: exit 1, and the same numbers as the function."""
    random = np.random.default_rng(8)
    own = np.arange(600) < 300
    member = {"number": own.astype(int), "truth": own, "word": np.where(own, "True", "False")}[kind]
    frame = pl.DataFrame({"loss": random.exponential(np.where(own, 0.1, 0.9)), "member": member})
    frame.write_csv(tmp_path / "scores.csv")
    if kind != "number":
        assert membership_of(str(tmp_path / "scores.csv"), "loss", "member").leaks
        return
    command = [sys.executable, "-m", "vedette", "membership", str(tmp_path / "scores.csv")]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["auc_low"] < 0.9 < found["auc_high"]  # by theory 0.9 / (0.9 + 0.1)
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1


def test_a_table_that_says_it_otherwise_is_refused(tmp_path: Path) -> None:
    """A column that is missing, of another type, or with other values is named."""
    path = tmp_path / "scores.csv"
    pl.DataFrame({"loss": [0.1, 0.2], "member": [1, 2], "name": ["a", "b"]}).write_csv(path)
    for score, member, said in (
        ("los", "member", "no column 'los'"), ("name", "member", "must be numbers"), ("loss", "member", "1 or 0"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=said):
            membership_of(str(path), score, member)


def test_scores_the_wrong_way_round_are_said_to_be() -> None:
    """An area surely below a half is no sign that nothing is told."""
    rng = np.random.default_rng(8)
    found = membership(rng.normal(0.0, 1, 500), rng.normal(1.0, 1, 500))
    assert found.auc_high < 0.5
    assert "Turn them" in found.meaning
