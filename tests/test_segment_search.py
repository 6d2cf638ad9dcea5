"""The search over segments: exact evidence, the planted one first, false names at their rate, nothing left out unsaid."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from vedette.strategy.pooled_counts import log_e_most, log_e_value
from vedette.strategy.segment_search import Levels, search


@pytest.mark.parametrize(
    ("n_before", "n_after", "marked"),
    [(10, 10, 5), (100, 30, 40), (1000, 1000, 30), (5000, 200, 2000), (300, 7, 300), (5, 900, 1)],
)
def test_the_mean_of_e_is_one_exactly(n_before: int, n_after: int, marked: int) -> None:
    """Over scipy's hypergeometric law of the marked rows after, E[e] = 1: no asymptotics, a finite reference."""
    h = np.arange(max(0, marked - n_before), min(marked, n_after) + 1)
    p = stats.hypergeom(n_before + n_after, marked, n_after).pmf(h)
    log_e = log_e_value(n_before, n_after, marked - h, h)
    assert np.exp(log_e + np.log(np.maximum(p, 1e-300))).sum() == pytest.approx(1.0, abs=1e-9)


def test_the_mean_of_e_is_one_by_simulation_with_a_share_nobody_knows() -> None:
    """Independent rows with the same share on either side: the mean of e over 200,000 draws is 1."""
    random = np.random.default_rng(1)
    for n, m, share in [(50, 50, 0.1), (200, 40, 0.5), (30, 300, 0.02)]:
        e = np.exp(log_e_value(n, m, random.binomial(n, share, 200_000), random.binomial(m, share, 200_000)))
        assert e.mean() == pytest.approx(1.0, abs=5 * e.std() / np.sqrt(len(e)))


def test_the_largest_evidence_is_that_of_the_two_ends() -> None:
    """What any split could show is the largest of all splits, by trying each."""
    for n, m, k in [(30, 20, 7), (12, 40, 25), (9, 9, 0)]:
        h = np.arange(max(0, k - n), min(k, m) + 1)
        assert log_e_most(n, m, k) == pytest.approx(log_e_value(n, m, k - h, h).max())


def test_wrong_counts_are_refused() -> None:
    """More marked rows than rows are nobody's evidence."""
    with pytest.raises(ValueError, match="marked rows"):
        log_e_value(10, 10, 11, 0)


def lattice(
    random: np.random.Generator, n: int, columns: int, levels: int
) -> tuple[np.ndarray, dict[str, Levels], np.ndarray]:
    """Codes [columns, 2 n], the same as the search takes them, and which rows are after."""
    codes = random.integers(0, levels, (columns, 2 * n))
    names = [str(one) for one in range(levels)]
    return codes, {f"c{at}": Levels(codes[at], names) for at in range(columns)}, np.arange(2 * n) >= n


def test_every_segment_is_counted_as_by_hand() -> None:
    """Rows, means and e-values of all segments of a small lattice are those of a loop over masks."""
    random = np.random.default_rng(2)
    codes, columns, after = lattice(random, 400, 3, 3)
    wrong = (random.uniform(size=800) < 0.3).astype(float)
    found = search(columns, wrong, after, depth=3, rows_min=1, rate=0.999999)
    by_levels = {one.levels: one for one in found.segments}
    masks = {}
    for choice in product([None, 0, 1, 2], repeat=3):
        mask = np.ones(800, dtype=bool)
        for column, level in enumerate(choice):
            mask &= True if level is None else codes[column] == level
        masks[tuple((f"c{c}", str(v)) for c, v in enumerate(choice) if v is not None)] = mask
    assert found.n_looked == 64
    evidence = {}
    for levels, mask in masks.items():
        sides = [mask & ~after, mask & after]
        evidence[levels] = float(log_e_value(*(s.sum() for s in sides), *(wrong[s].sum() for s in sides)))
        if levels in by_levels:
            one = by_levels[levels]
            assert (one.n_before, one.n_after) == (sides[0].sum(), sides[1].sum())
            assert one.before == pytest.approx(wrong[sides[0]].mean())
            assert one.after == pytest.approx(wrong[sides[1]].mean())
            assert one.nats == pytest.approx(evidence[levels])
    assert len(by_levels) >= 10
    assert max(one.nats for one in found.segments) == pytest.approx(max(evidence.values()))


