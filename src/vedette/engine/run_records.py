"""How training runs stand: what their events say, whether their processes are there, and which rank broke them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import polars as pl

from vedette.capture.run_parts import MACHINE, part_of
from vedette.capture.runs import process_identity
from vedette.lake.points import Kept
from vedette.lake.tables import UTC

__all__ = ["BROKEN", "DIAGNOSED", "RunRecord", "alive", "merged", "parts", "records", "tell"]

BROKEN = ("failed", "killed")

DIAGNOSED = "run_diagnosed"
"""The event that a run which ended was diagnosed, with its findings."""

_ALIVE_S = 600.0  # a run of another machine counts as running for so long after its last row
_OTHERS_TOLD = 16
_OF_PEERS = re.compile(
    r"^Dist(Backend|Network|Store)Error|[Cc]onnection (closed|reset|refused)|[Bb]roken pipe|[Tt]imed out|NCCL|[Gg]loo"
)
"""What a rank fails by when another one is gone: gloo's, NCCL's and the store's words for it."""


@dataclass(slots=True)
class RunRecord:
    """How a run stands, from its events.

    ``status`` is running, finished, failed, stopped, killed (its process is gone and said nothing) or unknown (it is on
    another machine, and nothing came for ten minutes); ``reason`` says more. Of a run of several ``ranks`` it is that of rank 0,
    unless a rank has failed or was killed: then ``failed_rank`` is the one that it began with.
    """

    name: str
    version: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    status: str = "running"
    reason: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    process: dict[str, Any] = field(default_factory=dict)
    resumed: int = 0
    ranks: int = 1
    failed_rank: int | None = None


def records(kept: Kept, now_s: float) -> dict[str, RunRecord]:
    """Each run by name, in the order in which they began; all its ranks are one."""
    return merged(parts(kept, now_s))


def parts(kept: Kept, now_s: float) -> dict[str, RunRecord]:
    """Each process of each run by the name of its part, in the order in which they began."""
    found: dict[str, RunRecord] = {}
    for when, kind, name, version, text in kept.events.select(
        "time", "kind", "name", "version", "detail"
    ).iter_rows():
        detail = json.loads(text)["detail"]
        one = found.setdefault(name, RunRecord(name))
        tell(one, kind, when, version, detail)
    open_ones = [one for one in found.values() if one.status == "running"]
    newest = _newest(kept) if open_ones else {}
    for one in open_ones:
        one.status, one.reason = alive(one.process, newest.get(one.name), now_s)
        if one.status != "running":
            one.ended = newest.get(one.name)
    return found


def merged(found: dict[str, RunRecord]) -> dict[str, RunRecord]:
    """The runs, of the records of their parts: each is its rank 0, and broken where any of its ranks is."""
    runs: dict[str, RunRecord] = {}
    by_rank: dict[str, dict[int, RunRecord]] = {}
    for name, one in found.items():
        part = part_of(name)
        by_rank.setdefault(part.run, {})[part.rank] = one
        if part.rank == 0:
            runs[name] = one
        elif part.run not in runs and part.run not in found:  # rank 0 has not begun, or not said so
            runs[part.run] = replace(one, name=part.run)
    for name, ranks in by_rank.items():
        run = runs[name]
        broken = {rank: one for rank, one in ranks.items() if one.status in BROKEN}
        if run.ranks < 2 or not broken:
            continue
        rank = _cause(broken)
        cause = broken[rank]
        others = [f"rank {other} {one.status}" for other, one in sorted(broken.items()) if other != rank]
        more = f" (then {', '.join(others[:_OTHERS_TOLD])})" if others else ""
        run.reason = f"rank {rank}: {cause.reason}{more}"
        run.status, run.failed_rank, run.ended = cause.status, rank, run.ended or cause.ended
    return runs


def _cause(broken: Mapping[int, RunRecord]) -> int:
    """The rank that the others broke by: an exception that is not about the others; else who was killed; else who failed."""

    def first(ranks: list[int]) -> int:
        return min(ranks, key=lambda rank: (broken[rank].ended is None, broken[rank].ended, rank))

    failed = [rank for rank, one in broken.items() if one.status == "failed"]
    own = [rank for rank in failed if not _OF_PEERS.search(broken[rank].reason)]
    killed = [rank for rank in broken if rank not in failed]
    return first(own or killed or failed)


def tell(one: RunRecord, kind: str, when: datetime, version: str, detail: dict[str, Any]) -> None:
    """What an event says about a run."""
    if kind in ("run_started", "run_resumed"):
        one.version, one.process = version, detail
        one.ranks = int(detail.get("ranks", 1))
        one.started = one.started or when
        one.resumed += kind == "run_resumed"
        one.ended, one.status, one.reason = None, "running", ""
    elif kind == "run_params":
        one.params |= detail
    elif kind == "environment":
        one.environment = detail
    elif kind == "run_ended":
        one.ended, one.status = when, str(detail.get("status"))
        one.summary |= detail.get("summary") or {}
        failed = f"{detail.get('type')}: {detail.get('message')}" if detail.get("type") else ""
        one.reason = failed or str(detail.get("reason") or "")


def alive(process: Mapping[str, Any], newest: datetime | None, now_s: float) -> tuple[str, str]:
    """Whether a run that has not ended still runs, and why not."""
    if process.get("imported"):
        if newest is not None and now_s - newest.timestamp() <= _ALIVE_S:
            return "running", ""
        return "unknown", f"it came from {process['imported']}, where nothing says how it ended"
    here = process_identity()
    if process.get("host") == here["host"]:
        if process.get("boot") != here["boot"]:
            return "killed", "the machine was started anew since"
        if not process.get("start"):
            return "unknown", "this system does not tell when a process started"
        there = process_identity(int(process["pid"]))
        if there["start"] == process["start"]:
            return "running", ""
        return "killed", f"process {process['pid']} is gone, and did not say that the run ended"
    if newest is not None and now_s - newest.timestamp() <= _ALIVE_S:
        return "running", ""
    return "unknown", f"it is on {process.get('host')}, and nothing came from it for ten minutes"


def _newest(kept: Kept) -> dict[str, datetime]:
    """The time of the last row or event of each run."""
    of = pl.col("run").str.strip_suffix(MACHINE)  # the machine beside it is read as long as the process lives
    rows = kept.points.group_by(of).agg(pl.col("time").max()).collect()
    own = kept.events.filter(pl.col("kind") != DIAGNOSED)  # which is told after the run
    said = own.group_by(pl.col("name").alias("run")).agg(pl.col("time").max())
    both = pl.concat([rows.cast({"time": UTC}), said]).group_by("run").agg(pl.col("time").max())
    return dict(both.iter_rows())
