"""Rows drawn from the laws of a case, as summaries, and the detector that judges them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from vedette import strategy
from vedette.statistics import (
    Summary,
    category_grid,
    numeric_grid,
    quality_grid,
    summarise_category,
    summarise_numeric,
    summarise_quality,
)

__all__ = ["Drawn", "Law", "check_law"]

Law = tuple[str, str]
"""The name of a law and what stands in its brackets."""

_PILOT = 1000


def check_law(law: Law) -> None:
    """Raise ``ValueError`` where what stands in a law's brackets makes none.

    >>> check_law(("normal", "0, -1"))
    Traceback (most recent call last):
    ValueError: normal(0, -1): must be two numbers, the second above 0
    """
    name, said = law
    try:
        if name == "choice":
            shares = [float(part.split("=")[1]) for part in said.split(",")]
            right, words = (
                min(shares) >= 0 and abs(sum(shares) - 1.0) < 1e-6,
                "levels and shares that add up to 1",
            )
        else:
            numbers = [float(one) for one in said.split(",")]
            right, words = {
                "normal": (len(numbers) == 2 and numbers[-1] > 0, "two numbers, the second above 0"),
                "uniform": (
                    len(numbers) == 2 and numbers[0] < numbers[-1],
                    "two numbers, the first below the second",
                ),
                "share": (len(numbers) == 1 and 0 <= numbers[0] <= 1, "a share of 0 to 1"),
            }[name]
    except (ValueError, IndexError):
        right, words = (
            False,
            "numbers" if name != "choice" else "levels and their shares, such as a=0.7, b=0.3",
        )
    if not right:
        raise ValueError(f"{name}({said}): must be {words}")


class Drawn:
    """Rows drawn from the laws of a case, and the detector that judges them."""

    def __init__(
        self,
        laws: Mapping[str, Sequence[Law]],
        reference: int,
        sizes: Sequence[int],
        *,
        window_s: float,
        budget: float,
        seed: int,
    ) -> None:
        rng = np.random.default_rng(seed)
        self.reference: dict[str, Summary] = {}
        self.live: dict[str, Summary] = {}
        for name, some in laws.items():
            draw = _QUALITY if name == "accuracy" else _NUMBERS if some[0][0] != "choice" else _LEVELS
            column = "_quality" if name == "accuracy" else name
            self.reference[column], self.live[column] = draw(column, some, reference, sizes, rng)
        self.plan = strategy.plan(self.reference, "case")
        self.state = strategy.begin(
            self.plan,
            self.reference,
            np.ones(len(self.plan.key)),
            windows_per_month=strategy.MONTH_S / window_s,
            budget=budget,
        )
        self.detector = next(iter(strategy.STRATEGIES.values()))()
        self.window_s = window_s

    def judge(self, window: int) -> set[str]:
        """The watches that alarm after a window."""
        summaries = {name: one.take([window]) for name, one in self.live.items()}
        step = self.plan.step(summaries, window, window * self.window_s)
        _, self.state = self.detector.judge(step, self.state)
        return {self.plan.watches[k].id for k in np.flatnonzero(self.state.latched)}


Draw = Callable[[str, Sequence[Law], int, Sequence[int], np.random.Generator], tuple[Summary, Summary]]


def _parts(laws: Sequence[Law], reference: int, sizes: Sequence[int]) -> Iterator[tuple[Law, int]]:
    """Each law with its rows: the reference's first, then the windows'; a law that is the last holds on."""
    yield laws[0], reference
    for at, n in enumerate(sizes):
        yield laws[min(at, len(laws) - 1)], n


def _numbers(
    column: str, laws: Sequence[Law], reference: int, sizes: Sequence[int], rng: np.random.Generator
) -> tuple[Summary, Summary]:
    drawn = []
    for (law, said), n in _parts(laws, reference, sizes):
        first, second = (float(one) for one in said.split(","))
        drawn.append(rng.normal(first, second, n) if law == "normal" else rng.uniform(first, second, n))
    pilot = min(_PILOT, reference // 5)
    grid = numeric_grid(column, drawn[0][:pilot])
    window = np.repeat(np.arange(len(sizes)), sizes)
    live = summarise_numeric(grid, np.concatenate(drawn[1:]), window=window, n_windows=len(sizes))
    return summarise_numeric(grid, drawn[0][pilot:]), live


def _levels(
    column: str, laws: Sequence[Law], reference: int, sizes: Sequence[int], rng: np.random.Generator
) -> tuple[Summary, Summary]:
    shares = [dict(part.split("=") for part in said.replace(" ", "").split(",")) for _, said in laws]
    names = list(dict.fromkeys(name for one in shares for name in one))
    codes = []
    for at, ((_, _), n) in enumerate(_parts(laws, reference, sizes)):
        one = shares[min(max(at - 1, 0), len(laws) - 1)]
        weights = np.array([float(one.get(name, 0.0)) for name in names])
        codes.append(rng.choice(len(names), n, p=weights / weights.sum()))
    pilot = min(_PILOT, reference // 5)
    counts = np.bincount(codes[0][:pilot], minlength=len(names))
    grid = category_grid(column, {name: int(n) for name, n in zip(names, counts, strict=True) if n})
    window = np.repeat(np.arange(len(sizes)), sizes)
    live = summarise_category(grid, np.concatenate(codes[1:]), names, window, len(sizes))
    return summarise_category(grid, codes[0][pilot:], names), live


def _quality(
    column: str, laws: Sequence[Law], reference: int, sizes: Sequence[int], rng: np.random.Generator
) -> tuple[Summary, Summary]:
    parts = list(_parts(laws, reference, sizes))
    label = [rng.integers(0, 2, n) for _, n in parts]
    right = [rng.random(n) < float(said) for (_, said), n in parts]
    predicted = [np.where(ok, one, 1 - one) for ok, one in zip(right, label, strict=True)]
    grid, names = quality_grid(("0", "1"), None, column), ("0", "1")
    window = np.repeat(np.arange(len(sizes)), sizes)
    blank = np.full(int(sum(sizes)), np.nan)
    live = summarise_quality(
        grid, np.concatenate(label[1:]), np.concatenate(predicted[1:]), names, blank, window, len(sizes)
    )
    return summarise_quality(grid, label[0], predicted[0], names, np.full(reference, np.nan)), live


_NUMBERS: Draw = _numbers
_LEVELS: Draw = _levels
_QUALITY: Draw = _quality
