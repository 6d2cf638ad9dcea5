"""What a stranger's files do to a report: sizes that differ, stray labels, wild values, lines of nothing."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics

import vedette
from vedette.errors import DataError
from vedette.output.comparison import Comparison
from vedette.records import Status


def draws(seed: int) -> np.random.Generator:
    """A generator of its own."""
    return np.random.default_rng(seed)


def value(found: Comparison, metric: str) -> float | None:
    """The current value of a figure of all rows."""
    return next(one.current.value for one in found.figures if one.metric == metric and not one.segment)


@pytest.mark.parametrize(("n", "m"), [(60, 400), (300, 9500), (300, 20_000), (1000, 100_000), (100_000, 300)])
@pytest.mark.parametrize("kind", ["levels", "integers", "texts"])
def test_a_column_of_other_values_has_changed_whatever_the_sizes(kind: str, n: int, m: int) -> None:
    """Nothing of the one file is in the other; each level alone expects too few rows of the small side."""
    now, before = draws(1).integers(0, 3, n), draws(2).integers(0, 3, m)
    if kind == "levels":
        sides = np.array(["FREE", "BASIC", "PRO"])[now], np.array(["free", "basic", "pro"])[before]
    elif kind == "integers":
        sides = now + 101, before + 1
    else:
        sides = (
            np.char.add("a longer text ", draws(3).integers(0, 10**9, n).astype(str)),
            draws(4).integers(0, 10**9, m).astype(str),
        )
        if min(n, m) < 300:
            return  # so few that each text is taken for a level
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = vedette.report({"x": sides[0]}, {"x": sides[1]})
    assert (found.verdict, found.columns[0].changed) == (Status.WARN, True)


def test_one_value_in_a_hundred_in_another_unit_is_named_among_many_columns() -> None:
    """Forty rows of four thousand are a thousand times as large, in one of twenty columns."""
    now, before = (
        {f"c{at}": draws(10 * side + at).normal(100, 10, 4000) for at in range(20)} for side in (1, 5)
    )
    now["c0"][::100] *= 1000
    found = vedette.report(now, before)
    assert [one.name for one in found.columns if one.changed] == ["c0"]


@pytest.mark.parametrize("n", [1000, 4000, 20_000])
def test_one_wild_value_leaves_the_distance_what_it_is(n: int) -> None:
    """A million among values of ten moves the mean by a million over n, and the distance by as much."""
    before, now = draws(1).normal(10, 1.1, n), draws(2).normal(10, 2.2, n)
    now[5] = 1e6
    found = vedette.report({"v": now}, {"v": before}).columns[0].distances["wasserstein"]
    assert found.value == pytest.approx(stats.wasserstein_distance(before, now), rel=0.03)


def scored(seed: int, n: int = 3000) -> pd.DataFrame:
    """A model of two classes."""
    rng = draws(seed)
    probability = rng.random(n)
    label = (rng.random(n) < probability).astype(int)
    return pd.DataFrame(
        {"probability": probability, "prediction": (probability > 0.5).astype(int), "label": label}
    )


def test_a_stray_label_is_told_and_leaves_the_figures() -> None:
    """One label of a class that nobody predicts: it is counted as wrong, and the others keep their figures."""
    now, before = scored(1), scored(2)
    now.loc[7, "label"] = 2
    found = vedette.report(now, before)
    assert found.verdict is Status.WARN
    assert [one.about for one in found.findings] == ["label"]
    assert "1 label names '2', which is none of the classes 0, 1: counted as wrong" in found.findings[0].words
    rest = now.drop(index=7)
    assert value(found, "roc_auc") == pytest.approx(
        metrics.roc_auc_score(rest.label, rest.probability), abs=0.001
    )
    assert value(found, "accuracy") == pytest.approx((now.label == now.prediction).mean())


def test_a_rare_class_that_is_predicted_is_a_class() -> None:
    """One row in two hundred has a third class, in labels and predictions: no slip of a pen."""
    now = scored(1)[["prediction", "label"]]
    now.loc[::200, ["label", "prediction"]] = 2
    found = vedette.report(now, now)
    assert found.confusion is not None
    assert found.confusion.classes == ("0", "1", "2")


def test_figures_that_one_wild_label_silences_are_not_green() -> None:
    """Errors that were known and cannot be computed any more are told, with the reason."""
    x = draws(1).normal(10, 1, 4000)
    before = {"prediction": x, "label": x + draws(2).normal(0, 0.5, 4000)}
    label = x + draws(3).normal(0, 0.5, 4000)
    label[5] = 1e12
    found = vedette.report({"prediction": x, "label": label}, before)
    assert found.verdict is Status.UNKNOWN
    assert any(one.about == "mae" and "outweigh all others" in one.words for one in found.findings)


def test_the_positive_class_is_named_and_can_be_said() -> None:
    """Of fraud and ok the second by name is taken, and said to be; the other one can be asked for."""
    rng = draws(1)
    fraud = rng.random(2000) < 0.3
    score = np.clip(rng.normal(0.3 + 0.3 * fraud, 0.2), 0, 1)
    rows = {
        "label": np.where(fraud, "fraud", "ok"),
        "prediction": np.where(score > 0.5, "fraud", "ok"),
        "probability": score,
    }
    guessed = vedette.report(rows, rows)
    assert any("'ok' is taken as the positive class" in note for note in guessed.notes)
    said = vedette.report(rows, rows, classes=["ok", "fraud"])
    assert value(said, "roc_auc") == pytest.approx(metrics.roc_auc_score(fraud, score), abs=0.001)
    assert value(said, "precision") == pytest.approx(metrics.precision_score(fraud, score > 0.5))
    assert not said.notes


def test_counts_can_be_said_to_be_numbers() -> None:
    """Whole labels look like classes: that is said, and the task can be given."""
    rng = draws(1)
    mean = np.exp(1 + 0.5 * rng.normal(size=5000))
    rows = {"prediction": mean.round().astype(int), "label": rng.poisson(mean)}
    assert any("if they are numbers, say so: task regression" in note for note in vedette.report(rows).notes)
    found = vedette.report(rows, task="regression")
    assert value(found, "mae") == pytest.approx(np.abs(rows["prediction"] - rows["label"]).mean())
    with pytest.raises(ValueError, match="a regression has none"):
        vedette.report(rows, task="regression", classes=["a", "b"])


@pytest.mark.parametrize("both", [True, False])
def test_scores_of_0_and_1_have_an_area(both: bool) -> None:
    """Probabilities that were rounded, in both files or in the current one: ties are counted as ties."""
    now, before = scored(1), scored(2)
    now["probability"] = now.probability.round()
    found = vedette.report(now, now if both else before)
    assert value(found, "roc_auc") == pytest.approx(
        metrics.roc_auc_score(now.label, now.probability), abs=1e-9
    )
    expected = metrics.average_precision_score(now.label, now.probability)
    assert value(found, "average_precision") == pytest.approx(expected, abs=1e-9)


def test_a_column_that_is_empty_in_both_files_is_no_change() -> None:
    """Nothing was there and nothing is."""
    sides = [{"e": [None] * 300, "x": draws(seed).normal(size=300)} for seed in (5, 6)]
    found = vedette.report(*sides)
    assert found.verdict is not Status.WARN
    assert any(one.words == "all values are missing, as in the reference" for one in found.findings)


def test_text_among_numbers_is_shown() -> None:
    """Of a column of numbers that became a text the word that did it is told, and how much of it there is."""
    words = [f"{one}" for one in draws(1).normal(size=3000)]
    words[::30] = ["oops"] * 100
    found = vedette.report({"x": words}, {"x": draws(2).normal(size=3000)})
    assert "String (such as 'oops', 3.3 % no numbers) in the current file" in found.columns[0].words


def read(folder: Path, content: str) -> Comparison:
    """The report of a CSV file alone."""
    path = folder / "a.csv"
    path.write_text(content, newline="")
    return vedette.report(path)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_of_nothing_are_no_rows(tmp_path: Path, end: str) -> None:
    """Every second line is empty; a row of nothing but separators is a row."""
    found = read(tmp_path, end.join(["a,b", *(f"{at},{at % 3}{end}" for at in range(200))]))
    assert (found.rows, found.columns[0].current.missing) == (200, 0)  # type: ignore[union-attr]
    found = read(tmp_path, end.join(["a,b", "1,2", ",", "3,4", ""]))
    assert (found.rows, found.columns[0].current.missing) == (3, 1)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b,c\n1,2,3\n4,5\n6,7,8\n", "line 3 has 2 fields, the header 3"),
        ("sep=,\na,b\n1,2\n", "the first line, 'sep=,', is a word to Excel"),
    ],
)
def test_lines_that_are_not_rows_are_errors(tmp_path: Path, content: str, said: str) -> None:
    """Too few fields, and Excel's own first line."""
    with pytest.raises(DataError, match=said):
        read(tmp_path, content)


def test_codes_with_leading_zeros_stay_codes(tmp_path: Path) -> None:
    """A postcode is no number: as one it would lose its zero."""
    found = read(tmp_path, "zip,x\n" + "".join(f"0{at % 9}139,{at}\n" for at in range(100)))
    kinds = {one.name: one.kind for one in found.columns}
    assert kinds == {"zip": "category", "x": "numeric"}
