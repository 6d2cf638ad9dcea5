"""Bodies that nobody would send: real ones, changed at random. Each is answered; what is taken is read as what it says."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("fastapi", reason="the extra server is not installed")
pytest.importorskip("uvicorn", reason="the extra server is not installed")
pytest.importorskip("httpx", reason="httpx is not installed")

import httpx

from tests.server_running import RunningServer, running
from tests.test_server_ingest import _arrow
from vedette.engine import cycle
from vedette.lake.ledger import ledger
from vedette.lake.received import folders
from vedette.records import Role

EXAMPLES = int(os.environ.get("VEDETTE_FUZZ_EXAMPLES", "150"))
"""Bodies of each kind; millions in a nightly run."""
FUZZED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES == 150,
    suppress_health_check=list(HealthCheck),
)
REFUSED = {400, 409, 412, 413, 422}
NUMBERS = itertools.count(1)
TIME = "2026-11-20T10:00:00Z"
DOCUMENTS: dict[str, list[dict[str, Any]]] = {
    "predictions": [
        {
            "features": {"a": 1.5, "b": 3, "c": "ü", "d": True, "e": None, "v": [1, 2.5]}, "prediction": 1,
            "probability": 0.25, "id": "r1", "time": TIME, "latency_s": 0.5, "version": "3",
        },
        {"version": "1", "window": "1h", "task": "classification", "classes": ["no", "yes"], "producer": "w", "first": 1,
         "rows": [{"features": {"a": i}, "prediction": "yes", "probability": {"no": 0.5, "yes": 0.5}} for i in range(3)]},
        {"features": None, "error": "ValueError", "inclusion": 0.5},
    ],
    "labels": [{"id": "r1", "label": 1, "time": TIME}, {"rows": [{"id": 7, "label": "x"}, {"id": "b", "label": None}]}],
    "points": [{"run": "r", "points": [{"step": 1, "metrics": {"loss": 0.5, "acc": 1}}, {"step": 2, "metrics": {"loss": 1}}]}],
    "events": [
        {"run": "r", "kind": "run_started", "version": "3", "detail": {"ranks": 2}},
        {"run": "r", "kind": "run_alert", "step": 4, "detail": {"title": "t", "text": "x", "level": "warn"}},
        {"run": "r", "kind": "run_ended", "detail": {"status": "finished", "summary": {"loss": 0.2}}},
    ],
}  # fmt: skip
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([2**53, 2**53 + 1, -(2**63), 2**64 - 1, 2**64, 10**400, 0, -1]),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=8),
    st.sampled_from(["\ud800", "\x00", "id", "A", "a", "9999-12-31T23:59:59Z", "0001-01-01", "1e999", "__proto__", "x" * 70_000]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=4)),
    max_leaves=8,
)  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running(tmp_path_factory.mktemp("fuzz") / "lake") as made:
        yield made


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as opened:
        yield opened


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from _places(value[key], (*path, key))


@st.composite
def changed(draw: st.DrawFn, stream: str) -> Any:
    """A document with values put in other places' stead, keys taken away and keys added."""
    document = copy.deepcopy(draw(st.sampled_from(DOCUMENTS[stream])))
    for _ in range(draw(st.integers(0, 3))):
        if not isinstance(document, dict | list) or not document:
            break
        *way, last = draw(st.sampled_from([one for one in _places(document) if one]))
        inner: Any = document
        for key in way:
            inner = inner[key]
        match draw(st.sampled_from(["put", "take", "add"])):
            case "put":
                inner[last] = draw(VALUES)
            case "take":
                del inner[last]
            case _ if isinstance(inner, dict):
                inner[draw(st.text(max_size=4))] = draw(VALUES)
            case _:
                inner.append(draw(VALUES))
    return document


def _answered(answer: httpx.Response) -> bool:
    """Whether it was taken; that it was answered as it must be is held."""
    assert answer.status_code in {200, *REFUSED}, answer.text
    told = answer.json()
    assert answer.status_code == 200 or type(told["error"]) is str
    return answer.status_code == 200


@pytest.mark.parametrize("stream", DOCUMENTS)
@FUZZED
@given(data=st.data())
def test_json_of_any_form_is_answered_and_read_as_what_it_says(
    server: RunningServer, client: httpx.Client, stream: str, data: st.DataObject
) -> None:
    """No answer is of 500; rows that were taken have the values that stand in the body, and no others."""
    document = data.draw(changed(stream))
    model = f"m{next(NUMBERS)}"
    body = json.dumps(document).encode()
    answer = client.post(
        f"/v1/models/{model}/{stream}", content=body, headers={"Content-Type": "application/json"}
    )
    if not _answered(answer):
        assert folders(server.lake, model) == []
        return
    if stream not in ("predictions", "labels"):
        return
    rows = document.get("rows", [document])
    (folder,) = folders(server.lake, model)
    (chunk,) = folder.read(stream, 0)
    assert chunk.torn == 0
    assert len(chunk.sequence) == len(rows) == answer.json()["rows"]
    for at, row in enumerate(rows):
        found = {
            (field.role, field.name): values[at].tolist() if isinstance(values[at], np.generic | np.ndarray) else values[at]
            for field, (values, present) in chunk.columns.items()
            if present[at]
        }  # fmt: skip
        assert found == _said(row, stream)
        assert chunk.ids[at] == (None if row.get("id") is None else str(row["id"]))


