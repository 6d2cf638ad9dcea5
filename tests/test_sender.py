"""The sender and a server: what each answer does, what is stored, what is freed and what is kept."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.journals import MODEL, record
from tests.servers import Got, Refused, Running, serve
from vedette.capture import Recorder, producers
from vedette.capture.shipping import delivery, letters
from vedette.capture.shipping.answers import CAP_S, Meaning, delay_s, meaning
from vedette.capture.shipping.delivery import Again, Stopped
from vedette.capture.shipping.desk import Desk
from vedette.capture.shipping.follow import End, follow, once
from vedette.capture.shipping.sender import Round, Sender
from vedette.capture.shipping.transport import Answer, Client
from vedette.config import ServerSettings
from vedette.errors import IngestError, JournalError

SETTINGS = ServerSettings(token_env="VEDETTE_TEST_TOKEN", timeout_s=5.0, connect_timeout_s=2.0)


@pytest.fixture
def server() -> Iterator[Running]:
    """A server that takes everything."""
    with serve() as running:
        yield running


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    """A recorder into the journal that is shipped."""
    made = record(tmp_path / "journal")
    yield made
    made.close()


_clients: list[Client] = []


@pytest.fixture(autouse=True)
def closed_connections() -> Iterator[None]:
    """No test leaves a connection behind."""
    yield
    while _clients:
        _clients.pop().close()


class Station:
    """A sender in this process; ``sent`` goes round once, however the round ends."""

    def __init__(self, root: Path, url: str) -> None:
        self.desk = Desk(root)
        self.desk.open()
        client = Client(url, lambda: SETTINGS)
        self.sender = Sender(self.desk, client, rng=random.Random(1))
        _clients.append(client)

    def round(self) -> Round:
        return self.sender.round()

    def rounds(self, n: int = 40) -> None:
        """Go round until nothing more is to be had at once, whatever holds a stream up."""
        for _ in range(n):
            for flow in self.sender._flows.values():
                flow.ready_at = 0.0
            found = self.sender.round()
            if not found.more and not found.behind:
                return

    @property
    def aside(self) -> list[dict[str, Any]]:
        folder = self.desk.path / "aside"
        return [letters.read(folder, name) for name in sorted(letters.names(folder))]


@pytest.fixture
def station(recorder: Recorder, tmp_path: Path, server: Running) -> Station:
    """A sender of the recorder's journal to the server."""
    return Station(tmp_path / "journal", server.url)


def log_rows(recorder: Recorder, n: int, start: int = 0) -> None:
    for i in range(start, start + n):
        recorder.log({"a": float(i), "c": f"c{i % 3}"}, i % 2, probability=0.5, id=f"id{i}")


def batch(recorder: Recorder, values: list[float], stream: str = "predictions") -> int:
    frame = pl.DataFrame({"a": values, "version": ["1"] * len(values)})
    return recorder.write_batch(stream, frame.height, lambda path: frame.write_ipc(path, compression="zstd"))


def ids(server: Running) -> list[str]:
    return [row["id"] for row in server.store.all_rows()]


def refuse(status: int, when: Any = None, **more: Any) -> Any:
    """A server that gives the rows that ``when`` picks an answer, and all others what they deserve."""

    def before(got: Got) -> Refused | None:
        if got.method == "POST" and (when is None or when(got)):
            return Refused(status, "because", **more)
        return None

    return before


# --- what goes out ---------------------------------------------------------------------------------------------------


def test_rows_and_labels_are_stored_once_and_freed(
    recorder: Recorder, station: Station, server: Running, tmp_path: Path
) -> None:
    """All rows of a producer that ended are on the server, and no longer in the journal."""
    log_rows(recorder, 1000)
    for i in range(1000):
        recorder.label(f"id{i}", i % 2)
    recorder.close()
    station.rounds()
    assert ids(server) == [f"id{i}" for i in range(1000)]
    assert len(server.store.all_rows("labels")) == 1000
    assert list((tmp_path / "journal" / MODEL).rglob("*.seg")) == []


def test_nothing_is_freed_before_it_is_acknowledged(
    recorder: Recorder, station: Station, server: Running, tmp_path: Path
) -> None:
    """While the server answers 503 every file of the journal stays where it is."""
    log_rows(recorder, 1000)
    batch(recorder, [1.0, 2.0])
    recorder.close()
    before = sorted((tmp_path / "journal" / MODEL).rglob("*"))
    server.store.before = refuse(503)
    for _ in range(3):
        with pytest.raises(Again, match="answered 503 because"):
            station.round()
    assert sorted((tmp_path / "journal" / MODEL).rglob("*")) == before


