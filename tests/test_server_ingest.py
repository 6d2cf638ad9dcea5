"""What is sent to a server is in the lake once, whatever the line does; what is wrong is refused, each place by its path."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import re
import signal
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

pytest.importorskip("fastapi", reason="the extra server is not installed")
pytest.importorskip("uvicorn", reason="the extra server is not installed")
pytest.importorskip("httpx", reason="httpx is not installed")

import httpx

import vedette
import vedette.lake.points
from tests.server_running import RunningServer, running
from tests.servers import line
from vedette.engine import cycle, runs
from vedette.lake.ledger import ledger
from vedette.lake.received import ReceivedFolder, tidy
from vedette.lake.received.index import Entry, Index, logs_folder
from vedette.lake.received.records import MAGIC
from vedette.lake.tables import Lake
from vedette.server.ingest import Limits
from vedette.server.ingest.limits import Quota

JOURNAL = "5f0c7a3e9b1d4c2286e0a4d8f3b7c619"


@pytest.fixture
def server(tmp_path: Path) -> Any:
    with running(tmp_path / "lake") as made:
        yield made


def _log(monitor: vedette.Monitor, n: int) -> dict[str, tuple[float, str, int]]:
    """Log rows; what was logged, by id."""
    rng = np.random.default_rng(n)
    rows = {f"r{i}": (float(rng.normal()), str(rng.choice(["x", "ü", ""])), i % 2) for i in range(n)}
    for name, (a, c, y) in rows.items():
        monitor.log({"a": a, "c": c}, y, probability=0.25, id=name, latency_s=0.5)
    return rows


def _kept(lake: Lake, model: str = "net") -> dict[str, tuple[Any, ...]]:
    """The rows of the lake's table, by id; each id once."""
    frame = lake.model(model)["predictions"].scan().select("id", "a", "c", "prediction").collect()
    found = {row[0]: row[1:] for row in frame.iter_rows()}
    assert len(found) == frame.height
    return found


def test_what_a_sender_ships_is_in_the_lake_as_it_was_logged(server: RunningServer, tmp_path: Path) -> None:
    """Rows, batches, labels, a reference and what was rejected, through the real sender; the ledger balances."""
    reference = pl.DataFrame({"a": [0.5] * 300, "c": ["x"] * 300, "prediction": [0, 1, 1] * 100})
    with vedette.Monitor("net", version="3", lake=server.url, journal=tmp_path / "journal") as monitor:
        monitor.reference(reference)
        rows = _log(monitor, 500)
        monitor.log_many({"a": [1.5, 2.5], "c": ["x", None], "prediction": [0, 1], "id": ["b0", "b1"]})
        for name in list(rows)[::5]:
            monitor.label(name, 1)
        monitor.log({"a": object()}, 1)  # rejected
        monitor.flush()
        before = ledger(server.lake, "net")
        assert before.balanced
        assert sum(one.in_journal for one in before.producers) == 500 + 2 + 100
        cycle.once(server.lake)
    kept = _kept(server.lake)
    assert {name: kept[name] for name in rows} == rows
    assert (kept["b0"], kept["b1"]) == ((1.5, "x", 0), (2.5, None, 1))
    after = ledger(server.lake, "net")
    assert after.balanced
    assert sum(one.in_lake for one in after.producers) == 602
    assert sum(one.rejected for one in after.producers) == 1
    reader = vedette.Monitor("net", lake=server.lake.path)
    assert reader.figures("rows")["value"].sum() == 503 - 1
    assert reader.figures("psi", feature="a")["reason"].null_count() >= 0  # the reference is known
    reader.close()


@pytest.mark.parametrize("fault", [("answer", 10), ("request", 4_000), ("reset", 300), ("request", 90)])
def test_a_line_that_fails_neither_loses_nor_doubles(
    server: RunningServer, tmp_path: Path, fault: tuple[Any, ...]
) -> None:
    """Each second connection is cut in the request, in the answer, or reset; every row is there once."""
    with (
        line(server.port, lambda n: fault if n % 2 == 0 else None) as proxy,
        vedette.Monitor("net", lake=proxy.url, journal=tmp_path / "journal") as monitor,
    ):
        rows = _log(monitor, 300)
        monitor.flush(60)
    assert proxy.connections > 1
    cycle.once(server.lake)
    assert _kept(server.lake) == rows
    assert ledger(server.lake, "net").balanced


def _post(server: RunningServer, stream: str, document: Any, **more: Any) -> httpx.Response:
    if isinstance(document, bytes):
        return httpx.post(
            f"{server.url}/v1/models/net/{stream}",
            content=document,
            headers={"Content-Type": "application/json", **more},
        )
    return httpx.post(f"{server.url}/v1/models/net/{stream}", json=document)


