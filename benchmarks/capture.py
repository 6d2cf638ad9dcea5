"""What recording a prediction costs, beside the plainest way to put it into memory and beside other tools.

    python benchmarks/capture.py [--full] [--check] [--json] [--peers-python PYTHON] [--only PART ...]

The yardstick is one line in a loop (``capture_rows.py``). The C core and the pure-Python fallback are measured side by
side, each in fresh processes in turn (``VEDETTE_CORE=off`` makes the fallback); where the core is not built its column
says so. ``capture_ways.py`` has the parts (cost; latency, paced at 100,000 calls a second and flat out; threads; memory;
decode) and says in each how it is measured and why so; ``capture_peers.py`` has the other tools, and how to install
them. Each figure with a limit is marked ``ok`` or ``MISS``; with ``--check`` a miss makes the exit status 1. ``--full``
takes the numbers of calls that the limits are said for (ten million for memory, three million samples and rows); without
it the same is done with fewer.

The journal lies in ``--folder`` (default: the system's folder for temporary files): what a page costs is the file
system's affair. Run it on an idle machine: ratios bear a neighbour, percentiles and threads do not.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from capture_peers import PEERS
from capture_peers import measure as measure_peer
from capture_rows import CASES

HERE = Path(__file__).parent
PARTS = ("cost", "latency", "flat_out", "threads", "memory", "decode", "peers")
OVER_1MS_IN_A_MILLION = 10
"""Calls of over a millisecond that are ours to have, beyond those of the empty function called in turn."""
THREADS_MIN = 0.97
"""As many calls a second as one thread, with what two runs of the same differ by."""


@dataclass(frozen=True)
class Sizes:
    """How much of everything is measured."""

    rounds: int
    rows: int
    repeats: int
    samples: int
    calls: int
    warm: int
    decoded: int
    peer_repeats: int


QUICK = Sizes(
    rounds=1, rows=200, repeats=3, samples=5000, calls=4000, warm=1000, decoded=5000, peer_repeats=1
)
USUAL = Sizes(
    rounds=3,
    rows=2000,
    repeats=60,
    samples=300_000,
    calls=300_000,
    warm=300_000,
    decoded=1_000_000,
    peer_repeats=15,
)
FULL = Sizes(
    rounds=5,
    rows=2000,
    repeats=200,
    samples=1_000_000,
    calls=10_000_000,
    warm=300_000,
    decoded=3_000_000,
    peer_repeats=40,
)


@dataclass(frozen=True)
class Mark:
    """A figure with a limit; ``met`` is None where it was not measured, and ``reason`` says why."""

    way: str
    figure: str
    value: float | None
    limit: str
    met: bool | None
    reason: str = ""


def part(name: str, way: str, folder: Path, **options: Any) -> dict[str, Any]:
    """Run one part in a process of its own and return its figures. Raises ``SystemExit`` where it fails."""
    command = [sys.executable, str(HERE / "capture_ways.py"), "latency" if name == "flat_out" else name]
    options["folder"] = str(folder / "journal")
    environment = {key: value for key, value in os.environ.items() if key != "VEDETTE_CORE"}
    if way == "fallback":
        environment["VEDETTE_CORE"] = "off"
    done = subprocess.run(
        [*command, json.dumps(options)], capture_output=True, text=True, check=False, env=environment
    )
    shutil.rmtree(folder / "journal", ignore_errors=True)
    if done.returncode:
        raise SystemExit(f"{name} of the {way} failed:\n{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def measure(ways: list[str], parts: list[str], sizes: Sizes, folder: Path) -> dict[str, dict[str, Any]]:
    """All figures of each way; the ways take turns in each round, so that a slow minute of the machine hits both."""
    runs: dict[str, dict[str, list[dict[str, Any]]]] = {way: {name: [] for name in PARTS} for way in ways}
    plan = {
        "cost": {"rows": sizes.rows, "repeats": sizes.repeats},
        "latency": {"samples": sizes.samples, "rest_s": 0.1},
        "flat_out": {"samples": sizes.samples, "rest_s": 0.0},
        "threads": {"rows": 400 * sizes.rows, "repeats": 5},
    }
    for _ in range(sizes.rounds):
        for name in (name for name in plan if name in parts):
            for way in ways:
                runs[way][name].append(part(name, way, folder, **plan[name]))
    found: dict[str, dict[str, Any]] = {}
    for way in ways:
        found[way] = {name: _JOINED[name](runs[way][name]) for name in plan if name in parts}
        if "memory" in parts:
            found[way]["memory"] = {
                name: part("memory", way, folder, calls=sizes.calls, warm=sizes.warm, kept=name == "kept")
                for name in ("dropped", "kept")
            }
    return found


def join_costs(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The costs of all rounds as one: medians over all pairs of blocks."""
    joined: dict[str, Any] = {
        name: median(run[name] for run in runs) for name in ("yardstick_ns", "whole_ns")
    }
    for name in CASES:
        joined[name] = {
            "ns": median(run[name]["ns"] for run in runs),
            "ratio": median(ratio for run in runs for ratio in run[name]["ratios"]),
            "mean_ratio": median(run[name]["mean_ratio"] for run in runs),
        }
    return joined


