"""The bytes of a request, within limits of size, room and time, and as its digest says."""

from __future__ import annotations

import asyncio
import hashlib
import re
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from vedette.server.ingest.limits import Limits, Refused, Room

__all__ = ["taken_body"]

_DIGEST = re.compile(r"sha-256=([0-9a-f]{64})")
_DRAINED_BYTES = 16 * 2**20
_MEGABYTE = 2**20


@asynccontextmanager
async def taken_body(
    request: Request, limits: Limits, room: Room, *, digest: bool, json: bool = False
) -> AsyncIterator[tuple[bytes, str]]:
    """A request's body, unpacked, and its SHA-256, while it is worked on: the memory is shared by all.

    Raises ``Refused``: 400 where it is cut or packed wrongly, 408 where it comes too slowly, 413 where it is too large, 415 for
    another packing than gzip, 503 where there is no room now, or where the ``digest`` that must be there is another.
    """
    declared = request.headers.get("content-length")
    if declared is not None and (not declared.isascii() or not declared.isdigit()):
        raise Refused(400, f"Content-Length={declared[:20]!r}: must be a number")
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    bytes_max = min(limits.body_bytes_max, limits.json_bytes_max) if json else limits.body_bytes_max
    weight = limits.json_weight if json else 1
    # who does not say how much it is, is counted with the most that it may be
    size = int(declared) if declared is not None else bytes_max
    if size > bytes_max:
        await _drain(request, limits)
        raise Refused(413, f"{size:,} bytes: a body may have {bytes_max:,}")
    if encoding not in ("identity", "gzip"):
        await _drain(request, limits)
        raise Refused(415, f"Content-Encoding={encoding[:20]!r}: must be gzip, or not there")
    if not room.take(size * weight):
        await _drain(request, limits)
        raise Refused(503, "the server takes as much as it can now", retry_after_s=1)
    held = size * weight
    try:
        whole_s = limits.request_s + size / limits.slowest_bytes_s
        try:
            async with asyncio.timeout(whole_s):
                packed = await _read(request, bytes_max)
        except TimeoutError:
            raise Refused(408, f"the body took over {whole_s:.0f} s to come") from None
        except ClientDisconnect:
            raise Refused(400, "the connection was closed before the body's end") from None
        if declared is not None and len(packed) != size:
            raise Refused(400, f"{len(packed):,} bytes came of {size:,}")
        body = packed
        if encoding == "gzip":
            body = await run_in_threadpool(_unpacked, packed, limits, bytes_max)
            if not room.take(len(body) * weight):
                raise Refused(503, "the server takes as much as it can now", retry_after_s=1)
            held += len(body) * weight
        found = (
            hashlib.sha256(body).hexdigest()
            if len(body) < _MEGABYTE
            else await run_in_threadpool(_sha256, body)
        )
        if digest:
            match = _DIGEST.fullmatch(request.headers.get("vedette-digest", ""))
            if match is None:
                raise Refused(400, "Vedette-Digest: must be sha-256= and 64 hexadecimal digits")
            if match[1] != found:
                raise Refused(
                    503, "the body is not what its digest says: it was damaged on its way", retry_after_s=1
                )
        yield body, found
    finally:
        room.give(held)


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


async def _read(request: Request, bytes_max: int) -> bytes:
    pieces, size = [], 0
    async for piece in request.stream():
        pieces.append(piece)
        size += len(piece)
        if size > bytes_max:
            raise Refused(413, f"over {bytes_max:,} bytes: a body may have no more")
    return b"".join(pieces)


async def _drain(request: Request, limits: Limits) -> None:
    """Let a body come, and go, so that whoever sends it gets to read the answer: a connection that is closed under a body
    takes the answer with it."""
    n = 0
    try:
        async with asyncio.timeout(limits.request_s):
            async for piece in request.stream():
                n += len(piece)
                if n > _DRAINED_BYTES:
                    return
    except (TimeoutError, ClientDisconnect):
        return


def _unpacked(packed: bytes, limits: Limits, bytes_max: int) -> bytes:
    """What gzip packed, no more of it than may be: a few kilobytes can hold gigabytes."""
    stream = zlib.decompressobj(wbits=31)
    most = min(bytes_max, max(_MEGABYTE, limits.ratio_max * len(packed)))
    try:
        found = stream.decompress(packed, most + 1)
    except zlib.error as error:
        raise Refused(400, f"the body is not packed with gzip: {error}") from None
    if len(found) > most:
        raise Refused(413, f"unpacked the body has over {most:,} bytes, from {len(packed):,}")
    if not stream.eof or stream.unused_data:
        raise Refused(400, "the body is not one whole gzip stream")
    return found