@pytest.mark.parametrize(
    ("task", "classes", "prediction", "label"),
    [
        (
            "detection",
            ["car", "truck"],
            {"boxes": [[10, 20, 50, 60.5]], "classes": ["car"], "scores": [0.75]},
            [{"box": [11, 20, 50, 60], "class": "car"}],
        ),
        ("ranking", None, ["b", "a", "c"], {"a": 3, "c": 0.5}),
        ("multilabel", ["a", "b", "c"], ["c", "a"], ["a"]),
    ],
)
def test_boxes_lists_and_sets_as_json_are_those_of_log(
    server: RunningServer, tmp_path: Path, task: str, classes: list[str] | None, prediction: Any, label: Any
) -> None:
    """What is kept is the text that a process on this machine keeps of the same values."""
    beside = {"task": task, **({} if classes is None else {"classes": classes})}
    rows = [{"id": f"r{i}", "features": {"x": 0.5 * i}, "prediction": prediction} for i in range(3)]
    assert _post(server, "predictions", {**beside, "rows": rows}).status_code == 200
    labels = [{"id": f"r{i}", "label": label} for i in range(3)]
    assert _post(server, "labels", {**beside, "rows": labels}).status_code == 200
    cycle.once(server.lake)
    with vedette.Monitor("here", lake=tmp_path / "own", **beside) as monitor:
        monitor.log({"x": 0.5}, prediction, id="r1")
        monitor.label("r1", label)
        monitor.flush()
    own = Lake.at(tmp_path / "own").model("here")
    for stream, column in (("predictions", "prediction"), ("labels", "label")):
        here = own[stream].scan().select(column).collect()[column].to_list()
        there = server.lake.model("net")[stream].scan().select(column).collect()[column].to_list()
        assert there == here * 3
    assert server.lake.model("net")["events"].scan().filter(pl.col("kind") == "contract").collect().is_empty()
    assert ledger(server.lake, "net").balanced


def test_rows_as_json_are_those_of_a_sender(server: RunningServer) -> None:
    """One row or many, of all that JSON has; numbers are float64, but for whole ones in a column of integers."""
    row = {
        "features": {"a": 1, "c": "ü", "flag": True, "none": None, "v": [1, 2.5], "big": 2**63},
        "prediction": "yes",
        "probability": {"no": 0.25, "yes": 0.75},
        "id": 17,
        "time": "2026-11-20T10:00:00Z",
        "latency_s": 0.25,
        "error": None,
        "inclusion": 0.5,
    }
    single = _post(server, "predictions", {**row, "version": "7"})
    assert single.status_code == 200
    assert single.json() == {
        "rows": 1,
        "through": 1,
        "duplicate": False,
        "producer": single.json()["producer"],
    }
    many = _post(server, "predictions", {"version": "7", "rows": [{**row, "id": f"m{i}"} for i in range(3)]})
    assert many.json()["through"] == 4
    assert _post(server, "labels", {"id": 17, "label": "no", "time": 1795305600}).status_code == 200
    cycle.once(server.lake)
    frame = server.lake.model("net")["predictions"].scan().sort("_sequence").collect()
    assert frame["id"].to_list() == ["17", "m0", "m1", "m2"]
    assert frame["time"].dt.timestamp("ms").to_list() == [1_795_168_800_000] * 4
    first = frame.row(0, named=True)
    assert (first["a"], first["c"], first["flag"], first["v"]) == (1.0, "ü", True, [1.0, 2.5])
    assert (int(first["big"]), first["prediction"], first["version"]) == (2**63, "yes", "7")
    assert (first["probability_no"], first["probability_yes"], first["inclusion"]) == (0.25, 0.75, 0.5)
    assert server.lake.model("net")["labels"].scan().collect()["label"].to_list() == ["no"]


def test_numbers_that_come_twice_are_stored_once(server: RunningServer) -> None:
    """A producer's numbers make it so: again is a duplicate, other rows under them 409, a gap 412; after a restart too."""
    rows = [{"features": {"a": float(i), "c": "x"}, "prediction": 1, "id": f"r{i}"} for i in range(4)]
    first = {"producer": "web-1", "first": 1, "rows": rows}
    assert _post(server, "predictions", first).json()["duplicate"] is False
    assert _post(server, "predictions", first).json()["duplicate"] is True
    other = {**first, "rows": [{**rows[0], "prediction": 0}, *rows[1:]]}
    assert _post(server, "predictions", other).status_code == 409
    gap = _post(server, "predictions", {**first, "first": 9})
    assert (gap.status_code, gap.json()["through"]) == (412, 4)
    part = {**first, "first": 3, "rows": [*rows[2:], {**rows[0], "id": "r4"}]}
    assert _post(server, "predictions", part).json() == {
        "rows": 3,
        "through": 5,
        "duplicate": False,
        "producer": "web-1",
    }
    cycle.once(server.lake)
    assert sorted(_kept(server.lake)) == ["r0", "r1", "r2", "r3", "r4"]
    with running(server.lake.path) as another:  # a second process for the same lake, and a later one
        assert _post(another, "predictions", first).json() == {
            "rows": 4,
            "through": 5,
            "duplicate": True,
            "producer": "web-1",
        }
        assert _post(another, "predictions", {**first, "first": 6}).json()["through"] == 9
        assert _post(server, "predictions", {**first, "first": 10}).json()["through"] == 13
    cycle.once(server.lake)
    assert ledger(server.lake, "net").balanced


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[" * 100_000, "nested too deeply|no JSON|must be an object"),
        (b'{"features":{"a":1e400},"prediction":1}', "features.a: is beyond float64"),
        (b'{"features":{"a":' + b"9" * 5000 + b'},"prediction":1}', "digits"),
        (b'{"features":{"a":18446744073709551616},"prediction":1}', "features.a: integer beyond 64 bits"),
        (b'{"features":{"a":NaN},"prediction":1}', "NaN.*null"),
        (b'{"features":{"a":1,"a":2},"prediction":1}', "'a': is there twice"),
        (b'\xef\xbb\xbf{"features":{},"prediction":1}', "no JSON"),
        (b'{"features":{"a":"\\ud800"},"prediction":1}', "features.a: text must be Unicode"),
        (b'{"features":{"a":"\xff"},"prediction":1}', "no UTF-8"),
        (b'{"features":{"A":1,"a":2},"prediction":1}', "differ only by case"),
        (b'{"features":{"":1},"prediction":1}', "non-empty"),
        (b'{"features":{"id":1},"prediction":1}', "own column names"),
        (b'{"features":{"a":{"b":1}},"prediction":1}', "features.a: must be a number"),
        (b'{"features":{"a":[1,"x"]},"prediction":1}', r"features.a\[1\]='x': must be a number"),
        (b'{"features":{"a":1}}', "prediction: must be given"),
        (b'{"prediction":1}', "features: must be an object"),
        (b'{"features":{},"prediction":1,"extra":2}', "'extra': is no key"),
        (b'{"rows":[{"features":{},"prediction":1},{"features":{},"prediction":1,"x":0}]}', r"rows\[1\]"),
        (b'{"rows":[]}', "1 to 10,000"),
        (b'{"features":{},"prediction":1,"probability":"high"}', "probability='high': must be a number"),
        (b'{"features":{},"prediction":1,"time":"tomorrow"}', "time='tomorrow': .*ISO 8601"),
        (b'{"features":{},"prediction":1,"time":"2099-01-01"}', "in the future"),
        (b'{"features":{},"prediction":1,"id":1.5}', "id: "),
        (b'{"features":{},"prediction":1,"inclusion":0}', "inclusion=0: must be above 0"),
        (b'{"features":{},"prediction":1,"producer":"w"}', "producer and first"),
        (b'{"features":{},"prediction":1,"producer":"../x","first":1}', "producer="),
        (b'{"features":{},"prediction":1,"window":"soon"}', "soon"),
        (b'{"features":{},"prediction":["a"]}', "prediction: boxes, lists and sets come with task"),
        (b'{"features":{},"prediction":{"boxes":[[1,2,3]]},"task":"detection"}', "prediction: "),
        (b'{"features":{},"prediction":["a","a"],"task":"ranking"}', "prediction: "),
        (b'{"features":{},"prediction":["z"],"task":"multilabel","classes":["a","b"]}', "prediction: .*'z'"),
        (b'{"rows":[{"features":{},"prediction":1}],"task":"ranking"}', r"rows\[0\].prediction: "),
        (b'"row"', "must be an object"),
        (b"", "no JSON"),
    ],
)
def test_json_that_is_wrong_is_refused_by_its_path(server: RunningServer, body: bytes, said: str) -> None:
    """Nothing of such a request is stored, and the answer says where and what is right."""
    answer = _post(server, "predictions", body)
    assert answer.status_code == 400
    assert re.search(said, answer.json()["error"]), answer.json()
    assert len(answer.json()["error"]) < 400
    assert server.app.state.desk.log.records == 0


