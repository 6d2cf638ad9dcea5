"""Which of many have changed: against the definition, and by its properties."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from vedette.strategy.discoveries import RATE, named


def naive(p_values: list[float | None], rate: float) -> list[bool | None]:
    """Benjamini and Yekutieli by their definition: the largest k with at least k p-values below its limit."""
    known = [p for p in p_values if p is not None]
    harmonic = sum(1 / i for i in range(1, len(known) + 1))
    limit = -1.0
    for k in range(1, len(known) + 1):
        own = rate * k / (len(known) * harmonic)
        if sum(p <= own for p in known) >= k:
            limit = own
    return [None if p is None else p <= limit for p in p_values]


def mixed(seed: int, n: int) -> list[float | None]:
    """P-values of which some are small, some are tied and some are none."""
    rng = np.random.default_rng(seed)
    p = np.where(rng.uniform(size=n) < 0.3, rng.uniform(0, 0.01, n), rng.uniform(size=n)).round(3)
    return [None if rng.uniform() < 0.1 else float(one) for one in p]


@pytest.mark.parametrize("n", [0, 1, 2, 7, 60, 300])
@pytest.mark.parametrize("rate", [0.01, RATE, 0.3])
def test_names_are_those_of_the_definition(n: int, rate: float) -> None:
    """The same names as the definition gives, with ties and with hypotheses that have no p-value."""
    for seed in range(20):
        p_values = mixed(seed, n)
        assert named(p_values, rate) == naive(p_values, rate)


def test_names_are_those_of_scipy() -> None:
    """The same as the adjusted p-values of ``scipy.stats.false_discovery_control``."""
    p = np.random.default_rng(1).beta(0.3, 1, 200)
    adjusted = stats.false_discovery_control(p, method="by")
    assert named(p.tolist()) == (adjusted <= RATE).tolist()


def test_the_order_of_columns_does_not_matter() -> None:
    """The same columns in another order have the same answers."""
    p_values = mixed(3, 100)
    order = np.random.default_rng(0).permutation(100)
    answers = named(p_values)
    assert named([p_values[place] for place in order]) == [answers[place] for place in order]


def test_a_smaller_p_value_names_no_fewer() -> None:
    """Making one p-value smaller takes no name away; the named are the smallest."""
    p_values = mixed(5, 80)
    before = named(p_values)
    for place, p in enumerate(p_values):
        if p is not None:
            after = named([*p_values[:place], p / 10, *p_values[place + 1 :]])
            assert all(now for was, now in zip(before, after, strict=True) if was)
    yes = [p for p, one in zip(p_values, before, strict=True) if p is not None and one]
    no = [p for p, one in zip(p_values, before, strict=True) if p is not None and not one]
    assert max(yes) < min(no)


def test_what_has_no_p_value_counts_for_nothing() -> None:
    """Columns that cannot be judged change no answer."""
    p_values = [p for p in mixed(7, 50) if p is not None]
    padded = [None, *p_values, None, None]
    assert named(padded) == [None, *named(p_values), None, None]


@pytest.mark.parametrize("p_values", [[0.0] * 5, [1.0] * 5, [], [None]])
def test_the_extremes(p_values: list[float | None]) -> None:
    """All, none, and nothing to name."""
    expected = {0.0: True, 1.0: False, None: None}
    assert named(p_values) == [expected[p] for p in p_values]


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, float("nan")])
def test_a_rate_is_between_0_and_1(rate: float) -> None:
    """Another rate is a wrong call."""
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        named([0.5], rate)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.95])
def test_the_rate_holds_whatever_ties_the_columns(correlation: float) -> None:
    """Where 30 of 40 columns have not changed, at most 5 % of the names are false, on average; 2,000 reports."""
    rng, false = np.random.default_rng(2), []
    for _ in range(2000):
        z = np.sqrt(correlation) * rng.normal() + np.sqrt(1 - correlation) * rng.normal(size=40)
        z[30:] += 3.5
        answers = np.array(named((2 * stats.norm.sf(np.abs(z))).tolist()), dtype=bool)
        false.append(answers[:30].sum() / max(answers.sum(), 1))
    assert np.mean(false) <= RATE
