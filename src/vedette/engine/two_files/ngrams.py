"""Texts of two files by the n-grams they are made of: a sample from all over each file, its distance and its test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from vedette.engine.two_files.directions import estimate_of
from vedette.engine.two_files.source import Source, dependence, role_of
from vedette.output.comparison import Estimate
from vedette.statistics.text_sketch import CHARACTERS_MAX, even, ngram_shares, ngram_shift, summarise_texts
from vedette.strategy.mean_tests import length_test

__all__ = ["Pieces", "compare_ngrams"]

CHARACTERS = 400_000
"""Characters of a file that are looked at: of short texts those of 4,096 rows."""

NEIGHBOURS = 600  # rows that follow each other, to tell how far they depend on each other
BEGINNING = 200  # characters of such a row: enough to see that it is like the one before it
CODE = r"^\S{0,64}$"  # without a space, and not long: with a digit in it an identifier
CODES_MIN = 0.9
_CODES = "identifiers: what they are made of moves on"


@dataclass(frozen=True, slots=True)
class Pieces:
    """How far texts are made of other n-grams, and the p-value; no distance for names of ours."""

    shift: Estimate | None = None
    p_value: float | None = None


def compare_ngrams(sources: Sequence[Source]) -> Pieces:
    """Compare the texts of the current file with those of the reference; identifiers and bytes are left out."""
    if role_of(sources[0].name) == "id" or any(source.dtype == pl.Binary for source in sources):
        return Pieces()
    rows = [_texts(source.scattered()) for source in sources]
    if all(_codes(one) for one in rows):
        return Pieces(Estimate(None, None, None, len(rows[0]), _CODES))
    now, before = (summarise_texts(_some(one).to_list()) for one in rows)
    apart = [source.rows / max(side.n, 1) for source, side in zip(sources, (now, before), strict=True)]
    worth_one = max(1.0, _inflated(sources) / max(min(apart), 1.0))
    return Pieces(estimate_of(ngram_shift(now, before)), length_test(*even(now, before), worth_one))


def _texts(column: pl.Series) -> pl.Series:
    return column.drop_nulls().cast(pl.String)


def _codes(texts: pl.Series) -> bool:
    """True where nearly all texts are identifiers: no space, a digit, not long."""
    like = texts.str.contains(CODE) & texts.str.contains("[0-9]")
    return len(texts) > 0 and int(like.sum()) >= CODES_MIN * len(texts)


def _some(texts: pl.Series) -> pl.Series:
    """Texts from all over, as many as hold the characters that are looked at."""
    held = float(np.minimum(texts.str.len_chars().to_numpy(), CHARACTERS_MAX).sum()) if len(texts) else 0.0
    n = len(texts) if held <= CHARACTERS else max(1, int(len(texts) * CHARACTERS / held))
    return texts.gather(np.linspace(0, len(texts) - 1, n).astype(np.int64)) if n < len(texts) else texts


def _inflated(sources: Sequence[Source]) -> float:
    """How many rows are worth one, along the direction in which texts that follow each other differ most."""
    stretches = [_texts(source.stretch()).head(NEIGHBOURS) for source in sources]
    if any(one.is_sorted() for one in stretches):
        return 1.0  # sorted, which says nothing about where they came from
    shares = [ngram_shares([text[:BEGINNING] for text in one.to_list()]) for one in stretches]
    whole = np.concatenate(shares)
    whole = whole - whole.mean(axis=0)
    first = np.linalg.eigh(whole.T @ whole)[1][:, -1]
    return dependence([one @ first for one in shares])
