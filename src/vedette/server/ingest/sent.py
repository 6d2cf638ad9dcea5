"""What a sender ships becomes records: ranges and batches as Arrow, word of what does not come, and counters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from vedette.capture.counters import PARTS
from vedette.capture.format import STREAMS
from vedette.lake.received.records import Received
from vedette.records import Role, is_storable
from vedette.server.ingest.desk import Desk
from vedette.server.ingest.json_rows import parse
from vedette.server.ingest.limits import Refused

__all__ = ["JOURNAL_NAME", "asked", "check_counters", "take_batch", "take_range"]

JOURNAL_NAME = re.compile(r"[0-9a-f]{32}")
_PRODUCER = re.compile(r"[0-9]{4,9}-[0-9a-f]{8}")
_NUMBER = re.compile(r"[0-9]{1,19}")
_STREAM = "application/vnd.apache.arrow.stream"
_FILE = "application/vnd.apache.arrow.file"
_LATEST_US = 253_402_300_800_000_000


def asked(request: Request, *numbers: str) -> dict[str, Any]:
    """Journal, producer and numbers of a request's query, each of the form that it must have."""
    found: dict[str, Any] = {}
    query = request.query_params
    for name, form, right in (
        ("journal", JOURNAL_NAME, "32 hexadecimal digits"),
        ("producer", _PRODUCER, "like 0001-3f9c21ab"),
    ):
        if not form.fullmatch(query.get(name, "")):
            raise Refused(400, f"{name}={query.get(name, '')[:80]!r}: must be {right}")
        found[name] = query[name]
    for name in numbers:
        value = query.get(name, "")
        if not _NUMBER.fullmatch(value) or int(value) >= 2**63:
            raise Refused(400, f"{name}={value[:80]!r}: must be a whole number")
        found[name] = int(value)
    return found


def check_counters(told: Any, said: Mapping[str, Any]) -> int:
    """The rows that a producer counted in all. Raises ``Refused`` for what is not as the protocol says."""
    if type(told) is not dict or any(
        told.get(name) != value for name, value in {"format": 1, **said}.items()
    ):
        raise Refused(400, f"the document: must have format 1 and {', '.join(said)} as in the request")
    streams: Any = told.get("streams")
    n = 0
    try:
        if not streams.keys() <= set(STREAMS):
            raise ValueError("must be predictions and labels")
        for stream in streams.values():
            if not 0 <= int(stream.get("before_us", 0)) < 2**62:
                raise ValueError("before_us: must be microseconds since 1970")
            for one in stream["counted"]:
                if (
                    one["part"] not in PARTS
                    or type(one["reason"]) is not str
                    or not is_storable(one["reason"])
                ):
                    raise ValueError(f"part: must be one of {', '.join(PARTS)}, with a reason")
                if not all(
                    type(one[key]) is int and 0 <= one[key] < 2**62 for key in ("start_us", "length_us", "n")
                ):
                    raise ValueError("start_us, length_us and n: must be whole numbers")
                if one["start_us"] + one["length_us"] >= _LATEST_US:
                    raise ValueError("start_us and length_us: must end before the year 10000")
                n += one["n"]
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise Refused(400, f"streams: must have counted, a list, by stream: {error}") from None
    return n


async def take_range(
    desk: Desk, said: Mapping[str, Any], body: bytes, digest: str, kind: str
) -> dict[str, Any]:
    """Take a range of sequences: rows as an Arrow stream, or word that there are none. Raises ``Refused``."""
    first, end = said["first"], said["end"]
    if not 1 <= first < end:
        raise Refused(400, f"first={first}, end={end}: must be from 1 on, and end behind first")
    if kind == _STREAM:
        about = await desk.check(body, said, batch=False)
        await desk.check_columns(
            said["model"], {name for role, name, *_ in about["fields"] if role == Role.FEATURE}
        )
        of = "rows"
    elif kind == "application/json":
        about, of = await run_in_threadpool(_word, body, said), "word"
    else:
        raise Refused(415, f"Content-Type={kind[:80]!r}: must be {_STREAM} or application/json")
    whose = f"{said['producer']}@{said['journal']}"
    received = Received(of, said["model"], whose, said["stream"], first, end, digest, about)
    through, duplicate = await desk.range(received, body if of == "rows" else b"")
    return {"through": through, "duplicate": duplicate}


async def take_batch(
    desk: Desk, said: Mapping[str, Any], body: bytes, digest: str, kind: str
) -> dict[str, Any]:
    """Take a batch: an Arrow file, or word that it cannot be read. Raises ``Refused``."""
    number, after, n_rows = said["batch"], said["after"], said["rows"]
    if n_rows >= 2**32:
        raise Refused(400, f"rows={n_rows}: must be below {2**32:,}")
    if not after < number < 2**31:
        raise Refused(
            400, f"batch={number}, after={after}: must be numbers from 1 on, and the batch behind the other"
        )
    if kind == _FILE:
        of = "batch"
        about = await desk.check(body, said, batch=True)
        await desk.check_columns(said["model"], set(about.pop("features")))
    elif kind == "application/json":
        of = "lost_batch"
        about = {
            **_word(body, {name: said[name] for name in said if name not in ("after", "rows")}),
            "n_rows": n_rows,
        }
    else:
        raise Refused(415, f"Content-Type={kind[:80]!r}: must be {_FILE} or application/json")
    whose = f"{said['producer']}@{said['journal']}"
    about = {**about, "after": after}
    received = Received(of, said["model"], whose, said["stream"], number, number + 1, digest, about)
    through, duplicate = await desk.range(received, body if of == "batch" else b"", after=after)
    return {"through": through, "duplicate": duplicate}


def _word(body: bytes, said: Mapping[str, Any]) -> dict[str, Any]:
    """The document of sequences without rows. Raises ``Refused``."""
    from vedette.server.ingest.arrow import MalformedError, check_document

    about = parse(body)
    try:
        check_document(about, said)
    except MalformedError as error:
        raise Refused(400, str(error)) from None
    if about["rows"]:
        raise Refused(400, "the document says rows, and there are none in the body")
    return {"lost": about["lost"]}
