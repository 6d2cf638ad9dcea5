"""All columns together: the AUC against scikit-learn's and known laws, the level of the test, faults, and the report."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from vedette.engine.two_files.run import report
from vedette.output.comparison import to_json
from vedette.output.comparison_console import print_comparison
from vedette.output.comparison_page import page
from vedette.records import Status
from vedette.statistics.domain import _delong, _midranks, domain_classifier
from vedette.statistics.domain_features import level_features, number_features


def test_ranks_give_the_area_of_scikit_learn() -> None:
    """The area by midranks is ``roc_auc_score``, ties and all; DeLong's variance is that of the placements."""
    rng = np.random.default_rng(0)
    score, side = rng.integers(0, 20, 300).astype(float), rng.random(300) < 0.4
    n, m = side.sum(), (~side).sum()
    wins = _midranks(score)[side].sum() - n * (n + 1) / 2
    assert wins / (n * m) == pytest.approx(roc_auc_score(side, score))
    kernel = (score[side][:, None] > score[~side]) + (score[side][:, None] == score[~side]) / 2
    expected = kernel.mean(1).var(ddof=1) / n + kernel.mean(0).var(ddof=1) / m
    assert _delong(score, side) == pytest.approx(expected)


@pytest.mark.parametrize(("n", "m"), [(60, 60), (60, 300)])
def test_the_test_holds_its_level(n: int, m: int) -> None:
    """Of 60 pairs of one heavy-tailed law it names at most 9 at 5 % and 3 at 0.1 %."""
    rng = np.random.default_rng(n + m)
    p = []
    for seed in range(60):
        x = rng.standard_t(2, size=(n + m, 3))
        features = {str(k): number_features(x[:, k]) for k in range(3)}
        p.append(domain_classifier(features, np.arange(n + m) < n, [("0", "1")], seed=seed).p_value)
    told = np.array(p, dtype=float)
    assert (told < 0.05).sum() <= 9
    assert (told < 0.001).sum() <= 3


def test_faults_have_a_reason_or_an_error() -> None:
    """Few rows, nothing that varies, and features that do not fit."""
    side = np.arange(200) < 49
    assert domain_classifier({"x": np.ones((200, 1))}, side).auc.reason == "fewer than 50 rows: 49"
    assert domain_classifier({"x": np.ones((200, 1))}, np.arange(200) < 90).auc.reason == "no column varies"
    with pytest.raises(ValueError, match="features of 'x' of shape"):
        domain_classifier({"x": np.ones((3, 1))}, side)
    with pytest.raises(ValueError, match="must be finite"):
        domain_classifier({"x": np.full((200, 1), np.nan)}, side)
    with pytest.raises(ValueError, match="'y' is no column"):
        domain_classifier({"x": np.ones((200, 1))}, side, [("x", "y")])
    assert number_features([np.nan, np.nan]).tolist() == [[0, 0, 0, 0, 1]] * 2
    assert level_features([-1, -1]).tolist() == [[1], [1]]


def test_a_report_sees_columns_that_go_together_otherwise() -> None:
    """A correlation that appears: no column changed, the files can be told apart, in terminal, page and document."""
    rng = np.random.default_rng(1)
    a, b, c = rng.normal(size=(3, 2000))
    now = {"a": a, "b": 0.7 * a + np.sqrt(0.51) * b, "c": c}
    found = report(now, dict(zip("abc", rng.normal(size=(3, 2000)), strict=True)))
    whole = found.together
    assert whole is not None
    assert (whole.changed, whole.matters, found.verdict) == (True, True, Status.WARN)
    assert not any(one.changed for one in found.columns)
    assert set([*whole.shares][:2]) == {"a", "b"}
    console = io.StringIO()
    print_comparison(found, as_json=False, file=console)
    assert "All columns together" in console.getvalue()
    assert "All columns together" in page(found)
    assert json.loads(to_json(found))["all_columns"]["auc"]["low"] > 0.55


def test_a_report_without_change_or_with_one_column_says_so() -> None:
    """Two draws of one law are not told apart; of one column there is nothing to put together."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 2, 1000))
    found = report(dict(zip("ab", x, strict=True)), dict(zip("ab", y, strict=True)))
    assert found.together is not None
    assert found.together.changed is False
    assert found.together.auc.low < 0.5 < found.together.auc.high
    assert report({"a": x[0]}, {"a": y[0]}).together is None
