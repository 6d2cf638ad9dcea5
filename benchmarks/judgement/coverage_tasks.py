"""Coverage of the figures of boxes, rankings, several labels, and of fairness.

    python benchmarks/judgement/coverage_tasks.py [--runs 2000] [--seed 1] [--only map]

The table is that of ``benchmarks/coverage.py``; a case ends in ``said`` where most of its figures say that their interval is
conservative. ``rows`` are queries, rows, images, or rows of each group. Figures of boxes are simulated with what became of each
box drawn, not the boxes themselves, a tenth as often. Ratios and differences of two groups are also worked out over all
outcomes of two binomial counts: the lines ``... exact`` are the least that any pair of 12 by 12 rates has.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from scipy import special, stats

sys.path.insert(0, str(Path(__file__).parent.parent))
from coverage_line import LEVEL, Line, show
from vedette.statistics.bounded_mean import mean_between
from vedette.statistics.detection import (
    DetectionSummary,
    box_figures,
    detection_figures,
    figures_by_class,
    precision_recall,
)
from vedette.statistics.detection.matching import AREAS, THRESHOLDS
from vedette.statistics.fairness import GroupTable, fairness_figures
from vedette.statistics.fairness_errors import ErrorTable, error_fairness_figures, error_table
from vedette.statistics.gaps import difference, ratio
from vedette.statistics.grid import Grid, error_grid
from vedette.statistics.measured import Measured
from vedette.statistics.multilabel import MultilabelSummary, multilabel_figures, summarise_multilabel

__all__ = ["SIMULATIONS"]

TRUTH_ROWS = 1_000_000
TRUTH_IMAGES = 25_000


def lines(
    case: str, n: int, truth: Mapping[str, float], found: list[Mapping[str, Measured]]
) -> Iterator[Line]:
    """A line for each figure: its limits in each run, and its true value."""
    for name, value in truth.items():
        own = [one[name] for one in found]
        said = sum(bool(one.note) for one in own) * 2 > len(own)
        low, high = (np.array([getattr(one, side) for one in own]) for side in ("low", "high"))
        yield Line(name, f"{case} said" if said else case, n, 0, low, high, np.array(value))


Law = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]

LAWS: dict[str, Law] = {
    "symmetrical": lambda rng, size: rng.beta(2, 2, size),
    "mostly good": lambda rng, size: rng.beta(8, 2, size),
    "60 % perfect": lambda rng, size: np.where(rng.uniform(size=size) < 0.6, 1, rng.beta(3, 2, size)),
    "95 % perfect": lambda rng, size: np.where(rng.uniform(size=size) < 0.95, 1, rng.beta(3, 2, size)),
    "reciprocal ranks": lambda rng, size: 1 / rng.geometric(0.5, size),
    "reciprocal, poor": lambda rng, size: 1 / rng.geometric(0.05, size),
    "90 % nothing": lambda rng, size: np.where(rng.uniform(size=size) < 0.9, 0, rng.beta(1, 3, size)),
    "97 % nothing": lambda rng, size: np.where(rng.uniform(size=size) < 0.97, 0, rng.beta(1, 3, size)),
    "2 % perfect": lambda rng, size: np.where(rng.uniform(size=size) < 0.02, 1, rng.beta(1, 20, size)),
    "hits 0.3": lambda rng, size: (rng.uniform(size=size) < 0.3) * 1.0,
    "tenths": lambda rng, size: rng.binomial(10, 0.2, size) / 10,
}


def means(rng: np.random.Generator, runs: int) -> Iterator[Line]:
    """Means over queries, as all figures of rankings and of rows are."""
    for case, law in LAWS.items():
        truth = float(law(rng, (TRUTH_ROWS * 4,)).mean())
        for n in (10, 30, 100, 300, 1000):
            values = law(rng, (runs, n))
            sums = np.stack([(values**p).sum(axis=1) for p in (1, 2, 3)], axis=1).tolist()
            found = [{"mean_of_queries": mean_between(n, (a, b, c), LEVEL)} for a, b, c in sums]
            yield from lines(case, n, {"mean_of_queries": truth}, found)


def labels_drawn(rng: np.random.Generator, n: int, share: np.ndarray) -> MultilabelSummary:
    """Rows whose labels hang together by a mood of the row, guessed right mostly; scores as well."""
    mood = rng.normal(size=(n, 1))
    at = -special.ndtri(share) * np.sqrt(2)
    pull = mood + rng.normal(size=(n, len(share)))
    truth = pull > at
    wrong = rng.uniform(size=truth.shape) < np.where(mood > 0, 0.25, 0.1) * np.minimum(2 * share, 1)
    return summarise_multilabel(truth, truth ^ wrong, pull - at + rng.normal(0, 0.7, truth.shape))


def multilabel(rng: np.random.Generator, runs: int) -> Iterator[Line]:
    """Labels that are even, rare, or many."""
    cases = {
        "5 labels": np.array([0.7, 0.5, 0.4, 0.2, 0.1]),
        "8 labels, rare": np.array([0.5, 0.3, 0.2, 0.1, 0.05, 0.05, 0.03, 0.03]),
        "30 labels": np.full(30, 0.1),
    }
    for case, share in cases.items():
        whole = [multilabel_figures(labels_drawn(rng, 100_000, share)) for _ in range(TRUTH_ROWS // 100_000)]
        truth = {name: float(np.mean([one[name].value for one in whole])) for name in whole[0]}
        for n in (30, 100, 1000):
            found = [multilabel_figures(labels_drawn(rng, n, share)) for _ in range(max(runs // 4, 100))]
            yield from lines(case, n, truth, found)


def boxes_drawn(
    rng: np.random.Generator,
    n: int,
    share: np.ndarray,
    there: float = 3.0,
    false: float = 2.0,
    hit: float = 0.75,
    uneven: float = 0.0,
) -> DetectionSummary:
    """Images with so many boxes there on average, found with the chance ``hit``, and false ones; some images are harder."""
    hard = rng.normal(0, uneven, n)
    image = np.repeat(np.arange(n), rng.poisson(there, n))
    label = rng.choice(len(share), len(image), p=share)
    area = np.exp(rng.normal(np.log(70**2), 1.2, len(image)))
    found = rng.uniform(size=len(image)) < special.expit(special.logit(hit) + hard[image])
    overlap = np.where(found, 0.5 + 0.5 * rng.beta(3, 2, len(image)), 0.0)
    wrong = np.repeat(np.arange(n), rng.poisson(false * np.exp(-hard / 2)))
    own_image = np.concatenate([image[found], wrong])
    own_label = np.concatenate([label[found], rng.choice(len(share), len(wrong), p=share)])
    score = np.concatenate([rng.beta(4, 2, int(found.sum())), rng.beta(2, 3, len(wrong))])
    own_area = np.concatenate([area[found], np.exp(rng.normal(np.log(70**2), 1.2, len(wrong)))])
    size = own_area[:, np.newaxis]
    outside = (size < AREAS[:, 0]) | (size > AREAS[:, 1])
    there_outside = (area[:, np.newaxis] < AREAS[:, 0]) | (area[:, np.newaxis] > AREAS[:, 1])
    matched = np.concatenate([overlap[found, np.newaxis] >= THRESHOLDS, np.zeros((len(wrong), 10), np.bool_)])
    matched = np.repeat(matched[:, np.newaxis], len(AREAS), axis=1)
    order = np.lexsort((-score, own_label, own_image))
    group = own_image[order] * len(share) + own_label[order]
    first = np.concatenate([[0], np.flatnonzero(np.diff(group)) + 1]) if len(group) else np.zeros(0, np.int64)
    rank = np.arange(len(group)) - np.repeat(first, np.diff(np.append(first, len(group))))
    return DetectionSummary(
        tuple(range(n)),
        tuple(range(len(share))),
        own_image[order],
        own_label[order],
        score[order],
        rank,
        own_area[order],
        matched[order],
        np.repeat(outside[order][:, :, np.newaxis], len(THRESHOLDS), axis=2),
        image,
        label,
        area,
        np.zeros(len(image), dtype=np.bool_),
        there_outside,
    )


def _of_boxes(summary: DetectionSummary) -> dict[str, Measured]:
    last = figures_by_class(summary)[summary.classes[-1]]
    at = precision_recall(summary, 0.5, 0.5)
    return {
        **detection_figures(summary),
        "map_last_class": last["map"],
        "map_50_last_class": last["map_50"],
        **{f"{name}@50": figure for name, figure in at.items()},
        **box_figures(summary),
    }


def detection(rng: np.random.Generator, runs: int) -> Iterator[Line]:
    """Models that are good or bad, images that differ, classes that are rare or many."""
    even = np.full(3, 1 / 3)
    cases: dict[str, dict] = {
        "3 classes": {"share": even},
        "images differ": {"share": even, "uneven": 1.0},
        "good": {"share": even, "hit": 0.95, "false": 0.3},
        "bad": {"share": even, "hit": 0.3, "false": 4.0},
        "rare classes": {"share": np.array([0.6, 0.2, 0.1, 0.06, 0.04])},
        "12 classes": {"share": np.full(12, 1 / 12), "there": 6.0},
    }
    for case, options in cases.items():
        truth = {
            name: one.value for name, one in _of_boxes(boxes_drawn(rng, TRUTH_IMAGES, **options)).items()
        }
        for n in (50, 100, 400):
            found = [_of_boxes(boxes_drawn(rng, n, **options)) for _ in range(max(runs // 10, 20))]
            yield from lines(case, n, truth, found)


def fairness(rng: np.random.Generator, runs: int) -> Iterator[Line]:
    """Two groups and five, of one size and of several, whose labels and predictions are drawn as tables."""
    cases = {
        "2 alike": ([(0.5, 0.8, 0.2)] * 2, [1, 1]),
        "2 apart": ([(0.5, 0.85, 0.2), (0.4, 0.7, 0.3)], [1, 1]),
        "2, one small": ([(0.5, 0.85, 0.2), (0.4, 0.7, 0.3)], [5, 1]),
        "5 alike": ([(0.3, 0.7, 0.1)] * 5, [1] * 5),
        "5 apart": ([(0.3, 0.7 - i / 20, 0.1 + i / 20) for i in range(5)], [4, 2, 1, 1, 1]),
    }
    for case, (groups, sizes) in cases.items():
        chances = np.array([[(1 - p) * (1 - f), (1 - p) * f, p * (1 - t), p * t] for p, t, f in groups])
        whole = np.zeros((len(groups), 3, 3), dtype=np.int64)
        whole[:, :2, :2] = np.rint(chances * 10**12).reshape(-1, 2, 2)
        names = tuple(f"g{i}" for i in range(len(groups)))
        truth = _named(GroupTable(names, ("0", "1"), whole))
        for n in (50, 200, 1000):
            found = []
            for _ in range(max(runs // 2, 100)):
                counts = np.zeros_like(whole)
                drawn = [rng.multinomial(n * size, own) for size, own in zip(sizes, chances, strict=True)]
                counts[:, :2, :2] = np.reshape(drawn, (-1, 2, 2))
                found.append(_named(GroupTable(names, ("0", "1"), counts)))
            yield from lines(case, n, {name: one.value for name, one in truth.items()}, found)


def _named(table: GroupTable) -> dict[str, Measured]:
    """The figures of the last group against the first, and the widest gaps."""
    found = fairness_figures(table, against="g0")
    last = table.groups[-1]
    short = {"difference": "diff", "ratio": "ratio"}
    out = {}
    for gap in found:
        measure, _, kind = gap.metric.rpartition("_")
        if gap.group is None:
            out[f"{measure[:14]} {short[kind]}"] = gap.figure
        elif gap.group == last:
            out[f"{measure[:11]} {short[kind]}, 2"] = gap.figure
    return out


def errors(rng: np.random.Generator, runs: int) -> Iterator[Line]:
    """Two groups of a regression, the errors of the second half as large again."""
    laws: dict[str, Law] = {
        "normal": lambda rng, size: rng.normal(0.5, 1, size),
        "Laplace": lambda rng, size: rng.laplace(0.5, 1, size),
        "exponential": lambda rng, size: rng.exponential(1, size) - 0.5,
    }

    def table(n: int, sizes: tuple[int, int], law: Law, grid: Grid) -> ErrorTable:
        drawn = np.concatenate(
            [scale * law(rng, (n * size,)) for scale, size in zip((1, 1.5), sizes, strict=True)]
        )
        return error_table(
            np.zeros(len(drawn)), drawn, np.repeat(["g1", "g0"], [n * size for size in sizes]), grid
        )

    for case, law in laws.items():
        grid = error_grid(np.zeros(1000), law(rng, (1000,)))
        whole = law(rng, (TRUTH_ROWS,))
        sides = {"mean_error": whole.mean(), "mae": np.abs(whole).mean(), "rmse": np.sqrt((whole**2).mean())}
        truth = {f"{name} diff, 2": -0.5 * float(value) for name, value in sides.items()}
        truth |= {f"{name} ratio, 2": 1 / 1.5 for name in sides}
        for n, sizes in ((30, (1, 1)), (30, (1, 7)), (200, (1, 1)), (1000, (1, 1))):
            found = []
            for _ in range(max(runs // 2, 100)):
                gaps = error_fairness_figures(table(n, sizes, law, grid), against="g0")
                own = {gap.metric: gap.figure for gap in gaps if gap.group == "g1"}
                found.append(
                    {
                        f"{name} {short}, 2": own[f"{name}_{kind}"]
                        for name in sides
                        for kind, short in (("difference", "diff"), ("ratio", "ratio"))
                    }
                )
            yield from lines(f"{case}, {sizes[1]} to 1", n, truth, found)


def pairs(rng: np.random.Generator, runs: int) -> Iterator[Line]:  # noqa: ARG001 - nothing is drawn
    """The least that any pair of rates has, over all outcomes."""
    rates = (0.01, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
    for n, m in ((10, 10), (10, 30), (30, 30), (30, 300), (50, 50), (100, 100), (300, 300)):
        k, other = np.meshgrid(np.arange(n + 1), np.arange(m + 1), indexing="ij")
        for name, interval in (("difference, exact", difference), ("ratio, exact", ratio)):
            low, high = interval(k, n, other, m, LEVEL)
            shown = np.isfinite(high)
            least, at = 1.0, (0.0, 0.0)
            for p in rates:
                for q in rates:
                    chance = stats.binom.pmf(k, n, p) * stats.binom.pmf(other, m, q) * shown
                    value = p - q if interval is difference else p / q
                    held = float((chance * ((low <= value) & (value <= high))).sum() / chance.sum())
                    if chance.sum() > 0.5 and held < least:
                        least, at = held, (p, q)
            held = np.arange(10_000) < round(least * 10_000)  # a line of so many that hold
            yield Line(
                name,
                f"least of all, at {at[0]}, {at[1]}",
                n,
                m,
                np.where(held, 0, 2.0),
                np.full(10_000, 3.0),
                np.array(1),
            )


SIMULATIONS = (means, multilabel, pairs, fairness, errors, detection)

if __name__ == "__main__":
    show(SIMULATIONS, __doc__)