def test_a_body_that_unpacks_to_far_more_is_not_unpacked(server: RunningServer) -> None:
    """10 MB of zeros from 10 kB: refused while it is unpacked; so is what is packed twice, cut, or in another way."""
    bomb = gzip.compress(b"0" * 10_000_000)
    assert _post(server, "predictions", bomb, **{"Content-Encoding": "gzip"}).status_code == 413
    good = b'{"features":{"a":1},"prediction":1}'
    assert (
        _post(server, "predictions", gzip.compress(good), **{"Content-Encoding": "gzip"}).status_code == 200
    )
    for packed, status in (
        (gzip.compress(good)[:-4], 400),
        (zlib.compress(good), 400),
        (gzip.compress(good) * 2, 400),
    ):
        assert _post(server, "predictions", packed, **{"Content-Encoding": "gzip"}).status_code == status
    assert _post(server, "predictions", good, **{"Content-Encoding": "br"}).status_code == 415


def test_too_large_too_many_and_no_room(tmp_path: Path) -> None:
    """413 for a body, 429 beyond a model's quota with when to come again, 503 while others fill the memory."""
    limits = Limits(body_bytes_max=100_000, room_bytes=100_000, rows_per_minute=10)
    row = {"features": {"a": 1}, "prediction": 1}
    with running(tmp_path / "lake", limits) as server:
        assert _post(server, "predictions", b" " * 200_000).status_code == 413
        assert _post(server, "predictions", {"rows": [row] * 10}).status_code == 200
        over = _post(server, "predictions", {"rows": [row] * 5})
        assert over.status_code == 429
        assert 20 <= int(over.headers["Retry-After"]) <= 30
        room = server.app.state.desk.room
        assert room.left == room.whole  # all was given back
        assert room.take(99_000)
        full = _post(server, "predictions", b" " * 50_000)
        assert (full.status_code, full.headers["Retry-After"]) == (503, "1")
        room.give(99_000)
        count = server.app.state.desk.metrics.registry.get_sample_value
        assert count("vedette_ingest_rows_total", {"stream": "predictions"}) == 10
        refused = {
            why: count("vedette_http_requests_refused_total", {"reason": why})
            for why in ("too_large", "quota", "busy")
        }
        assert refused == {"too_large": 1, "quota": 1, "busy": 1}


def test_a_quota_fills_up_by_the_minute() -> None:
    """Sixty rows a minute are one a second; a request larger than a minute's needs a full bucket and empties it deeper."""
    now = [0.0]
    quota = Quota(60, clock=lambda: now[0])
    assert [quota.wait_s("net", 60), quota.wait_s("net", 1), quota.wait_s("other", 60)] == [0.0, 1.0, 0.0]
    now[0] = 30.0
    assert [quota.wait_s("net", 30), quota.wait_s("net", 120)] == [0.0, 60.0]
    now[0] = 90.0
    assert quota.wait_s("net", 120) == 0.0
    assert quota.wait_s("net", 60) == pytest.approx(120.0)