def planted(seed: int, *, worse: float = 0.6, real: bool = False) -> tuple[bool, int, int]:
    """Whether the planted conjunction came first, how many names were given, how many of them have none of its rows."""
    random = np.random.default_rng(seed)
    codes, columns, after = lattice(random, 5000, 6, 8)
    inside = (codes[1] == 3) & (codes[4] == 2)
    if real:
        outcome = random.exponential(size=10_000) * np.where(inside & after, 4.0, 1.0)
    else:
        outcome = (random.uniform(size=10_000) < np.where(inside & after, worse, 0.1)).astype(float)
    found = search(columns, outcome, after)
    first = found.segments[0].levels == (("c1", "3"), ("c4", "2"))
    apart = [
        one for one in found.named if not ({("c1", "3"), ("c4", "2")} & set(one.levels) or not one.levels)
    ]
    return first, len(found.named), len(apart)


@pytest.mark.parametrize("real", [False, True])
def test_the_planted_segment_is_first_and_alone(real: bool) -> None:
    """Of 20 plantings at least 18 come first; what overlaps is explained by it, not named beside it."""
    seen = [planted(seed, real=real) for seed in range(20)]
    assert sum(first for first, _, _ in seen) >= 18
    assert sum(n for _, n, _ in seen) <= 24
    assert sum(apart for _, _, apart in seen) <= 1


def test_where_nothing_changed_nothing_is_named() -> None:
    """40 searches of 1,000 segments each without a change: the chance of any name is .05 at most, in truth far less."""
    random = np.random.default_rng(3)
    named = 0
    for _ in range(40):
        _, columns, after = lattice(random, 2000, 6, 8)
        named += len(search(columns, (random.uniform(size=4000) < 0.2).astype(float), after).named)
    assert named <= 2


def test_a_rise_everywhere_is_told_of_all_rows() -> None:
    """An error rate that rises alike in all segments is one name, and the whole's."""
    random = np.random.default_rng(4)
    _, columns, after = lattice(random, 3000, 4, 5)
    wrong = (random.uniform(size=6000) < np.where(after, 0.25, 0.1)).astype(float)
    found = search(columns, wrong, after)
    assert [one.name for one in found.named] == ["all rows"]
    assert found.n_changed > 1


def test_where_all_rows_changed_the_one_that_changed_more_is_named_too() -> None:
    """A rise everywhere and a steeper one in a pair of levels: the whole first, then the pair, nothing else."""
    random = np.random.default_rng(14)
    codes, columns, after = lattice(random, 8000, 4, 6)
    rate = np.where(after, 0.14, 0.1)
    rate[after & (codes[0] == 1) & (codes[2] == 5)] = 0.6
    found = search(columns, (random.uniform(size=16_000) < rate).astype(float), after)
    assert {one.name for one in found.named} == {"all rows", "c0=1, c2=5"}


def test_two_segments_that_changed_are_both_named() -> None:
    """The rows that are left after the first one still show the second."""
    random = np.random.default_rng(5)
    codes, columns, after = lattice(random, 6000, 4, 6)
    one, other = (codes[0] == 1) & (codes[1] == 1), (codes[2] == 4) & (codes[3] == 0)
    wrong = (random.uniform(size=12_000) < np.where(after & (one | other), 0.5, 0.1)).astype(float)
    names = {segment.name for segment in search(columns, wrong, after).named}
    assert {"c0=1, c1=1", "c2=4, c3=0"} <= names


def test_a_fall_counts_as_well() -> None:
    """What became better changed too, and its interval says which way."""
    random = np.random.default_rng(6)
    codes, columns, after = lattice(random, 4000, 3, 4)
    wrong = (random.uniform(size=8000) < np.where(after & (codes[0] == 2), 0.05, 0.3)).astype(float)
    best = search(columns, wrong, after).named[0]
    assert best.name == "c0=2"
    assert best.high < 0