def join_latencies(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians of the rounds' percentiles, sums of their counts, and the worst of their worst."""
    together = {"samples": sum, "over_1ms": sum, "empty_over_1ms": sum, "max_us": max, "empty_max_us": max}
    return {name: together.get(name, median)([run[name] for run in runs]) for name in runs[0]}


def join_threads(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over the rounds."""
    return {name: median(run[name] for run in runs) for name in runs[0]}


_JOINED = {
    "cost": join_costs,
    "latency": join_latencies,
    "flat_out": join_latencies,
    "threads": join_threads,
}


def marks(ways: dict[str, Any], decoded: dict[str, Any] | None, foreign: list[str]) -> list[Mark]:
    """Each figure that has a limit, against it."""
    found = [
        Mark("", "third-party modules that import loads", len(foreign), "0", not foreign, ", ".join(foreign))
    ]
    for way, cost_max in (("core", 0.5), ("fallback", 1.6)):
        figures = ways.get(way)
        limits = [
            ("cost", "with_id: cost, x yardstick, median", f"<= {cost_max}"),
            ("latency", "99.9th percentile, x median, paced", "< 20"),
            ("latency", "calls over 1 ms, paced", f"<= empty's + {OVER_1MS_IN_A_MILLION} in a million"),
            ("flat_out", "99.9th percentile, x median, flat out", "< 20"),
            ("flat_out", "calls over 1 ms, flat out", f"<= empty's + {OVER_1MS_IN_A_MILLION} in a million"),
            ("threads", "calls a second, 8 threads / 1", f">= {THREADS_MIN}"),
            ("memory", "growth in MiB, dead server", "<= 2"),
            ("memory", "growth in MiB, all kept", "<= 2"),
        ]
        for name, figure, limit in limits:
            if figures is None:
                found.append(Mark(way, figure, None, limit, None, "not built"))
            elif name in figures:
                value, met = judged(figures[name], figure, cost_max)
                found.append(Mark(way, figure, value, limit, met))
    if decoded is not None:
        rate = decoded["rows_per_s"]
        found.append(Mark("", "journal to columns, rows a second", rate, ">= 3,000,000", rate >= 3_000_000))
    return found


def judged(figures: dict[str, Any], figure: str, cost_max: float) -> tuple[float, bool]:
    """The value of a figure and whether it is within its limit."""
    if figure.startswith("with_id"):
        return figures["with_id"]["ratio"], figures["with_id"]["ratio"] <= cost_max
    if figure.startswith("99.9th"):
        return figures["p999_ratio"], figures["p999_ratio"] < 20
    if figure.startswith("calls over"):
        allowed = figures["empty_over_1ms"] + OVER_1MS_IN_A_MILLION * figures["samples"] / 1e6
        return figures["over_1ms"], figures["over_1ms"] <= allowed
    if figure.startswith("calls a second"):
        return figures["ratio"], figures["ratio"] >= THREADS_MIN
    growth = figures["dropped" if "dead" in figure else "kept"]["growth_mib"]
    return growth, growth <= 2


def third_party_modules() -> list[str]:
    """The modules from outside the standard library that importing the capture package loads."""
    program = (
        "import sys, vedette.capture\n"
        "names = {name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names) - {'vedette'}\n"
        "print(*sorted(n for n in names if not n.startswith('_') and getattr(sys.modules.get(n), '__file__', None)))"
    )
    source = str(Path(__import__("vedette").__file__).parents[1])
    found = subprocess.run(
        [sys.executable, "-S", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": source},
    )
    return found.stdout.split()


def show(document: dict[str, Any]) -> None:
    """Print the document for people."""
    machine = document["machine"]
    print(f"{machine['python']} on {machine['cpus']} processors, load {machine['load']:.1f} at the start\n")
    ways = {way: figures for way, figures in document["ways"].items() if figures}
    for way, figures in document["ways"].items():
        if figures is None:
            print(f"{way}: not built\n")
    if ways and all("cost" in figures for figures in ways.values()):
        _show_costs(ways)
    for way, figures in ways.items():
        for name in ("latency", "flat_out", "threads", "memory"):
            for what, values in (
                [(name, figures.get(name, {}))]
                if name != "memory"
                else [(f"memory, {kind}", values) for kind, values in figures.get(name, {}).items()]
            ):
                if values:
                    said = ", ".join(f"{key} {value:,.6g}" for key, value in values.items())
                    print(f"{way}: {what}: {said}")
    if document["decode"]:
        print("decode:", ", ".join(f"{key} {value:,.0f}" for key, value in document["decode"].items()))
    _show_peers(document["peers"])
    print("\nlimits")
    for mark in document["limits"]:
        said = {True: "ok", False: "MISS", None: mark["reason"]}[mark["met"]]
        value = "" if mark["value"] is None else f"{mark['value']:,.3g}"
        print(f"  {said:9} {mark['way']:9} {mark['figure']:36} {value:>10}  {mark['limit']} {mark['reason']}")


def _show_costs(ways: dict[str, Any]) -> None:
    heads = "".join(f"{way:>12} ns   median     mean" for way in ways)
    print(f"{'x yardstick':14}{heads}")
    yardsticks = "".join(f"{figures['cost']['yardstick_ns']:15.0f}{'':18}" for figures in ways.values())
    print(f"{'yardstick':14}{yardsticks}")
    for name, case in CASES.items():
        cells = [figures["cost"][name] for figures in ways.values()]
        columns = "".join(f"{c['ns']:15.0f}{c['ratio']:9.2f}{c['mean_ratio']:9.2f}" for c in cells)
        print(f"{name:14}{columns}  {case.says}")
    whole = "".join(f"{figures['cost']['whole_ns']:15.0f}{'':18}" for figures in ways.values())
    print(f"{'with_id, all':14}{whole}  with all threads of the process, and close\n")


def _show_peers(peers: dict[str, Any]) -> None:
    if peers:
        print(f"\n{'the same prediction':24}{'us':>10}{'wall us':>11}{'x yardstick':>13}")
    for name, figures in peers.items():
        if "missing" in figures:
            print(f"{name:24} {figures['missing']}")
            continue
        wall = f"{figures['wall_us']:11.2f}" if "wall_us" in figures else f"{'':11}"
        version = figures.get("version", "")
        print(f"{name:24}{figures['us']:10.2f}{wall}{figures['ratio']:13.2f}  {figures['call']} ({version})")


def compare(ways: dict[str, Any], python: str, sizes: Sizes, folder: Path) -> dict[str, Any]:
    """What the peers took, after ours from the same run."""
    rows: dict[str, Any] = {}
    for way, figures in ways.items():
        if figures and "cost" in figures:
            one = figures["cost"]["with_id"]
            rows[f"vedette, {way}"] = {
                "us": one["ns"] / 1000,
                **({"wall_us": figures["latency"]["median_ns"] / 1000} if "latency" in figures else {}),
                "ratio": one["ratio"],
                "call": "monitor.log, all 13 numbers and the id",
                "version": f"Python {platform.python_version()}",
            }
    for name in PEERS:
        rows[name] = measure_peer(name, python, folder / name, sizes.peer_repeats)
    return rows


def main() -> int:
    """Print the figures; return 1 with ``--check`` where one misses its limit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--check", action="store_true", help="exit 1 where a limit is missed")
    parser.add_argument(
        "--full", action="store_true", help="as many calls as the limits speak of; half an hour"
    )
    parser.add_argument("--quick", action="store_true", help="too few for a figure: that it runs")
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=str(PARTS)
    )
    parser.add_argument(
        "--peers-python", default=sys.executable, metavar="PYTHON", help="where peers are installed"
    )
    parser.add_argument("--folder", type=Path, default=None, help="where the journals lie meanwhile")
    arguments = parser.parse_args()
    sizes = FULL if arguments.full else QUICK if arguments.quick else USUAL
    built = importlib.util.find_spec("vedette.capture._core") is not None
    machine = {
        "python": f"Python {platform.python_version()}",
        "cpus": os.cpu_count(),
        "load": os.getloadavg()[0],
        "system": platform.platform(),
    }
    folder = Path(tempfile.mkdtemp(prefix="vedette-benchmark-", dir=arguments.folder))
    try:
        found = measure(["core", "fallback"] if built else ["fallback"], arguments.only, sizes, folder)
        ways: dict[str, Any] = {"core": None, **found}
        decoded = None
        if "decode" in arguments.only:
            decoded = part("decode", "core", folder, rows=sizes.decoded, repeats=3)
        peers = {}
        if "peers" in arguments.only:
            peers = compare(ways, arguments.peers_python, sizes, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    limits = marks(ways, decoded, third_party_modules())
    document = {
        "machine": machine,
        "ways": ways,
        "decode": decoded,
        "peers": peers,
        "limits": [asdict(mark) for mark in limits],
    }
    if arguments.json:
        print(json.dumps(document))
    else:
        show(document)
    return 1 if arguments.check and any(mark.met is False for mark in limits) else 0


if __name__ == "__main__":
    sys.exit(main())