def test_batches_go_out_as_they_lie(recorder: Recorder, station: Station, server: Running) -> None:
    """A batch is sent byte for byte with its number, whatever its stream, and freed."""
    batch(recorder, [1.0, 2.0])
    batch(recorder, [3.0], "labels")
    batch(recorder, [4.0, 5.0, 6.0], "reference")
    (folder,) = producers(station.desk.journal, MODEL)
    files = {one.number: one.path.read_bytes() for one in folder.batches(0)}
    station.rounds()
    sent = {int(one.query["batch"]): one.body for one in server.store.got if "batch" in one.query}
    ((_, found),) = server.store.batches.items()
    assert sent == files
    assert [(stream, number, table.num_rows) for stream, number, table in found] == [
        ("predictions", 1, 2), ("labels", 2, 1), ("reference", 3, 3),
    ]  # fmt: skip
    assert folder.batches(0) == []


def test_a_batch_that_is_damaged_is_torn(recorder: Recorder, station: Station, server: Running) -> None:
    """A batch whose bytes are not those that were written does not go out: its rows are counted as torn."""
    batch(recorder, [1.0, 2.0])
    (folder,) = producers(station.desk.journal, MODEL)
    (one,) = folder.batches(0)
    data = bytearray(one.path.read_bytes())
    data[len(data) // 2] ^= 1
    one.path.write_bytes(data)
    station.rounds()
    assert (server.store.total("torn"), server.store.total("rows"), server.store.batches) == (2, 0, {})
    assert folder.batches(0) == []


def test_a_batch_is_never_overtaken_by_a_later_one(
    recorder: Recorder, station: Station, server: Running
) -> None:
    """Two threads that log batches: the quicker one's is not taken as the last while the other's is being written."""
    begun, go_on = threading.Event(), threading.Event()
    frame = pl.DataFrame({"a": [1.0]})

    def slowly(path: Path) -> None:
        begun.set()
        go_on.wait(10)
        frame.write_ipc(path)

    slow = threading.Thread(target=lambda: recorder.write_batch("predictions", 1, slowly))
    slow.start()
    begun.wait(10)
    quick = threading.Thread(
        target=lambda: recorder.write_batch("predictions", 1, lambda p: frame.write_ipc(p))
    )
    quick.start()
    quick.join(0.3)
    station.rounds()
    go_on.set()
    slow.join()
    quick.join()
    station.rounds()
    assert server.store.total("rows") == 2


def test_counters_travel_and_the_ledger_balances(
    recorder: Recorder, station: Station, server: Running
) -> None:
    """Seen = rows + torn + void + dropped + rejected + sampled out, by what the server was told alone."""
    log_rows(recorder, 20)
    recorder.log({"a": object()}, 1)
    recorder.log({"a": 1.0}, 1, time=-5.0)
    recorder.drop("predictions", "no room", 3)
    recorder.sample_out("predictions", 4)
    recorder.label(None, 1)
    station.rounds()
    counted = server.store.counted()
    assert counted["dropped", "no room"] == 3
    assert sum(n for (part, _), n in counted.items() if part == "sampled_out") == 4
    assert sum(n for (part, _), n in counted.items() if part == "rejected") == 2
    assert server.store.counted("labels") == {("rejected", "id missing"): 1}
    seen = 20 + 2 + 3 + 4
    assert seen == server.store.total("rows") + server.store.total("torn") + server.store.total("void") + sum(
        counted.values()
    )


def test_counters_are_told_again_when_they_change(
    recorder: Recorder, station: Station, server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counters are cumulative, and go out when they are news; every ten seconds, or when somebody waits."""
    recorder.drop("predictions", "no room", 3)
    for _ in range(3):
        station.round()
    recorder.drop("predictions", "no room", 2)
    station.round()
    assert sum(server.store.counted().values()) == 3
    station.desk.ask(MODEL)
    station.round()
    assert sum(server.store.counted().values()) == 5
    recorder.drop("predictions", "no room", 1)
    monkeypatch.setattr("vedette.capture.shipping.sender._COUNTERS_S", 0.0)
    station.round()
    assert sum(server.store.counted().values()) == 6
    assert len([one for one in server.store.got if one.path.endswith("/counters")]) == 3


def test_segments_that_are_missing_at_the_end_are_told(
    recorder: Recorder, station: Station, server: Running
) -> None:
    """Where the newest segment of a dead producer was deleted, the server hears how many rows it had."""
    log_rows(recorder, 10)
    recorder.close()
    (folder,) = producers(station.desk.journal, MODEL)
    for path in folder.path.glob("predictions*"):
        path.unlink()
    station.rounds()
    ((_, told),) = server.store.counters.items()
    (missing,) = told["streams"]["predictions"]["missing"]
    assert (missing["first"], missing["last"], missing["part"], missing["reason"]) == (
        1, 10, "torn", "the segment is gone",
    )  # fmt: skip


def test_what_could_not_be_read_is_told(recorder: Recorder, station: Station, server: Running) -> None:
    """A segment whose header is damaged is torn rows, and a problem that the server hears of."""
    log_rows(recorder, 100)
    recorder.close()
    (folder,) = producers(station.desk.journal, MODEL)
    again = record(station.desk.journal)
    log_rows(again, 5)
    again.close()
    first = min(folder.path.glob("predictions*.seg"))
    first.write_bytes(b"\0" * 16384 + first.read_bytes()[16384:])
    station.rounds()
    ((_, told),) = server.store.counters.items()
    assert (server.store.total("rows"), server.store.total("torn")) == (5, 100)
    assert any("not a segment of a journal" in one for one in told["problems"])


def test_the_document_of_a_range_says_where_it_is_from(
    recorder: Recorder, station: Station, server: Running
) -> None:
    """Version, settings, and what was not given travel with the rows."""
    recorder.log({"a": 1.0, "b": 2.0}, 1)
    recorder.log({"a": 1.0}, 1)
    station.rounds()
    (about,) = server.store.documents
    assert (about["version"], about["absent"], about["rows"], about["lost"]) == ("1", {"b": 1}, 2, [])
    assert about["settings"]["window_s"] == 3600.0
    assert about["journal"] == station.desk.identity()


def test_a_body_is_compressed_on_its_way_to_another_machine(
    recorder: Recorder, station: Station, server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What leaves the machine is gzip, and its digest is that of the rows themselves."""
    monkeypatch.setattr(Client, "loopback", False)
    log_rows(recorder, 500)
    station.rounds()
    (rows,) = [one for one in server.store.got if one.path.endswith("/predictions")]
    assert rows.headers["content-encoding"] == "gzip"
    assert len(server.store.all_rows()) == 500


def test_the_token_goes_with_each_request_and_is_read_anew(
    recorder: Recorder, station: Station, server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that was changed is used from the next request on."""
    server.store.token = "right"
    monkeypatch.setenv("VEDETTE_TEST_TOKEN", "wrong")
    log_rows(recorder, 5)
    with pytest.raises(Stopped, match="answered 401 no such token"):
        station.round()
    monkeypatch.setenv("VEDETTE_TEST_TOKEN", "right")
    station.sender._stopped.clear()
    station.round()
    assert len(server.store.all_rows()) == 5


def test_a_token_that_is_none_is_never_sent_nor_shown(
    recorder: Recorder, station: Station, server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token with a line break would be two headers: nothing is sent, and the message does not hold it."""
    monkeypatch.setenv("VEDETTE_TEST_TOKEN", "s3cret\r\nX-Other: 1")
    log_rows(recorder, 5)
    with pytest.raises(Stopped, match="VEDETTE_TEST_TOKEN: holds no token") as failure:
        station.round()
    assert "s3cret" not in str(failure.value)
    assert server.store.got == []


# --- what answers do -------------------------------------------------------------------------------------------------

ANSWERS = {
    200: Meaning.TAKEN, 201: Meaning.TAKEN, 204: Meaning.TAKEN,
    301: Meaning.STOPPED, 302: Meaning.STOPPED, 303: Meaning.STOPPED, 304: Meaning.STOPPED, 307: Meaning.STOPPED,
    308: Meaning.STOPPED,
    400: Meaning.ASIDE, 401: Meaning.STOPPED, 402: Meaning.STOPPED, 403: Meaning.STOPPED, 404: Meaning.STOPPED,
    405: Meaning.STOPPED, 406: Meaning.STOPPED, 407: Meaning.STOPPED, 408: Meaning.AGAIN, 409: Meaning.ASIDE,
    410: Meaning.STOPPED, 411: Meaning.STOPPED, 412: Meaning.BEHIND, 413: Meaning.SMALLER, 414: Meaning.STOPPED,
    415: Meaning.STOPPED, 421: Meaning.STOPPED, 422: Meaning.ASIDE, 425: Meaning.AGAIN, 426: Meaning.STOPPED,
    429: Meaning.AGAIN, 451: Meaning.STOPPED,
    500: Meaning.AGAIN, 501: Meaning.STOPPED, 502: Meaning.AGAIN, 503: Meaning.AGAIN, 504: Meaning.AGAIN,
    505: Meaning.STOPPED, 507: Meaning.AGAIN, 511: Meaning.AGAIN, 599: Meaning.AGAIN,
}  # fmt: skip


@pytest.mark.parametrize("status", sorted(ANSWERS))
def test_every_status_has_its_meaning(status: int) -> None:
    """The table of the protocol."""
    assert meaning(Answer(status)) is ANSWERS[status]


@pytest.mark.parametrize("status", sorted(status for status in ANSWERS if status >= 300))
def test_no_answer_but_success_loses_a_row(
    recorder: Recorder, station: Station, server: Running, status: int
) -> None:
    """Whatever the server says for a while, in the end each row is stored once, or set aside with its reason."""
    log_rows(recorder, 30)
    left = [1 if ANSWERS[status] is Meaning.ASIDE else 2]

    def at_first(got: Got) -> bool:
        left[0] -= 1
        return left[0] >= 0

    server.store.before = refuse(status, at_first)
    for _ in range(12):
        station.sender._stopped.clear()
        try:
            station.rounds(1)
        except (Again, Stopped):
            continue
    aside = sum(one["rows"] for one in station.aside)
    assert len(server.store.all_rows()) + aside == 30
    assert (server.store.total("rows"), server.store.total("set_aside")) == (30 - aside, aside)
    assert len(set(ids(server))) == len(ids(server))
    assert aside == (30 if ANSWERS[status] is Meaning.ASIDE else 0)


def test_a_success_that_says_nothing_is_no_acknowledgement(
    recorder: Recorder, station: Station, server: Running, tmp_path: Path
) -> None:
    """A page of somebody's proxy with status 200 frees nothing."""
    log_rows(recorder, 5)
    station.round()
    log_rows(recorder, 5, 5)
    recorder.close()
    server.store.before = refuse(200)
    with pytest.raises(Again, match="does not speak vedette's protocol"):
        station.round()
    assert list((tmp_path / "journal" / MODEL).rglob("*.seg")) != []
    server.store.before = None
    station.rounds()
    assert ids(server) == [f"id{i}" for i in range(10)]


def test_no_redirect_is_followed_and_no_token_goes_elsewhere(
    recorder: Recorder, station: Station, server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A redirect stops shipping, and who it leads to hears nothing of it."""
    monkeypatch.setenv("VEDETTE_TEST_TOKEN", "s3cret")
    with serve() as other:
        to = {"Location": f"{other.url}/v1/ingest/delays/predictions"}
        server.store.before = lambda got: Refused(307, "there", headers=to)
        log_rows(recorder, 5)
        with pytest.raises(Stopped, match="answered 307"):
            station.round()
        assert other.store.got == []


def test_413_is_answered_with_less(recorder: Recorder, station: Station, server: Running) -> None:
    """A server that takes 20 kB at a time gets as much, and every row once."""
    log_rows(recorder, 3000)
    server.store.before = refuse(413, lambda got: len(got.body) > 20_000)
    station.rounds()
    assert ids(server) == [f"id{i}" for i in range(3000)]
    refused = [one for one in server.store.got if len(one.body) > 20_000]
    assert len(refused) <= 20
    assert station.aside == []


def test_a_row_that_is_too_large_alone_is_set_aside(
    recorder: Recorder, station: Station, server: Running
) -> None:
    """Halved down to one row, what is still too large is set aside, and the others are stored."""
    for i in range(20):
        recorder.log({"text": "x" * (30_000 if i == 7 else 10)}, 1, id=f"id{i}")
    server.store.before = refuse(413, lambda got: len(got.body) > 20_000)
    station.rounds()
    assert ids(server) == [f"id{i}" for i in range(20) if i != 7]
    (letter,) = station.aside
    assert (letter["rows"], letter["reason"], letter["first"]) == (1, "413 because", 8)
    assert server.store.reasons == {"refused with 413": 1}


def test_a_batch_that_is_too_large_is_set_aside(
    recorder: Recorder, station: Station, server: Running
) -> None:
    """A batch cannot be halved: it is set aside whole, and those after it go out."""
    batch(recorder, [random.random() for _ in range(10_000)])  # nothing that could be compressed
    batch(recorder, [1.0])
    server.store.before = refuse(413, lambda got: len(got.body) > 20_000)
    (folder,) = producers(station.desk.journal, MODEL)
    data = folder.batches(0)[0].path.read_bytes()
    station.rounds()
    (letter,) = station.aside
    assert (letter["batch"], letter["rows"]) == (1, 10_000)
    assert (next((station.desk.path / "aside").glob("*.arrow"))).read_bytes() == data
    assert (server.store.total("rows"), server.store.total("set_aside")) == (1, 10_000)


def test_what_was_refused_can_be_read_again(recorder: Recorder, station: Station, server: Running) -> None:
    """A letter has the rows as they were, and a document with what the server said."""
    log_rows(recorder, 30)
    server.store.before = refuse(400, lambda got: "arrow" in got.headers["content-type"])
    station.rounds()
    (path,) = (station.desk.path / "aside").glob("*.arrows")
    assert pl.read_ipc_stream(path)["id"].to_list() == [f"id{i}" for i in range(30)]
    (letter,) = station.aside
    assert (letter["status"], letter["reason"], letter["kept"]) == (400, "400 because", True)


def test_what_does_not_come_is_told_by_window(recorder: Recorder, station: Station, server: Running) -> None:
    """Word of rows that were refused says to which times they belong, so that a window's figures know what they lack."""
    hour = 1_700_000_000 // 3600 * 3600
    for i in range(6):
        recorder.log({"a": 1.0}, 1, time=hour + 3599.0 if i < 4 else hour + 3601.0)
    server.store.before = refuse(400, lambda got: "arrow" in got.headers["content-type"])
    station.rounds()
    assert server.store.lost == [
        {"first": 1, "last": 4, "part": "set_aside", "reason": "refused with 400", "time": hour + 3599.0},
        {"first": 5, "last": 6, "part": "set_aside", "reason": "refused with 400", "time": hour + 3601.0},
    ]


def test_poison_at_the_head_does_not_block_what_follows(
    recorder: Recorder, station: Station, server: Running
) -> None:
    """A range that is always refused is set aside; rows after it, labels and batches are stored."""
    log_rows(recorder, 10)
    server.store.before = refuse(400, lambda got: got.query.get("first") == "1" and len(got.body) > 2000)
    station.rounds()
    log_rows(recorder, 10, 10)
    recorder.label("id0", 1)
    batch(recorder, [1.0])
    station.rounds()
    assert ids(server) == [f"id{i}" for i in range(10, 20)]
    assert (len(server.store.all_rows("labels")), server.store.total("set_aside")) == (1, 10)


def test_a_row_on_which_the_server_fails_is_found_and_set_aside(
    recorder: Recorder, station: Station, server: Running
) -> None:
    """500 again and again for one row: it is found by halving, and costs no other row."""
    log_rows(recorder, 100)
    recorder.label("id1", 1)
    server.store.before = refuse(500, lambda got: b"id66" in got.body)
    for _ in range(400):
        station.rounds(1)
    assert ids(server) == [f"id{i}" for i in range(100) if i != 66]
    (letter,) = station.aside
    assert (letter["rows"], letter["status"]) == (1, 500)
    assert len(server.store.all_rows("labels")) == 1


def test_a_server_that_fails_on_everything_costs_no_row(
    recorder: Recorder, station: Station, server: Running
) -> None:
    """500 for each request, however often: nothing is set aside, and in the end all is stored."""
    log_rows(recorder, 20)
    server.store.before = refuse(500)
    for _ in range(60):
        station.rounds(1)
    assert station.aside == []
    server.store.before = None
    station.rounds()
    assert ids(server) == [f"id{i}" for i in range(20)]


def test_one_stream_that_fails_holds_up_no_other(
    recorder: Recorder, station: Station, server: Running
) -> None:
    """While the server fails on predictions, labels go out."""
    log_rows(recorder, 20)
    recorder.label("id0", 1)
    server.store.before = refuse(500, lambda got: got.path.endswith("/predictions"))
    found = station.round()
    assert len(server.store.all_rows("labels")) == 1
    assert [why for why in found.behind.values() if "answered 500" in why] != []


def test_a_model_that_is_not_allowed_holds_up_no_other(
    recorder: Recorder, station: Station, server: Running
) -> None:
    """403 for one model stops that one, and the journal keeps it."""
    other = Recorder(station.desk.journal, "other", "1", recorder.settings)
    other.log({"a": 1.0}, 1)
    log_rows(recorder, 5)
    server.store.before = lambda got: Refused(403, "not yours") if f"/{MODEL}/" in got.path else None
    found = station.round()
    assert found.behind == {MODEL: "answered 403 not yours"}
    assert [key[0] for key in server.store.rows] == ["other"]
    other.close()


def test_a_range_with_another_content_is_kept_apart(
    recorder: Recorder, station: Station, server: Running
) -> None:
    """409 sets aside, as 400 does: what the server has is not what is here."""
    log_rows(recorder, 10)
    server.store.before = refuse(409, lambda got: "arrow" in got.headers["content-type"])
    station.rounds()
    (letter,) = station.aside
    assert (letter["status"], letter["rows"]) == (409, 10)


def test_word_that_is_refused_keeps_the_rows(
    recorder: Recorder, station: Station, server: Running, tmp_path: Path
) -> None:
    """A server that takes neither rows nor word of them gets both again: nothing is freed, nothing set aside."""
    log_rows(recorder, 10)
    recorder.close()
    server.store.before = refuse(400)
    for _ in range(3):
        station.rounds(1)
    assert station.aside == []
    server.store.before = None
    station.rounds()
    assert ids(server) == [f"id{i}" for i in range(10)]


def test_letters_are_bounded(
    recorder: Recorder, station: Station, server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is refused beyond the room for it is counted by the server, and its reason kept alone."""
    monkeypatch.setattr(letters, "BYTES_MAX", 6000)
    server.store.before = refuse(400, lambda got: "arrow" in got.headers["content-type"])
    for i in range(3):
        log_rows(recorder, 10, 10 * i)
        station.rounds()
    assert [one["kept"] for one in station.aside] == [True, False, False]
    assert server.store.total("set_aside") == 30


# --- what was lost on the way ----------------------------------------------------------------------------------------


def test_a_new_sender_asks_for_what_the_server_has(
    recorder: Recorder, station: Station, server: Running
) -> None:
    """A sender that starts anew goes on behind the server's watermark; nothing is sent twice."""
    log_rows(recorder, 10)
    batch(recorder, [1.0])
    station.rounds()
    log_rows(recorder, 10, 10)
    again = Station(station.desk.journal, server.url)
    again.rounds()
    assert (ids(server), server.store.duplicates) == ([f"id{i}" for i in range(20)], 0)


def test_a_range_that_is_sent_again_is_stored_once(
    recorder: Recorder, station: Station, server: Running
) -> None:
    """A sender that knows nothing of an answer sends the same again: acknowledged as a duplicate, stored once."""
    log_rows(recorder, 10)
    station.rounds()
    for _ in range(5):
        for flow in station.sender._flows.values():
            flow.through = 0
        station.rounds()
    assert (ids(server), server.store.duplicates) == ([f"id{i}" for i in range(10)], 5)


def test_a_server_that_was_set_back_gets_what_it_lost(
    recorder: Recorder, station: Station, server: Running
) -> None:
    """A server restored from a backup says how far it has come, and gets again what the journal still has."""
    log_rows(recorder, 10)
    station.rounds()
    (key,) = server.store.through
    server.store.through[key] = 4
    server.store.rows[key] = server.store.rows[key][:4]
    log_rows(recorder, 5, 10)
    station.rounds()
    assert ids(server) == [f"id{i}" for i in range(15)]


def test_rows_that_were_acknowledged_and_freed_are_not_torn(
    recorder: Recorder, station: Station, server: Running
) -> None:
    """To a server that has lost them, or to a new one, rows that another took are set aside, by that name."""
    log_rows(recorder, 10)
    recorder.close()
    station.rounds()
    again = record(station.desk.journal)
    log_rows(again, 5, 10)
    with serve() as other:
        Station(station.desk.journal, other.url).rounds()
        assert ids(other) == [f"id{i}" for i in range(10, 15)]
        assert (other.store.total("torn"), other.store.reasons) == (0, {"acknowledged before": 10})
    again.close()


def test_a_journal_that_was_set_back_ships_nothing(
    recorder: Recorder, station: Station, server: Running
) -> None:
    """Sequences that the server has and that were never handed out here: new rows would be taken for those it has."""
    log_rows(recorder, 10)
    station.rounds()
    (key,) = server.store.through
    server.store.through[key] = 10_000_000
    again = Station(station.desk.journal, server.url)
    log_rows(recorder, 5, 10)
    found = again.round()
    assert ["never handed out here" in why for why in found.behind.values()] == [True]
    assert len(ids(server)) == 10


def test_two_machines_never_collide(tmp_path: Path, server: Running) -> None:
    """Two journals whose producers have one name are two: each has an identity of its own."""
    folders = []
    for name in ("one", "two"):
        recorder = record(tmp_path / name)
        log_rows(recorder, 10)
        recorder.close()
        (folder,) = producers(tmp_path / name, MODEL)
        folders.append(folder.path.rename(folder.path.with_name("0001-00000000")))
        Station(tmp_path / name, server.url).rounds()
    assert len(ids(server)) == 20
    assert len({key[1] for key in server.store.rows}) == 2


def test_an_identity_is_given_once(tmp_path: Path) -> None:
    """However many ask at once for the name of a new journal, it has one."""
    desks = [Desk(tmp_path) for _ in range(16)]
    desks[0].open()
    names: list[str] = []
    threads = [threading.Thread(target=lambda one=one: names.append(one.identity())) for one in desks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(names)) == 1
    assert names[0] == Desk(tmp_path).identity()
    assert sorted(one.name for one in tmp_path.iterdir()) == [".sender", "identity"]


def test_an_identity_that_is_damaged_is_an_error(tmp_path: Path) -> None:
    """A journal without a name ships nothing under another."""
    desk = Desk(tmp_path)
    (tmp_path / "identity").write_text("x")
    with pytest.raises(JournalError, match="must be 32 hexadecimal digits"):
        desk.identity()


# --- waiting ---------------------------------------------------------------------------------------------------------


def test_delays_are_drawn_evenly_below_a_bound_that_doubles() -> None:
    """Full jitter: 0.5 s, 1, 2 ... at most 60, and each delay anywhere below."""
    rng = random.Random(3)
    for tries, bound in ((0, 0.5), (1, 1.0), (4, 8.0), (7, CAP_S), (50, CAP_S)):
        drawn = [delay_s(tries, None, rng) for _ in range(2000)]
        assert 0.0 <= min(drawn) < 0.02 * bound
        assert 0.98 * bound < max(drawn) <= bound
        assert abs(sum(drawn) / 2000 - bound / 2) < 0.04 * bound


@pytest.mark.parametrize(
    ("said", "low", "high"),
    [
        ("7", 7.0, 8.0),
        ("0", 0.0, 0.5),
        ("-3", 0.0, 0.5),
        ("1e9", 3600.0, 3601.0),
        ("inf", 0.0, 0.5),
        ("nan", 0.0, 0.5),
        ("tomorrow", 0.0, 0.5),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0, 0.5),
        ("Wed, 21 Oct 9999 07:28:00 GMT", 3600.0, 3601.0),
    ],
)
def test_what_a_server_asks_for_is_waited(said: str, low: float, high: float) -> None:
    """``Retry-After`` in seconds or as a date is honoured up to an hour; what is neither is no wait of its own."""
    drawn = [delay_s(0, said, random.Random(seed)) for seed in range(50)]
    assert low <= min(drawn)
    assert max(drawn) <= high


def test_a_server_that_asks_to_wait_is_not_asked_before(
    recorder: Recorder, station: Station, server: Running
) -> None:
    """429 with ``Retry-After: 1``: the next request comes a second later, and all is stored."""
    log_rows(recorder, 5)
    at: list[float] = []

    def once_429(got: Got) -> Refused | None:
        at.append(time.monotonic())
        return Refused(429, "slowly", headers={"Retry-After": "1"}) if len(at) == 1 else None

    server.store.before = once_429
    stop = threading.Event()
    thread = threading.Thread(
        target=follow,
        args=(station.desk.journal, server.url, lambda: SETTINGS),
        kwargs={"stop": stop, "seed": 1},
    )
    thread.start()
    while len(server.store.all_rows()) < 5 and time.monotonic() < at[0] + 10 if at else True:
        time.sleep(0.01)
    stop.set()
    thread.join()
    assert 1.0 <= at[1] - at[0] < 3.0
    assert len(server.store.all_rows()) == 5


def test_a_second_sender_of_a_journal_does_nothing(
    recorder: Recorder, station: Station, server: Running
) -> None:
    """One works, the other is over at once."""
    log_rows(recorder, 5)
    lock = station.desk.take()
    assert lock is not None
    assert follow(station.desk.journal, server.url, lambda: SETTINGS, idle_exit_s=0.0) is End.BUSY
    assert once(station.desk.journal, server.url, lambda: SETTINGS) is None
    assert server.store.got == []


def test_a_sender_ends_when_nobody_records_any_more(
    recorder: Recorder, station: Station, server: Running
) -> None:
    """What dead producers left is shipped, and then the sender is over."""
    log_rows(recorder, 5)
    recorder.close()
    assert follow(station.desk.journal, server.url, lambda: SETTINGS, idle_exit_s=0.2) is End.DONE
    assert len(server.store.all_rows()) == 5


def test_a_sender_whose_journal_is_deleted_ends(
    recorder: Recorder, station: Station, server: Running
) -> None:
    """A journal that is gone needs no sender."""
    import shutil

    ends: list[End] = []
    thread = threading.Thread(
        target=lambda: ends.append(
            follow(station.desk.journal, server.url, lambda: SETTINGS, idle_exit_s=60.0)
        )
    )
    thread.start()
    while not station.desk.held:
        time.sleep(0.01)
    shutil.rmtree(station.desk.journal)
    thread.join(10)
    assert ends == [End.DONE]


def test_a_sender_that_is_refused_says_so_once_and_ends(
    recorder: Recorder, station: Station, server: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """401: one line, the journal kept, and who waits is told why."""
    server.store.token = "t"
    log_rows(recorder, 5)
    request = station.desk.ask(MODEL)
    with caplog.at_level(logging.WARNING, "vedette"):
        end = follow(station.desk.journal, server.url, lambda: SETTINGS, idle_exit_s=1.0)
    assert end is End.STOPPED
    assert [one.levelname for one in caplog.records if "stopped, the journal is kept" in one.message] == [
        "ERROR"
    ]
    assert station.desk.answer(request) == "answered 401 no such token"


def test_once_says_what_went_out(recorder: Recorder, station: Station, server: Running) -> None:
    """One pass ships what there is and counts it; where the server fails, the reason is an error."""
    log_rows(recorder, 5)
    recorder.close()
    server.store.before = refuse(503)
    with pytest.raises(IngestError, match="answered 503 because; what is not acknowledged is still in"):
        once(station.desk.journal, server.url, lambda: SETTINGS)
    server.store.before = None
    shipped = once(station.desk.journal, server.url, lambda: SETTINGS)
    assert shipped == delivery.Shipped(rows=5)


def test_nothing_is_asked_before_anything_was_recorded(tmp_path: Path, server: Running) -> None:
    """An empty journal makes no request."""
    Station(tmp_path / "journal", server.url).round()
    assert server.store.got == []


def test_a_living_producer_that_is_idle_costs_no_request(
    recorder: Recorder, station: Station, server: Running
) -> None:
    """When all is acknowledged, rounds are silent."""
    log_rows(recorder, 5)
    station.rounds()
    n = len(server.store.got)
    for _ in range(5):
        station.round()
    assert len(server.store.got) == n


def test_a_busy_stream_leaves_others_their_turn(
    recorder: Recorder, station: Station, server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream that has more than a round's worth is gone on with after the others."""
    monkeypatch.setattr("vedette.capture.shipping.sender._PARTS_A_ROUND", 2)
    log_rows(recorder, 2000)
    recorder.label("id0", 1)
    assert station.round().more
    assert len(server.store.all_rows("labels")) == 1
    station.rounds(200)
    assert len(server.store.all_rows()) == 2000
