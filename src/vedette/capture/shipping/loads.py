"""What one request carries: the rows of a range of sequences, a whole batch, word of rows that do not come, or counters."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vedette.capture.crc32c import crc32c
from vedette.capture.journal import Batch
from vedette.capture.lost import Lost
from vedette.capture.shipping import arrow, columns
from vedette.capture.shipping.parts import Part
from vedette.capture.shipping.runs import gone_before, set_aside
from vedette.capture.shipping.slots import words
from vedette.records import Counters

__all__ = ["Load", "of_batch", "of_counters", "of_part"]

_JSON = "application/json"
_ARROW_FILE = "application/vnd.apache.arrow.file"
_BLOCK_BYTES = 2**20
_PROBLEMS_MAX = 100
_DAMAGED = "the batch cannot be read: the batch's checksum does not match: the file is damaged"


@dataclass(frozen=True, slots=True)
class Load:
    """A request: its query, its body, and the document of what is in it.

    ``upto`` is the sequence, or the number of the batch, that the server must acknowledge; ``n_rows`` are what would be
    set aside if it refused, which come from ``source``; ``n_bytes`` is the size by which a server's limit is learned.
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
    source: Part | Batch | None = None

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

    def counts(self) -> dict[str, int]:
        """Its rows, and how many of those that do not come are torn, void and set aside."""
        found = {"rows": int(self.about["rows"]), "torn": 0, "void": 0, "set_aside": 0}
        for one in self.about["lost"]:
            found[one["part"]] += one["last"] - one["first"] + 1
        return found

    def without_rows(self, reason: str) -> Load:
        """The same, with its rows set aside for a reason."""
        own: list[Lost] = []
        if isinstance(self.source, Part):
            slots, size = self.source.slots, self.source.layout.slot_bytes
            times = memoryview(slots).cast("d")[1 :: size // 8].tolist()
            own = set_aside(words(slots, size, 0), times, reason, self.source.header.settings.window_s)
        elif isinstance(self.source, Batch):
            at = self.source.path.stat().st_mtime
            own = [Lost(0, self.source.n_rows - 1, "set_aside", reason, at)]
        lost = [*self.about["lost"], *(asdict(one) for one in own)]
        lost.sort(key=lambda one: int(one["first"]))
        kept = ("format", "model", "stream", "journal", "producer", *self.query)
        about = {key: self.about[key] for key in kept if key in self.about}
        return _word(self, {**about, "rows": 0, "lost": lost})


def _word(load: Load, about: Mapping[str, Any]) -> Load:
    """A load of no rows: the document alone."""
    body = json.dumps(about).encode()
    digest = hashlib.sha256(body).hexdigest()
    return Load(load.stream, load.query, about, body, _JSON, digest, load.upto, 0, len(body))


def of_part(part: Part, journal: str, producer: str, acknowledged: int) -> Load:
    """The load of some rows. Sequences up to ``acknowledged`` that are gone are so since a server had them."""
    header = part.header
    gone = gone_before(part.first, min(header.first, part.end), part.gone, header.created, acknowledged)
    about = {**columns.document(part, [*gone, *part.lost]), "journal": journal, "producer": producer}
    query: dict[str, str | int] = {"journal": journal, "producer": producer}
    query |= {"first": part.first, "end": part.end}
    body, kind = json.dumps(about).encode(), _JSON
    if part.n_rows:
        body, kind = columns.body(part, body.decode()), arrow.CONTENT_TYPE
    digest = hashlib.sha256(body).hexdigest()
    upto = part.end - 1
    return Load(header.stream, query, about, body, kind, digest, upto, part.n_rows, part.n_bytes, part)


def of_batch(batch: Batch, model: str, journal: str, producer: str, after: int) -> Load:
    """The load of a batch, as it lies; word that its rows are torn, where the file is damaged. Raises ``OSError``."""
    about: dict[str, Any] = {"format": columns.FORMAT, "model": model, "stream": batch.stream}
    about |= {
        "journal": journal,
        "producer": producer,
        "batch": batch.number,
        "rows": batch.n_rows,
        "lost": [],
    }
    query: dict[str, str | int] = {"journal": journal, "producer": producer}
    query |= {"batch": batch.number, "after": after, "rows": batch.n_rows}
    sha, crc, size = hashlib.sha256(), 0, 0
    with batch.path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            sha.update(block)
            crc, size = crc32c(block, crc), size + len(block)
    digest, number = sha.hexdigest(), batch.number
    load = Load(
        batch.stream, query, about, batch.path, _ARROW_FILE, digest, number, batch.n_rows, size, batch
    )
    if crc == batch.checksum:
        return load
    torn = Lost(0, batch.n_rows - 1, "torn", _DAMAGED, batch.path.stat().st_mtime)
    return _word(load, {**about, "rows": 0, "lost": [asdict(torn)]})


def of_counters(
    counts: Mapping[str, Counters],
    missing: Mapping[str, Lost | None],
    problems: Sequence[str],
    model: str,
    journal: str,
    producer: str,
) -> Load:
    """The load of what a producer counted besides its rows, over its whole life, and of what is missing or unreadable."""
    about = {
        "format": columns.FORMAT,
        "model": model,
        "journal": journal,
        "producer": producer,
        "streams": {
            stream: {
                "counted": [asdict(each) for each in one.counted],
                "before_us": one.before_us,
                "missing": [asdict(each) for each in (missing.get(stream),) if each is not None],
            }
            for stream, one in counts.items()
        },
        "problems": list(problems)[:_PROBLEMS_MAX],
    }
    body = json.dumps(about).encode()
    query: dict[str, str | int] = {"journal": journal, "producer": producer}
    return Load("counters", query, about, body, _JSON, hashlib.sha256(body).hexdigest(), 0, 0, len(body))
