"""Concept drift with labels: by hand, what is no change, the level, the interval, and what has no figure."""

from __future__ import annotations

import numpy as np
import pytest

from vedette.statistics import STATISTICS, Estimates, Summary, quality_grid, summarise_quality

NAMES = ("no", "yes")
CONCEPT = STATISTICS["concept_shift"]


def rows(
    seed: int, n: int, shift: float = 0.0, mean: float = -1.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, scores of a calibrated model, and the chances of the labels, of log-odds ``shift`` more than the scores."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(mean, 1.5, n)
    score, chance = 1 / (1 + np.exp(-odds)), 1 / (1 + np.exp(-odds - shift))
    return (rng.random(n) < chance).astype(np.int64), score, chance


GRID = quality_grid(NAMES, rows(0, 3000)[1])


def windows(seed: int, n: int, n_windows: int = 1, shift: float = 0.0, mean: float = -1.0) -> Summary:
    label, score, _ = rows(seed, n * n_windows, shift, mean)
    window = np.repeat(np.arange(n_windows), n)
    return summarise_quality(GRID, label, (score > 0.5).astype(int), NAMES, score, window, n_windows)


def figures(current: Summary, reference: Summary | None, level: float = 0.95) -> Estimates:
    return CONCEPT.figures(current, reference, level)


def counted(table: list[list[int]], names: tuple[str, ...]) -> Summary:
    """Rows by label and prediction, without scores."""
    label, prediction = np.nonzero(np.ones_like(table))
    times = np.asarray(table).ravel()
    return summarise_quality(quality_grid(names), label.repeat(times), prediction.repeat(times), names)


def test_three_classes_by_hand() -> None:
    """Of rows predicted a, b, c the chances of the labels changed by 0.2, 0.1 and 0; weighted by the window's shares."""
    names = ("a", "b", "c")
    before = counted([[80_000, 10_000, 0], [20_000, 80_000, 0], [0, 10_000, 100_000]], names)
    now = counted([[60_000, 20_000, 0], [20_000, 160_000, 0], [20_000, 20_000, 100_000]], names)
    assert figures(now, before).value[0] == pytest.approx(0.25 * 0.2, abs=1e-3)
    other = counted([[80_000, 30_000, 0], [20_000, 160_000, 0], [0, 10_000, 100_000]], names)
    assert figures(other, before).value[0] == pytest.approx(0.5 * 0.05, abs=1e-3)


def test_a_change_is_weighted_by_where_the_window_is() -> None:
    """|p - q| by score, averaged over the window's scores, of a million rows a side."""
    _, _, chance = rows(1, 1_000_000, 0.7)
    score = rows(1, 1_000_000, 0.7)[1]
    found = figures(windows(1, 1_000_000, shift=0.7), windows(2, 1_000_000))
    assert found.value[0] == pytest.approx(np.abs(chance - score).mean(), abs=0.003)


def test_scores_that_move_are_no_change() -> None:
    """Where scores are far higher than before, but as right as before, the interval begins at 0 nearly always."""
    found = [
        figures(windows(seed, 2000, 20, mean=1.0), windows(100 + seed, 5000)).low > 0 for seed in range(8)
    ]
    assert np.mean(found) <= 0.10  # 2.5 % are meant to


def test_without_change_the_value_is_near_nothing() -> None:
    """A tenth of what the uncorrected sum would be, and few intervals above 0."""
    found = [figures(windows(seed, 1000, 20), windows(100 + seed, 5000)) for seed in range(8)]
    assert np.mean([one.value.mean() for one in found]) < 0.02  # the plain sum is 0.035
    assert np.mean([one.low > 0 for one in found]) <= 0.09


@pytest.mark.parametrize(("n", "shift"), [(500, 0.5), (2000, 0.3), (2000, 1.0)])
def test_the_interval_holds_the_truth(n: int, shift: float) -> None:
    """In at least 89 % of 160 windows against 8 references, 95 % meant."""
    _, score, chance = rows(999, 400_000, shift)
    truth = float(np.abs(chance - score).mean())
    found = [figures(windows(seed, n, 20, shift), windows(100 + seed, 5000)) for seed in range(8)]
    assert np.mean([(one.low <= truth) & (truth <= one.high) for one in found]) >= 0.89


def test_a_reference_of_other_scores_says_so() -> None:
    """Where most rows have predictions that the reference never had, that is the reason."""
    names = ("a", "b", "c")
    found = figures(
        counted([[40, 0, 0], [0, 0, 0], [0, 0, 200]], names),
        counted([[90, 10, 0], [9, 80, 0], [0, 0, 0]], names),
    )
    assert found.reason[0] == "most rows have scores that the reference has not"


def test_few_rows_and_no_reference_are_reasons() -> None:
    """49 rows on either side, none at all, and no reference."""
    assert "50" in figures(windows(1, 49), windows(2, 500)).reason[0]
    assert "in the reference" in figures(windows(1, 500), windows(2, 49)).reason[0]
    assert figures(windows(1, 500), None).reason[0] == "no reference"
