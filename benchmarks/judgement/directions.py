"""How many false alarms embeddings and free texts raise in a lake in which nothing changes, with all other watches beside them.

Each lake has a feature ``e`` of correlated vectors (24 elements of Student's t on 4 degrees of freedom), a feature ``t`` of
texts (21 words drawn from a vocabulary) and a prediction; a reference of 2,500 rows, then ``--days`` of 300 rows, a round a
day. The budget is one alarm a month over everything that is watched. The limit is the exact upper 95 % limit of a Poisson rate.

    python benchmarks/judgement/directions.py [--lakes 10] [--days 120] [--seed 0]
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import UTC, datetime, timedelta

import numpy as np
from scipy import stats

import vedette
from vedette.engine import cycle
from vedette.lake.tables import Lake

ELEMENTS, WORDS, REFERENCE, ROWS = 24, 21, 2500, 300
START, DAY = datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=1)
VOCABULARY = [
    f"{a}{b}{c}" for a in ("so", "me", "ti", "ra") for b in ("lo", "ka", "ne", "pu") for c in ("", "s", "ren")
]


def rows(random: np.random.Generator, mixing: np.ndarray, n: int, start: datetime) -> dict[str, object]:
    """Rows of one law, over a day."""
    share = random.dirichlet(np.ones(len(VOCABULARY)) * 50, n)
    texts = [" ".join(random.choice(VOCABULARY, WORDS, p=one)) for one in share]
    vectors = random.standard_t(4, size=(n, ELEMENTS)) @ mixing
    times = [start + DAY * float(at) for at in np.sort(random.random(n))]
    return {"e": list(vectors), "t": texts, "prediction": random.integers(0, 2, n), "time": times}


def lake(seed: int, days: int) -> list[str]:
    """The watches that fired in one lake."""
    random = np.random.default_rng(seed)
    mixing = random.normal(size=(ELEMENTS, ELEMENTS))
    now = [START]
    with tempfile.TemporaryDirectory() as folder:
        clock = lambda: now[0].timestamp()  # noqa: E731
        with vedette.Monitor("m", lake=folder, window="1d", clock=clock) as monitor:
            now[0] = START + DAY
            monitor.reference(rows(random, mixing, REFERENCE, START))
            for day in range(days):
                begin = START + DAY * (day + 1)
                now[0] = begin + DAY
                monitor.log_many(rows(random, mixing, ROWS, begin))
                cycle.once(Lake.at(folder), models=["m"], clock=clock)
            return monitor.alerts()["watch"].to_list()


def main() -> None:
    """Print a line a lake, and the rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lakes", type=int, default=10)
    parser.add_argument("--days", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    every: list[str] = []
    for at in range(given.lakes):
        fired = lake(given.seed + at, given.days)
        every += fired
        print(f"lake {at + 1}: {len(fired)} alarms {', '.join(fired)}", flush=True)
        months = (at + 1) * given.days / 30
        low, high = stats.chi2.ppf([0.025, 0.975], [2 * len(every), 2 * len(every) + 2]) / 2 / months
        limits = f"[{0 if np.isnan(low) else low:.2f}, {high:.2f}]"
        print(
            f"  {len(every)} in {months:.0f} months: {len(every) / months:.3f} a month {limits}", flush=True
        )


if __name__ == "__main__":
    main()
