"""Faults: kills, and system calls that fail. Nothing that had returned is lost, doubled, wrong or out of balance.

    python benchmarks/faults.py kill [--rounds 1000] [--threads 3] [--lake] [--seed 0] [--root FOLDER]
    python benchmarks/faults.py calls [--only rotate] [--how kill] [--every 1] [--root FOLDER]

What the two do is said in ``faults_kill.py`` and ``faults_calls.py``; without a word both are done. Each prints what it
counted, and ends with 1 where anything was amiss. ``--root`` is a folder on the disk to try (default: a temporary one).
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import faults_calls
import faults_kill
import faults_lake

SHOWN = 10
LAKE_EVERY = 50  # rounds


def kill(arguments: argparse.Namespace, folder: Path) -> int:
    """Kill processes; print what was counted."""
    faults_kill.become_reaper()
    options = {"n_threads": arguments.threads, "seed": arguments.seed}
    start = time.monotonic()
    found = faults_kill.run(folder, arguments.rounds, **options)
    ended = tell("kill", found, start)
    if arguments.lake:
        start = time.monotonic()
        found = faults_lake.run(folder, -(-arguments.rounds // LAKE_EVERY), **options)
        ended |= tell("kill, with a lake", found, start)
    return ended


def tell(name: str, found: faults_kill.Result, start: float) -> int:
    """Print what kills came to."""
    counted = ", ".join(f"{n:,} {what.replace('_', ' ')}" for what, n in found.counts.items() if n)
    print(
        f"{name}: {found.rounds} rounds, {found.killed} producers killed, {found.steps:,} steps returned ({counted}), "
        f"{len(found.lost)} lost, {len(found.doubled)} doubled, {len(found.wrong)} wrong, "
        f"{len(found.unbalanced)} out of balance; {time.monotonic() - start:.0f} s"
    )
    return show([*found.lost, *found.doubled, *found.wrong, *found.unbalanced, *found.problems])


def calls(arguments: argparse.Namespace, folder: Path) -> int:
    """Fail system calls, in a copy of this process that fails them; print what was counted."""
    reason = faults_calls.unavailable()
    if reason is not None:
        print(f"calls: not done: {reason}")
        return 0
    start = time.monotonic()
    library = faults_calls.compile_library(folder)
    command = [sys.executable, __file__, "trials", "--root", folder, "--every", str(arguments.every)]
    for option, names in (
        ("--only", arguments.only or faults_calls.SCENARIOS),
        ("--how", arguments.how or faults_calls.FAULTS),
    ):
        command += [word for name in names for word in (option, name)]
    done = subprocess.run(
        command, env={**os.environ, "LD_PRELOAD": str(library)}, stdout=subprocess.PIPE, text=True, check=True
    )
    found = json.loads(done.stdout)
    counted = ", ".join(f"{n:,} {what.replace('_', ' ')}" for what, n in found["counts"].items() if n)
    made = ", ".join(f"{name} {n}" for name, n in found["calls"].items())
    print(
        f"calls: {found['trials']:,} trials over {made} calls, {found['fired']:,} failed ({counted}), "
        f"{len(found['faults'])} amiss; {time.monotonic() - start:.0f} s"
    )
    return show(found["faults"])


def trials(arguments: argparse.Namespace, folder: Path) -> int:
    """What ``calls`` does in the copy; prints JSON."""
    found = faults_calls.run(folder, arguments.only, arguments.how, every=arguments.every)
    print(json.dumps(vars(found)))
    return 0


def show(amiss: list[str]) -> int:
    """Print the first of what is amiss; 1 where there is any."""
    for line in amiss[:SHOWN]:
        print(line)
    return 1 if amiss else 0


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", help="kill, calls or trials (default: kill calls)")
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=3)
    parser.add_argument(
        "--lake", action="store_true", help=f"and a round in {LAKE_EVERY} with a lake behind it"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", choices=list(faults_calls.SCENARIOS))
    parser.add_argument("--how", action="append", choices=list(faults_calls.FAULTS))
    parser.add_argument("--every", type=int, default=1, help="only every so many-th call")
    parser.add_argument("--root", type=Path, default=None)
    arguments = parser.parse_args()
    do = {"kill": kill, "calls": calls, "trials": trials}
    for name in arguments.what:
        if name not in do:
            parser.error(f"what={name!r}: must be one of {', '.join(do)}")
    logging.getLogger("vedette").addHandler(logging.NullHandler())
    ended = 0
    for name in arguments.what or ("kill", "calls"):
        folder = Path(tempfile.mkdtemp(prefix=f"vedette-{name}-", dir=arguments.root))
        try:
            ended |= do[name](arguments, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return ended


if __name__ == "__main__":
    sys.exit(main())
