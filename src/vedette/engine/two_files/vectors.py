"""A column of vectors in two files: how many are missing, their Euclidean norms as numbers, and their directions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from vedette.engine.two_files.described import Compared
from vedette.engine.two_files.directions import compare_directions
from vedette.engine.two_files.numbers import compare_numbers
from vedette.engine.two_files.other import compare_other
from vedette.engine.two_files.source import Source
from vedette.engine.vectors import norms

__all__ = ["compare_vectors"]


@dataclass(frozen=True, slots=True)
class _Norms(Source):
    """A column of vectors, each as its norm; a vector with NaN is NaN."""

    @property
    def dtype(self) -> pl.DataType:
        return pl.Float64()

    def slices(self) -> Iterator[pl.Series]:
        return map(_normed, Source.slices(self))

    def stretch(self) -> pl.Series:
        return _normed(Source.stretch(self))

    def scattered(self) -> pl.Series:
        return _normed(Source.scattered(self))


def compare_vectors(name: str, role: str, sources: Sequence[Source]) -> Compared:
    """Count and compare the norms and the directions of vectors of one length, the same in both files.

    Vectors of another length in one file than in the other are a fact that needs no test. Lists of many lengths in one
    file are no vectors: of these only how many are missing is compared.
    """
    spans = [_span(source) for source in sources]
    if any(least != most for least, most in spans):
        least, most = min(one for one, _ in spans), max(one for _, one in spans)
        said = f"lists of {least:,} to {most:,} elements: give what is to be watched of them"
        return compare_other("other", sources, said)
    of = [
        _Norms(source.table, source.name, source.held, source.value_bytes, source.drawn) for source in sources
    ]
    found = [length for length, _ in spans if length]
    if len(set(found)) < 2:
        length = max(found, default=0)
        normed = compare_numbers(name, role, of, length=length, kind="vector")
        return _directed(normed, sources, length) if len(found) == len(sources) == 2 else normed
    both = [
        compare_numbers(name, role, [one], length=n, kind="vector") for one, n in zip(of, found, strict=True)
    ]
    fact = f"has another length: vectors of {found[1]:,} elements in the reference, of {found[0]:,} in the current file"
    return Compared("vector", [one.sides[0] for one in both], fact=fact, lengths=tuple(found))


def _directed(normed: Compared, sources: Sequence[Source], length: int) -> Compared:
    """What was found of the norms, and of the directions beside it."""
    moved = compare_directions(sources, length)
    parts = dict(normed.parts)
    if normed.reason is None:
        parts["directions"] = moved.p_value
    return replace(
        normed,
        distances={**moved.distances, **normed.distances},
        parts=parts,
        inflated=max(normed.inflated, moved.inflated),
    )


def _span(source: Source) -> tuple[int, int]:
    """The least and the greatest length of the lists of a column; 0 where there are none."""
    least, most = [], []
    for column in source.slices():
        n = _listed(column).list.len().drop_nulls()
        if len(n):
            least.append(int(n.min()))  # type: ignore[arg-type]
            most.append(int(n.max()))  # type: ignore[arg-type]
    return min(least, default=0), max(most, default=0)


def _listed(column: pl.Series) -> pl.Series:
    return column.arr.to_list() if isinstance(column.dtype, pl.Array) else column


def _normed(column: pl.Series) -> pl.Series:
    values, present = norms(_listed(column))
    return pl.Series(column.name, np.where(present, values, 0.0)).set(pl.Series(~present), None)
