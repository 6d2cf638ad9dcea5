"""Texts by the pieces they are made of, whatever the language: a mergeable sketch of character n-grams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from vedette.statistics.comparison import VALUES_MIN
from vedette.statistics.direction_shift import Shift
from vedette.statistics.estimates import check_level
from vedette.statistics.feature_moments import FeatureMoments
from vedette.statistics.squared_length import squared_length

__all__ = ["BUCKETS", "CHARACTERS_MAX", "even", "ngram_shares", "ngram_shift", "summarise_texts"]

Floats = npt.NDArray[np.float64]
Hashes = npt.NDArray[np.uint64]

BUCKETS = 128
"""N-grams fall into so many buckets by their hash: two that share one are not told apart, a change of many shows in any."""

CHARACTERS_MAX = 20_000
"""Characters of a text that are looked at, from its beginning."""

_START, _END = "\x02", "\x03"  # around each text, so that an empty one has an n-gram too
_AT_ONCE = 500_000  # characters: of each a few numbers are in memory
_FACTORS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9))
_MIX = np.uint64(0xBF58476D1CE4E5B9)


def ngram_shares(texts: Iterable[str]) -> Floats:
    """Of each text, the share of its character 2-grams and 3-grams that falls into each bucket, [N, 128]; rows add up to 1.

    Characters are Unicode code points as they come: no words, no case, no language; emoji and Chinese are like any. A mark
    stands before and one behind each text. The hash is the same on any machine.

    >>> ngram_shares(["", "to be", "be to"]).sum(axis=1).tolist()
    [1.0, 1.0, 1.0]
    """
    parts = [_shares(some) for some in _chunks(texts)]
    return np.concatenate(parts) if parts else np.zeros((0, BUCKETS))


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    """Texts with their marks, as many at once as hold half a million characters."""
    some: list[str] = []
    held = 0
    for text in texts:
        some.append(f"{_START}{text[:CHARACTERS_MAX]}{_END}")
        held += len(some[-1])
        if held >= _AT_ONCE:
            yield some
            some, held = [], 0
    if some:
        yield some


def _shares(texts: list[str]) -> Floats:
    lengths = np.array([len(text) for text in texts])
    joined = "".join(texts).encode("utf-32-le", "surrogatepass")
    code = np.frombuffer(joined, dtype="<u4").astype(np.uint64)
    owner = np.repeat(np.arange(len(texts)), lengths)
    counts = np.zeros(len(texts) * BUCKETS)
    mixed = np.zeros(len(code), dtype=np.uint64)
    for n in (1, 2, 3):  # what was mixed of n characters is a part of n + 1
        if len(code) < n:
            break
        mixed = mixed[: len(code) - n + 1] ^ code[n - 1 :]
        mixed *= _FACTORS[n - 1]
        mixed ^= mixed >> np.uint64(29)
        if n == 1:
            continue
        bucket = ((mixed * _MIX) >> np.uint64(57)).view(np.int64)  # the upper seven bits
        bucket += owner[: len(mixed)] * BUCKETS
        inside = owner[: len(mixed)] == owner[n - 1 :]
        counts += np.bincount(bucket[inside], minlength=len(counts))
    table = counts.reshape(len(texts), BUCKETS)
    return np.asarray(table / table.sum(axis=1, keepdims=True))


def summarise_texts(texts: Iterable[str]) -> FeatureMoments:
    """The sums of the shares of n-grams over texts, and of their products: ``+`` gives those of more texts, in any order.

    >>> one, other = ["a", "bc", "", "def"], ["你好", "🙂"]
    >>> summed = summarise_texts(one) + summarise_texts(other)
    >>> bool(np.allclose(summed.outer, summarise_texts(other + one).outer))
    True
    """
    total = FeatureMoments.empty(BUCKETS)
    for some in _chunks(texts):
        total = total + FeatureMoments.of(_shares(some))
    return total


def even(current: FeatureMoments, reference: FeatureMoments) -> tuple[FeatureMoments, FeatureMoments]:
    """Both with each bucket in standard deviations between the texts of both sides, over the root of the buckets that vary.

    So frequent n-grams do not drown rare ones, and the squared length of a difference is a mean over buckets.
    """
    sd = np.sqrt(np.diag((current + reference).covariance).clip(0.0))
    held = sd > 1e-9
    linear = np.diag(np.divide(1.0, sd, out=np.zeros_like(sd), where=held)) / np.sqrt(max(int(held.sum()), 1))
    return current.mapped(linear), reference.mapped(linear)


def ngram_shift(current: FeatureMoments, reference: FeatureMoments, level: float = 0.95) -> Shift:
    """How far texts are made of other pieces than the reference's: in standard deviations between texts.

    The root mean square over buckets of the difference of mean shares, each in standard deviations of a text's share in both
    sides: 0.1 says that the mean text moved by a tenth of what texts differ anyway. Texts are the units, not n-grams, which
    come together in a text. The length of noise is taken off, and the interval is that of ``squared_length``. Under 50 texts
    on either side, or texts that are all alike, are a reason.

    Sources: K. Weinberger and others (2009), ICML 26 (feature hashing); W. B. Cavnar and J. M. Trenkle (1994), SDAIR-94
    (character n-grams whatever the language).

    >>> before = [f"order {n} was shipped" for n in range(200)]
    >>> now = [f"order {n} is refunded" for n in range(200)]
    >>> found = ngram_shift(summarise_texts(now), summarise_texts(before))
    >>> found.low > 0.3
    True
    """
    check_level(level)
    for where, side in (("", current), (" in the reference", reference)):
        if side.n < VALUES_MIN:
            why = f"fewer than {VALUES_MIN} texts{where}: {side.n}"
            return Shift(np.nan, np.nan, np.nan, current.n, why)
    one, other = even(current, reference)
    variance = one.covariance / one.n + other.covariance / other.n
    if np.trace(variance) <= 0 and np.array_equal(one.mean, other.mean):
        return Shift(np.nan, np.nan, np.nan, current.n, "all texts are alike")
    value, low, high = (float(np.sqrt(v)) for v in squared_length(one.mean - other.mean, variance, level))
    return Shift(value, low, high, current.n)
