"""Mix and within, covariate and concept: identities, hand calculations, and intervals that hold what they say."""

from __future__ import annotations

import numpy as np
import pytest

from vedette.statistics.cells import Cells, cells_of, sampling_variance
from vedette.statistics.decomposition import decompose
from vedette.strategy.concept import concept

SHARE, SHARE_AFTER = np.array([0.3, 0.25, 0.2, 0.15, 0.1]), np.array([0.2, 0.2, 0.2, 0.2, 0.2])
MEAN = np.array([0.1, 0.2, 0.05, 0.3, 0.4])
MEAN_AFTER = MEAN + np.array([0.0, 0.05, 0.0, 0.1, 0.0])


def draw(random: np.random.Generator, share: np.ndarray, mean: np.ndarray, n: int) -> Cells:
    """Errors of independent rows by segment."""
    cell = random.choice(len(share), n, p=share)
    return cells_of(cell, (random.uniform(size=n) < mean[cell]).astype(float), len(share))


def test_the_parts_are_those_of_the_formula_and_add_up() -> None:
    """By a plain loop over the segments; the identity holds to rounding."""
    random = np.random.default_rng(0)
    for _ in range(50):
        before, after = draw(random, SHARE, MEAN, 700), draw(random, SHARE_AFTER, MEAN_AFTER, 300)
        one = decompose(before, after)
        m, mix, within = before.total.sum() / before.n.sum(), 0.0, 0.0
        for s in range(5):
            q, q_after = before.n[s] / before.n.sum(), after.n[s] / after.n.sum()
            mix += (q_after - q) * (before.total[s] / before.n[s] - m)
            within += q_after * (after.total[s] / after.n[s] - before.total[s] / before.n[s])
        assert one.mix.value == pytest.approx(mix, abs=1e-14)
        assert one.within.value == pytest.approx(within, abs=1e-14)
        parts = one.mix.value + one.within.value + one.new.value + one.vanished.value
        assert abs(parts - (one.after - one.before)) < 1e-15
        assert abs(one.mix_by.sum() + one.within_by.sum() - one.total.value) < 1e-15


def test_new_and_vanished_segments_are_said_apart() -> None:
    """Worked by hand: a segment of error .5 came with a tenth of the rows, one of error .1 went with a tenth."""
    before = Cells(*np.array([[90.0, 10, 0, 0], [18, 1, 0, 0], [18, 1, 0, 0]]))
    after = Cells(*np.array([[90.0, 0, 10, 0], [18, 0, 5, 0], [18, 0, 5, 0]]))
    one = decompose(before, after)
    assert one.status == ("both", "vanished", "new", "empty")
    assert one.new.value == pytest.approx(0.1 * (0.5 - 0.19))
    assert one.vanished.value == pytest.approx(-0.1 * (0.1 - 0.19))
    assert one.total.value == pytest.approx(0.04)
    assert one.mix.value == pytest.approx(0.0)
    assert one.within.value == pytest.approx(0.0)
    assert np.isfinite([one.new.low, one.vanished.high, *one.mix_se, *one.within_se]).all()


def test_the_variance_is_that_of_the_bucket_jackknife() -> None:
    """Leave-one-row-out by brute force gives the standard errors of both parts."""
    random = np.random.default_rng(1)
    cells = [random.choice(5, 400, p=SHARE), random.choice(5, 300, p=SHARE_AFTER)]
    values = [random.gamma(2.0, 1.0 + cell) for cell in cells]
    one = decompose(*(cells_of(c, v, 5) for c, v in zip(cells, values, strict=True)))
    variance = np.zeros(2)
    for side in (0, 1):
        n = len(cells[side])
        left = []
        for row in range(n):
            mine = [cells_of(c, v, 5) for c, v in zip(cells, values, strict=True)]
            mine[side] = cells_of(np.delete(cells[side], row), np.delete(values[side], row), 5)
            found = decompose_values(*mine)
            left.append(found)
        variance += (n - 1) * np.var(left, axis=0)
    se = [(part.high - part.low) / (2 * 1.959964) for part in (one.mix, one.within)]
    assert se == pytest.approx(np.sqrt(variance), rel=0.03)


def decompose_values(before: Cells, after: Cells) -> tuple[float, float]:
    """Mix and within alone, by the formula."""
    q, q_after = before.n / before.n.sum(), after.n / after.n.sum()
    m = before.total.sum() / before.n.sum()
    return float(((q_after - q) * (before.mean - m)).sum()), float(
        (q_after * (after.mean - before.mean)).sum()
    )


