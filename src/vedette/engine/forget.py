"""A subject's rows deleted for good: tombstone, round, tables, names, and a search at the end that shows what is left."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

import polars as pl

from vedette.capture.private import Private
from vedette.engine.cycle import LOCK_WAIT_S, round_of
from vedette.engine.naming import BYTES_MIN, Words
from vedette.engine.requests import work_lock
from vedette.engine.scrubbing import scrub
from vedette.engine.searching import search
from vedette.errors import LakeError
from vedette.lake import ingest
from vedette.lake.deleting import apply_tombstones
from vedette.lake.forgotten import ROWS, add, spelled
from vedette.lake.locks import lock
from vedette.lake.outcomes import STREAMS
from vedette.lake.received import tidy
from vedette.lake.received.conflicts import Conflicts
from vedette.lake.rows import variants
from vedette.lake.sources import sources
from vedette.lake.stamps import glances_path
from vedette.lake.tables import UTC, Lake, ModelTables
from vedette.privacy import Plain, folded
from vedette.records import is_runs

__all__ = ["FORGOTTEN", "Forgotten", "forget", "verify_reports"]

FORGOTTEN = "forgotten"
"""The kind of the events that tell of a deletion."""

_GENESIS = "0" * 64
_POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What a deletion did. ``rows`` are those deleted by stream, ``scrubbed`` other rows by table in which the value was named.

    ``remains`` are the files in which a search at the end still found the value: of those of living processes it goes when they
    go on to their next file; ask again then. ``searched`` says in what way. ``digest`` chains the report to the one before.
    """

    model: str
    column: str
    tombstone: int
    rows: Mapping[str, int]
    scrubbed: Mapping[str, int]
    remains: tuple[str, ...]
    searched: str
    by: str | None = None
    previous: str = _GENESIS
    digest: str = field(default="", compare=False)

    @property
    def done(self) -> bool:
        """True where no file was found that still holds the value."""
        return not self.remains

    def document(self) -> dict[str, Any]:
        """The report as JSON has it."""
        return asdict(self) | {"done": self.done}


def forget(
    lake: Lake,
    model: str,
    column: str,
    value: Plain,
    *,
    by: str | None = None,
    private: Private | None = None,
    wait_s: float = 0.0,
    clock: Callable[[], float] = time.time,
) -> Forgotten:
    """Delete all rows of a model whose ``column`` has ``value``, with their labels, wherever the lake has them.

    A tombstone is written first: from then on such rows are refused, whenever and from wherever they come. All that follows can
    be done again: where this is cut off, the next round deletes the rows, and asking again does the rest. ``private`` says how
    the column is hashed or encrypted. ``wait_s`` is for how long files of living processes are waited for.

    Raises ``LakeError`` where the model has no such column, ``LockedError`` where another process holds the lake for too long.
    """
    if is_runs(model):
        raise LakeError(f"model={model!r}: training runs have no rows of subjects: name the model itself")
    with lock(work_lock(lake), wait_s=LOCK_WAIT_S):
        now = ingest.now_of(clock())
        apply_tombstones(
            lake, model, now
        )  # of an earlier one that was cut off: the ledger moves rows once for each
        before = {name: _gone(lake.model(model), name) for name in STREAMS}
        treatment = None if private is None else private.treatment(column)
        if treatment == "encrypt" or not _known(lake.model(model), column):
            round_of(lake, model, now)
            if not _known(lake.model(model), column):
                has = [one for one in lake.model(model)["predictions"].columns() if not one.startswith("_")]
                raise LakeError(
                    f"subject column {column!r}: {model!r} has no such column; it has {', '.join(has)}"
                )
        values = _spellings(lake.model(model), column, value, private)
        number = add(lake, model, ROWS, column, values, now)
        round_of(lake, model, now)
        round_of(lake, model, now)  # what the first one refused has left tombstones of labels
        words = Words(column, tuple(dict.fromkeys(spelled(one) for one in values)))
        scrubbed = scrub(lake, model, words, f"forgotten-{number}")
        glances_path(lake).unlink(missing_ok=True)  # what a server showed may name it; it is made again
        # requests that were refused lie as they came, packed as it may be: whose rows they are cannot be told from outside
        Conflicts(lake).forget(model)
        remains = _left(lake, model, words)
        rows = {name: n for name in STREAMS if (n := _gone(lake.model(model), name) - before[name])}
        searched = (
            f"each column of each table, and the bytes of all other files, for {len(words.values)} spellings"
        )
        if words.numeric:
            searched = "each column of each table; journals and received logs hold numbers as bytes among others: each is named"
        elif not words.needles():
            searched = f"each column of each table; not the bytes of other files: shorter than {BYTES_MIN} characters"
        found = Forgotten(model, column, number, rows, scrubbed, tuple(remains), searched, by)
    until = time.monotonic() + wait_s
    while found.remains and time.monotonic() < until:
        time.sleep(_POLL_S)
        with lock(work_lock(lake), wait_s=LOCK_WAIT_S):
            round_of(lake, model, ingest.now_of(clock()))
            found = replace(found, remains=tuple(_left(lake, model, words)))
    with lock(work_lock(lake), wait_s=LOCK_WAIT_S):
        return _report(lake.model(model), found, ingest.now_of(clock()))


