"""What the dashboard costs to look at: page weight and first paint in a real browser, and the figures' document over HTTP.

``python benchmarks/dashboard.py`` makes three lakes: one of one model, one of ``--models`` (copies of three, by hard links), and
one with a model of 10,000 figures a day over 90 days. Server and client are processes of their own, all on the same cores.

**Start**: the seconds until the overview is whole, at the first start of a server of all models and at the next.

**Pages**: the overview of one model and of all, a model with few figures and one with 10,000, each opened ``--rounds`` times in
turns in headless Chromium without a cache; the medians of what came over the wire (compressed and not), of the time to the first
contentful paint and until all pictures in sight are drawn. **Document**: 1,000 figures over 90 days against a route of the same
server that returns the same bytes from memory. **Beside ingest**: the 99th percentile of the same document alone, and while rows
of another model come in at half the rate that the server takes at most, with an ingester.
"""

from __future__ import annotations

import argparse
import http.client
import math
import multiprocessing
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from fastapi import APIRouter
from fastapi.responses import Response
from playwright.sync_api import Browser, sync_playwright

import vedette
from server import json_body
from serving import ingesting, serve
from vedette.engine import cycle
from vedette.engine.commands import BEHIND_OWNER
from vedette.lake.tables import Lake
from vedette.server import api, pages
from vedette.server.needs import needs

CHROMIUM = "/usr/bin/chromium"
START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
DAYS = 90
WIDE = 525  # features: with 19 figures each, 10,000 a day
ASKED = "/v1/models/wide/figures?metric=mean,p50,missing_share,psi&feature=" + ",".join(
    f"f{i:03d}" for i in range(250)
)
"""1,000 figures."""

DRAWN = (
    "[...document.querySelectorAll('.chart')].filter(one => one.getBoundingClientRect().top < innerHeight + 400)"
    ".every(one => ['drawn', 'failed'].includes(one.dataset.state))"
)
"""True once all pictures in sight are drawn."""


def rows(random: np.random.Generator, n: int, n_features: int, shift: float = 0.0) -> dict[str, np.ndarray]:
    """Independent features, and a prediction that hits in nine of ten."""
    label = random.integers(0, 2, n)
    made = {f"f{i:03d}": random.normal(shift * (i == 0), 1, n) for i in range(n_features)}
    return made | {
        "prediction": np.where(random.uniform(size=n) < 0.1, 1 - label, label),
        "label": label,
    }


