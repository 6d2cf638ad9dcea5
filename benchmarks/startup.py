"""What ``import vedette`` costs, against ``import logging, json``; and that a monitor that logs stays light.

Each is a fresh interpreter, the two taken in turn; the time is that of the import statement alone, inside it.
Run: python benchmarks/startup.py [ROUNDS]
"""

from __future__ import annotations

import statistics
import subprocess
import sys

CODE = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
LIGHT = """
import sys, tempfile, vedette
m = vedette.Monitor("m", lake=tempfile.mkdtemp())
m.log({"a": 1.0}, 1, probability=0.5, id="x"); m.close()
print([n for n in ("numpy", "polars", "scipy", "deltalake") if n in sys.modules])
"""


def once(modules: str) -> float:
    """Seconds that the import takes in a fresh interpreter."""
    return float(
        subprocess.run(
            [sys.executable, "-c", CODE.format(modules)], capture_output=True, text=True, check=True
        ).stdout
    )


def main(rounds: int) -> None:
    """Print the ratio of the medians."""
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(once("vedette"))
        theirs.append(once("logging, json"))
    a, b = statistics.median(ours), statistics.median(theirs)
    print(
        f"import vedette {a * 1e3:.2f} ms, import logging, json {b * 1e3:.2f} ms, ratio {a / b:.2f} (at most 1.5)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True
    ).stdout.strip()
    print(f"heavy modules that a monitor which logs has loaded: {loaded} (must be [])")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