def _left(lake: Lake, model: str, words: Words) -> list[str]:
    """What a search finds, once the files that the tables have come to are gone."""
    ingest.free(lake.model(model), sources(lake, model))
    tidy(lake)
    return search(lake, model, words)


def _known(tables: ModelTables, column: str) -> bool:
    return any(
        folded(one) == folded(column) or variants([folded(one)], folded(column))
        for one in tables["predictions"].columns()
    )


def _gone(tables: ModelTables, stream: str) -> int:
    """The rows of a stream that the ledger has as forgotten."""
    own = pl.col("stream").is_in([stream, f"batch/{stream}"]) & (pl.col("part") == FORGOTTEN)
    return int(tables["ledger"].scan().filter(own).select(pl.col("n").sum()).collect().item() or 0)


def _spellings(tables: ModelTables, column: str, value: Plain, private: Private | None) -> list[Plain]:
    """The value as the lake may have it: in the clear, by its hash, or as each of its encrypted forms that are there."""
    treatment = None if private is None else private.treatment(column)
    if private is None or treatment not in ("hash", "encrypt"):
        return [value]
    kinds: list[Plain] = [value]
    if isinstance(value, str):
        kinds += [kind for kind in (_as(int, value), _as(float, value)) if kind is not None]
        kinds += {"true": [True], "false": [False]}.get(value.lower(), [])
    elif not isinstance(value, bytes):
        kinds.append(spelled(value))
    if treatment == "hash":
        if folded(column) == "id":
            return [value, str(private.id(value))]
        return [value, *(str(private.value(column, one, "hash")) for one in kinds)]
    names = variants(list(tables["predictions"].columns()), column)
    found: list[Plain] = [value]
    for name in names:
        held = tables["predictions"].scan().select(pl.col(name).unique()).collect()[name].drop_nulls()
        found += [one for one in held if isinstance(one, str | bytes) and private.read(column, one) in kinds]
    return found


def _as(kind: Callable[[str], Any], text: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        return None


def _report(tables: ModelTables, found: Forgotten, now: datetime) -> Forgotten:
    """Write the report as an event, chained to the one before; it has no value of the subject."""
    last = _reports(tables)
    found = replace(found, previous=last[-1]["digest"] if last else _GENESIS)
    held = asdict(found) | {"time": now.isoformat()}
    held["digest"] = _digest(held)
    detail = json.dumps(held, sort_keys=True)
    event = {"time": now, "kind": FORGOTTEN, "name": found.column, "version": "", "detail": detail}
    tables["events"].write(pl.DataFrame([event]).with_columns(pl.col("time").cast(UTC)), {})
    return replace(found, digest=held["digest"])


def _digest(held: Mapping[str, Any]) -> str:
    covered = {name: one for name, one in held.items() if name != "digest"}
    return hashlib.sha256(json.dumps(covered, sort_keys=True).encode()).hexdigest()


def _reports(tables: ModelTables) -> list[dict[str, Any]]:
    events = tables["events"].scan().filter(pl.col("kind") == FORGOTTEN).sort("time", maintain_order=True)
    return [json.loads(detail) for detail in events.select("detail").collect()["detail"]]


def verify_reports(tables: ModelTables) -> int:
    """How many reports of deletions there are; ``LakeError`` names the first that does not follow the one before it."""
    previous = _GENESIS
    for at, held in enumerate(_reports(tables)):
        if held["previous"] != previous or held["digest"] != _digest(held):
            raise LakeError(
                f"report {at + 1} of what was forgotten: is not what was written, or one before it is missing"
            )
        previous = held["digest"]
    return len(_reports(tables))
