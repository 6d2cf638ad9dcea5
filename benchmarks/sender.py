"""What shipping costs: rows a second to a server on this machine, the sender's memory, and what a dead server does to ``log``.

The server is one that reads each request and acknowledges it, in a process of its own, so that what is measured is the
sender. ``rows_per_s`` and ``peak_mib`` are of one sender in a process of its own, over a journal of rows with ten numbers, two
texts, prediction, probability, latency and id, uncompressed and as it is sent to another machine (gzip); ``bytes_per_row`` are
those of the bodies. ``dead_ratio`` is the median ratio of the time of ``log`` with a sender of another process that finds no
server to that without any sender, in alternating measurements of one process, in processor time and by the clock.
Run: ``python benchmarks/sender.py [--rows N] [--repeats N] [--json]``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import parse_qs, urlsplit

from vedette.capture import Recorder
from vedette.capture.shipping.shipping import Shipping
from vedette.config import ServerSettings
from vedette.records import Settings

FEATURES = {**{f"number_{index}": 1.1 * index for index in range(10)}, "carrier": "AA", "origin": "JFK"}
SHIP = """
import json, re, resource, sys, time
from pathlib import Path
from vedette.capture.shipping.follow import once
from vedette.capture.shipping.transport import Client
from vedette.config import ServerSettings
if sys.argv[3] == "gzip":
    Client.loopback = False
peak_kib = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
before = peak_kib()
start = time.perf_counter()
shipped = once(Path(sys.argv[1]), sys.argv[2], ServerSettings)
took = time.perf_counter() - start
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"rows": shipped.rows, "took_s": took, "cpu_s": used.ru_utime + used.ru_stime,
                  "peak_mib": peak_kib() / 1024, "start_mib": before / 1024}))
"""


class _Handler(BaseHTTPRequestHandler):
    """Reads and acknowledges."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = (
        True  # headers and body of an answer are two writes: the second would wait for an ACK
    )

    def do_GET(self) -> None:
        self._say({"watermarks": {}})

    def do_POST(self) -> None:
        left = size = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, 2**20)))
        query = parse_qs(urlsplit(self.path).query)
        self.server.n_bytes += size  # type: ignore[attr-defined]
        through = int(query["end"][0]) - 1 if "end" in query else int(query.get("batch", ["0"])[0])
        self._say({"through": through, "duplicate": False, "taken": True})

    def _say(self, document: dict[str, Any]) -> None:
        data = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def serve() -> None:
    """The server, until its standard input ends; then it says how many bytes came."""
    import threading

    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.n_bytes = 0  # type: ignore[attr-defined]
        print(server.server_address[1], flush=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdin.read()
        print(server.n_bytes)  # type: ignore[attr-defined]
        server.shutdown()


def fill(recorder: Recorder, rows: int) -> None:
    """Rows whose numbers differ, as those of a model do."""
    rng = random.Random(0)
    for i in range(rows):
        features = {
            name: rng.gauss(0.0, 1.0) if type(one) is float else one for name, one in FEATURES.items()
        }
        recorder.log(features, i % 2, probability=rng.random(), id=f"order-{i}", latency_s=0.004)


def log_rows(log: Callable[..., None], rows: int) -> tuple[float, float]:
    """Seconds for a row, in processor time of this thread and by the clock."""
    features = FEATURES
    cpu, wall = time.thread_time(), time.perf_counter()
    for _ in range(rows):
        log(features, 1.0, probability=0.93, id="order-12345", latency_s=0.004)
    return (time.thread_time() - cpu) / rows, (time.perf_counter() - wall) / rows


def ship(folder: Path, rows: int, way: str) -> dict[str, float]:
    """Ship a journal of so many rows to a server that takes all."""
    journal = folder / way
    recorder = Recorder(journal, "benchmark", "1", Settings(), journal_bytes_max=2**40)
    fill(recorder, rows)
    recorder.close()
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    port = int(server.stdout.readline())
    done = subprocess.run(
        [sys.executable, "-c", SHIP, str(journal), f"http://127.0.0.1:{port}", way],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    out, _ = server.communicate("")
    found: dict[str, float] = json.loads(done.stdout)
    assert found["rows"] == rows
    return {
        f"{way}_rows_per_s": rows / found["took_s"],
        f"{way}_cpu_us_a_row": 1e6 * found["cpu_s"] / rows,
        f"{way}_peak_mib": found["peak_mib"],
        f"{way}_start_mib": found["start_mib"],
        f"{way}_bytes_per_row": int(out) / rows,
    }


def dead(folder: Path, rows: int, repeats: int) -> dict[str, float]:
    """The ratio of what ``log`` costs beside a sender that finds no server to what it costs alone."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]  # nobody listens there once this is closed
    ratios: list[tuple[float, float]] = []
    for repeat in range(-1, repeats):  # the first warms up
        alone = Recorder(folder / "alone", "benchmark", "1", Settings(), journal_bytes_max=2**40)
        beside = Recorder(folder / "beside", "benchmark", "1", Settings(), journal_bytes_max=2**40)
        shipping = Shipping(folder / "beside", f"http://127.0.0.1:{port}", ServerSettings)
        for one in (alone, beside):
            log_rows(one.log, 1000)
        shipping.prepare()  # starts the sender
        took = {}
        for one in (beside, alone) if repeat % 2 else (alone, beside):
            took[one] = log_rows(one.log, rows)
        if repeat >= 0:
            ratios.append((took[beside][0] / took[alone][0], took[beside][1] / took[alone][1]))
        for one in (alone, beside):
            one.close()
        for name in ("alone", "beside"):
            shutil.rmtree(folder / name, ignore_errors=True)  # the sender ends with its journal
    return {
        "dead_ratio_cpu": median(cpu for cpu, _ in ratios),
        "dead_ratio_clock": median(clock for _, clock in ratios),
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=300_000, help="rows that are shipped")
    parser.add_argument("--repeats", type=int, default=7, help="alternating measurements with a dead server")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve()
        return
    folder = Path(tempfile.mkdtemp(prefix="vedette-benchmark-"))
    try:
        result = {
            **ship(folder, arguments.rows, "plain"),
            **ship(folder, arguments.rows, "gzip"),
            **dead(folder, min(arguments.rows, 100_000), arguments.repeats),
            "cpus": float(os.cpu_count() or 1),
        }
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if arguments.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:22} {value:12,.2f}")


if __name__ == "__main__":
    main()
