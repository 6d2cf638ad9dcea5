"""Label delay: how often the interval of completeness holds the truth, and how often late labels are taken for others.

    python benchmarks/judgement/labels.py [--trials 400] [--seed 20261128]

Windows of days, labels that come with a probability a day, a share of which never comes. ``alike``: every prediction has
the same law. ``by day``: each day has its own (a beta law about the same mean), and labels come together. The truth is
the share over days not seen. ``dependence``: labels come as late whatever they are (level), or positives a day later.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from vedette.statistics.label_delay import Delays, completeness, delay_dependence

DEPTH = 8
NEVER = 0.1


def law(random: np.random.Generator, n_windows: int, scatter: float) -> np.ndarray:
    """Probabilities [W, DEPTH + 1] of each delay, and last of no label at all, days differing by a Dirichlet law."""
    mean = np.append(
        0.9 * np.full(DEPTH, 1.0) * np.linspace(2, 0.25, DEPTH) / np.linspace(2, 0.25, DEPTH).sum(), NEVER
    )
    return random.dirichlet(mean * scatter, n_windows) if scatter else np.tile(mean, (n_windows, 1))


def drawn(random: np.random.Generator, rows: int, n_windows: int, scatter: float) -> Delays:
    """Labels of so many rows a day, as seen on the last day."""
    counts = np.array([random.multinomial(rows, p) for p in law(random, n_windows, scatter)])[:, :DEPTH]
    start, delay = np.divmod(np.arange(counts.size), DEPTH)
    seen = start + delay <= n_windows
    return Delays.of(
        np.arange(n_windows),
        np.full(n_windows, rows),
        start[seen],
        (start + delay)[seen],
        counts.ravel()[seen],
        present=n_windows - 1,
    )


def coverage(trials: int, seed: int) -> None:
    """Print the share of trials in which the interval at each delay holds the mean law's share."""
    truth = np.cumsum(law(np.random.default_rng(0), 1, 0.0)[0])[:DEPTH]
    print("| days | rows a day | law | coverage at delays 0 to 7 |\n|---|---|---|---|")
    for n_windows, rows, scatter in (
        (15, 40, 0.0),
        (30, 500, 0.0),
        (90, 500, 0.0),
        (15, 500, 50.0),
        (60, 500, 50.0),
    ):
        random, hits = np.random.default_rng([seed, n_windows, rows]), np.zeros(DEPTH)
        for _ in range(trials):
            found = completeness(drawn(random, rows, n_windows, scatter))
            hits += (found.low[:DEPTH] <= truth) & (truth <= found.high[:DEPTH])
        said = " ".join(f"{one:.3f}" for one in hits / trials)
        print(f"| {n_windows} | {rows} | {'by day' if scatter else 'alike'} | {said} |")


def dependence(trials: int, seed: int) -> None:
    """Print how often late labels are said to differ."""
    print(
        "\n| days | labels a day | positives later by | days differ | said to differ (level .001) |\n|---|---|---|---|---|"
    )
    for n_windows, rows, shift, scatter in (
        *((10, 30, 0.0, 0.0), (30, 200, 0.0, 0.0), (30, 200, 0.0, 5.0), (30, 5, 0.0, 0.0)),
        *((10, 30, 1.0, 0.0), (30, 200, 0.2, 0.0)),
    ):
        random, said = np.random.default_rng([seed, n_windows, rows, round(10 * shift)]), 0
        for _ in range(trials):
            share = (
                random.beta(0.3 * scatter, 0.7 * scatter, n_windows) if scatter else np.full(n_windows, 0.3)
            )
            label = random.random((n_windows, rows)) < share[:, np.newaxis]
            right = random.random((n_windows, rows)) < 0.8
            delay = np.minimum(
                random.geometric(0.4, (n_windows, rows))
                - 1
                + (random.random((n_windows, rows)) < shift) * label,
                DEPTH - 1,
            )
            table = np.zeros((n_windows, DEPTH, 2, 2))
            at = np.repeat(np.arange(n_windows), rows)
            for question, answer in enumerate((right, label)):
                np.add.at(table, (at, delay.ravel(), question, answer.ravel().astype(int)), 1.0)
            said += delay_dependence(table, ("right", "label 1")).depends
        print(f"| {n_windows} | {rows} | {shift:g} | {'yes' if scatter else 'no'} | {said / trials:.3f} |")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--seed", type=int, default=20261128)
    given = parser.parse_args(arguments)
    coverage(given.trials, given.seed)
    dependence(given.trials, given.seed)


if __name__ == "__main__":
    main()
