"""Vectors in a report of two files: told with their kind, compared by their norms and by how many are missing."""

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
    """Two draws of one law: the kind vector, not changed, and a note that norms were compared."""
    found, column = compared(embeddings(1), embeddings(2))
    assert (column.kind, column.changed, found.verdict) == ("vector", False, Status.OK)
    assert found.notes == (
        "Of vectors their Euclidean norms are compared, and how many are missing: e (8). Vectors of one length in another "
        "direction are not told apart.",
    )
    assert column.current is not None
    norms = np.linalg.norm(embeddings(1).astype(float), axis=1)
    assert column.current.figures["mean"].value == pytest.approx(norms.mean(), rel=1e-6)
    assert column.current.maximum == pytest.approx(norms.max(), rel=1e-5)


def test_longer_vectors_are_told_by_their_norms() -> None:
    """Embeddings that double are a change, in words about norms, on the console, the page and in the document."""
    found, column = compared(embeddings(1, 2.0), embeddings(2))
    assert (column.changed, column.matters) == (True, True)
    assert column.words.startswith("norms: mean 2.7")
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
