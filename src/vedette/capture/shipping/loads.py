"""What one request carries: the rows of a range of sequences, a whole batch, or word of rows that do not come."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vedette.capture.crc32c import crc32c
from vedette.capture.journal import Batch
from vedette.capture.shipping import arrow, columns
from vedette.capture.shipping.parts import Part
from vedette.records import Counters

__all__ = ["Load", "of_batch", "of_counters", "of_part"]

_JSON = "application/json"
_ARROW_FILE = "application/vnd.apache.arrow.file"
_BLOCK_BYTES = 2**20
_PROBLEMS_MAX = 100


@dataclass(frozen=True, slots=True)
class Load:
    """A request to the ingest of one stream: its query, its body, and the document of what is in it.

    ``upto`` is the sequence, or the number of the batch, that the server must acknowledge; ``n_rows`` are what would be
    set aside if it refused; ``n_bytes`` is the size by which a server's limit is learned.
    """

    stream: str
    query: Mapping[str, str | int]
    about: Mapping[str, Any]
    body: bytes | Path
    content_type: str
    digest: str
    upto: int
    n_rows: int
    n_bytes: int

    @property
    def name(self) -> str:
        """What is in it, as the name of a file."""
        number = self.query.get("batch", f"{self.query.get('first')}-{self.query.get('end')}")
        return f"{self.about['model']}.{self.query['producer']}.{self.stream}.{number}"

    @property
    def path(self) -> str:
        """Where it goes, below the URL of the server."""
        return f"/v1/ingest/{self.about['model']}/{self.stream}"

    def wire(self, *, zipped: bool) -> tuple[bytes | Path, dict[str, str]]:
        """Body and headers as they are sent. Rows alone are compressed: a batch is so as it lies."""
        headers = {"Content-Type": self.content_type, "Vedette-Digest": f"sha-256={self.digest}"}
        if not zipped or isinstance(self.body, Path) or self.content_type == _JSON:
            return self.body, headers
        return gzip.compress(self.body, 1, mtime=0), {**headers, "Content-Encoding": "gzip"}

    def without_rows(self, reason: str) -> Load:
        """The same, with its rows set aside for a reason."""
        aside = {**self.about["set_aside"], reason: self.n_rows}
        return _counted(self, {**self.about, "rows": 0, "set_aside": aside})


def of_counters(
    counts: Mapping[str, Counters], problems: Sequence[str], model: str, journal: str, producer: str
) -> Load:
    """The load of what a producer counted besides its rows, over its whole life, and of what could not be read."""
    about = {
        "format": columns.FORMAT,
        "model": model,
        "journal": journal,
        "producer": producer,
        "streams": {
            stream: {"dropped": one.dropped, "sampled_out": one.sampled_out, "rejected": dict(one.rejected)}
            for stream, one in counts.items()
        },
        "problems": list(problems)[:_PROBLEMS_MAX],
    }
    body = json.dumps(about).encode()
    query: dict[str, str | int] = {"journal": journal, "producer": producer}
    return Load("counters", query, about, body, _JSON, hashlib.sha256(body).hexdigest(), 0, 0, len(body))


def _counted(load: Load, about: Mapping[str, Any]) -> Load:
    """A load of no rows: the document alone."""
    body = json.dumps(about).encode()
    digest = hashlib.sha256(body).hexdigest()
    return Load(
        load.stream, load.query, about, body, _JSON, digest, load.upto, n_rows=0, n_bytes=len(body)
    )  # fmt: skip


def of_part(part: Part, journal: str, producer: str, before: int) -> Load:
    """The load of some rows. The sequences up to ``before`` were acknowledged once: those that are gone are not torn."""
    gone = max(0, min(before + 1, part.header.first) - part.first)
    about = {**columns.document(part), "journal": journal, "producer": producer}
    if gone:
        about["torn"] -= gone
        about["set_aside"] = {"acknowledged before": gone}
    query: dict[str, str | int] = {
        "journal": journal,
        "producer": producer,
        "first": part.first,
        "end": part.end,
    }
    body, kind = json.dumps(about).encode(), _JSON
    if part.n_rows:
        body, kind = columns.body(part, body.decode()), arrow.CONTENT_TYPE
    digest = hashlib.sha256(body).hexdigest()
    upto, stream = part.end - 1, part.header.stream
    return Load(stream, query, about, body, kind, digest, upto, n_rows=part.n_rows, n_bytes=part.n_bytes)


def of_batch(batch: Batch, model: str, journal: str, producer: str, after: int) -> Load:
    """The load of a batch, as it lies; word that its rows are torn, where the file is damaged. Raises ``OSError``."""
    about: dict[str, Any] = {
        "format": columns.FORMAT, "model": model, "stream": batch.stream, "journal": journal, "producer": producer,
        "batch": batch.number, "rows": batch.n_rows, "torn": 0, "void": {}, "set_aside": {},
    }  # fmt: skip
    query: dict[str, str | int] = {
        "journal": journal, "producer": producer, "batch": batch.number, "after": after, "rows": batch.n_rows,
    }  # fmt: skip
    sha, crc, size = hashlib.sha256(), 0, 0
    with batch.path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            sha.update(block)
            crc, size = crc32c(block, crc), size + len(block)
    load = Load(
        batch.stream, query, about, batch.path, _ARROW_FILE, sha.hexdigest(), batch.number, batch.n_rows, size
    )  # fmt: skip
    return load if crc == batch.checksum else _counted(load, {**about, "rows": 0, "torn": batch.n_rows})
