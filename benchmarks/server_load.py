"""Many clients at once, and a day of traffic: all of it is in the lake once, and the server's memory stays what it is.

``python benchmarks/server_load.py`` prints two things. **Herd**: 500 clients connect at the same moment and each sends 20
requests of 50 rows under numbers of its own, waiting as it is told where it is refused; the room for bodies is small, so that
many are. **Day**: 24 hours of an hourly wave of traffic, two producers, labels half a day late, at the pace that the server
takes, with an ingester beside it; memory is read each simulated hour, and the ledger at the end. Client and server are
processes of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import multiprocessing
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from serving import ingesting, serve
from vedette.engine import cycle
from vedette.lake.ledger import ledger
from vedette.lake.received import tidy
from vedette.lake.tables import Lake
from vedette.server.ingest import Limits


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """An answer: status, headers, body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    return int(head[0].split()[1]), headers, await reader.readexactly(int(headers.get("content-length", 0)))


async def send(port: int, path: str, documents: list[dict[str, Any]], seen: dict[int, int]) -> None:
    """Send requests one after the other over one connection, each until it is taken."""
    reader = writer = None
    for document in documents:
        body = json.dumps(document).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        while True:
            try:
                if writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(head.encode() + body)
                await writer.drain()
                assert reader is not None
                status, headers, text = await answer(reader)
            except (OSError, asyncio.IncompleteReadError):
                seen[0] = seen.get(0, 0) + 1
                writer = None
                await asyncio.sleep(random.uniform(0.05, 0.5))
                continue
            seen[status] = seen.get(status, 0) + 1
            if headers.get("connection") == "close":
                writer.close()
                writer = None
            if status == 200:
                break
            if status not in (429, 503):
                raise RuntimeError(f"{status} {text[:200]!r}")
            await asyncio.sleep(float(headers.get("retry-after", 1)) * random.uniform(0.5, 1.5))
    if writer is not None:
        writer.close()


def rows(first: int, n: int, name: str, at: float | None = None) -> list[dict[str, Any]]:
    """Rows of one producer."""
    rng = random.Random(first)
    made = [
        {
            "features": {"a": rng.random(), "c": "x"},
            "prediction": rng.randrange(2),
            "id": f"{name}-{first + i}",
        }
        for i in range(n)
    ]
    return made if at is None else [{**row, "time": at + i * 0.001} for i, row in enumerate(made)]


def herd(lake: Lake, n_clients: int) -> bool:
    """500 clients at once."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    server = context.Process(
        target=serve, args=(str(lake.path), queue, 0, Limits(room_bytes=256 * 1024 * 8)), daemon=True
    )
    server.start()
    port = queue.get()
    time.sleep(2)
    watched = psutil.Process(server.pid)
    before, most, stop = watched.memory_info().rss, [0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            most[0] = max(most[0], watched.memory_info().rss)

    thread = threading.Thread(target=watch)
    thread.start()
    seen: dict[int, int] = {}

    async def all_at_once() -> None:
        requests = [
            [
                {"producer": f"c{number}", "first": at * 50 + 1, "rows": rows(at * 50 + 1, 50, f"c{number}")}
                for at in range(20)
            ]
            for number in range(n_clients)
        ]
        await asyncio.gather(*(send(port, "/v1/models/net/predictions", one, seen) for one in requests))

    begun = time.monotonic()
    asyncio.run(all_at_once())
    took_s = time.monotonic() - begun
    stop.set()
    thread.join()
    server.terminate()
    server.join()
    cycle.once(lake)
    ids = lake.model("net")["predictions"].scan().select("id").collect()["id"]
    lost, doubled = n_clients * 1000 - ids.n_unique(), len(ids) - ids.n_unique()
    print(
        f"herd: {n_clients} clients, {n_clients * 1000:,} rows in {took_s:.1f} s, answers {dict(sorted(seen.items()))}, "
        f"lost {lost}, doubled {doubled}, memory {before / 2**20:.0f} MiB before, {most[0] / 2**20:.0f} at most, ledger balanced "
        f"{ledger(lake, 'net').balanced}"
    )
    return not lost and not doubled


def day(lake: Lake, rows_an_hour: int) -> bool:
    """24 hours of traffic."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    server = context.Process(target=serve, args=(str(lake.path), queue), daemon=True)
    server.start()
    port = queue.get()
    time.sleep(2)
    watched = psutil.Process(server.pid)
    seen: dict[int, int] = {}
    start = (time.time() // 3600 - 30) * 3600
    first, label_first, waiting, memory = {"a": 1, "b": 1}, 1, [], []
    with ingesting(lake):
        for hour in range(24):
            n = int(rows_an_hour * (1 + 0.5 * math.sin(hour / 24 * 2 * math.pi)) / 2)
            jobs = []
            for name in ("a", "b"):
                documents = []
                for at in range(0, n, 200):
                    made = rows(first[name], min(200, n - at), name, start + hour * 3600 + at / n * 3599)
                    documents.append({"producer": name, "first": first[name], "rows": made})
                    first[name] += len(made)
                    waiting += [(hour + 12, row["id"], row["prediction"]) for row in made[:20]]
                jobs.append((documents, "/v1/models/net/predictions"))
            due = [one for one in waiting if one[0] <= hour]
            waiting = [one for one in waiting if one[0] > hour]
            labels = [
                {"id": name, "label": value, "time": start + hour * 3600 + 3599} for _, name, value in due
            ]
            if labels:
                jobs.append(
                    (
                        [{"producer": "l", "first": label_first, "rows": labels[:10_000]}],
                        "/v1/models/net/labels",
                    )
                )
                label_first += len(labels[:10_000])

            async def send_all(jobs: list[Any] = jobs) -> None:
                await asyncio.gather(*(send(port, path, documents, seen) for documents, path in jobs))

            asyncio.run(send_all())
            memory.append(watched.memory_info().rss / 2**20)
    server.terminate()
    server.join()
    cycle.once(lake)
    tidy(lake)
    book = ledger(lake, "net")
    n_rows = sum(first.values()) - 2
    ids = lake.model("net")["predictions"].scan().select("id").collect()["id"]
    left = len(list((lake.path / ".received").glob("*/*.log")))
    print(
        f"day: {n_rows:,} rows and {label_first - 1:,} labels, answers {dict(sorted(seen.items()))}, "
        f"lost {n_rows - ids.n_unique()}, doubled {len(ids) - ids.n_unique()}, memory in MiB by hour "
        f"{' '.join(f'{one:.0f}' for one in memory)}, ledger balanced {book.balanced}, log files left {left}"
    )
    return ids.n_unique() == len(ids) == n_rows and book.balanced


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--rows-an-hour", type=int, default=40_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        good = [
            herd(Lake.at(Path(folder) / "herd"), given.clients),
            day(Lake.at(Path(folder) / "day"), given.rows_an_hour),
        ]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
