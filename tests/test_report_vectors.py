"""Vectors in a report of two files: told with their kind, compared by norms, directions and how many are missing."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from vedette.engine.two_files.run import report
from vedette.errors import SchemaError
from vedette.output.comparison import Column, Comparison, to_json
from vedette.output.comparison_console import print_comparison
from vedette.output.comparison_page import page
from vedette.records import Status

N, LENGTH = 3000, 8


def embeddings(seed: int, scale: float = 1.0, n: int = N, length: int = LENGTH) -> np.ndarray:
    return (scale * np.random.default_rng(seed).normal(size=(n, length))).astype(np.float32)


def compared(current: Any, reference: Any) -> tuple[Comparison, Column]:
    found = report(pl.DataFrame({"e": current}), pl.DataFrame({"e": reference}))
    return found, found.columns[0]


def test_unchanged_vectors_are_named_with_their_kind_and_what_was_compared() -> None:
    """Two draws of one law: the kind vector, not changed, and a note on what was compared."""
    found, column = compared(embeddings(1), embeddings(2))
    assert (column.kind, column.changed, found.verdict) == ("vector", False, Status.OK)
    assert found.notes == (
        "Of vectors are compared how many are missing, their Euclidean norms, and their directions (mean, covariance, MMD): "
        "e (8). The picture, PSI, Wasserstein and other distances of one number are those of the norms.",
    )
    assert column.current is not None
    norms = np.linalg.norm(embeddings(1).astype(float), axis=1)
    assert column.current.figures["mean"].value == pytest.approx(norms.mean(), rel=1e-6)
    assert column.current.maximum == pytest.approx(norms.max(), rel=1e-5)


def test_longer_vectors_are_told_by_their_norms() -> None:
    """Embeddings that double are a change, in words about norms, on the console, the page and in the document."""
    found, column = compared(embeddings(1, 2.0), embeddings(2))
    assert (column.changed, column.matters) == (True, True)
    assert "norms: mean 2.7" in column.words
    console = io.StringIO()
    print_comparison(found, as_json=False, file=console)
    for text in (console.getvalue(), page(found), json.dumps(to_json(found))):
        assert "vector" in text
        assert "norms: mean 2.7" in " ".join(text.split())


@pytest.mark.parametrize(
    "spell",
    [
        lambda e: pl.Series(e.tolist()),
        lambda e: pl.Series(e),
        lambda e: pl.Series(e * 10).cast(pl.Array(pl.Int8, LENGTH)),
    ],
)
def test_lists_matrices_and_integers_are_vectors(spell: Any) -> None:
    """Lists and fixed-size lists of any numbers are compared alike."""
    assert compared(spell(embeddings(1)), spell(embeddings(2)))[1].changed is False


def test_another_direction_at_the_same_length_is_told() -> None:
    """Unit vectors that turn by 20 degrees are a change, told by directions alone, in deviations."""
    rng, turn = np.random.default_rng(3), np.eye(LENGTH)
    turn[:2, :2] = [[np.cos(0.35), -np.sin(0.35)], [np.sin(0.35), np.cos(0.35)]]
    sides = []
    for side in (np.eye(LENGTH), turn):
        rows = rng.normal(size=(N, LENGTH)) + 2 * np.eye(LENGTH)[0]
        sides.append((rows / np.linalg.norm(rows, axis=1, keepdims=True) @ side).astype(np.float32))
    found, column = compared(sides[1], sides[0])
    assert (column.changed, column.matters, found.verdict) == (True, True, Status.WARN)
    assert column.words.startswith("directions: mean moved by ")
    shift = column.distances["mean_shift_sd"]
    within = np.linalg.inv((np.cov(sides[0].T) + np.cov(sides[1].T)) / 2)
    gap = (sides[1].mean(0) - sides[0].mean(0)).astype(float)
    assert shift.value == pytest.approx(float(np.sqrt(gap @ within @ gap)), rel=0.02)


def test_vectors_like_those_before_them_are_taken_as_fewer() -> None:
    """Embeddings that move slowly from row to row differ more between files; they are not named for it."""
    rng, named = np.random.default_rng(7), 0
    for _ in range(8):
        sides = []
        for _ in range(2):
            rows = rng.normal(size=(N, LENGTH))
            for at in range(1, N):
                rows[at] = 0.9 * rows[at - 1] + np.sqrt(1 - 0.81) * rows[at]
            sides.append(rows)
        named += bool(compared(sides[0], sides[1])[1].changed)
    assert named <= 1


@pytest.mark.parametrize("current", [60, 3000])
def test_wild_and_constant_elements_do_no_harm(current: int) -> None:
    """Elements of 1e300, elements that never change, and a file with few rows are compared all the same."""
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(N, LENGTH))
    rows[:, 0], rows[::50, 1] = 1.0, 1e300
    column = compared(rows[:current], rng.permutation(rows))[1]
    assert column.changed is False
    assert all(one.value is not None for name, one in column.distances.items() if name.startswith("m"))


def test_missing_vectors_and_those_with_nan_are_told() -> None:
    """A tenth of the vectors missing, another tenth with a NaN inside: missing as of numbers."""
    rows: list[Any] = embeddings(1).tolist()
    for k in range(0, N, 10):
        rows[k], rows[k + 1][3] = None, float("nan")
    column = compared(pl.Series(rows, dtype=pl.List(pl.Float32)), embeddings(2))[1]
    assert column.current is not None
    assert (column.current.missing, column.current.nan) == (300, 300)
    assert (column.changed, column.words) == (True, "missing 0 % to 20 %")


def test_another_length_is_a_fact() -> None:
    """A model whose embeddings have another length is told of whatever their norms are; no test is needed for it."""
    found, column = compared(embeddings(1, length=12), embeddings(2))
    assert (column.changed, column.p_value, found.verdict) == (True, None, Status.ALARM)
    assert (
        column.words
        == "has another length: vectors of 8 elements in the reference, of 12 in the current file"
    )


def test_a_vector_that_becomes_a_number_has_another_type() -> None:
    """The types of both files are named."""
    column = compared(np.arange(float(N)), embeddings(2))[1]
    assert column.words.startswith("has another type: Array(Float32, shape=(8,)) in the reference, Float64")


def test_lists_of_many_lengths_are_no_vectors() -> None:
    """Of token lists and the like only how many are missing is compared, and the reason says so."""
    ragged = [[1.0] * (1 + k % 7) for k in range(N)]
    column = compared(ragged, ragged)[1]
    assert (column.kind, column.changed) == ("other", None)
    assert column.reason == "lists of 1 to 7 elements: give what is to be watched of them"


@pytest.mark.parametrize("empty", [[None] * N, [[]] * N])
def test_columns_without_a_vector_say_so(empty: list[Any]) -> None:
    """Nothing but nulls, or lists of nothing, is no values to compare."""
    column = compared(pl.Series(empty, dtype=pl.List(pl.Float32)), embeddings(1))[1]
    assert column.changed is not False
    alone = compared(
        pl.Series(empty, dtype=pl.List(pl.Float32)), pl.Series(empty, dtype=pl.List(pl.Float32))
    )[1]
    assert (alone.changed, alone.reason) == (None, "all values missing")


def test_a_new_and_a_vanished_column_of_vectors_are_told() -> None:
    """A column of vectors that one file does not have is new, or has vanished."""
    x = np.arange(float(N))
    found = report(pl.DataFrame({"x": x, "a": embeddings(1)}), pl.DataFrame({"x": x, "b": embeddings(1)}))
    assert {one.name: one.words.split(":")[0] for one in found.columns if one.changed} == {
        "a": "is new",
        "b": "has vanished",
    }


@pytest.mark.parametrize("name", ["label", "prediction", "probability", "latency_s"])
def test_vectors_under_a_name_of_ours_are_left_out_of_the_figures(name: str) -> None:
    """What cannot be what its name says is warned of, and the rest is compared."""
    found = report(pl.DataFrame({name: embeddings(1)}), pl.DataFrame({name: embeddings(2)}))
    assert any(one.status is Status.WARN and one.about == name for one in found.findings)


def test_vectors_are_no_segments() -> None:
    """Figures by a column of vectors are refused by name."""
    with pytest.raises(SchemaError, match="by='e'"):
        report(pl.DataFrame({"e": embeddings(1)}), by=["e"])


def test_a_slice_at_a_time_counts_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files whose vectors do not fit into memory at once give what frames in memory give."""
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for path, seed in zip(paths, (1, 2), strict=True):
        pl.DataFrame({"e": embeddings(seed, 1.0 + seed / 9)}).write_parquet(path)
    whole = report(*paths)
    monkeypatch.setattr("vedette.engine.two_files.source.SLICE_BYTES", 10_000)
    monkeypatch.setattr("vedette.engine.two_files.compare.BATCH_BYTES", 10_000)
    (one,), (other,) = report(*paths).columns, whole.columns
    assert (one.words, one.p_value, one.picture) == (other.words, other.p_value, other.picture)
    assert one.distances["psi"] == other.distances["psi"]
