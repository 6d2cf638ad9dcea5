"""Whether the adviser's choice is the best in hindsight, and whether it keeps the budget, on fresh data of known law.

Each series has a law: columns, how levels of windows come about, how rows do. A reference of 5,000 rows and a history of 30,
60 or 90 windows are drawn from it; the adviser sees these alone. Then every candidate, with the thresholds that the adviser
set, runs over fresh windows of the same law, calm ones for false alarms and struck ones for delays. The best in hindsight
is the fastest of those that vedette can run (detectors for independent rows where no test of dependence speaks against them)
and whose fresh false alarms are within the budget (told beside it: with their
whole 95 % interval); "broken" means that those of the choice are over it, "surely" with their whole interval.

The least of noisy figures is too low, so that a choice held against it looks too slow. Told beside it is a hindsight without that
bias: the best is chosen, within the budget, on one half of the fresh rounds, and both are compared on the other; each half is
either once, and the two logarithms of the ratio have a mean. It errs to the other side: what one half took for the best need
not be the best.

    python benchmarks/judgement/adviser.py --series 40 --rounds 10        twenty minutes on one core
    python benchmarks/judgement/adviser.py --case iid --case season --series 2 --verbose

The laws are those of ``adviser_laws``; whether replays have as many false alarms as fresh windows is told by ``adviser_rates``.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace

import numpy as np
from adviser_laws import DAY_S, LAWS, Array, Source, series_of

from vedette.statistics.intervals import wilson
from vedette.strategy.advice import Course, Replays, advise, race
from vedette.strategy.advice.rounds import RUNS, run
from vedette.strategy.advice.runners import Runner

WITHIN = 1.1


def hindsight(
    course: Course, source: Source, rounds: int, random: np.random.Generator
) -> tuple[Course, dict[str, list[int]]]:
    """The same candidates on fresh windows of the law, and the false alarms of each in each round."""
    track = course.track
    runners = [Runner(one.name, one.candidate, one.ready) for one in course.runners]
    start = track.history.start[-1] + DAY_S * (1.0 + np.arange(track.n_windows))
    alarms: dict[str, list[int]] = {}
    for _ in range(rounds):
        fresh = source.counts(RUNS, len(track.history.start), track.n_windows)
        calm = {name: Replays(one.astype(np.int64), start) for name, one in fresh.items()}
        before = {one.name: one.false_alarms for one in runners}
        run(track, runners, course.cells, calm, random)
        for one in runners:
            alarms.setdefault(one.name, []).append(one.false_alarms - before[one.name])
    return replace(course, runners=tuple(runners), rounds=rounds), alarms


@dataclass(frozen=True)
class Outcome:
    """What the adviser chose of a series, and what fresh data say of it."""

    case: str
    choice: str
    best: str
    ratio: float
    ratio_of_all: float
    ratio_of_shown: float
    ratio_split: float
    rate: float
    rate_low: float
    chosen_from: int


def split_ratio(fresh: Course, alarms: dict[str, list[int]], mine: str, shown: Array, budget: float) -> float:
    """The delay of a choice, of that of the best in hindsight, where who is best is chosen on other rounds than it is
    measured on: the geometric mean of both ways round.
    """
    half, logs = fresh.rounds // 2, []
    months = RUNS * fresh.track.n_windows * fresh.track.history.months
    for one, other in ((slice(half), slice(half, None)), (slice(half, None), slice(half))):
        able = {}
        for runner in fresh.runners:
            told = alarms[runner.name][one]
            if runner.candidate.runs and sum(told) <= budget * months * len(told):
                able[runner.name] = float(np.concatenate(runner.losses[one])[:, shown].mean())
        best = min(able, key=able.__getitem__, default=mine)
        measured = {
            runner.name: float(np.concatenate(runner.losses[other])[:, shown].mean())
            for runner in fresh.runners
            if runner.name in (mine, best)
        }
        logs.append(np.log(measured[mine] / measured[best]))
    return float(np.exp(np.mean(logs)))


def outcome(case: str, number: int, options: argparse.Namespace) -> Outcome:
    """One series: advice from its history, and the candidates on fresh data."""
    source, past, random = series_of(case, number, options.seed, options.budget)
    course = race(past, seed=number, rounds_max=options.race_rounds)
    raced = {one.name for one in course.runners}
    advice = advise(course, in_force="series" if "series" in raced else "e_detector")
    fresh, alarms = hindsight(course, source, options.rounds, random)
    runners = {one.name: one for one in fresh.runners}
    rates = {name: fresh.rate(one) for name, one in runners.items()}
    within = [name for name in runners if rates[name][0] <= options.budget]
    able = [name for name in within if runners[name].candidate.runs] or [advice.choice.name]
    shown = np.array(
        [max(runners[name].share_seen(cell) for name in able) >= 0.5 for cell in fresh.cells], dtype=np.bool_
    )
    delay = {name: float(np.concatenate(one.losses)[:, shown].mean()) for name, one in runners.items()}
    best = min(able, key=delay.__getitem__)
    shown_within = [name for name in able if rates[name][2] <= options.budget] or [best]
    best_shown = min(shown_within, key=delay.__getitem__)
    best_of_all = min([*within, best], key=delay.__getitem__)
    mine = advice.choice.name
    if options.verbose:
        print(
            f"  {case} {number}: period {past.period}, {len(past.start)} windows, block {course.track.block}, "
            f"{course.rounds} rounds, {course.stopped}, sure {advice.sure}"
        )
        for entry in advice.entries:
            name = entry.name
            print(
                f"    {name:16} replays {entry.rate:5.2f} [{entry.rate_low:.2f}, {entry.rate_high:.2f}] {entry.delay:6.2f}"
                f"   fresh {rates[name][0]:5.2f} [{rates[name][1]:.2f}, {rates[name][2]:.2f}] {delay[name]:6.2f}"
                f"   {entry.left or ''}"
            )
    return Outcome(
        case,
        mine,
        best,
        delay[mine] / delay[best],
        delay[mine] / delay[best_of_all],
        delay[mine] / delay[best_shown],
        split_ratio(fresh, alarms, mine, shown, options.budget),
        rates[mine][0],
        rates[mine][1],
        len(able),
    )


def summary(found: list[Outcome], budget: float) -> str:
    """The shares of series within 10 % of the best, each way of choosing it; what breaks the budget is fast for nothing."""
    broken = np.array([one.rate > budget for one in found])
    surely = np.array([one.rate_low > budget for one in found])

    def share(ratios: list[float]) -> str:
        k = int((~broken & (np.array(ratios) <= WITHIN)).sum())
        low, high = (100 * float(limit) for limit in wilson(k, len(found), 0.95))
        return f"{k} ({100 * k / len(found):.1f} %, 95 % interval {low:.1f} to {high:.1f})"

    ratio = np.where(broken, np.inf, [one.ratio for one in found])
    return (
        f"of {len(found)} series within 10 % of the best in hindsight {share([one.ratio for one in found])}, "
        f"chosen on other rounds {share([one.ratio_split for one in found])}; "
        f"of those whose upper limit is within the budget {share([one.ratio_of_shown for one in found])}; "
        f"with those that vedette cannot run {share([one.ratio_of_all for one in found])}; "
        f"median ratio {np.median(ratio):.3f}, worst {ratio.max():.2f}; budget of {budget:g} broken on {broken.sum()}, "
        f"surely on {surely.sum()}; most false alarms a month {max(one.rate for one in found):.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", action="append", choices=LAWS, help="default all, in turn")
    parser.add_argument("--series", type=int, default=40)
    parser.add_argument("--first", type=int, default=0, help="number of the first series, to share them out")
    parser.add_argument(
        "--rounds", type=int, default=10, help="of 16 fresh runs of 36 days, for the hindsight"
    )
    parser.add_argument("--race-rounds", type=int, default=20, help="at most, for the advice")
    parser.add_argument("--budget", type=float, default=1.0, help="false alarms a month")
    parser.add_argument("--seed", type=int, default=20261128)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    cases, found, clock = options.case or list(LAWS), [], time.process_time()
    for number in range(options.first, options.first + options.series):
        one = outcome(cases[number % len(cases)], number // len(cases), options)
        found.append(one)
        print(
            f"{one.case:9} {one.choice:15} best {one.best:15} delay {one.ratio:6.3f} of the best "
            f"({one.ratio_split:.3f} on other rounds, {one.ratio_of_all:.2f} with those it cannot run), "
            f"{one.rate:.2f} false alarms a month"
            f"{', BROKEN' if one.rate > options.budget else ''}{' surely' if one.rate_low > options.budget else ''}",
            flush=True,
        )
    print(
        f"seed {options.seed}: {summary(found, options.budget)}; {time.process_time() - clock:.0f} s of processor"
    )


if __name__ == "__main__":
    main()
