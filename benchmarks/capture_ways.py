"""What ``capture.py`` measures of vedette, each part in a fresh process: ``capture_ways.py PART '{"folder": ...}'``.

Prints one JSON document. Whether the process has the C core or the fallback is for its environment to say
(``VEDETTE_CORE=off``); the parts know nothing of it. How each part measures, and what would be wrong otherwise, stands
in its docstring.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from capture_rows import CASES, FEATURES, log_ids, log_rows, yardstick
from vedette.capture import ProducerFolder, Recorder, producers
from vedette.records import Settings

MODEL = "benchmark"
UNBOUNDED = 2**40
ALL = 2**62  # every sequence


def recorder(folder: Path, **options: Any) -> Recorder:
    """A recorder as a user has it, but for the bound of its journal."""
    return Recorder(folder, MODEL, "1", Settings(), **{"journal_bytes_max": UNBOUNDED, **options})


def free(folder: Path) -> None:
    """Delete the sealed segments, as the ingester does behind the recorder."""
    for producer in producers(folder, MODEL):
        producer.free("predictions", ALL)


def cost(folder: Path, rows: int, repeats: int) -> dict[str, Any]:
    """Nanoseconds a row of each case and their ratios to the yardstick, in processor time of the calling thread.

    Blocks of ``rows`` rows, a few milliseconds each, of yardstick and case in turn, and the ratio of each pair: a
    machine that is slower for a while (frequency, neighbours on the same host) is slower for both, which one long run
    after the other would count as ours. Processor time, since the time in which other processes run is not a cost of
    the call; what the system does for the pages that the call touches is in it. After each pair comes a rest, so that
    there are some 100,000 rows a second, more than any model makes: without it (``flat_out``) the thread that prepares
    the pages in the background has no time to, and the calls do that themselves. Opening and sealing segments falls into
    few blocks, so that the median hardly sees it: ``mean_ratio`` is all of our time over all of the yardstick's.
    """
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in CASES}
    for name, case in CASES.items():  # one recorder at a time, as a model has it
        made = recorder(folder / name)
        block = log_rows if case.ids is None else log_ids
        for repeat in range(-2, repeats):  # the first ones claim the folder, compile the layout and warm up
            plain = yardstick(rows, time.thread_time)
            ours = block(made.log, case, rows, time.thread_time)
            if repeat >= 0:
                times[name].append((ours / rows, plain / rows))
            free(folder / name)
            time.sleep(case.rest_s)
        made.close()
    result: dict[str, Any] = {
        "yardstick_ns": 1e9 * median(plain for pairs in times.values() for _, plain in pairs)
    }
    for name, pairs in times.items():
        result[name] = {
            "ns": 1e9 * median(ours for ours, _ in pairs),
            "ratios": [ours / plain for ours, plain in pairs],
            "mean_ratio": sum(ours for ours, _ in pairs) / sum(plain for _, plain in pairs),
        }
    return {**result, **_whole(folder / "whole", rows * repeats)}


def _whole(folder: Path, rows: int) -> dict[str, float]:
    """Processor time of the whole process a row, close included: what threads in the background take is in this one."""
    made = recorder(folder)
    log_ids(made.log, CASES["with_id"], 1000, time.process_time)
    start = time.process_time()
    for _ in range(0, rows, 5000):
        log_ids(made.log, CASES["with_id"], 5000, time.process_time)
    made.close()
    took = time.process_time() - start
    start = time.process_time()
    for _ in range(0, rows, 5000):
        log_ids(_nothing, CASES["with_id"], 5000, time.process_time)
    return {"whole_ns": 1e9 * (took - (time.process_time() - start)) / rows}


def _nothing(
    features: Any,
    prediction: Any = None,
    *,
    probability: Any = None,
    id: Any = None,  # noqa: A002 - as log has it
    latency_s: Any = None,
    time: Any = None,
) -> None:
    """What an empty function with the arguments of ``log`` costs is what no recorder can be below."""


def latency(folder: Path, samples: int, rest_s: float) -> dict[str, float]:
    """Percentiles of single calls, and how many took over a millisecond, with the background sync at work.

    ``rest_s`` is the pause after every 10,000 calls: with 0.1 s they come at about 100,000 a second, more than any model
    makes; with 0 they come as fast as they can, and a segment of 16 MB lasts some 20 ms. Shorter bursts would measure
    the first call after each pause, which finds the processor's caches full of something else.

    Each call is timed by itself on the wall clock, since a stall is time that passes: a mean over a batch would hide
    it, and processor time would not have it. An empty function is called in turn, so that what the machine does to
    this process (another one that runs, an interrupt) hits both; its median, mostly that of reading the clock, is
    taken off ours. Samples go into arrays that were touched before: a list would grow, and be walked by the garbage
    collector, in the middle of the measurement.
    """
    log = recorder(folder).log
    ours, empty = array("q", bytes(8 * samples)), array("q", bytes(8 * samples))
    clock, nothing, features, name = time.perf_counter_ns, _nothing, FEATURES, "order-12345"
    for _ in range(20_000):
        log(features, 1.0, probability=0.93, id=name, latency_s=0.004)
    time.sleep(0.5)  # what the first segment asked for is done
    for i in range(samples):
        if rest_s and not i % 10_000:
            time.sleep(rest_s)
        first = clock()
        log(features, 1.0, probability=0.93, id=name, latency_s=0.004)
        second = clock()
        nothing(features, 1.0, probability=0.93, id=name, latency_s=0.004)
        third = clock()
        ours[i] = second - first
        empty[i] = third - second
    ours_sorted, empty_sorted = sorted(ours), sorted(empty)
    base = empty_sorted[samples // 2]
    middle, tail = (max(1, ours_sorted[int(share * samples)] - base) for share in (0.5, 0.999))
    return {
        "samples": samples,
        "median_ns": middle,
        "p999_ns": tail,
        "p999_ratio": tail / middle,
        "max_us": ours_sorted[-1] / 1000,
        "empty_p999_ns": empty_sorted[int(0.999 * samples)] - base,
        "empty_max_us": empty_sorted[-1] / 1000,
        "over_1ms": sum(one > 1_000_000 for one in ours),
        "empty_over_1ms": sum(one > 1_000_000 for one in empty),
    }


def threads(folder: Path, rows: int, repeats: int) -> dict[str, float]:
    """Calls a second of eight threads together and of one, and the median of their ratios, in turn.

    On the wall clock: eight threads that wait for each other would cost no processor time. One thread is a thread
    as well, so that starting and joining are in both.
    """
    log = recorder(folder).log
    names = CASES["with_id"].ids
    assert names is not None
    ids = names(rows)

    def work(part: list[str], go: threading.Event) -> None:
        features = FEATURES
        go.wait()
        for name in part:
            log(features, 1.0, probability=0.93, id=name, latency_s=0.004)

    def rate(n: int) -> float:
        go = threading.Event()
        workers = [threading.Thread(target=work, args=(ids[index::n], go)) for index in range(n)]
        for worker in workers:
            worker.start()
        start = time.perf_counter()
        go.set()
        for worker in workers:
            worker.join()
        return rows / (time.perf_counter() - start)

    rate(1)
    rates = []
    for _ in range(repeats):
        rates.append((rate(1), rate(8)))
        free(folder)
    return {
        "one_per_s": median(one for one, _ in rates),
        "eight_per_s": median(eight for _, eight in rates),
        "ratio": median(eight / one for one, eight in rates),
    }


def memory(folder: Path, calls: int, warm: int, kept: bool) -> dict[str, float]:
    """Growth of this process's anonymous memory over so many calls, after ``warm`` others that fill what is bounded.

    With a dead server nobody frees the journal: it fills, and all the rows after are dropped and counted. With
    ``kept`` a reader frees it behind. Anonymous memory alone (``RssAnon``): pages of mapped files are counted to a
    process while it holds them and go back to the system by themselves, so that ``VmRSS`` grows with each segment
    and shrinks again. Every row has an id and a text of its own, or a table that grows with them would not show; the
    texts that a segment remembers are bounded, which is what the first calls are for. ``last_us`` is the processor time
    of a call in the end, of a dropped row where there is no room: new texts and ids are made in it.
    """
    made = recorder(folder, journal_bytes_max=UNBOUNDED if kept else 16 * 2**20)
    log, features = made.log, dict(CASES["mixed"].rows(1)[0])
    step = max(1, calls // 40)
    samples, took = [], 0.0
    for start in range(0, warm + calls, step):
        began = time.thread_time()
        for i in range(start, start + step):
            features["carrier"] = f"carrier {i}"
            log(features, 1, probability=0.93, id=f"order-{i}", latency_s=0.004)
        took = time.thread_time() - began
        if kept:
            free(folder)
        samples.append(_resident())
    first, *others = samples[max(0, warm // step - 1) :]
    counted = [producer.counters("predictions").dropped for producer in producers(folder, MODEL)]
    made.close()
    return {
        "calls": step * len(others),
        "dropped": sum(counted),
        "last_us": 1e6 * took / step,
        "warm_mib": first["RssAnon"],
        "growth_mib": max(sample["RssAnon"] for sample in others) - first["RssAnon"],
        "files_mib": max(sample["RssFile"] + sample["RssShmem"] for sample in samples),
        "all_mib": max(sample["VmRSS"] for sample in samples),
    }


def _resident() -> dict[str, float]:
    """Resident memory of this process in MiB, by kind."""
    lines = Path("/proc/self/status").read_text().splitlines()
    found = dict(line.split(":", 1) for line in lines)
    return {name: int(found[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile", "RssShmem", "VmRSS")}


def decode(folder: Path, rows: int, repeats: int) -> dict[str, float]:
    """Rows a second from the journal of a dead producer to columns, on the wall clock, the files in the page cache.

    Fifteen fields: twelve features, prediction, probability and latency, all float64. Once without ids and once with
    a text id a row, of which each becomes a Python object.
    """
    features = {**FEATURES, "feature_10": 11.0, "feature_11": 12.1}
    result: dict[str, float] = {}
    for name, ids in (("rows", [None] * rows), ("rows_with_ids", [f"order-{i}" for i in range(rows)])):
        made = recorder(folder / name)
        log: Callable[..., None] = made.log
        for one in ids:
            log(features, 1.0, probability=0.93, id=one, latency_s=0.004)
        made.close()
        took = [_read(producers(folder / name, MODEL), rows) for _ in range(repeats)]
        result[f"{name}_per_s"] = rows / median(took)
    return result


def _read(folders: list[ProducerFolder], rows: int) -> float:
    start = time.perf_counter()
    found = total = 0
    for folder in folders:
        for chunk in folder.read("predictions", 0):
            found += len(chunk.sequence)
            total += sum(len(values) for values, _ in chunk.columns.values())
    took = time.perf_counter() - start
    assert (found, total) == (rows, 15 * rows), (found, total)
    return took


PARTS: dict[str, Callable[..., dict[str, Any]]] = {
    "cost": cost,
    "latency": latency,
    "threads": threads,
    "memory": memory,
    "decode": decode,
}


if __name__ == "__main__":
    options = json.loads(sys.argv[2])
    print(json.dumps(PARTS[sys.argv[1]](Path(options.pop("folder")), **options)))
