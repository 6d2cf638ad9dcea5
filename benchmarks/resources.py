"""What reading resources costs: the processor time of one reading and record, as a share of a core at each interval.

    python benchmarks/resources.py [--readings 2000]

A reading is made with 20 and with 1,000 open files (they are counted one by one), by the code that the thread runs, recording
included; the thread's own cost of waking is measured beside it, by running it for some seconds. Limit: 0.1 % of a core at the
usual 10 s.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from pathlib import Path

from vedette import Monitor
from vedette.capture.resources import EVERY_S, Readings

LIMIT = 0.001


def cost_of_reading(n_readings: int, folder: Path) -> float:
    """The seconds of processor time that one reading and its record take."""
    with Monitor("m", lake=folder, resources=False) as monitor:
        readings = Readings()
        monitor.log(readings.read(), "read")
        start = time.thread_time()
        for _ in range(n_readings):
            monitor.log(readings.read(), "read")
        return (time.thread_time() - start) / n_readings


def cost_of_thread(seconds: float, folder: Path) -> float:
    """The processor time of the whole process with the thread reading ten times a second, less that without, a reading."""
    spent = []
    for every_s in (None, 0.1):
        with Monitor("m", lake=folder, resources=every_s or False) as monitor:
            monitor.log({"a": 1.0}, 1)
            if every_s:
                monitor.resources()
            time.sleep(1.5)
            start = time.process_time()
            time.sleep(seconds)
            spent.append(time.process_time() - start)
    return max(0.0, spent[1] - spent[0]) / (seconds / 0.1)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--readings", type=int, default=2000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for n_files in (0, 1000):
            held = [(Path(folder) / f"f{i}").open("w") for i in range(n_files)]
            seconds = cost_of_reading(given.readings, Path(folder) / "a")
            for file in held:
                file.close()
            share = seconds / EVERY_S
            said = "ok" if share <= LIMIT else "MISSED"
            print(
                f"{n_files + 20:5} open files: {1e6 * seconds:7.0f} us a reading, {share:.6%} of a core at {EVERY_S:g} s: {said}"
            )
        seconds = cost_of_thread(10.0, Path(folder) / "b")
        share = seconds / EVERY_S
        said = "ok" if share <= LIMIT else "MISSED"
        print(
            f"  with its thread: {1e6 * seconds:7.0f} us a reading, {share:.6%} of a core at {EVERY_S:g} s: {said}"
        )
        print(
            f"threads left: {[one.name for one in threading.enumerate() if one.name == 'vedette-resources']}"
        )


if __name__ == "__main__":
    main()