def model(
    lake: Path, name: str, n_features: int, days: int, *, reference: bool = True, shift: float = 0.0
) -> None:
    """A model with days of rows and their labels, judged."""
    random = np.random.default_rng(5)
    now = START
    own = vedette.Monitor(name, "1", lake, window="1d", task="classification", clock=lambda: now.timestamp())
    if reference:
        own.reference(pl.DataFrame(rows(random, 1000, n_features)))
    for day in range(days):
        now = START + DAY * (day + 1)
        frame = pl.DataFrame(rows(random, 200, n_features, shift * (day > days // 2))).with_columns(
            pl.Series("time", [START + DAY * day + timedelta(seconds=400 * row) for row in range(200)]),
            pl.Series("id", [f"{day}-{row}" for row in range(200)]),
        )
        assert own.log_many(frame.drop("label")), "the journal is full"
        own.label_many(frame.select("id", "label"))
    own.close()
    cycle.once(Lake.at(lake), models=[name])


def copies(lake: Path, kinds: Sequence[str], n: int) -> None:
    """As many models as are asked for: one in twenty alarms, one in twenty has no reference, the others are well."""
    for number in range(n):
        kind = kinds[{9: 1, 19: 2}.get(number % 20, 0)]
        shutil.copytree(lake / kind, lake / f"m{number:04d}", copy_function=os.link)
    for kind in kinds:
        shutil.rmtree(lake / kind)
    shutil.rmtree(lake / ".journal")


def serve_all(lake: str, told: Any, same: bytes = b"") -> None:
    """The pages, the documents and ingest, and a route that returns bytes from memory."""
    bare = APIRouter()

    @bare.get("/bare", dependencies=[needs("view")])
    def memory() -> Response:
        return Response(same, media_type="application/json")

    serve(lake, told, more=[*api.routers, *pages.routers, bare], services=[api.watch])


@contextmanager
def served(lake: Path, same: bytes = b"") -> Iterator[int]:
    """A server of a lake in a process of its own, once it has read all models; its port."""
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    server = context.Process(target=serve_all, args=(str(lake), told, same), daemon=True)
    server.start()
    port = told.get()
    begun = time.perf_counter()
    while True:
        try:
            text = get(port, "/v1/models?limit=1")
        except ConnectionError:
            text = b""
        if b'"read":' in text:
            read, of = (
                int(text.split(f'"{word}":'.encode())[1].split(b",")[0].rstrip(b"}"))
                for word in ("read", "of")
            )
            if read == of > 0:
                break
        time.sleep(0.2)
    print(f"  {of:,} models were read within {time.perf_counter() - begun:.1f} s of the start", flush=True)
    try:
        yield port
    finally:
        server.terminate()
        server.join()


def get(port: int, path: str, headers: dict[str, str] | None = None) -> bytes:
    """The body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", path, headers=headers or {})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {text[:300]!r}")
    return text


def opened(browser: Browser, url: str) -> dict[str, float]:
    """A page opened by somebody who was never there: bytes on the wire and unpacked, and milliseconds."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    wire = context.new_cdp_session(page)
    seen = {"wire": 0.0, "plain": 0.0, "requests": 0.0}

    def finished(event: dict[str, Any]) -> None:
        seen["wire"] += event["encodedDataLength"]
        seen["requests"] += 1

    wire.on("Network.loadingFinished", finished)
    wire.on(
        "Network.dataReceived", lambda event: seen.__setitem__("plain", seen["plain"] + event["dataLength"])
    )
    wire.send("Network.enable")
    page.goto(url)
    while not page.evaluate(DRAWN):  # the pages' policy forbids what wait_for_function would run
        page.wait_for_timeout(10)
    drawn = page.evaluate("performance.now()")
    page.wait_for_timeout(300)
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    first = page.evaluate("performance.getEntriesByType('navigation')[0].responseStart")
    context.close()
    return seen | {"first byte": first, "paint": paint, "drawn": drawn}


def look(urls: dict[str, str], rounds: int) -> dict[str, dict[str, float]]:
    """The medians of what each page costs, in turns."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in urls}
    with sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM)
        for turn in range(rounds + 1):
            for name, url in urls.items():
                cost = opened(browser, url)
                if turn:  # the first warms the browser
                    found[name].append(cost)
        browser.close()
    return {
        name: {key: statistics.median(one[key] for one in costs) for key in costs[0]}
        for name, costs in found.items()
    }


def tell(found: dict[str, dict[str, float]], small: str, large: str) -> None:
    """Two pages and their ratio."""
    for name in (small, large):
        one = found[name]
        print(
            f"  {name}: {one['wire'] / 1000:.0f} kB on the wire ({one['plain'] / 1000:.0f} kB unpacked, "
            f"{one['requests']:.0f} requests), first byte {one['first byte']:.0f} ms, "
            f"first paint {one['paint']:.0f} ms, pictures {one['drawn']:.0f} ms"
        )
    print(f"  first paint: ratio {found[large]['paint'] / found[small]['paint']:.2f}", flush=True)


def times(port: int, path: str, seconds: float) -> list[float]:
    """Seconds that each request took, one after the other over one connection for so long."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    took = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        begun = time.perf_counter()
        connection.request("GET", path)
        connection.getresponse().read()
        took.append(time.perf_counter() - begun)
    connection.close()
    return took


def p99(took: list[float]) -> float:
    """The 99th percentile."""
    return float(np.quantile(took, 0.99))


def send(port: int, seconds: float, rate: float, told: Any) -> None:
    """Send rows of a model that is not looked at for so long, at most at a rate; tells how many requests a second."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    body, begun, sent = json_body(10, 500), time.perf_counter(), 0
    while (spent := time.perf_counter() - begun) < seconds:
        if sent > rate * spent:
            time.sleep(sent / rate - spent)
            continue
        connection.request("POST", "/v1/models/net/predictions", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status == 503:
            time.sleep(float(answer.getheader("Retry-After") or 1))
            continue
        if answer.status != 200:
            raise RuntimeError(f"{answer.status} {text[:200]!r}")
        sent += 1
    told.put(sent / seconds)


def ingest_for_ever(lake: str) -> None:
    """Rounds until the process is ended, behind the server as an ingester that it started itself."""
    os.nice(BEHIND_OWNER)
    with ingesting(Lake.at(lake)):
        threading.Event().wait()


@contextmanager
def sending(lake: Path, port: int, seconds: float, rate: float = math.inf) -> Iterator[Any]:
    """Rows that come in, and rounds that bring them into the lake, in processes of their own; where it will be told how many."""
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    work = [
        context.Process(target=ingest_for_ever, args=(str(lake),), daemon=True),
        context.Process(target=send, args=(port, seconds, rate, told), daemon=True),
    ]
    for one in work:
        one.start()
    yield told
    work[1].join()
    work[0].terminate()
    work[0].join()


def documents(lake: Path, rounds: int, seconds: float) -> None:
    """The figures' document beside the same bytes from memory, and beside ingest."""
    with served(lake) as port:
        begun = time.perf_counter()
        same = get(port, ASKED)
        print(f"  made for the first time in {time.perf_counter() - begun:.2f} s: {len(same) / 1e6:.1f} MB")
    with served(lake, same) as port:
        assert get(port, ASKED) == same
        ours, bare = [], []
        for _ in range(rounds):
            ours += times(port, ASKED, 0.3)
            bare += times(port, "/bare", 0.3)
        ratio = statistics.median(ours) / statistics.median(bare)
        print(
            f"  median {statistics.median(ours) * 1e3:.2f} ms, from memory {statistics.median(bare) * 1e3:.2f} ms: "
            f"ratio {ratio:.2f} (goal 3)"
        )
        quiet: list[float] = []
        busy: list[float] = []
        with sending(lake, port, seconds) as told:
            top = told.get()
        for _ in range(rounds):
            quiet += times(port, ASKED, seconds)
            with sending(lake, port, seconds, top / 2) as told:
                time.sleep(1.5)  # until they have come up
                busy += times(port, ASKED, seconds - 1)
        print(
            f"  beside ingest at {top / 2 * 500:,.0f} of {top * 500:,.0f} rows/s: 99th percentile "
            f"{p99(busy) * 1e3:.1f} ms ({len(busy):,} requests), alone {p99(quiet) * 1e3:.1f} ms ({len(quiet):,}): "
            f"ratio {p99(busy) / p99(quiet):.2f} (goal 2)"
        )


def main() -> None:
    """Print it all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        one, many, wide = (Path(folder) / name for name in ("one", "many", "wide"))
        model(one, "flights", 4, DAYS)
        model(many, "well", 4, DAYS)
        model(many, "ill", 4, DAYS, shift=2.0)
        model(many, "unknown", 4, 5, reference=False)
        copies(many, ("well", "ill", "unknown"), given.models)
        begun = time.perf_counter()
        model(wide, "wide", WIDE, DAYS)
        figures = vedette.Monitor("wide", lake=wide).figures()
        n_figures = figures.filter(pl.col("start") == figures["start"].max()).height
        print(
            f"wide: {n_figures:,} figures over {DAYS} days, made in {time.perf_counter() - begun:.0f} s",
            flush=True,
        )
        print("the first start")
        with served(many):
            pass
        print("a restart, and the others' first starts")
        with served(one) as small, served(many) as large, served(wide) as broad:
            found = look(
                {
                    "overview of 1 model": f"http://127.0.0.1:{small}/",
                    f"overview of {given.models:,} models": f"http://127.0.0.1:{large}/",
                    "a model of 100 figures": f"http://127.0.0.1:{small}/models/flights",
                    f"a model of {n_figures:,} figures": f"http://127.0.0.1:{broad}/models/wide",
                },
                given.rounds,
            )
            names = list(found)
            print("overview")
            tell(found, *names[:2])
            print("model")
            tell(found, *names[2:])
        print("document of 1,000 figures over 90 days")
        documents(wide, given.rounds, given.seconds)


if __name__ == "__main__":
    main()