def _arrow(n: int, **more: Any) -> tuple[dict[str, Any], bytes]:
    """A request of a sender: its query, and the Arrow stream."""
    import pyarrow as pa

    utc = pa.timestamp("us", "UTC")
    said = {"journal": JOURNAL, "producer": "0001-3f9c21ab", "first": 1, "end": n + 1}
    document = {
        "format": 1, "model": "net", "stream": "predictions", "rows": n, "lost": [], "version": "1", "settings": {},
        **said, **more,
    }  # fmt: skip
    fields = [
        pa.field("_sequence", pa.int64()), pa.field("id", pa.utf8()), pa.field("time", utc), pa.field("received", utc),
        pa.field("a", pa.float64(), metadata={"role": "feature", "name": "a", "type": "float64"}),
        pa.field("c", pa.utf8(), metadata={"role": "feature", "name": "c", "type": "text"}),
        pa.field("prediction", pa.int64(), metadata={"role": "prediction", "name": "", "type": "int64"}),
    ]  # fmt: skip
    moment = 1_795_305_600_000_000
    columns = [
        pa.array(range(1, n + 1), pa.int64()), pa.array([f"r{i}" for i in range(n)]),
        pa.array([moment] * n, utc), pa.array([moment] * n, utc), pa.array([0.5] * n),
        pa.array(["x"] * n), pa.array([1] * n, pa.int64()),
    ]  # fmt: skip
    schema = pa.schema(fields, metadata={"vedette": json.dumps(document)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.record_batch(columns, schema=schema))
    return said, sink.getvalue().to_pybytes()


def _send(server: RunningServer, said: dict[str, Any], body: bytes, **headers: str) -> httpx.Response:
    return httpx.post(
        f"{server.url}/v1/ingest/net/predictions",
        params=said,
        content=body,
        headers={
            "Content-Type": "application/vnd.apache.arrow.stream",
            "Vedette-Digest": f"sha-256={hashlib.sha256(body).hexdigest()}",
            **headers,
        },
        timeout=60,
    )


def test_arrow_is_held_against_the_request_and_the_document(server: RunningServer) -> None:
    """Digest, numbers, columns and each sequence must agree; else nothing is stored."""
    said, body = _arrow(5)
    assert _send(server, said, body, **{"Vedette-Digest": "sha-256=" + "0" * 64}).status_code == 503
    for wrong in (
        {"end": 7},
        {"first": 0},
        {"producer": "1-x"},
        {"journal": "x"},
        {"end": "x"},
        {"first": 2**63},
    ):
        assert _send(server, {**said, **wrong}, body).status_code == 400, wrong
    for document in (
        {"rows": 4}, {"model": "other"}, {"format": 2}, {"version": None}, {"settings": {"nothing": 1}}, {"lost": [{}]},
        {"lost": [{"first": 5, "last": 5, "part": "torn", "reason": "", "time": 1.0}], "rows": 4},
        {"absent": {"a": "x"}},
    ):  # fmt: skip
        assert _send(server, said, _arrow(5, **document)[1]).status_code == 400, document
    assert server.app.state.desk.log.records == 0
    assert _send(server, said, body).json() == {"through": 5, "duplicate": False}
    assert _send(server, said, body).json() == {"through": 5, "duplicate": True}
    marks = httpx.get(f"{server.url}/v1/ingest/net/watermarks", params={"journal": JOURNAL}).json()
    assert marks == {"watermarks": {"0001-3f9c21ab": {"predictions": 5}}}
    cycle.once(server.lake)
    marks = httpx.get(f"{server.url}/v1/ingest/net/watermarks", params={"journal": JOURNAL}).json()
    assert marks == {"watermarks": {"0001-3f9c21ab": {"predictions": 5}}}


def test_damaged_arrow_never_harms_the_server(server: RunningServer) -> None:
    """Bytes changed, cut and repeated at random: an answer each time, and a good request after all of them."""
    rng = np.random.default_rng(7)
    said, body = _arrow(20)
    seen = set()
    for _ in range(150):
        changed = bytearray(body)
        for at in rng.integers(0, len(body), rng.integers(1, 6)):
            changed[at] = rng.integers(0, 256)
        if rng.random() < 0.2:
            changed = changed[: rng.integers(0, len(body))]
        seen.add(_send(server, {**said, "producer": "0002-3f9c21ab"}, bytes(changed)).status_code)
    assert seen <= {200, 400, 409}
    assert _send(server, said, body).json() == {"through": 20, "duplicate": False}


def test_whoever_checks_may_die(server: RunningServer) -> None:
    """A process that stops while it checks costs time, not the request."""
    said, body = _arrow(5)
    validators = server.app.state.desk.validators
    process = validators._free.get()
    os.kill(process.pid, signal.SIGSTOP)
    validators._free.put(process)
    validators.timeout_s = 6.0
    assert _send(server, said, body).status_code == 200  # another has looked at it
    assert validators.died == 1


@pytest.mark.parametrize("how", ["head", "tail", "zeros", "cut"])
def test_a_log_that_is_damaged_is_kept(tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture) -> None:
    """Of whom its bytes were nobody can tell; what was cut off as it was written was never answered for, and is no damage."""
    lake = Lake.at(tmp_path / "lake")
    row = {"features": {"a": 1, "c": "x"}, "prediction": 1}
    with running(lake.path) as server:
        for _ in range(2):
            assert _post(server, "predictions", {"rows": [row] * 3}).status_code == 200
    [path] = logs_folder(lake).glob("*/*.log")
    whole = path.read_bytes()
    second = whole.index(MAGIC, whole.index(MAGIC) + 1)
    changed = {
        "head": whole[: second + 13] + bytes([whole[second + 13] ^ 1]) + whole[second + 14 :],
        "tail": whole + b"something else that is no record, of forty bytes",
        "zeros": whole + bytes(5000),
        "cut": whole + whole[second:-5],
    }
    path.write_bytes(changed[how])
    lake.journal.mkdir(exist_ok=True)
    cycle.once(lake)
    tidy(lake)
    assert path.exists() == (how in ("head", "tail"))
    said = [one for one in caplog.messages if "has bytes that are no record" in one]
    assert len(said) == (how in ("head", "tail"))


def test_a_log_goes_once_all_of_it_is_in_the_lake(tmp_path: Path) -> None:
    """Not before, not while its process writes to it, and the numbers go on from there."""
    lake = Lake.at(tmp_path / "lake")
    row = {"features": {"a": 1, "c": "x"}, "prediction": 1}
    with running(lake.path) as server:
        assert _post(server, "predictions", {"rows": [row] * 3}).json()["through"] == 3
        assert tidy(lake) == 0
    assert tidy(lake) == 0
    cycle.once(lake)
    assert ledger(lake, "net").balanced
    assert tidy(lake) == 1
    assert not list(logs_folder(lake).glob("*/*.log"))
    with running(lake.path) as server:
        assert _post(server, "predictions", row).json()["through"] == 4
        cycle.once(lake)
    found = ledger(lake, "net")
    assert found.balanced
    assert [(one.seen, one.in_lake) for one in found.producers if one.stream == "predictions"] == [(4, 4)]


def test_what_is_damaged_in_a_log_is_told_as_torn(tmp_path: Path) -> None:
    """A flipped bit in a body costs that request's rows, one in a head too; a torn end costs nothing that was answered."""
    lake = Lake.at(tmp_path / "lake")
    with running(lake.path) as server:
        for number in range(5):
            row = {"features": {"a": number, "c": "x"}, "prediction": 1, "id": f"r{number}"}
            assert _post(server, "predictions", row).json()["through"] == number + 1
    (path,) = [one for one in logs_folder(lake).glob("*/*.log") if one.stat().st_size]
    data = bytearray(path.read_bytes())
    body = data.index(b'"r1"')
    data[body + 1] ^= 4
    head = data.rindex(b"VRC1", 0, data.index(b'"r3"'))
    data[head + 5] ^= 1
    path.write_bytes(data + data[:40])
    cycle.once(lake)
    assert sorted(_kept(lake)) == ["r0", "r2", "r4"]
    found = ledger(lake, "net")
    assert found.balanced
    assert sum(one.torn for one in found.producers) == 2
    reasons = {reason for one in found.producers for reason in one.reasons.get("torn", {})}
    assert reasons == {
        "the checksum of what was received does not match: the log is damaged",
        "the server's log lacks it",
    }


@pytest.mark.parametrize(
    "error",
    [OSError(errno.EIO, "Input/output error"), OSError(errno.EMFILE, "Too many open files"), MemoryError()],
)
def test_what_the_machine_cannot_read_once_is_read_in_the_next_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A disk, memory or open files that fail in one round cost no row that was answered; others' rows come in meanwhile."""
    lake = Lake.at(tmp_path / "lake")
    reference = pl.DataFrame({"a": [0.5] * 300, "c": ["x"] * 300, "prediction": [0, 1, 1] * 100})
    with running(lake.path) as server:
        for number in range(6):
            one = {"features": {"a": number, "c": "x"}, "prediction": 1, "id": f"r{number}"}
            document = {"rows": [one], "producer": "other" if number == 5 else "w", "first": number % 5 + 1}
            assert _post(server, "predictions", document).status_code == 200
        with vedette.Monitor("net", lake=server.url, journal=tmp_path / "journal") as monitor:
            monitor.log_many(reference.select("a", "c", "prediction"))
            monitor.flush()
    reads = Entry.body

    def body(self: Entry) -> bytes:
        if self.received.kind == "batch" or (self.received.first, self.received.producer) == (3, "w@json"):
            raise error
        return reads(self)

    monkeypatch.setattr(Entry, "body", body)
    cycle.once(lake)
    assert sorted(_kept(lake)) == ["r0", "r1", "r5"]
    assert "torn" not in lake.model("net")["ledger"].scan().collect()["part"].to_list()
    monkeypatch.setattr(Entry, "body", reads)
    tidy(lake)
    cycle.once(lake)
    ids = lake.model("net")["predictions"].scan().select("id").collect()["id"]
    assert sorted(ids.drop_nulls()) == [f"r{number}" for number in range(6)]
    assert len(ids) == 306
    found = ledger(lake, "net")
    assert found.balanced, found.gaps
    assert sum(one.torn for one in found.producers) == 0
    assert sum(one.in_lake for one in found.producers) == 306


def test_who_may_not_send_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    """Without the token 401, and the sender stops and keeps all; with it all comes in."""
    with running(tmp_path / "lake", token="right") as server:
        assert _post(server, "predictions", b"{").status_code == 401
        assert server.app.state.desk.log.records == 0


def test_a_training_in_another_language_is_a_run(server: RunningServer) -> None:
    """Points and events sent as JSON are a run as any other, with its parameters, its end and its curve."""

    def event(kind: str, **more: Any) -> httpx.Response:
        return _post(server, "events", {"run": "first", "kind": kind, "version": "9", **more})

    assert event("run_started").status_code == 200
    assert event("run_params", detail={"lr": 0.1}).status_code == 200
    points = [{"step": step, "metrics": {"loss": 1 / step, "error": 0}} for step in range(1, 6)]
    sent = {"run": "first", "points": points, "producer": "trainer", "first": 1}
    assert _post(server, "points", sent).json()["through"] == 5
    assert _post(server, "points", sent).json()["duplicate"] is True
    assert runs.runs(server.lake, "net")["status"].to_list() == ["running"]
    assert event("run_ended", detail={"status": "finished", "summary": {"loss": 0.2}}).status_code == 200
    for _ in range(2):  # from the log, and from the tables
        row = runs.runs(server.lake, "net").row(0, named=True)
        assert (row["name"], row["version"], row["status"], row["last_step"]) == ("first", "9", "finished", 5)
        curve = vedette.lake.points.read(server.lake, "net.run").curve("first", "loss")
        assert curve["value"].to_list() == [1 / step for step in range(1, 6)]
        cycle.once(server.lake)
    for wrong, said in (
        ({"run": "", "points": points}, "run="),
        ({"run": "a", "points": []}, "points: must be a list"),
        ({"run": "a", "points": [{"step": 1.5, "metrics": {"a": 1}}]}, r"points[0].step=1.5"),
        ({"run": "a", "points": [{"step": 1, "metrics": {"a": "x"}}]}, "points[0].metrics.a=x"),
        ({"run": "a", "points": [{"step": 1, "metrics": {"a": 1, "A": 1}}]}, "only by case"),
    ):
        answer = _post(server, "points", wrong)
        assert answer.status_code == 400
        assert said in answer.json()["error"]
    assert "finished, failed" in event("run_ended", detail={"status": "well"}).json()["error"]
    assert "run_started" in event("deployed").json()["error"]


def test_what_two_servers_took_in_turn_is_not_read_with_a_hole(tmp_path: Path) -> None:
    """A reader that has looked at the first one's log too early looks again before it calls anything lost."""

    def rows(first: int) -> dict[str, Any]:
        return {
            "producer": "w",
            "first": first,
            "features": {"a": 1, "c": "x"},
            "prediction": 1,
            "id": f"r{first}",
        }

    lake = Lake.at(tmp_path / "lake")
    with running(lake.path) as one, running(lake.path) as other:
        assert _post(other, "labels", {"id": "x", "label": 1}).status_code == 200  # it has a log too
        assert _post(one, "predictions", rows(1)).json()["through"] == 1
        index = Index(logs_folder(lake))  # as another process has it
        index.refresh()
        reads = index._read
        early = next(
            path for path, file in index.files.items() if ("net", "w@json", "predictions") in file.ends
        )

        def late(file: Any, *, ended: bool) -> None:
            # while the other's log is looked at, the first takes another row, and the other the next
            if file.path != early:
                index._read = reads  # type: ignore[method-assign]
                assert _post(one, "predictions", rows(2)).json()["through"] == 2
                assert _post(other, "predictions", rows(3)).json()["through"] == 3
            reads(file, ended=ended)

        index._read = late  # type: ignore[method-assign]
        index.refresh()
        folder = ReceivedFolder(index, lake.model("net"), "net", "w@json")
        found = list(folder.read("predictions", 0))
        assert [list(chunk.sequence) for chunk in found] == [[1, 2, 3]]
        assert sum(chunk.torn for chunk in found) == 0


def test_numbers_of_a_failed_write_are_not_given_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that was refused may be on disk all the same; the rows that were answered are all there, and the ledger says so."""
    from vedette.server.ingest import log as module

    lake, failing = Lake.at(tmp_path / "lake"), [False]
    sync = os.fdatasync

    def fdatasync(file: int) -> None:
        # of this log's files alone: keepers of other journals may sync in this process too
        if failing[0] and str(tmp_path) in os.readlink(f"/proc/self/fd/{file}"):
            failing[0] = False
            raise OSError(5, "Input/output error")
        sync(file)

    monkeypatch.setattr(module.os, "fdatasync", fdatasync)
    with running(lake.path) as server:
        for number in range(1, 6):
            failing[0] = number in (1, 3)
            answer = _post(
                server,
                "predictions",
                {"features": {"a": number, "c": "x"}, "prediction": 1, "id": f"r{number}"},
            )
            assert answer.status_code == (503 if number in (1, 3) else 200)
        assert not server.app.state.desk.log.broken
    cycle.once(lake)
    assert {"r2", "r4", "r5"} <= set(_kept(lake))
    assert ledger(lake, "net").balanced


def test_a_record_within_a_body_is_no_record(tmp_path: Path) -> None:
    """Bytes that look like a record, in a body that a crash has cut, are neither read as one nor searched without end."""
    from vedette.lake.received.records import Received, encode

    lake = Lake.at(tmp_path / "lake")
    forged = encode(
        Received("json", "victim", "w@json", "predictions", 1, 2, "", {"version": "1"}), 0, 0, 1, b"0" * 16
    )
    text = forged.decode("latin-1")
    with running(lake.path) as server:
        row = {"features": {"a": 1, "c": text}, "prediction": 1}
        assert _post(server, "predictions", row).status_code == 200
        assert (
            _post(
                server, "predictions", {"features": {"a": 1, "c": "VRC1" * 10_000}, "prediction": 1}
            ).status_code
            == 200
        )
    (path,) = [one for one in logs_folder(lake).glob("*/*.log") if one.stat().st_size > 16]
    data = path.read_bytes()
    path.write_bytes(data[:16] + b"VRC1" + forged + data[-30_000:])
    index = Index(logs_folder(lake))
    index.refresh()
    assert index.models() == []


def test_another_server_is_asked_before_a_number_is_taken(tmp_path: Path) -> None:
    """Two processes of one lake: other rows under a number that the other took are refused by both."""

    def row(value: float, first: int) -> dict[str, Any]:
        return {"producer": "w", "first": first, "features": {"a": value, "c": "x"}, "prediction": 1}

    with running(tmp_path / "lake") as one, running(tmp_path / "lake") as other:
        assert _post(one, "predictions", row(1.0, 1)).status_code == 200
        assert _post(other, "predictions", row(2.0, 2)).status_code == 200
        assert _post(one, "predictions", row(99.0, 2)).status_code == 409
        assert _post(one, "predictions", row(2.0, 2)).json()["duplicate"] is True


@pytest.mark.parametrize(
    "document",
    [
        {"settings": {"window_s": 0}},
        {"settings": {"window_s": float("nan")}},
        {"settings": {"window_s": 1e300}},
        {"settings": {"window_s": "a"}},
        {"settings": {"given": [[1]]}},
        {"settings": {"classes": ["\ud800", "b"]}},
        {"settings": {"timezone": "Nowhere/There"}},
        {"version": ""},
    ],
)
def test_settings_that_would_stop_a_round_are_refused(
    server: RunningServer, document: dict[str, Any]
) -> None:
    """What a round would fail on for ever is not taken."""
    said, body = _arrow(5, **document)
    assert _send(server, said, body).status_code == 400


def test_columns_that_would_stop_a_round_are_refused(server: RunningServer) -> None:
    """Times beyond the calendar, and roles in types that they cannot have."""
    import pyarrow as pa

    def changed(name: str, values: Any, field: Any) -> bytes:
        table = pa.ipc.open_stream(_arrow(3)[1]).read_all()
        at = table.column_names.index(name)
        table = table.set_column(at, field, values)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return bytes(sink.getvalue().to_pybytes())

    utc = pa.timestamp("us", "UTC")
    far = pa.array([2**62] * 3, pa.int64()).cast(utc)
    inclusion = pa.field("inclusion", pa.utf8(), metadata={"role": "inclusion", "name": "", "type": "text"})
    vector = pa.list_(pa.float64(), 2)
    prediction = pa.field(
        "prediction", vector, metadata={"role": "prediction", "name": "", "type": "vector64"}
    )
    for body in (
        changed("received", far, pa.field("received", utc)),
        changed("time", far, pa.field("time", utc)),
        changed("prediction", pa.array(["a"] * 3), inclusion),
        changed("prediction", pa.array([[1.0, 2.0]] * 3, vector), prediction),
    ):
        assert _send(server, _arrow(3)[0], body).status_code == 400


def test_what_cannot_be_made_rows_is_torn_and_the_round_goes_on(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that the checks let pass and that fails in reading costs its own rows, with a reason in the ledger."""
    from vedette.lake.received import chunks

    good = {"features": {"a": 1, "c": "x"}, "prediction": 1}
    assert _post(server, "predictions", {**good, "id": "r1"}).status_code == 200
    assert _post(server, "predictions", {**good, "id": "poison"}).status_code == 200
    assert _post(server, "predictions", {**good, "id": "r3"}).status_code == 200
    take = chunks.JsonRows.take

    def failing(self: Any, rows: Any, *more: Any) -> None:
        if any(row.get("id") == "poison" for row in rows):
            raise OverflowError("something that nobody thought of")
        take(self, rows, *more)

    monkeypatch.setattr(chunks.JsonRows, "take", failing)
    cycle.once(server.lake)
    assert sorted(_kept(server.lake)) == ["r1", "r3"]
    book = ledger(server.lake, "net")
    assert book.balanced
    assert [one.reasons["torn"] for one in book.producers if one.torn] == [
        {"cannot be read: OverflowError": 1}
    ]


def test_classes_are_integers_and_values_are_floats(server: RunningServer) -> None:
    """Whole predictions and labels are classes, as Python's own are; one among them that is not makes all of them values."""

    def row(model: str, prediction: float, **more: Any) -> None:
        url = f"{server.url}/v1/models/{model}/predictions"
        assert (
            httpx.post(url, json={"features": {"a": 1}, "prediction": prediction, **more}).status_code == 200
        )

    for value in (1, 0):
        row("classes", value)
    for value in (3, 2.5):
        row("values", value)
    cycle.once(server.lake)
    row("classes", 1.0)
    row("values", 4)
    cycle.once(server.lake)
    found = {}
    for model in ("classes", "values"):
        frame = server.lake.model(model)["predictions"].scan().sort("_sequence").collect()
        found[model] = (frame["prediction"].dtype, frame["prediction"].to_list(), frame["a"].dtype)
        assert [name for name in frame.columns if "__" in name] == []
    assert found == {
        "classes": (pl.Int64, [1, 0, 1], pl.Float64),
        "values": (pl.Float64, [3.0, 2.5, 4.0], pl.Float64),
    }


def test_rows_and_batches_that_cannot_be_placed_are_torn_alone(
    server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails only when rows become the lake's columns is undone, counted, and keeps nothing else back."""
    from vedette.lake import arrivals

    with vedette.Monitor("net", lake=server.url, journal=tmp_path / "journal") as monitor:
        rows = _log(monitor, 5)
        monitor.log_many(
            {"a": [1.5, 2.5], "c": ["x", "y"], "prediction": [0, 1], "poison": [1, 2], "id": ["b0", "b1"]}
        )
        monitor.flush()
    poison = {"features": {"poison": 1}, "prediction": 1, "id": "p"}
    assert _post(server, "predictions", poison).status_code == 200
    place = arrivals.columns_for

    def failing(fields: Any, schema: Any) -> Any:
        if any(one.name == "poison" for one in fields):
            raise OverflowError("something that nobody thought of")
        return place(fields, schema)

    monkeypatch.setattr(arrivals, "columns_for", failing)
    for _ in range(2):
        cycle.once(server.lake)
    assert _kept(server.lake) == rows
    book = ledger(server.lake, "net")
    assert book.balanced
    assert sum(one.torn for one in book.producers) == 3
    assert "poison" not in server.lake.model("net")["predictions"].columns()


def test_an_event_that_is_sent_again_is_the_same_event(server: RunningServer) -> None:
    """An event without a time gets that of its receipt, and is known again by what was sent."""
    event = {"run": "r", "kind": "run_started", "producer": "trainer", "first": 1}
    assert _post(server, "events", event).json()["duplicate"] is False
    assert _post(server, "events", event).json()["duplicate"] is True


def test_what_a_sender_may_record_gets_through_whatever_its_type(
    server: RunningServer, tmp_path: Path
) -> None:
    """Batches, references, rows, several classes, lists of items and a training: nothing is refused, all of it is kept."""
    n = 60
    frame = pl.DataFrame(
        {
            "i8": pl.Series(range(n), dtype=pl.Int8), "u64": pl.Series([2**63] * n, dtype=pl.UInt64),
            "f32": pl.Series([0.5] * n, dtype=pl.Float32), "b": [True, False] * (n // 2), "null": [None] * n,
            "cat": pl.Series(["x", "y"] * (n // 2), dtype=pl.Categorical), "bin": [b"\0x"] * n,
            "d": [datetime(2026, 1, 1, tzinfo=UTC)] * n, "v": pl.Series([[1.0, 2.0]] * n, dtype=pl.Array(pl.Float32, 2)),
            "vl": [[1.0, 2.0, 3.0]] * n, "prediction": [0, 1] * (n // 2), "probability": [0.5] * n,
            "latency_s": [0.1] * n, "id": range(n), "error": pl.Series([None] * n, dtype=pl.String),
        }
    )  # fmt: skip
    where = {"lake": server.url, "journal": tmp_path / "journal"}
    with vedette.Monitor("net", **where) as monitor:
        monitor.reference(frame.drop("id"))
        monitor.log_many(frame)
        monitor.log_many(frame.with_columns(prediction=pl.lit(None)).drop("probability"))
        monitor.label_many({"id": list(range(n)), "label": [0, 1] * (n // 2)})
        with monitor.run("r1", environment=False) as run:
            for step in range(5):
                run.log(step, loss=1 / (step + 1))
            run.params({"lr": 0.1})
        monitor.flush()
    with vedette.Monitor("three", classes=["a", "b", "c"], **where) as three:
        three.log_many(
            {"x": [1.0] * 9, "prediction": ["a", "b", "c"] * 3, "probability": [[0.2, 0.3, 0.5]] * 9}
        )
        three.log({"x": 1.0}, "a", probability={"a": 0.5, "b": 0.3, "c": 0.2})
        three.flush()
    with vedette.Monitor("items", task="ranking", **where) as items:
        items.log({"x": 1.0}, ["i1", "i2"], id="q")
        items.label("q", ["i2"])
        items.flush()
    cycle.once(server.lake)
    found = {}
    for model in ("net", "three", "items", "net.run"):
        book = ledger(server.lake, model)
        assert book.balanced
        assert not any(one.torn or one.rejected for one in book.producers)
        found[model] = sum(one.in_lake for one in book.producers if one.stream == "predictions")
    assert (found["net"], found["three"], found["items"]) == (2 * n, 10, 1)
    assert runs.runs(server.lake, "net").row(0, named=True)["status"] == "finished"


def test_what_goes_with_rows_is_bounded_too(server: RunningServer) -> None:
    """Reasons, settings and counts by column beyond measure are refused or left out, and nobody else's rows with them."""
    run = {"part": "torn", "reason": "x" * 1000, "time": 1.0}
    many = [{**run, "first": at, "last": at} for at in range(6, 2_006)]
    for wrong in (
        {"lost": many, "end": 2_006}, {"settings": {"segments": ["s" * 1_000] * 2_000}},
        {"lost": [{**run, "first": 6, "last": 6, "reason": "x" * 1_001}], "end": 7},
    ):  # fmt: skip
        said, body = _arrow(5, **wrong)
        assert _send(server, {**said, "end": wrong.get("end", 6)}, body).status_code == 400
    said, body = _arrow(5, absent={"a": 5, **{f"column {i}": 1 for i in range(1_000)}})
    assert _send(server, said, body).status_code == 200
    index = Index(logs_folder(server.lake))
    index.refresh()
    (taken,) = index.of(("net", f"0001-3f9c21ab@{JOURNAL}", "predictions"))
    assert taken.received.about["absent"] == {"a": 5}


def test_names_that_are_made_anew_for_each_row_come_to_an_end(tmp_path: Path) -> None:
    """A model's columns are counted over requests and restarts, by JSON and by Arrow; who stays within them goes on."""
    limits = Limits(columns_max=12)

    def row(name: str) -> dict[str, Any]:
        return {"features": {name: 1.0}, "prediction": 1}

    with running(tmp_path / "lake", limits) as server:
        answers = [_post(server, "predictions", row(f"f{number}")) for number in range(20)]
        taken = [answer.status_code for answer in answers].count(200)
        assert 1 <= taken <= 12
        assert answers[-1].status_code == 422
        assert "columns_max" in answers[-1].json()["error"]
        assert _post(server, "predictions", row("f0")).status_code == 200
        said, body = _arrow(3)
        assert _send(server, said, body).status_code == 422
        with vedette.Monitor("net", lake=server.url, journal=tmp_path / "journal") as monitor:
            monitor.log_many({"g1": [1.0], "prediction": [1]})
            with pytest.raises(vedette.errors.IngestError, match="columns_max"):
                monitor.flush(30)
        cycle.once(server.lake)
    with running(tmp_path / "lake", limits) as server:
        assert _post(server, "predictions", row("f99")).status_code == 422
        assert _post(server, "predictions", row("f0")).status_code == 200
