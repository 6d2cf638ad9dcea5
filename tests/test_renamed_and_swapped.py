"""Renamed levels and swapped columns: named where they are planted, and nothing named in healthy data."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from vedette.statistics import numeric_grid, summarise_numeric
from vedette.statistics.summary import Summary
from vedette.strategy.renamed import renamed
from vedette.strategy.swapped import swapped, swapped_levels


def counts(random: np.random.Generator, share: dict[str, float], n: int) -> dict[str, int]:
    """Rows by level."""
    p = np.array(list(share.values()))
    return dict(zip(share, random.multinomial(n, p / p.sum()).tolist(), strict=True))


ZIPF = {f"level {k}": 1.0 / k for k in range(1, 41)}


@pytest.mark.parametrize("new", ["Level_3", " level 3", "LEVEL 3", "level-3", "ｌevel 3"])
def test_other_spelling_of_a_level_is_named(new: str) -> None:
    """Case, spaces, underscores, Unicode's forms."""
    random = np.random.default_rng(0)
    before, now = counts(random, ZIPF, 3000), counts(random, ZIPF, 2000)
    now[new] = now.pop("level 3")
    assert renamed(before, now) == (f"category renamed: 'level 3' comes as {new!r} (case or spaces)",)


def test_a_level_that_comes_in_two_spellings_is_told_as_such() -> None:
    """One of two services writes it otherwise."""
    found = renamed({"ok": 900, "bad": 100}, {"ok": 450, "OK": 450, "bad": 100})
    assert found == (
        "category renamed in part: 'ok' comes as 'OK' too, in 45 % of the rows (case or spaces)",
    )


def test_another_name_is_known_by_its_share() -> None:
    """A level of 10 % is gone and an unseen one has 10 %."""
    random = np.random.default_rng(1)
    share = {"a": 0.5, "b": 0.3, "c": 0.1, "d": 0.1}
    now = counts(random, share, 4000)
    now["z"] = now.pop("b")
    (said,) = renamed(counts(random, share, 4000), now)
    assert said.startswith("category renamed: 'b' vanished and 'z' came with its share (")


def test_levels_of_like_shares_are_not_paired_by_a_guess() -> None:
    """Two of a tenth each went and two came: which is which nobody can tell."""
    (said,) = renamed({"a": 800, "b": 100, "c": 100}, {"a": 800, "x": 100, "y": 100})
    assert said == "categories renamed: 'b', 'c' vanished and 'x', 'y' came with their shares"


def test_a_level_that_only_vanished_or_only_came_is_no_rename() -> None:
    """Nor one that came with another share."""
    assert renamed({"a": 800, "b": 200}, {"a": 1000}) == ()
    assert renamed({"a": 800}, {"a": 800, "b": 200}) == ()
    assert renamed({"a": 800, "b": 200}, {"a": 950, "c": 50}) == ()
    assert renamed({"a": 30}, {"b": 30}) == ()
    assert renamed({}, {}) == ()


def test_no_rename_is_named_in_healthy_data() -> None:
    """2,000 pairs of samples of many laws and sizes, rare levels that come and go: none at all."""
    random = np.random.default_rng(2)
    for _ in range(2000):
        n_levels = int(random.integers(2, 200))
        share = dict(
            zip(
                map(str, range(n_levels)),
                random.dirichlet(np.full(n_levels, random.uniform(0.1, 3))),
                strict=True,
            )
        )
        sides = (counts(random, share, int(random.integers(60, 5000))) for _ in range(2))
        assert renamed(*sides) == ()


def columns(
    random: np.random.Generator, n: int, *, pair: tuple[str, str] | None = None
) -> dict[str, np.ndarray]:
    """Five columns of different laws, two of them changed about."""
    found = {
        "age": random.normal(40, 12, n),
        "height": random.normal(170, 10, n),
        "income": random.lognormal(10, 0.6, n),
        "lat": random.uniform(40, 45, n),
        "lon": random.uniform(-75, -70, n),
    }
    if pair is not None:
        found[pair[0]], found[pair[1]] = found[pair[1]], found[pair[0]]
    return found


def summaries(rows: dict[str, np.ndarray], pilot: dict[str, np.ndarray]) -> dict[str, Summary]:
    return {name: summarise_numeric(numeric_grid(name, pilot[name]), values) for name, values in rows.items()}


@pytest.mark.parametrize("pair", [("age", "height"), ("lat", "lon"), ("age", "income")])
def test_swapped_columns_are_named(pair: tuple[str, str]) -> None:
    """Each of three pairs, and no other column."""
    random = np.random.default_rng(3)
    pilot = columns(random, 800)
    before = summaries(columns(random, 2000), pilot)
    assert swapped(before, summaries(columns(random, 600, pair=pair), pilot)) == (pair,)


def test_no_swap_is_named_where_columns_only_moved_or_are_alike() -> None:
    """Healthy rows, one column that moved onto another's place, and two columns of one law that changed places."""
    random = np.random.default_rng(4)
    pilot = columns(random, 800)
    before = summaries(columns(random, 2000), pilot)
    for _ in range(100):
        assert swapped(before, summaries(columns(random, int(random.integers(60, 2000))), pilot)) == ()
    moved = columns(random, 1000)
    moved["age"] = random.normal(170, 10, 1000)
    assert swapped(before, summaries(moved, pilot)) == ()
    one, two = random.normal(size=(2, 1000))
    alike = {"u": one, "v": two}
    reference = summaries(alike, alike)
    assert swapped(reference, summaries({"u": two, "v": one}, alike)) == ()


def test_swapped_categories_are_named_and_healthy_ones_are_not() -> None:
    """By total variation, whatever the number of levels."""
    random = np.random.default_rng(5)
    laws = {"from": {"EWR": 0.5, "JFK": 0.4, "LGA": 0.1}, "to": {"ATL": 0.3, "ORD": 0.7}, "carrier": ZIPF}
    before = {name: counts(random, law, 1000) for name, law in laws.items()}
    now = {name: counts(random, law, 500) for name, law in laws.items()}
    assert swapped_levels(before, now | {"from": now["to"], "to": now["from"]}) == (("from", "to"),)
    for _ in range(200):
        now = {name: counts(random, law, int(random.integers(60, 3000))) for name, law in laws.items()}
        assert swapped_levels(before, now) == ()


def test_levels_may_be_counters() -> None:
    """Any mapping of counts will do."""
    assert renamed(Counter({"a": 100, "b": 100}), Counter({"a": 100, "B": 100})) != ()
