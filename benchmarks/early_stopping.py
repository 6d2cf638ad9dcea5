"""How often early stopping ends a training that only wanders, and how long after its best it ends one that gets worse.

Each training is asked after every evaluation. Still: a level with noise whose neighbours hang together (AR(1)) or that is
heavy-tailed; falling: a loss that still falls. Worse: a loss that rises from its twelfth evaluation on, by so many standard
deviations of its noise an evaluation.

    python benchmarks/early_stopping.py [--trainings 300] [--seed 3]
"""

from __future__ import annotations

import argparse

import numpy as np

from vedette.strategy.training import should_stop

EVALUATIONS, BEST, NOISE = 60, 12, 0.1
STILL = ("iid", "t3", "ar0.5", "ar0.7", "ar0.9", "falling")
WORSE = (0.3, 1.0)


def noise(kind: str, random: np.random.Generator) -> np.ndarray:
    """Noise of an evaluation, of variance 1 but for t3."""
    if kind == "t3":
        return random.standard_t(3, EVALUATIONS)
    near = float(kind[2:]) if kind.startswith("ar") else 0.0
    found = random.normal(0, np.sqrt(1 - near**2), EVALUATIONS)
    found[0] /= np.sqrt(1 - near**2)
    for at in range(1, EVALUATIONS):
        found[at] += near * found[at - 1]
    return found


def stopped_at(values: np.ndarray, patience: int) -> int | None:
    """After how many evaluations it is stopped."""
    for n in range(1, len(values) + 1):
        if should_stop(values[:n], "val_loss", patience=patience).stop:
            return n
    return None


def main() -> None:
    """Print a row for each patience."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trainings", type=int, default=300)
    parser.add_argument("--seed", type=int, default=3)
    given = parser.parse_args()
    at = np.arange(EVALUATIONS)
    for patience in (4, 8):
        said = []
        for kind in STILL:
            random = np.random.default_rng(given.seed)
            level = 5 * np.exp(-at / 15) if kind == "falling" else np.ones(EVALUATIONS)
            ends = [stopped_at(level + NOISE * noise(kind, random), patience) for _ in range(given.trainings)]
            said.append(f"{kind} {np.mean([one is not None for one in ends]):.1%}")
        for rise in WORSE:
            random = np.random.default_rng(given.seed)
            level = 2 * np.exp(-at / 5) + rise * NOISE * np.maximum(at - BEST, 0)
            ends = [
                stopped_at(level + NOISE * noise("iid", random), patience) for _ in range(given.trainings)
            ]
            found = [one for one in ends if one is not None]
            said.append(
                f"worse by {rise}: {len(found) / len(ends):.0%}, {np.median(found) - BEST:.0f} evaluations after"
            )
        print(f"patience {patience}: stopped {'; '.join(said)}", flush=True)


if __name__ == "__main__":
    main()
