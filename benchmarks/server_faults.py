"""A server that is killed at random moments while clients send, and is started again: what it answered for is there, once.

``python benchmarks/server_faults.py --kills 300`` runs a server in a process of its own and kills it with SIGKILL after a random
time, again and again, while four clients send rows as JSON under numbers of their own and try each request until it is
answered, a real sender ships the journal of a process that logs, and an ingester goes its rounds. In the end every row must be
in the lake once, and the ledger must balance. It prints rows, kills, rows lost and doubled.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import serving
import vedette
from serving import ingesting
from vedette.engine import cycle
from vedette.errors import IngestError
from vedette.lake.ledger import ledger
from vedette.lake.received import tidy
from vedette.lake.tables import Lake


def client(port: int, name: str, stop: Any, sent: Any) -> None:
    """Send rows under numbers of one's own, each request until it is answered; puts how many were."""
    rng = random.Random(name)
    first = 1
    while not stop.is_set():
        n = rng.choice((1, 1, 3, 50))
        rows = [
            {"features": {"a": float(first + i)}, "prediction": 1, "id": f"{name}-{first + i}"}
            for i in range(n)
        ]
        body = json.dumps({"producer": name, "first": first, "rows": rows}).encode()
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                connection.request(
                    "POST", "/v1/models/net/predictions", body, {"Content-Type": "application/json"}
                )
                answer = connection.getresponse()
                text = answer.read()
                connection.close()
            except (OSError, http.client.HTTPException):
                time.sleep(rng.uniform(0.01, 0.1))
                continue
            if answer.status == 200:
                break
            if answer.status not in (429, 503):
                raise RuntimeError(f"{answer.status} {text[:300]!r}")
            time.sleep(0.1)
        first += n
    sent.put((name, first - 1))


def logger(url: str, journal: str, stop: Any, sent: Any) -> None:
    """Log rows through the real sender until told to end; puts how many."""
    monitor = vedette.Monitor("net", lake=url, journal=journal)
    n = 0
    while not stop.is_set():
        n += 1
        monitor.log({"a": float(n)}, 1, id=f"log-{n}")
        time.sleep(0.002)
    until = time.monotonic() + 120
    while True:
        try:
            monitor.flush(60)
            break
        except IngestError:
            if time.monotonic() > until:
                raise
    monitor.close()
    sent.put(("log", n))


def main() -> None:
    """Print what became of the rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake.at(Path(folder) / "lake")
        context = multiprocessing.get_context("spawn")
        stop, sent = context.Event(), context.Queue()

        def started() -> subprocess.Popen[bytes]:
            return subprocess.Popen([sys.executable, serving.__file__, str(lake.path), str(port)])

        server = started()
        clients = [context.Process(target=client, args=(port, f"c{i}", stop, sent)) for i in range(4)]
        clients.append(
            context.Process(target=logger, args=(f"http://127.0.0.1:{port}", f"{folder}/journal", stop, sent))
        )
        for one in clients:
            one.start()
        with ingesting(lake):
            answering = 0
            for _ in range(given.kills):
                until = time.monotonic() + 20
                while (
                    time.monotonic() < until
                ):  # kill it while it serves, not while it starts; now and then as soon as it can
                    try:
                        socket.create_connection(("127.0.0.1", port), 0.2).close()
                        answering += 1
                        break
                    except OSError:
                        time.sleep(0.02)
                time.sleep(rng.uniform(0.0, 0.6))
                os.kill(server.pid, signal.SIGKILL)
                server.wait()
                server = started()
            stop.set()
            for one in clients:
                one.join(180)
            told = dict(sent.get(timeout=10) for _ in clients)
        server.terminate()
        server.wait()
        cycle.once(lake)
        ids = lake.model("net")["predictions"].scan().select("id").collect()["id"]
        wanted = {f"{name}-{i}" for name, n in told.items() for i in range(1, n + 1)}
        found = set(ids.to_list())
        book = ledger(lake, "net")
        tidy(lake)
        print(
            f"kills {given.kills} (serving at {answering}), rows {len(wanted):,}, lost {len(wanted - found)}, doubled "
            f"{len(ids) - len(found)}, others {len(found - wanted)}, ledger balanced {book.balanced}, log files left "
            f"{len(list((lake.path / '.received').glob('*/*.log')))}"
        )
        for gap in book.gaps:
            print(gap)
        for one in book.producers:
            if not one.balanced:
                print(one)
        if wanted != found or len(ids) != len(found) or not book.balanced:
            sys.exit(1)


if __name__ == "__main__":
    main()