def test_what_is_not_looked_at_is_said() -> None:
    """Small segments, hopeless ones, repeats and what is beyond the limit are counted, and add up to the lattice."""
    random = np.random.default_rng(7)
    _, columns, after = lattice(random, 1500, 4, 6)
    columns["copy"] = columns["c0"]
    rare = np.where(np.arange(3000) % 100 == 0, 1, 0)
    columns["rare"] = Levels(rare, ["usual", "rare"])
    wrong = (random.uniform(size=3000) < 0.03).astype(float)
    whole = search(columns, wrong, after)
    assert whole.n_small
    assert whole.n_hopeless
    assert whole.n_same
    small = search(columns, wrong, after, segments_max=50)
    assert small.n_looked == 50
    assert small.n_looked + small.n_beyond == whole.n_looked
    assert "beyond the largest number of segments" in small.left_out


def test_order_of_rows_and_names_of_columns_change_nothing() -> None:
    """A search sees sets of rows: shuffled they give the same segments."""
    random = np.random.default_rng(8)
    codes, columns, after = lattice(random, 1000, 3, 4)
    wrong = (random.uniform(size=2000) < np.where(after & (codes[1] == 0), 0.5, 0.1)).astype(float)
    order = random.permutation(2000)
    shuffled = {name: Levels(one.codes[order], one.names) for name, one in columns.items()}
    one, two = search(columns, wrong, after), search(shuffled, wrong[order], after[order])
    assert [(s.levels, round(s.nats, 9)) for s in one.segments] == [
        (s.levels, round(s.nats, 9)) for s in two.segments
    ]


@pytest.mark.parametrize("n", [0, 1])
def test_without_rows_there_is_the_whole_and_no_name(n: int) -> None:
    """No rows, or one, are no evidence and no error."""
    found = search({"a": Levels(np.zeros(n, dtype=int), "x")}, np.zeros(n), np.zeros(n, dtype=bool))
    assert found.named == ()
    assert found.segments[0].name == "all rows"
    assert found.segments[0].nats == 0.0


def test_constant_and_missing_outcomes_are_no_evidence() -> None:
    """A loss that never differs shows nothing; rows without one are left out."""
    random = np.random.default_rng(9)
    _, columns, after = lattice(random, 500, 2, 3)
    for outcome in (np.full(1000, 3.5), np.ones(1000), np.full(1000, np.nan)):
        assert search(columns, outcome, after).named == ()
    holes = np.where(np.arange(1000) % 2 == 0, np.nan, 1.0)
    assert search(columns, holes, after).segments[0].n_before == 250


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"columns": {"a": Levels(np.zeros(3, dtype=int), "x")}}, "column 'a': has codes of shape"),
        ({"columns": {"a": Levels(np.full(4, 2), "xy")}}, "codes must lie in -1 to 1"),
        ({"is_after": np.zeros(4)}, "is_after"),
        ({"depth": 4}, "depth=4"),
        ({"rate": 1.0}, "rate=1.0"),
        ({"rows_min": 0}, "rows_min=0"),
    ],
)
def test_wrong_arguments_are_named(change: dict[str, object], said: str) -> None:
    """The error says which argument is wrong and what would be right."""
    given = {
        "columns": {"a": Levels(np.zeros(4, dtype=int), "x")},
        "outcome": np.zeros(4),
        "is_after": np.zeros(4, dtype=bool),
    } | change
    with pytest.raises(ValueError, match=said):
        search(**given)  # type: ignore[arg-type]


def test_one_value_is_that_of_scipy() -> None:
    """100 rows on either side, 10 and 40 marked: half a uniform and half a beta-binomial law over scipy's hypergeometric."""
    law = stats.hypergeom(200, 50, 100)
    binomial, wanted = 50 / 4, 25 * law.var()
    both = max((50 * binomial - wanted) / (wanted - binomial), 2.0)
    q = 0.5 / 51 + 0.5 * stats.betabinom(50, both / 2, both / 2).pmf(40)
    assert float(log_e_value(100, 100, 10, 40)) == pytest.approx(float(np.log(q) - law.logpmf(40)))
