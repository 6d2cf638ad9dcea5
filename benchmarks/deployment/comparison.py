"""Two versions side by side, looked at after every window: how often a claim is wrong, and how many rows it needs.

``python benchmarks/deployment/comparison.py --copies 2000`` draws comparisons of 300 windows each and prints, for each case,
the share in which a false claim was ever made, with its 95 % Wilson limits: better or worse of equal versions, and not worse
by a margin that is just met. Then, of a challenger that is worse, the rows until that is shown, as a multiple of those of a
test of fixed size with the same error (one-sided 0.025) and a power of 0.8.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from scipy import stats

from vedette.strategy.versions import Estimates, Looks, PairedRates, Rates, mismatch

ALPHA = 0.025
WINDOWS = 300
FIXED = float((stats.norm.ppf(1 - ALPHA) + stats.norm.ppf(0.8)) ** 2)
Draw = Callable[[np.random.Generator, int, float], Looks]


def rates(accuracy: float, rows: int, share: float, *, wave: float = 0.0) -> Draw:
    """Accuracies of two versions on different rows; both move with a daily ``wave``."""

    def draw(rng: np.random.Generator, copies: int, worse: float) -> Looks:
        base = accuracy + wave * np.sin(np.arange(WINDOWS) * 2 * np.pi / 24)
        n = [np.full((copies, WINDOWS), round(rows * part)) for part in (1 - share, share)]
        return Rates(rng.binomial(n[0], base), n[0], rng.binomial(n[1], base - worse), n[1], first=accuracy)

    return draw


def pairs(disagree: float, rows: int) -> Draw:
    """The same rows to both, who disagree on a share of them."""

    def draw(rng: np.random.Generator, copies: int, worse: float) -> Looks:
        law = [(disagree + worse) / 2, (disagree - worse) / 2, 1 - disagree]
        found = rng.multinomial(rows, law, size=(copies, WINDOWS))
        return PairedRates(found[..., 0], found[..., 1], np.full((copies, WINDOWS), rows), first=disagree)

    return draw


def latencies(rows: int, share: float) -> Draw:
    """Mean of log-normal latencies (sd of the logarithm 0.8), from sums and sums of squares."""

    def draw(rng: np.random.Generator, copies: int, worse: float) -> Looks:
        n = [max(round(rows * part), 2) for part in (1 - share, share)]
        mean, variance = [], []
        for size, factor in zip(n, (1.0, 1.0 + worse), strict=True):
            total, square = np.empty((copies, WINDOWS)), np.empty((copies, WINDOWS))
            for window in range(WINDOWS):  # a window at a time, to stay within memory
                drawn = factor * rng.lognormal(-0.32, 0.8, size=(copies, size))
                total[:, window], square[:, window] = drawn.sum(axis=1), np.square(drawn).sum(axis=1)
            count = size * np.arange(1, WINDOWS + 1)
            mean.append(np.cumsum(total, axis=1) / count)
            variance.append((np.cumsum(square, axis=1) / count - np.square(mean[-1])) / count)
        least = np.broadcast_to(min(n) * np.arange(1.0, WINDOWS + 1), mean[0].shape)
        return Estimates(mean[1] - mean[0], np.sqrt(variance[0] + variance[1]), least)

    return draw


def claimed(looks: Looks, beyond: float, *, above: bool, smallest: float) -> tuple[int, np.ndarray]:
    """In how many it is ever claimed, and the window in which (the last, where never)."""
    found = looks.log_evidence(beyond, above=above, smallest=smallest) >= -np.log(ALPHA)
    return int(found.any(axis=1).sum()), np.where(found.any(axis=1), found.argmax(axis=1) + 1, WINDOWS)


def share(n: int, copies: int) -> str:
    """With its Wilson limits."""
    limits = stats.binomtest(n, copies).proportion_ci(method="wilson")
    return f"{n / copies:.4f} [{limits.low:.4f}, {limits.high:.4f}]"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--copies", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=20261128)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    cases: dict[str, tuple[Draw, float]] = {
        "accuracy 0.9, 200 rows a window, halves": (rates(0.9, 200, 0.5), 0.02),
        "accuracy 0.9, 200 rows, a tenth": (rates(0.9, 200, 0.1), 0.02),
        "accuracy 0.9 with a daily wave of 0.08": (rates(0.9, 200, 0.5, wave=0.08), 0.02),
        "accuracy 0.998, 200 rows, a tenth": (rates(0.998, 200, 0.1), 0.003),
        "accuracy 0.55, 50 rows": (rates(0.55, 50, 0.5), 0.03),
        "shadow, 8 % disagree, 50 rows": (pairs(0.08, 50), 0.02),
        "mean latency, log-normal, 100 rows, halves": (latencies(100, 0.5), 0.05),
        "mean latency, log-normal, 200 rows, a tenth": (latencies(200, 0.1), 0.05),
    }
    print(f"{given.copies} comparisons of {WINDOWS} windows, claims at {ALPHA}")
    for name, (draw, margin) in cases.items():
        equal = draw(rng, given.copies, 0.0)
        sign = -1.0 if name.startswith("mean latency") else 1.0  # of a latency more is worse
        for claim, above in (("better", sign > 0), ("worse", sign < 0)):
            n, _ = claimed(equal, 0.0, above=above, smallest=margin)
            print(f"{name}: {claim} of equals {share(n, given.copies)}", flush=True)
        n, _ = claimed(draw(rng, given.copies, margin), -sign * margin, above=sign > 0, smallest=margin)
        print(f"{name}: not worse by {margin}, which is just met {share(n, given.copies)}", flush=True)
    print("rows until a worse challenger is shown, over those of a test of fixed size")
    for rows in (100, 200, 400):
        for worse, smallest in ((0.02, 0.02), (0.02, 0.01), (0.02, 0.04)):
            looks = rates(0.9, rows, 0.5)(rng, given.copies, worse)
            n, at = claimed(looks, 0.0, above=False, smallest=smallest)
            fixed = 2 * FIXED * (0.09 + (0.9 - worse) * (0.1 + worse)) / worse**2
            print(
                f"{rows} rows a window, worse by {worse}, smallest that matters {smallest}: {at.mean() * rows / fixed:.3f} "
                f"(shown in {n / given.copies:.4f})",
                flush=True,
            )
    looks = pairs(0.08, 50)(rng, given.copies, 0.02)
    n, at = claimed(looks, 0.0, above=False, smallest=0.02)
    fixed = FIXED * (0.08 - 0.02**2) / 0.02**2
    print(f"shadow, 50 rows a window: {at.mean() * 50 / fixed:.3f} (shown in {n / given.copies:.4f})")
    wrong = sum(
        bool(
            (
                mismatch(rng.multinomial(200, [0.9, 0.1], size=WINDOWS), np.array([0.9, 0.1])) > np.log(1000)
            ).any()
        )
        for _ in range(given.copies)
    )
    print(f"traffic as it was set, found otherwise at 0.001: {share(wrong, given.copies)}")


if __name__ == "__main__":
    main()
