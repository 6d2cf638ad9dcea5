"""Texts by their n-grams: sums in any order, any language, the level of the test, and what a report says."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from vedette.engine.two_files.run import report
from vedette.statistics.feature_moments import FeatureMoments
from vedette.statistics.text_sketch import (
    BUCKETS,
    CHARACTERS_MAX,
    even,
    ngram_shares,
    ngram_shift,
    summarise_texts,
)
from vedette.strategy.mean_tests import length_test

WORDS = ("order", "late", "please", "refund", "parcel", "where", "broken", "你好", "包裹", "🙂", "is", "the")


def texts(seed: int, n: int, refunds: float = 1.0) -> list[str]:
    rng = np.random.default_rng(seed)
    share = np.ones(len(WORDS))
    share[3] = refunds
    return [" ".join(rng.choice(WORDS, k, p=share / share.sum())) for k in rng.poisson(8, n)]


@pytest.mark.parametrize(
    "text", ["", "a", "ab", "你好，世界", "🙂🙂", "\ud800", "e\u0301", "x" * 100_000, "\x00"]
)
def test_any_text_has_shares_that_add_up_to_one(text: str) -> None:
    """Empty, one character, Chinese, emoji, a lone surrogate, a very long one: alone and among others the same."""
    alone = ngram_shares([text])
    assert alone.shape == (1, BUCKETS)
    assert alone.sum() == pytest.approx(1.0)
    np.testing.assert_array_equal(ngram_shares(["before", text, "after"])[1], alone[0])


def test_shares_count_each_pair_and_triple_of_characters() -> None:
    """A text of k characters has k + 1 pairs and k triples with its marks; equal ones fall together."""
    for text in ("", "a", "abc", "aaaa"):
        padded = f"\x02{text}\x03"
        pieces = [padded[at : at + n] for n in (2, 3) for at in range(len(padded) - n + 1)]
        counts = ngram_shares([text])[0] * len(pieces)
        np.testing.assert_allclose(counts, np.rint(counts), atol=1e-9)
        assert np.rint(counts).sum() == len(pieces)
    assert ngram_shares(["a" * 2000])[0].max() > 0.49  # all pairs are one, all triples another


def test_only_the_beginning_of_a_very_long_text_is_looked_at() -> None:
    """What comes after so many characters changes nothing."""
    long = "ab" * CHARACTERS_MAX
    np.testing.assert_array_equal(ngram_shares([long]), ngram_shares([long + "z"]))


def test_sketches_add_up_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards in two orders, and chunks of a few characters, give what all texts at once give."""
    whole = summarise_texts(texts(1, 300))
    a, b = summarise_texts(texts(1, 300)[200:]), summarise_texts(texts(1, 300)[:200])
    monkeypatch.setattr("vedette.statistics.text_sketch._AT_ONCE", 50)
    for one in (a + b, b + a, summarise_texts(iter(texts(1, 300)))):
        assert one.n == 300
        np.testing.assert_allclose(one.total, whole.total)
        np.testing.assert_allclose(one.outer, whole.outer)
    assert summarise_texts([]).n == 0


def test_the_shift_is_that_of_standardised_shares() -> None:
    """Its square is the mean over buckets of squared differences in deviations, less the variance of the means."""
    x, y = ngram_shares(texts(2, 400, 3.0)), ngram_shares(texts(3, 500))
    sd = np.concatenate([x, y]).std(axis=0, ddof=1)
    held = sd > 0
    gap = ((x.mean(0) - y.mean(0))[held] / sd[held]) ** 2
    noise = x.var(0, ddof=1)[held] / sd[held] ** 2 / len(x) + y.var(0, ddof=1)[held] / sd[held] ** 2 / len(y)
    found = ngram_shift(FeatureMoments.of(x), FeatureMoments.of(y))
    assert found.value**2 == pytest.approx((gap - noise).mean(), rel=1e-6)
    assert 0 < found.low < found.value < found.high


def test_texts_not_ngrams_are_the_unit() -> None:
    """Long texts of one topic each: of 60 pairs of one law the test names at most 9 at 5 % and 3 at 0.1 %."""
    rng = np.random.default_rng(4)
    topics = ["".join(rng.choice(list("abcdefghijkl"), 6)) for _ in range(30)]
    p = []
    for _ in range(60):
        sides = [summarise_texts([f"{topics[k]} " * 20 for k in rng.integers(0, 30, n)]) for n in (80, 200)]
        p.append(length_test(*even(*sides)))
    told = np.array(p, dtype=float)
    assert (told < 0.05).sum() <= 9
    assert (told < 0.001).sum() <= 3


def test_few_and_equal_texts_are_a_reason() -> None:
    """Under 50 texts, and texts that are all alike."""
    few, many, same = (summarise_texts(some) for some in (["a"] * 49, texts(5, 60), ["a"] * 60))
    assert ngram_shift(few, many).reason == "fewer than 50 texts: 49"
    assert ngram_shift(many, few).reason == "fewer than 50 texts in the reference: 49"
    assert ngram_shift(same, same).reason == "all texts are alike"
    with pytest.raises(ValueError, match=r"level=2\.0"):
        ngram_shift(many, many, 2.0)


def numbered(rows: list[str]) -> list[str]:
    return [f"{text} {at}" for at, text in enumerate(rows)]


def test_a_report_tells_texts_made_of_other_words() -> None:
    """One word that comes twice as often is told in deviations between texts; without it nothing is."""
    before = {"t": numbered(texts(6, 3000))}
    changed = report({"t": numbered(texts(7, 3000, 2.0))}, before).columns[0]
    assert (changed.kind, changed.changed, changed.matters) == ("text", True, True)
    assert "texts are made of other pieces: shares of n-grams moved by" in changed.words
    same = report({"t": numbered(texts(8, 3000))}, before).columns[0]
    assert (same.changed, same.distances["ngram_shift_sd"].low) == (False, 0.0)


def test_identifiers_may_move_on() -> None:
    """Numbers of orders that rise from file to file are no change of a text."""
    ids = [f"order-{at:06d}" for at in range(6000)]
    column = report(pl.DataFrame({"o": ids[3000:]}), pl.DataFrame({"o": ids[:3000]})).columns[0]
    assert column.changed is False
    assert column.distances["ngram_shift_sd"].reason == "identifiers: what they are made of moves on"


def test_the_characters_looked_at_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a column of long texts no more characters are sketched than of one of short ones, whatever its size."""
    looked_at: list[int] = []

    def counted(texts: list[str]) -> np.ndarray:
        looked_at.append(sum(len(text) for text in texts))
        return ngram_shares(texts)

    monkeypatch.setattr("vedette.engine.two_files.ngrams.ngram_shares", counted)
    rng = np.random.default_rng(0)
    long = [" ".join(rng.choice(WORDS, 400)) for _ in range(1500)]
    report(pl.DataFrame({"t": long}), pl.DataFrame({"t": long[::-1]}))
    assert 0 < sum(looked_at) <= 2 * 600 * 200