def test_the_intervals_hold_what_they_say() -> None:
    """Of 400 pairs of samples the 95 % intervals of all five parts have the truth in 91 to 99 %."""
    random = np.random.default_rng(2)
    m = (SHARE * MEAN).sum()
    s = SHARE * SHARE_AFTER / (SHARE + SHARE_AFTER)
    s /= s.sum()
    truth = [
        ((SHARE_AFTER - SHARE) * (MEAN - m)).sum(),
        (SHARE_AFTER * (MEAN_AFTER - MEAN)).sum(),
        (s * (MEAN_AFTER - MEAN)).sum(),
        ((s - SHARE) * MEAN + (SHARE_AFTER - s) * MEAN_AFTER).sum(),
        (SHARE_AFTER * MEAN_AFTER).sum() - m,
    ]
    held = np.zeros(5)
    for _ in range(400):
        sides = draw(random, SHARE, MEAN, 2000), draw(random, SHARE_AFTER, MEAN_AFTER, 1000)
        one, other = decompose(*sides), concept(*sides)
        parts = (one.mix, one.within, other.concept, other.covariate, other.total)
        held += [part.low <= true <= part.high for part, true in zip(parts, truth, strict=True)]
    assert ((held / 400 > 0.91) & (held / 400 < 0.99)).all()


def test_covariate_alone_and_concept_alone_are_told_apart() -> None:
    """Other shares of the same losses are covariate, other losses of the same shares concept; nothing else is."""
    before = Cells(*np.array([[800.0, 200], [80, 100], [80, 100]]))
    moved = Cells(*np.array([[300.0, 700], [30, 350], [30, 350]]))
    meant = Cells(*np.array([[800.0, 200], [160, 150], [160, 150]]))
    one, two = concept(before, moved), concept(before, meant)
    assert one.covariate.value == pytest.approx(one.total.value)
    assert abs(one.concept.value) + abs(one.outside.value) < 1e-12
    assert abs(two.covariate.value) + abs(two.outside.value) < 1e-12
    assert two.concept.value == pytest.approx(two.total.value)


def test_what_only_one_side_has_is_outside() -> None:
    """A new cell with a fifth of the rows: by hand .2 (.5 - .1); the shared cell did not change."""
    before = Cells(*np.array([[1000.0, 0], [100, 0], [100, 0]]))
    after = Cells(*np.array([[800.0, 200], [80, 100], [80, 100]]))
    one = concept(before, after)
    assert one.outside.value == pytest.approx(0.2 * (0.5 - 0.1))
    assert (one.covariate.value, one.concept.value) == pytest.approx((0.0, 0.0))
    assert (one.shared_before, one.shared_after) == pytest.approx((1.0, 0.8))


def test_nothing_shared_is_said_and_no_number() -> None:
    """Without a cell that both sides have there is a reason instead of parts."""
    one = concept(
        Cells(*np.array([[100.0, 0], [9, 0], [9, 0]])), Cells(*np.array([[0.0, 100], [0, 30], [0, 30]]))
    )
    assert one.reason is not None
    assert np.isnan([one.covariate.value, one.concept.value]).all()
    assert one.total.value == pytest.approx(0.21)


def test_merging_cells_is_addition() -> None:
    """The sums of two halves of the rows are those of all of them."""
    random = np.random.default_rng(3)
    cell, value = random.integers(-1, 4, 1000), random.normal(size=1000)
    value[::50] = np.nan
    whole = cells_of(cell, value, 4)
    halves = cells_of(cell[:400], value[:400], 4) + cells_of(cell[400:], value[400:], 4)
    assert np.allclose(whole.n, halves.n)
    assert np.allclose(whole.total, halves.total)
    assert whole.variance == pytest.approx(
        [np.var(value[(cell == s) & np.isfinite(value)], ddof=1) for s in range(4)]
    )


def test_the_variance_of_a_plain_mean_is_the_textbook_one() -> None:
    """Of the difference of two means it is s^2/n + s'^2/n', but for a factor of (n - 1)/n."""
    random = np.random.default_rng(4)
    values = random.normal(size=300), random.normal(size=200) * 2
    sides = [cells_of(np.zeros(len(v), dtype=int), v, 1) for v in values]
    found = sampling_variance(
        lambda n, t, n2, t2: (
            t2.sum(axis=-1, keepdims=True) / n2.sum(axis=-1, keepdims=True)
            - t.sum(axis=-1, keepdims=True) / n.sum(axis=-1, keepdims=True)
        ),
        *sides,
    )
    assert found[0] == pytest.approx(sum(v.var(ddof=1) / len(v) for v in values))


@pytest.mark.parametrize("function", [decompose, concept])
def test_wrong_arguments_are_named(function: object) -> None:
    """No rows, other segments, a level that is none."""
    one, none = Cells(*np.ones((3, 2))), Cells(*np.zeros((3, 2)))
    for arguments, said in [
        ((one, none), "rows"),
        ((one, Cells(*np.ones((3, 3)))), "same"),
        ((one, one, 1.0), "level="),
    ]:
        with pytest.raises(ValueError, match=said):
            function(*arguments)  # type: ignore[operator]
    with pytest.raises(ValueError, match="must lie in -1 to 1"):
        cells_of(np.array([2]), [1.0], 2)
