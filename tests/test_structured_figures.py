"""Counts of boxes, rankings and sets of labels by window: they add up, can be taken away, and say when there is nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from vedette.errors import GridError
from vedette.statistics import Statistic
from vedette.statistics.grid import Grid
from vedette.statistics.structured import (
    MAIN,
    TASK_FIGURES,
    USUAL,
    BoxShare,
    detection_grid,
    loss_of_boxes,
    loss_of_labels,
    multilabel_grid,
    place_of_hit,
    ranking_grid,
    summarise_boxes,
    summarise_labels,
    summarise_ranking,
)
from vedette.statistics.summary import Summary

N = 60
GRIDS = {
    "detection": detection_grid(),
    "ranking": ranking_grid(),
    "multilabel": multilabel_grid(("a", "b", "c")),
}


def made(kind: str) -> Callable[..., Summary]:
    """A function that summarises some of 60 rows, of a law of its own."""
    rng = np.random.default_rng(3)
    if kind == "ranking":
        lists = [[str(i) for i in rng.permutation(8)[:5]] if rng.uniform() < 0.9 else None for _ in range(N)]
        right = [{str(i): float(i) for i in rng.permutation(8)[: rng.integers(0, 3)]} for _ in range(N)]
        return lambda rows, *window: summarise_ranking(
            GRIDS[kind], [lists[i] for i in rows], [right[i] for i in rows], *window
        )
    if kind == "multilabel":
        truth, given = rng.uniform(size=(2, N, 3)) < 0.4
        scores, missing = rng.uniform(size=(N, 3)), rng.uniform(size=N) < 0.1
        return lambda rows, *window: summarise_labels(
            GRIDS[kind], truth[rows], given[rows], scores[rows], missing[rows], *window
        )

    def image() -> tuple[Any, Any]:
        corners, size = rng.uniform(0, 50, (4, 2)), rng.uniform(10, 30, (4, 2))
        there = {"boxes": np.concatenate([corners, size], 1).tolist(), "labels": ["a", "b", "a", "b"]}
        moved = np.concatenate([corners + rng.normal(0, 3, (4, 2)), size], 1).tolist()
        return {"boxes": moved, "labels": there["labels"], "scores": rng.uniform(0, 1, 4).tolist()}, there

    pairs = [image() for _ in range(N)]
    return lambda rows, *window: summarise_boxes(
        GRIDS[kind], [pairs[i][0] for i in rows], [pairs[i][1] for i in rows], *window
    )


@pytest.mark.parametrize("kind", list(GRIDS))
def test_shards_add_up_in_any_order(kind: str) -> None:
    """Two halves are the whole: counts to the bit, sums of floats to rounding; windows go by their number."""
    of = made(kind)
    rows = np.random.default_rng(1).permutation(N)
    whole, halves = of(np.arange(N)), of(rows[:20]) + of(rows[20:])
    for name in ("rows", "missing", "nan", "counts"):
        assert (getattr(whole, name) == getattr(halves, name)).all()
    assert whole.sums == pytest.approx(halves.sums)
    assert (whole.used + whole.missing + whole.nan).tolist() == whole.rows.tolist() == [N]
    apart = of(np.arange(N), np.arange(N) % 3, 3)
    assert apart.merged().sums == pytest.approx(whole.sums)
    assert apart.take([1]).sums == pytest.approx(of(np.arange(1, N, 3)).sums)


@pytest.mark.parametrize("kind", list(GRIDS))
def test_rows_can_be_taken_away(kind: str) -> None:
    """A corrected label takes its old row away: nothing is left of it."""
    of = made(kind)
    rest = of(np.arange(N)) + of(np.arange(20), np.zeros(20, dtype=np.int64), 1, np.full(20, -1))
    right = of(np.arange(20, N))
    assert (rest.counts == right.counts).all()
    assert rest.sums == pytest.approx(right.sums, abs=1e-9)
    gone = rest + of(np.arange(20, N), np.zeros(40, dtype=np.int64), 1, np.full(40, -1))
    assert not gone.counts.any()
    figure = TASK_FIGURES[kind][MAIN[kind]]
    assert isinstance(figure, Statistic)
    assert figure.figures(gone).reason.tolist() == ["no labels"]
    below = gone + of(np.arange(20), np.zeros(20, dtype=np.int64), 1, np.full(20, -1))
    assert figure.figures(below).reason.tolist() == ["corrections without the rows that they correct"]


@pytest.mark.parametrize("kind", list(GRIDS))
def test_every_figure_answers_with_an_interval_or_a_reason(kind: str) -> None:
    """Of no rows, few and many; of a summary of another kind, or an impossible level, an error."""
    of = made(kind)
    windows = Summary.stack([Summary.empty(GRIDS[kind], 1, 0), of(np.arange(4)), of(np.arange(N))])
    other = Summary.empty(GRIDS["ranking" if kind != "ranking" else "detection"])
    for name, figure in TASK_FIGURES[kind].items():
        found = figure.figures(windows)
        for one in [found] if not isinstance(found, dict) else found.values():
            known = ~np.isnan(one.value)
            assert ((one.low <= one.value) & (one.value <= one.high))[known].all()
            assert [reason is None for reason in one.reason] == known.tolist(), name
            assert one.reason[0] == "no labels"
        with pytest.raises(ValueError, match=r"of a \w+ summary: must be of kind"):
            figure.figures(other)
        with pytest.raises(ValueError, match="level=1"):
            figure.figures(windows, None, 1.0)
    assert set(USUAL[kind]) | {MAIN[kind]} <= set(TASK_FIGURES[kind])


def test_grids_come_back_from_their_text_and_do_not_mix() -> None:
    """A grid of other labels refuses to be added to."""
    for grid in GRIDS.values():
        assert Grid.from_json(grid.to_json()) == grid
    one, other = (Summary.empty(multilabel_grid(names)) for names in (("a", "b"), ("b", "a")))
    with pytest.raises(GridError, match="only summaries over one grid can be added"):
        one + other


def test_many_labels_are_counted_without_their_pairs() -> None:
    """Up to 64 it is kept how often two come together; 4,096 names at most."""
    few, many = (multilabel_grid([str(i) for i in range(n)]) for n in (64, 65))
    assert len(few.sums) - (1 + 3 * 64 + 18 + 28) == 192 * 193 // 2
    assert len(many.sums) == 1 + 3 * 65 + 18 + 28
    with pytest.raises(ValueError, match="classes: 5000 names, at most 4096"):
        multilabel_grid([str(i) for i in range(5000)])
    with pytest.raises(ValueError, match=r"classes=\(\): must be the names"):
        multilabel_grid([])


def test_averages_of_many_labels_are_those_of_the_function_without_pairs() -> None:
    """The values are the same, the intervals no shorter."""
    rng = np.random.default_rng(2)
    truth, given = rng.uniform(size=(2, 300, 65)) < 0.3
    grid = multilabel_grid([str(i) for i in range(65)])
    found = TASK_FIGURES["multilabel"]["f1_macro"].figures(summarise_labels(grid, truth, given))
    from vedette.statistics.multilabel import multilabel_figures, summarise_multilabel

    right = multilabel_figures(summarise_multilabel(truth, given))["f1_macro"]
    assert not isinstance(found, dict)
    assert found.value[0] == pytest.approx(right.value)
    assert found.low[0] <= right.low
    assert found.high[0] >= right.high


def test_losses_by_hand() -> None:
    """1 less F1: two right of three found and three there is 2/3; nothing where nothing is, nothing lost."""
    truth, given = (
        np.array([[1, 1, 1, 0], [0, 0, 0, 0]], dtype=bool),
        np.array([[1, 1, 0, 1], [0, 0, 0, 0]], dtype=bool),
    )
    assert loss_of_labels(truth, given) == pytest.approx([1 / 3, 0.0])
    there = {"boxes": [[0, 0, 10, 10], [50, 50, 10, 10]], "labels": ["a", "a"]}
    found = {"boxes": [[0, 0, 10, 10], [80, 80, 5, 5]], "labels": ["a", "a"], "scores": [0.9, 0.9]}
    nothing: dict[str, Any] = {"boxes": [], "labels": []}
    assert loss_of_boxes([found, {**nothing, "scores": []}], [there, nothing]) == pytest.approx([0.5, 0.0])
    assert place_of_hit([["x", "y"], [], ["x"]], [["y"], ["x"], []])[0] == 2.0


def test_arguments_that_cannot_be_are_errors() -> None:
    """Another kind of grid, another number of labels, an overlap or score that was not counted."""
    with pytest.raises(ValueError, match="grid of kind 'ranking': must be 'detection'"):
        summarise_boxes(GRIDS["ranking"], [], [])
    with pytest.raises(ValueError, match="grid of kind 'detection': must be 'ranking'"):
        summarise_ranking(GRIDS["detection"], [], [])
    with pytest.raises(ValueError, match="grid of kind 'ranking': must be 'multilabel'"):
        summarise_labels(GRIDS["ranking"], np.zeros((0, 3), bool), np.zeros((0, 3), bool))
    with pytest.raises(ValueError, match=r"must be \[rows, 3\]"):
        summarise_labels(GRIDS["multilabel"], np.zeros((1, 2), bool), np.zeros((1, 2), bool))
    with pytest.raises(ValueError, match=r"iou=0.62: must be one of 0.5, 0.55, ... 0.95"):
        BoxShare("recall", iou=0.62)
    with pytest.raises(ValueError, match=r"score=0.55: must be one of 0, 0.1, ... 0.9"):
        BoxShare("recall", score=0.55)
