"""Whether the adviser's replays make as many false alarms as fresh windows of the same law.

A choice can be no better than these: it is the fastest of those that keep the budget by them. Of each series the e-detector, with
all of its budget and with parts of it, runs over calm replays of the history, drawn at the medians of what is uncertain
(``--caution 0.5``) or at upper limits, and over as many fresh windows of its law. Told is the logarithm of the ratio of the two
rates: its mean, which is 0 where replays are right on average, and its standard deviation over histories, which is what a
history does not say and no way of replaying can mend.

    python benchmarks/judgement/adviser_rates.py --case arlevel --case real --series 24        two minutes on one core
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import numpy as np
from adviser_laws import DAY_S, LAWS, series_of

from vedette.strategy import EDetector
from vedette.strategy.advice import OfStrategy, Replays
from vedette.strategy.advice.rounds import watch
from vedette.strategy.advice.runners import Runner
from vedette.strategy.advice.track import Track

PARTS = (1.0, 1 / 4, 1 / 16, 1 / 64)
LEAST = 0.02  # false alarms a month that are added to both rates: below, a ratio is chance


def rates(track: Track, calm: Mapping[str, Replays]) -> list[float]:
    """False alarms a month of the e-detector by its part of the budget."""
    history = track.history
    runners = []
    for part in PARTS:
        one = OfStrategy(f"{part:g}", "", EDetector, part)
        runners.append(Runner(one.name, one, one.fit(history, {})))
    watch(track, runners, calm)
    return [one.false_alarms / (one.windows * history.months) for one in runners]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", action="append", choices=LAWS, help="default all, in turn")
    parser.add_argument("--series", type=int, default=24, help="of each case")
    parser.add_argument("--runs", type=int, default=200, help="of 36 days")
    parser.add_argument("--caution", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=20261128)
    options = parser.parse_args()
    for case in options.case or list(LAWS):
        logs = []
        for number in range(options.series):
            source, past, random = series_of(case, number, options.seed, 1.0)
            track = Track.of(past, options.caution)
            replayed = rates(track, track.calm(options.runs, random))
            counts = source.counts(options.runs, len(past.start), track.n_windows)
            start = past.start[-1] + DAY_S * (1.0 + np.arange(track.n_windows))
            fresh = rates(track, {name: Replays(one.astype(np.int64), start) for name, one in counts.items()})
            logs.append(np.log(np.add(replayed, LEAST) / np.add(fresh, LEAST)))
        mean, sd = np.mean(logs, axis=0), np.std(logs, axis=0, ddof=min(1, len(logs) - 1))
        told = (f"{part:g}: {m:+.2f} (sd {s:.2f})" for part, m, s in zip(PARTS, mean, sd, strict=True))
        print(f"{case:9} log of replayed over fresh by part of the budget: {', '.join(told)}", flush=True)


if __name__ == "__main__":
    main()
