"""Alarms of River, frouros, NannyML and common rules beside ours, on the same data of the same seed.

    python benchmarks/peers.py streams [--runs 40] [--ours 400] [--seed 20261127] [--case normal]
    python benchmarks/peers.py daily [--runs 60] [--delays 40] [--rows 500]

``streams``: rows one by one. All are given 5,000 rows first, in which alarms do not count; then 25,000, of which all
are like the reference (false alarms), or those from row 5,000 on are not (delays). We see them in windows of 50 rows,
at a limit of one false alarm in 100,000 rows over all watches of the stream. ``daily``: 20 columns, a check a day;
``peers_daily.py``. Peers are optional: ``pip install river frouros nannyml``. Each has its defaults. Tables are printed
in Markdown; a peer that is missing or fails says why in its row. Run r of a case is the same rows for everybody; ours
have more runs, and slow peers fewer.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import signal

import peers_daily
from accuracy import MONTH_WINDOWS, ROWS, beside, counts_of, judged, summarised
from accuracy import start as start_errors
from budget import poisson_limits
from vedette.statistics import numeric_grid, summarise_numeric
from vedette.strategy import STRATEGIES, Plan, State, batch_numbers, begin, inflation, plan

REFERENCE, STABLE, HORIZON, PILOT = 5000, 5000, 20_000, 1000
USUAL = 0.05
Stream = Callable[[np.random.Generator, float], np.ndarray]
Detector = Callable[[float], bool]


def _after_change() -> np.ndarray:
    """1 for the rows that have changed."""
    return (np.arange(REFERENCE + STABLE + HORIZON) >= REFERENCE + STABLE).astype(np.float64)


def normal(random: np.random.Generator, change: float) -> np.ndarray:
    """Independent rows of N(0, 1), moved by ``change``."""
    return random.normal(size=REFERENCE + STABLE + HORIZON) + change * _after_change()


def errors(random: np.random.Generator, change: float) -> np.ndarray:
    """Independent errors, 5 % of rows, then so many more."""
    drawn: np.ndarray = random.random(REFERENCE + STABLE + HORIZON) < USUAL + change * _after_change()
    return drawn.astype(np.float64)


def autoregressive(random: np.random.Generator, change: float) -> np.ndarray:
    """Rows of unit variance, each correlated by .5 with the one before it, moved by ``change``."""
    noise = random.normal(size=REFERENCE + STABLE + HORIZON) * np.sqrt(0.75)
    noise[0] /= np.sqrt(0.75)
    return signal.lfilter([1.0], [1.0, -0.5], noise) + change * _after_change()


CASES: dict[str, tuple[Stream, tuple[float, ...]]] = {
    "normal": (normal, (0.1, 0.25, 0.5, 1.0)),
    "errors": (errors, (0.03, 0.05, 0.10)),
    "autoregressive": (autoregressive, (0.5, 1.0)),
}


@dataclass(frozen=True)
class Peer:
    """A detector of another library; ``slow`` is by how much its runs are fewer."""

    package: str
    name: str
    binary: bool = False
    slow: int = 1

    def make(self) -> Detector:
        """A fresh one with its defaults: a function of the next value that tells whether it alarms."""
        if self.package == "frouros":
            return self._frouros()
        module = importlib.import_module("river.drift.binary" if self.binary else "river.drift")
        options = {"seed": 1} if self.name == "KSWIN" else {}
        detector = getattr(module, self.name)(**options)

        def update(value: float) -> bool:
            detector.update(bool(value) if self.binary else value)
            return bool(detector.drift_detected)

        return update

    def _frouros(self) -> Detector:
        module = importlib.import_module("frouros.detectors.concept_drift")
        detector = getattr(module, self.name)()

        def update(value: float) -> bool:
            detector.update(value=value)
            told = bool(detector.drift)
            if told:  # river's begin anew by themselves
                detector.reset()
            return told

        return update


NUMERIC = (
    *(Peer("river", "ADWIN"), Peer("river", "PageHinkley"), Peer("river", "KSWIN", slow=8)),
    *(Peer("frouros", "ADWIN", slow=4), Peer("frouros", "PageHinkley"), Peer("frouros", "CUSUM")),
    Peer("frouros", "GeometricMovingAverage"),
)
BINARY = (
    *(Peer("river", "ADWIN"), Peer("river", "PageHinkley")),
    *(Peer("river", name, binary=True) for name in ("DDM", "EDDM", "FHDDM", "HDDM_A", "HDDM_W")),
    *(Peer("frouros", name) for name in ("PageHinkley", "CUSUM", "GeometricMovingAverage", "DDM", "EDDM")),
    *(Peer("frouros", name) for name in ("RDDM", "ECDDWT", "HDDMA", "HDDMW")),
    *(Peer("frouros", name, slow=4) for name in ("ADWIN", "STEPD")),
)


def rows_of(case: str, seed: int, run: int, change: float) -> np.ndarray:
    """The rows of a run; those before the change are the same for every change."""
    return CASES[case][0](np.random.default_rng([seed, run, *case.encode()]), change)


def peer_alarms(peer: Peer, rows: np.ndarray, *, first: bool) -> np.ndarray:
    """The rows after the reference in which a peer alarmed; with ``first``, no further than one after the change."""
    detector, found = peer.make(), []
    for at, value in enumerate(rows.tolist()):
        if detector(value):
            found.append(at - REFERENCE)
            if first and at >= REFERENCE + STABLE:
                break
    told = np.array(found, dtype=np.int64)
    return told[told >= 0]


def peer_line(peer: Peer, case: str, seed: int, n_runs: int) -> str:
    """The table's row of a peer."""
    n_runs = max(n_runs // peer.slow, 3)
    try:
        count = sum(
            len(peer_alarms(peer, rows_of(case, seed, run, 0.0), first=False)) for run in range(n_runs)
        )
        cells = [rate(count, n_runs)]
        for change in CASES[case][1]:
            told = [peer_alarms(peer, rows_of(case, seed, run, change), first=True) for run in range(n_runs)]
            after = [one[one >= STABLE] for one in told]
            cells.append(delay(np.array([one[0] - STABLE + 1.0 if len(one) else np.inf for one in after])))
    except Exception as error:
        cells = [f"failed: {type(error).__name__}: {error}"] + [""] * len(CASES[case][1])
    return " | ".join([f"| {peer.package} {peer.name}", str(n_runs), *cells]) + " |"


def rate(count: int, n_runs: int) -> str:
    """False alarms in 100,000 rows, and their limits."""
    exposure = n_runs * (STABLE + HORIZON) / 1e5
    low, high = (float(f"{limit:.2g}") for limit in poisson_limits(count, exposure))
    return f"{count / exposure:.3g} [{low:g}, {high:g}]"


def delay(delays: np.ndarray) -> str:
    """The median of delays, and how many were found where not all were."""
    found, median = int(np.isfinite(delays).sum()), float(np.median(delays))
    some = "" if found == len(delays) else f" ({found}/{len(delays)})"
    return (f"{median:,.0f}" if np.isfinite(median) else "—") + some


def numeric_model(rows: np.ndarray) -> tuple[Plan, State, list[np.ndarray]]:
    """The state of a model of one column, and the counts of each step; the first 1,000 rows cut the grid."""
    grid = numeric_grid("x", rows[:PILOT])
    held, new = rows[PILOT:REFERENCE], rows[REFERENCE:]
    number, n_batches = batch_numbers(len(held))
    batches = {"x": summarise_numeric(grid, held, window=number, n_windows=n_batches)}
    reference = {"x": batches["x"].merged()}
    watches = plan(reference, "benchmark")
    state = begin(watches, reference, inflation(watches, batches), windows_per_month=MONTH_WINDOWS)
    return watches, state, numeric_counts(watches, new)


def numeric_counts(watches: Plan, rows: np.ndarray) -> list[np.ndarray]:
    """The counts of each step of 50 rows."""
    n_windows = len(rows) // ROWS
    summary = summarise_numeric(
        watches.grids["x"], rows, window=np.repeat(np.arange(n_windows), ROWS), n_windows=n_windows
    )
    numbers = range(n_windows)
    return [step.counts for step in watches.steps({"x": summary}, numbers, [0.0] * n_windows)]


def our_models(case: str, seed: int, runs: range, change: float) -> tuple[State, Iterator[np.ndarray], int]:
    """One state of the models of many runs, their steps, and the watches of each."""
    if case != "errors":
        made = [numeric_model(rows_of(case, seed, run, change)) for run in runs]
        state, n_watches = beside([one for _, one, _ in made]), len(made[0][0].watches)
        return (
            state,
            (np.concatenate(parts) for parts in zip(*(one for *_, one in made), strict=True)),
            n_watches,
        )
    rows = np.array([rows_of(case, seed, run, change) for run in runs]).astype(np.bool_)
    random = np.random.default_rng([seed, len(runs)])  # of labels, which nothing depends on
    watches, state = start_errors(random, rows[:, :REFERENCE])
    window = np.repeat(np.arange(len(runs)), ROWS)

    def steps() -> Iterator[np.ndarray]:
        for at in range(REFERENCE, rows.shape[1], ROWS):
            yield counts_of(watches, summarised(random, rows[:, at : at + ROWS], window, len(runs)))

    return state, steps(), len(watches.watches)


def our_alarms(case: str, seed: int, n_runs: int, change: float) -> dict[str, np.ndarray]:
    """int[windows, runs] of each strategy: how many watches of a run opened an alarm in a window."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in STRATEGIES}
    for low in range(0, n_runs, 100):
        runs = range(low, min(low + 100, n_runs))
        state, steps, n_watches = our_models(case, seed, runs, change)
        counts = list(steps)
        for name, made in STRATEGIES.items():
            alarms, _ = judged(made(), state, counts)
            found[name].append(alarms.reshape(len(alarms), len(runs), n_watches).sum(axis=2))
    return {name: np.concatenate(parts, axis=1) for name, parts in found.items()}


def our_lines(case: str, seed: int, n_runs: int) -> Iterator[str]:
    """The table's rows of our strategies."""
    false = our_alarms(case, seed, n_runs, 0.0)
    changed = [our_alarms(case, seed, n_runs, change) for change in CASES[case][1]]
    for name in STRATEGIES:
        cells = [rate(int(false[name].sum()), n_runs)]
        for alarms in changed:
            after = alarms[name][STABLE // ROWS :] > 0
            cells.append(delay(np.where(after.any(axis=0), (after.argmax(axis=0) + 1.0) * ROWS, np.inf)))
        yield " | ".join([f"| vedette {name}", str(n_runs), *cells]) + " |"


def versions() -> str:
    """The versions of all that takes part."""
    told = []
    for package in ("numpy", "scipy", "river", "frouros", "nannyml"):
        try:
            told.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            told.append(f"{package} not installed")
    return ", ".join(told)


def streams(cases: Sequence[str], seed: int, n_runs: int, n_ours: int) -> None:
    """Print the tables of streams."""
    for case in cases:
        changes = CASES[case][1]
        print(f"\n{case}: {CASES[case][0].__doc__}\n")
        print("| detector | runs | false alarms | " + " | ".join(f"+{change:g}" for change in changes) + " |")
        print("|---" * (3 + len(changes)) + "|")
        for line in our_lines(case, seed, n_ours):
            print(line, flush=True)
        for peer in BINARY if case == "errors" else NUMERIC:
            print(peer_line(peer, case, seed, n_runs), flush=True)


def main() -> None:
    """Print versions and tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=("streams", "daily"))
    parser.add_argument("--runs", type=int)
    parser.add_argument("--ours", type=int, help="runs of ours, of streams")
    parser.add_argument("--delays", type=int, default=40, help="runs for each delay of daily checks")
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--rows", type=int, action="append", help="a day")
    parser.add_argument("--seed", type=int, default=20261127)
    told = parser.parse_args()
    warnings.simplefilter("ignore")  # peers' own, by the thousand
    clock = time.perf_counter()
    print(f"seed {told.seed}; {versions()}")
    if told.part == "streams":
        streams(told.case or list(CASES), told.seed, told.runs or 40, told.ours or 400)
    else:
        for n in told.rows or [500, 2000]:
            peers_daily.table(n, told.seed, told.runs or 60, told.delays)
    print(f"\n({time.perf_counter() - clock:.0f} s)")


if __name__ == "__main__":
    main()
