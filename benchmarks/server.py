"""What it costs to take rows, beside a server that only takes the same bytes; client and server on the same cores.

``python benchmarks/server.py`` starts a server (uvicorn, one process) whose routes are those of ingest and two bare ones: one
reads a body, appends it to a file and syncs it before it answers, one reads a body and parses it as JSON. Clients in a process of
their own send the same bodies to each in turns, several rounds, and the ratio of rows a second is printed for each round and
as a median: Arrow requests of 10,000 rows against the one that syncs, JSON of many rows and of one against the one that parses.
No ingester runs meanwhile. ``--columns``, ``--rounds`` and ``--seconds`` set what and how long.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import multiprocessing
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from serving import serve
from vedette.server.needs import needs

JOURNAL = "5f0c7a3e9b1d4c2286e0a4d8f3b7c619"


def arrow_bodies(
    n_columns: int, n: int, producer: str, rows: int = 10_000
) -> Iterator[tuple[str, bytes, dict[str, str]]]:
    """Requests as the sender makes them, one range behind the other: path, body, headers."""
    rng = np.random.default_rng(1)
    utc = pa.timestamp("us", "UTC")
    features = [
        pa.field(f"f{i}", pa.float64(), metadata={"role": "feature", "name": f"f{i}", "type": "float64"})
        for i in range(n_columns)
    ]
    fields = [
        pa.field("_sequence", pa.int64()), pa.field("id", pa.utf8()), pa.field("time", utc), pa.field("received", utc), *features,
        pa.field("prediction", pa.int64(), metadata={"role": "prediction", "name": "", "type": "int64"}),
        pa.field("probability", pa.float64(), metadata={"role": "probability", "name": "", "type": "float64"}),
    ]  # fmt: skip
    moment = pa.array(np.full(rows, int(time.time() * 1e6)), utc)
    columns = [pa.array(rng.normal(size=rows)) for _ in range(n_columns)]
    for number in range(n):
        first = number * rows + 1
        said = {"journal": JOURNAL, "producer": producer, "first": first, "end": first + rows}
        document = {
            "format": 1, "model": "net", "stream": "predictions", "rows": rows, "lost": [], "version": "1", "settings": {},
            **said,
        }  # fmt: skip
        schema = pa.schema(fields, metadata={"vedette": json.dumps(document)})
        ids = pa.array([f"r{first + i}" for i in range(rows)])
        batch = pa.record_batch(
            [pa.array(range(first, first + rows), pa.int64()), ids, moment, moment, *columns,
             pa.array(rng.integers(0, 2, rows)), pa.array(rng.random(rows))],
            schema=schema,
        )  # fmt: skip
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, schema) as writer:
            writer.write_batch(batch)
        body = sink.getvalue().to_pybytes()
        query = "&".join(f"{name}={value}" for name, value in said.items())
        headers = {
            "Content-Type": "application/vnd.apache.arrow.stream",
            "Vedette-Digest": f"sha-256={hashlib.sha256(body).hexdigest()}",
        }
        yield f"/v1/ingest/net/predictions?{query}", body, headers


def json_body(n_columns: int, rows: int) -> bytes:
    """Rows as JSON."""
    rng = np.random.default_rng(2)
    made = [
        {
            "features": {f"f{i}": float(value) for i, value in enumerate(rng.normal(size=n_columns))},
            "prediction": int(rng.integers(0, 2)), "probability": float(rng.random()), "id": f"r{number}", "latency_s": 0.004,
        }
        for number in range(rows)
    ]  # fmt: skip
    return json.dumps({"rows": made} if rows > 1 else made[0]).encode()


def serve_with_bare(lake: str, told: Any) -> None:
    """The server with the bare routes beside it, in a process of its own; says its port."""
    bare = APIRouter()
    file = os.open(Path(lake) / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def keep(body: bytes) -> None:
        os.write(file, body)
        os.fdatasync(file)

    @bare.post("/bare/append", dependencies=[needs("ingest")])
    async def append(request: Request) -> dict[str, int]:
        body = await request.body()
        await run_in_threadpool(keep, body)
        return {"through": len(body)}

    @bare.post("/bare/parse", dependencies=[needs("ingest")])
    async def parse(request: Request) -> dict[str, int]:
        return {"through": len(json.loads(await request.body()))}

    serve(lake, told, more=[bare])


def send(
    port: int,
    requests: Callable[[int], Iterator[tuple[str, bytes, dict[str, str]]]],
    clients: int,
    seconds: float,
) -> float:
    """Requests a second that ``clients`` connections get answered with 200, for so long."""
    done = [0] * clients
    until = [0.0]
    barrier = threading.Barrier(clients)

    def one(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        made = iter(requests(number))
        barrier.wait()
        until[0] = until[0] or time.perf_counter() + seconds
        while time.perf_counter() < until[0]:
            request = next(made, None)
            if request is None:
                raise RuntimeError("more was sent than lay ready: give fewer seconds")
            path, body, headers = request
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{answer.status} {text[:200]!r}")
            done[number] += 1
        connection.close()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(clients)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - begun)


def same(path: str, body: bytes) -> Callable[[int], Iterator[tuple[str, bytes, dict[str, str]]]]:
    """The same request, for ever."""

    def requests(_: int) -> Iterator[tuple[str, bytes, dict[str, str]]]:
        while True:
            yield path, body, {"Content-Type": "application/json"}

    return requests


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--columns", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--clients", type=int, default=4)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        context = multiprocessing.get_context("spawn")
        port_queue = context.Queue()
        server = context.Process(target=serve_with_bare, args=(folder, port_queue), daemon=True)
        server.start()
        port = port_queue.get()
        time.sleep(2)
        ready: dict[int, list[tuple[str, bytes, dict[str, str]]]] = {}

        def arrow(number: int) -> Iterator[tuple[str, bytes, dict[str, str]]]:
            return iter(ready[number])

        def bare_arrow(number: int) -> Iterator[tuple[str, bytes, dict[str, str]]]:
            while True:
                for _, body, headers in ready[number]:
                    yield "/bare/append", body, headers

        many, single = json_body(given.columns, 500), json_body(given.columns, 1)
        ratios: dict[str, list[float]] = {"arrow": [], "json of 500 rows": [], "json of 1 row": []}
        for turn in range(given.rounds):
            n = int(600 * given.seconds)
            for number in range(
                given.clients
            ):  # what is sent lies ready: to make it is not the server's cost
                producer = f"{turn * 100 + number + 1:04d}-3f9c21ab"
                ready[number] = list(arrow_bodies(given.columns, n // given.clients, producer))
            ours, bare = (
                send(port, arrow, given.clients, given.seconds),
                send(port, bare_arrow, given.clients, given.seconds),
            )
            ratios["arrow"].append(ours / bare)
            print(f"arrow: {ours * 10_000:,.0f} rows/s, bare {bare * 10_000:,.0f}: {ours / bare:.2f}")
            for name, body, n_rows in (("json of 500 rows", many, 500), ("json of 1 row", single, 1)):
                ours = send(port, same("/v1/models/net/predictions", body), given.clients, given.seconds)
                bare = send(port, same("/bare/parse", body), given.clients, given.seconds)
                ratios[name].append(ours / bare)
                print(f"{name}: {ours * n_rows:,.0f} rows/s, bare {bare * n_rows:,.0f}: {ours / bare:.2f}")
        for name, found in ratios.items():
            print(f"{name}: median ratio {statistics.median(found):.2f} of {len(found)} (goal 0.40)")
        server.terminate()


if __name__ == "__main__":
    main()