def _said(row: dict[str, Any], stream: str) -> dict[tuple[Role, str], Any]:
    """What a row says, by the role and the name: read by hand, not by the product."""
    if stream == "labels":
        given = {(Role.LABEL, ""): row["label"]}
    else:
        given = {(Role.FEATURE, name): value for name, value in (row.get("features") or {}).items()}
        given[Role.PREDICTION, ""] = row.get("prediction")
        probability = row.get("probability")
        of_class = probability if isinstance(probability, dict) else {"": probability}
        given |= {(Role.PROBABILITY, name): value for name, value in of_class.items()}
        for role, key in ((Role.LATENCY, "latency_s"), (Role.INCLUSION, "inclusion"), (Role.ERROR, "error")):
            given[role, ""] = row.get(key)
    return {key: value for key, value in given.items() if value is not None}


@pytest.mark.parametrize(
    ("stream", "body", "said"),
    [
        ("events", b'{"run": "r", "kind": {}}', "kind="),
        ("events", b'{"run": "r", "kind": "run_params", "detail": {"a": "\\ud800"}}', "surrogate"),
        ("events", b'{"run": "r", "kind": "run_params", "step": 1' + b"0" * 400 + b"}", "step"),
        ("points", b'{"run": "r", "points": [{"step": 1, "metrics": {"\\ud800": "x"}}]}', "\\ud800"),
    ],
)
def test_what_was_found_stays_found(
    server: RunningServer, client: httpx.Client, stream: str, body: bytes, said: str
) -> None:
    """Bodies that once were taken and could not be read, or failed the server: refused, in words."""
    answer = client.post(
        f"/v1/models/net/{stream}", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400
    assert said in answer.json()["error"]


@FUZZED
@given(body=st.binary(max_size=300), kind=st.sampled_from(sorted(DOCUMENTS)))
def test_bytes_that_are_no_json_are_refused(client: httpx.Client, body: bytes, kind: str) -> None:
    """Whatever they are."""
    answer = client.post(f"/v1/models/net/{kind}", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in REFUSED


@FUZZED
@given(data=st.data())
def test_arrow_with_bytes_changed_is_answered_and_read_alike_by_two_libraries(
    server: RunningServer, client: httpx.Client, data: st.DataObject
) -> None:
    """What pyarrow makes of a stream that was taken is what the lake is given of it, by Polars."""
    import pyarrow as pa

    model = f"m{next(NUMBERS)}"
    said, whole = _arrow(12, model=model)
    body = bytearray(whole)
    for at, byte in data.draw(
        st.lists(st.tuples(st.integers(0, len(body) - 1), st.integers(0, 255)), min_size=1, max_size=5)
    ):
        body[at] = byte
    if data.draw(st.integers(0, 9)) == 0:
        body = body[: data.draw(st.integers(0, len(body)))]
    answer = client.post(
        f"/v1/ingest/{model}/predictions",
        params=said,
        content=bytes(body),
        headers={
            "Content-Type": "application/vnd.apache.arrow.stream",
            "Vedette-Digest": f"sha-256={hashlib.sha256(body).hexdigest()}",
        },
    )
    if not _answered(answer):
        assert folders(server.lake, model) == []
        return
    table = pa.ipc.open_stream(bytes(body)).read_all()
    (folder,) = folders(server.lake, model)
    (chunk,) = folder.read("predictions", 0)
    assert chunk.torn == 0
    assert list(chunk.sequence) == table["_sequence"].to_pylist()
    assert list(chunk.ids) == table["id"].to_pylist()
    for column, (values, present) in zip(table.columns[4:], chunk.columns.values(), strict=True):
        expected = column.to_pylist()
        assert list(present) == [value is not None for value in expected]
        found = [value if there else None for value, there in zip(values.tolist(), present, strict=True)]
        np.testing.assert_equal(found, expected)  # NaN is NaN


def test_what_was_taken_of_all_that_goes_into_the_lake(server: RunningServer) -> None:
    """A round over whatever the others have left: no model's round fails, nothing is torn, every ledger balances."""
    names = [one.name for one in server.lake.journal.iterdir() if one.name.startswith("m")]
    for name in sorted(names)[:60]:
        cycle.once(server.lake, models=[name])
        book = ledger(server.lake, name)
        assert book.balanced
        assert sum(one.torn for one in book.producers) == 0
