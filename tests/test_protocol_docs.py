"""docs/protocol.md says what is: its example is what is sent, and its table what is done."""

from __future__ import annotations

import json
import re
import socket
import threading
from pathlib import Path

import pytest

import vedette
from tests.test_sender import ANSWERS
from vedette.capture.format import Header, Layout
from vedette.capture.segment import SegmentPlan, SegmentWriter
from vedette.capture.shipping import loads
from vedette.capture.shipping.answers import BASE_S, CAP_S, Meaning
from vedette.capture.shipping.delivery import _GROW_AFTER, _POISON_TRIES, BODY_BYTES_MAX
from vedette.capture.shipping.letters import BYTES_MAX, LETTERS_MAX
from vedette.capture.shipping.parts import ROWS_MAX, StreamReader
from vedette.capture.shipping.transport import Client
from vedette.config import ServerSettings
from vedette.records import Field, Physical, Role, Settings

DOCS = Path(__file__).parent.parent / "docs" / "protocol.md"
ANSWER = """HTTP/1.1 200 OK
Content-Type: application/json
Content-Length: 34

{"through": 3, "duplicate": false}"""
JOURNAL, PRODUCER = "5f0c7a3e9b1d4c2286e0a4d8f3b7c619", "0001-3f9c21ab"


def example(folder: Path) -> loads.Load:
    """The load of the page's example: two rows of a segment, and one sequence between them that is torn."""
    fields = (
        Field(Role.FEATURE, "distance", Physical.FLOAT64),
        Field(Role.PREDICTION, "", Physical.INT64),
    )
    layout = Layout(fields, ids=True)
    header = Header(
        stream="predictions", first=1, capacity=16, slot_bytes=layout.slot_bytes, header_bytes=0,
        created=1767225600.0, model="delays", version="3", pid=4711, host="web-1", fields=fields, settings=Settings(),
    )  # fmt: skip
    path = folder / "predictions-0000000000000001-0a1b2c.seg"
    writer = SegmentWriter(SegmentPlan(path, header, layout, text_bytes=4096, mapped=False))
    for distance, name in ((733.0, b"a1"), (0.0, b""), (1089.5, b"a3")):
        sequence, offset, buffer = next(writer.slots)
        if name:
            moment = 1767225600.0 + sequence
            values = (moment, moment, *layout.words(0), distance, 1, name)
            writer.store(buffer, offset, sequence, *values, sequence)
    writer.finish(4, check=True)
    writer.close()
    part = StreamReader(folder, "predictions").read(0)
    assert part is not None
    return loads.of_part(part, JOURNAL, PRODUCER, 0)


def blocks() -> list[str]:
    return re.findall(r"```\w*\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)


def hexdump(data: bytes) -> str:
    """Sixteen bytes a line, as ``xxd -g 1`` has it."""
    lines = []
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        text = "".join(chr(one) if 32 <= one < 127 else "." for one in row)
        lines.append(f"{at:08x}: {row.hex(' '):<47}  {text}")
    return "\n".join(lines)


def head(load: loads.Load, monkeypatch: pytest.MonkeyPatch) -> str:
    """The request as it went over a line, without its body; what differs from run to run by the names of the page."""
    monkeypatch.setattr(ServerSettings, "token", lambda _: "<token>")
    body, headers = load.wire(zipped=False)
    assert isinstance(body, bytes)
    taken = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def take() -> None:
            near, _ = listener.accept()
            with near:
                while not taken.endswith(body):
                    taken.extend(near.recv(65_536))
                near.sendall(ANSWER.replace("\n", "\r\n", 4).encode())

        thread = threading.Thread(target=take)
        thread.start()
        client = Client(f"http://127.0.0.1:{port}", ServerSettings)
        answer = client.request("POST", load.path, load.query, body, headers)
        thread.join()
        client.close()
    assert answer.document == {"through": 3, "duplicate": False}
    text, _, rest = bytes(taken).partition(b"\r\n\r\n")
    assert rest == body
    said = text.decode("ascii").replace(f"127.0.0.1:{port}", "example.org:8470")
    return said.replace(f"vedette/{vedette.__version__}", "vedette/<version>").replace("\r\n", "\n") + "\n"


def test_the_example_is_what_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Request, document and body of the page are those of the rows that it describes, to the byte."""
    load = example(tmp_path)
    assert isinstance(load.body, bytes)
    text = DOCS.read_text("utf-8")
    assert head(load, monkeypatch) in text
    assert ANSWER in text
    assert json.dumps(load.about, indent=1) in text
    assert f"The body, {len(load.body):,} bytes:" in text
    assert hexdump(load.body) in text


def test_the_dump_is_an_arrow_stream(tmp_path: Path) -> None:
    """The bytes of the page, copied from it, are what an Arrow reader takes."""
    import pyarrow as pa
    import pyarrow.ipc

    (dump,) = [one for one in blocks() if one.startswith("00000000: ")]
    data = bytes.fromhex("".join(row[10:57] for row in dump.splitlines()))
    table = pa.ipc.open_stream(pa.BufferReader(data)).read_all()
    table.validate(full=True)
    assert table.select(["_sequence", "id", "distance", "prediction"]).to_pydict() == {
        "_sequence": [1, 3], "id": ["a1", "a3"], "distance": [733.0, 1089.5], "prediction": [1, 1],
    }  # fmt: skip
    about = json.loads(table.schema.metadata[b"vedette"])
    assert (about["rows"], about["end"], [(one["first"], one["part"]) for one in about["lost"]]) == (
        2, 4, [(2, "torn")],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "words"),
    [(400, "400, 409, 422"), (412, "412"), (413, "413"), (429, "408, 425, 429"), (401, "401, 403, 404, 3xx")],
)
def test_the_table_of_answers_has_each_meaning(status: int, words: str) -> None:
    """Each kind of answer has its line."""
    assert ANSWERS[status] is not Meaning.TAKEN
    assert re.search(rf"^\| {re.escape(words)}[ ,]", DOCS.read_text("utf-8"), re.MULTILINE)


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    """Bounds and times that the page names."""
    text = " ".join(DOCS.read_text("utf-8").split())
    default = ServerSettings()
    for said in (
        f"at most {ROWS_MAX:,} are rows",
        f"min({CAP_S:.0f} s, {BASE_S:g} s · 2^n)",
        f"about {BODY_BYTES_MAX // 2**20} MiB at most",
        f"after every {_GROW_AFTER} requests",
        f"within {default.connect_timeout_s:.0f} seconds",
        f"within {default.timeout_s:.0f} (both",
        f"{BYTES_MAX // 2**20} MiB and {LETTERS_MAX:,} of them",
    ):
        assert said in text, said
    assert _POISON_TRIES == 8  # "eight times"
