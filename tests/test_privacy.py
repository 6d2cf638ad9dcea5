"""Private columns: nothing of them leaves the process in the clear, and who has the key can read what was encrypted."""

import base64
import hashlib
import hmac
import logging
import os
import pickle
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vedette
from vedette.errors import ConfigError, DataError, MissingExtraError, PrivacyError
from vedette.privacy import Keys, decrypt, encrypt, hashed

OLD, NEW = hashlib.sha256(b"old").digest(), hashlib.sha256(b"new").digest()
CANARY = "canary-7f3a9b"
NUMBER = 918273645.5
PRIVATE = {
    "phone": "drop",
    "email": "hash",
    "notes": "encrypt",
    "income": "encrypt",
    "id": "hash",
    "key_env": "TEST_KEY",
}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key of most tests."""
    monkeypatch.setenv("TEST_KEY", OLD.hex())


def made(tmp_path: Path, **arguments: Any) -> vedette.Monitor:
    """A monitor with private columns."""
    return vedette.Monitor("delays", lake=tmp_path / "lake", private=PRIVATE, **arguments)


def row(**other: Any) -> dict[str, Any]:
    """A row whose every private value is the canary, or the number."""
    return {"x": 1.5, "phone": CANARY, "email": CANARY, "notes": CANARY, "income": NUMBER, **other}


def contents(path: Path) -> bytes:
    """The bytes of a file, and where they are compressed what is in it."""
    raw = path.read_bytes()
    if raw[:4] == b"PAR1":
        return raw + str(pl.read_parquet(path).to_dicts()).encode()
    if raw[:6] == b"ARROW1":
        return raw + str(pl.read_ipc(raw).to_dicts()).encode()
    return raw


def files_with(folder: Path, *needles: bytes) -> list[Path]:
    """The files that hold one of some bytes."""
    files = [(path, contents(path)) for path in folder.rglob("*") if path.is_file()]
    return [path for path, found in files if any(needle in found for needle in needles)]


def needles() -> tuple[bytes, ...]:
    """The canary as text, the number as text and as a float64 of either order, and the key."""
    bits = pl.Series([NUMBER]).to_numpy().tobytes()
    return CANARY.encode(), str(NUMBER).encode(), bits, bits[::-1], OLD, OLD.hex().encode()


def rows_of(monitor: vedette.Monitor) -> pl.DataFrame:
    """The predictions of the lake as they are kept."""
    return pl.read_delta(str(Path(monitor._location) / "delays" / "predictions"))


def test_no_clear_value_is_in_any_file_before_or_after_the_lake_has_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither journal nor lake nor log has a private value or a key, whichever way a row came."""
    pytest.importorskip("cryptography")
    with caplog.at_level(logging.DEBUG), made(tmp_path) as monitor:
        frame = pl.DataFrame([row(id=f"{CANARY}-{at}", prediction=at % 2) for at in range(200)])
        monitor.reference(frame.drop("id"), training=frame.drop("id"))
        for _ in range(3):  # the first by the general way, the others by the fast one
            monitor.log(row(), 1, id=f"{CANARY}-a")
        monitor.log(row(Email=CANARY), 1)  # refused, with both names
        monitor.log(row(email=[1.0, 2.0]), 1)  # cannot be hashed
        monitor.log_many(frame)
        monitor.label(f"{CANARY}-a", 1)
        monitor.label_many({"id": [f"{CANARY}-1"], "label": [1]})

        @monitor.watch(id="id")
        def predict(id: str, email: str, phone: str, notes: str) -> int:  # noqa: A002 - the name of the column
            return 1

        predict(CANARY, CANARY, CANARY, CANARY)
        assert not files_with(tmp_path, *needles())
        assert monitor.ledger().total("rejected") == 2
        monitor.flush()
        assert rows_of(monitor).height == 204
        monitor.report(tmp_path / "page.html")
        monitor.figures()
    assert not files_with(tmp_path, *needles())
    assert CANARY not in caplog.text
    assert OLD.hex() not in caplog.text


def test_log_and_log_many_keep_the_same_and_labels_find_their_prediction(tmp_path: Path) -> None:
    """A value has one hash however it came, by the documented formula; and a label finds a hashed id."""
    private = {"email": "hash", "plan": "hash", "phone": "drop", "id": "hash", "key_env": "TEST_KEY"}
    with vedette.Monitor("delays", lake=tmp_path / "lake", private=private) as monitor:
        monitor.log({"email": "é@x", "plan": 3, "phone": "1", "x": 1.0}, 1, id=17)
        monitor.log_many(
            {"email": ["é@x"], "plan": [3.0], "phone": [None], "x": [1.0], "id": ["17b"], "prediction": [1]}
        )
        monitor.log({"email": None, "plan": float("nan"), "x": 1.0}, 1)
        monitor.label("17", 1)
        monitor.label_many({"id": ["17b"], "label": [0]})
        monitor.flush()
        frame = rows_of(monitor)
        accuracy = monitor.figures("accuracy", window="all")
    key = hmac.new(OLD, b"vedette privacy 1 hash", hashlib.sha256).digest()
    own = hmac.new(key, b"email", hashlib.sha256).digest()
    wanted = hmac.new(own, b"s:" + "é@x".encode(), hashlib.sha256).hexdigest()[:32]
    assert frame["email"].drop_nulls().to_list() == [wanted] * 2
    assert frame["plan"].drop_nulls().n_unique() == 1
    assert frame["plan"].null_count() == 1
    assert "phone" not in frame.columns
    assert accuracy["n"].to_list() == [2]
    assert accuracy["value"].to_list() == [0.5]


def test_encrypted_and_dropped_columns_have_no_figures(tmp_path: Path) -> None:
    """Ciphertexts are no levels, hashes are, and nothing is told of a dropped column, nor that it is not there."""
    pytest.importorskip("cryptography")
    with made(tmp_path) as monitor:
        for at in range(40):
            monitor.log(row(notes=None if at % 4 == 0 else CANARY, email=f"{at % 2}"), 1)
        monitor.flush()
        told = monitor.figures(window="all")
        events = pl.read_delta(str(tmp_path / "lake" / "delays" / "events"))
        kept = rows_of(monitor)["notes"].drop_nulls()
    assert {"notes", "income"}.isdisjoint(told["feature"].drop_nulls())
    levels = told.filter((pl.col("feature") == "email") & (pl.col("metric") == "distinct"))
    assert levels["value"].to_list() == [2.0]
    assert "phone" not in set(told["feature"].drop_nulls())
    assert "phone" not in str(events.to_dicts())
    assert "column_vanished" not in str(events.to_dicts())
    assert kept.n_unique() == kept.len() == 30
    keys = Keys([OLD])
    assert {decrypt(one, keys, model="delays", column="notes") for one in kept} == {CANARY}


@pytest.mark.parametrize(
    ("private", "error"),
    [
        ({"a": "hash"}, "need a key"),
        ({"a": "hash", "key_env": "NOT_SET_KEY"}, "NOT_SET_KEY"),
        ({"a": "hash", "key_file": "/nonexistent"}, "cannot be read"),
        ({"a": "hash", "key_env": "SHORT_KEY"}, "not of 32 bytes"),
        ({"a": "hash", "key_env": "ODD_KEY"}, "neither"),
        ({"a": OLD.hex(), "key_env": "TEST_KEY"}, "private.a: must be one of"),
        ({"id": "drop"}, "private.id"),
        ({"prediction": "drop"}, "no feature"),
        ({"a": "drop", "A": "drop"}, "the same column"),
        ({"region": "drop"}, "is a segment"),
    ],
)
def test_what_cannot_be_is_an_error_when_the_monitor_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, private: dict[str, str], error: str
) -> None:
    """A missing or wrong key, or an impossible table, is said at once; no key stands in the message."""
    monkeypatch.setenv("SHORT_KEY", OLD.hex()[:20])
    monkeypatch.setenv("ODD_KEY", "!" + OLD.hex()[:40])
    with pytest.raises((ValueError, PrivacyError), match=error) as raised:
        vedette.Monitor("delays", lake=tmp_path, private=private, segments=["region"])
    assert OLD.hex()[:12] not in str(raised.value)


def test_without_the_extra_a_column_to_encrypt_is_an_error_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No row is recorded, clear or not, where nothing can encrypt; hashing and dropping need no extra."""
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(MissingExtraError, match="privacy"):
        made(tmp_path)
    vedette.Monitor(
        "delays", lake=tmp_path, private={"id": "hash", "a": "drop", "key_env": "TEST_KEY"}
    ).close()


def test_the_file_says_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """vedette.toml names the columns and a key's file beside it; a wrong table is refused with its place, not its value."""
    (tmp_path / "keys").write_text(base64.b64encode(OLD).decode() + "\n")
    toml = tmp_path / "vedette.toml"
    toml.write_text('[models.delays.private]\nemail = "hash"\nkey_file = "keys"\n')
    monkeypatch.setenv("VEDETTE_CONFIG", str(toml))
    with vedette.Monitor("delays", lake=tmp_path / "lake") as monitor:
        monitor.log({"email": CANARY}, 1)
    assert not files_with(tmp_path / "lake", CANARY.encode())
    assert files_with(tmp_path / "lake", hashed(CANARY, Keys([OLD]), column="email").encode())
    toml.write_text(f'[models.delays.private]\nkey = "{CANARY}"\n')
    with pytest.raises(ConfigError, match=r"private\.key") as raised:
        vedette.Monitor("delays", lake=tmp_path / "lake")
    assert CANARY not in str(raised.value)


def test_hostile_rows_are_refused_not_recorded_in_the_clear(tmp_path: Path) -> None:
    """Names of other case, subclasses of text, objects that raise, mappings that answer differently each time."""

    class Name(str):
        def __eq__(self, other: object) -> bool:
            return False

        __hash__ = str.__hash__

        def casefold(self) -> str:
            return "other"

    class Twice(dict[str, Any]):
        def keys(self) -> Any:
            return ["email"]

        def __getitem__(self, name: str) -> Any:
            return CANARY

    class Raises:
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError(CANARY)

        def __repr__(self) -> str:
            return CANARY

    private = {"email": "hash", "photo_hash": "drop", "key_env": "TEST_KEY"}
    with vedette.Monitor("delays", lake=tmp_path, private=private) as monitor:
        monitor.log({"EMAIL": CANARY}, 1)
        monitor.log({Name("email"): CANARY}, 1)  # taken with the one name that the first row had, or refused
        monitor.log(Twice(), 1)
        monitor.log({"email": Raises()}, 1)
        monitor.log({"email": vedette.text(CANARY, keep=True)}, 1)
        monitor.log({"email": "x" * 70_000}, 1)
        monitor.log({"email": 2**70}, 1)
        monitor.log({"photo": vedette.text(CANARY)}, 1)
        monitor.log({"email": CANARY, 7: 1}, 1)
        monitor.log(CANARY, 1)
        monitor.log({"email": CANARY}, 1, id=[CANARY])
        ledger = monitor.ledger()
    assert not files_with(tmp_path, CANARY.encode())
    assert ledger.balanced
    assert ledger.total("seen") == 11
    assert ledger.total("rejected") >= 8


def test_a_table_that_cannot_be_hashed_is_refused_whole_without_its_values(tmp_path: Path) -> None:
    """Lists in a private column are a DataError that names the column alone."""
    private = {"email": "hash", "key_env": "TEST_KEY"}
    with vedette.Monitor("delays", lake=tmp_path, private=private) as monitor:
        with pytest.raises(DataError, match="email") as raised:
            monitor.log_many({"email": [[918273.0, 2.0]], "prediction": [1]})
        assert "918273" not in str(raised.value)


def test_a_private_column_does_not_leave_under_another_name(tmp_path: Path) -> None:
    """Neither as the id of a watched call nor by a renamed column."""
    with vedette.Monitor("delays", lake=tmp_path, private={"email": "drop"}) as monitor:
        with pytest.raises(ValueError, match="make 'id' private"):
            monitor.watch(lambda email: 1, id="email")
        for call in (monitor.log_many, monitor.label_many, monitor.reference):
            with pytest.raises(ValueError, match="make 'id' private"):
                call({"email": [CANARY], "label": [1], "prediction": [1]}, columns={"id": "email"})


def test_a_sampler_draws_by_clear_values_and_none_is_recorded(tmp_path: Path) -> None:
    """A stratified sampler of a private column works, and what it kept is hashed."""
    private = {"email": "hash", "key_env": "TEST_KEY"}
    sampler = vedette.sampling.Stratified("email", rate=0.5)
    with vedette.Monitor("delays", lake=tmp_path, private=private, sampler=sampler) as monitor:
        for _ in range(100):
            monitor.log({"email": CANARY}, 1)
        monitor.log_many({"email": [CANARY] * 100, "prediction": [1] * 100})
        ledger = monitor.ledger()
    assert not files_with(tmp_path, CANARY.encode())
    assert ledger.balanced
    assert ledger.total("seen") == 200


def test_a_child_process_hashes_too(tmp_path: Path) -> None:
    """After a fork both processes record, neither in the clear."""
    with vedette.Monitor(
        "delays", lake=tmp_path, private={"email": "hash", "key_env": "TEST_KEY"}
    ) as monitor:
        monitor.log({"email": CANARY}, 1)
        child = os.fork()
        if child == 0:
            monitor.log({"email": CANARY}, 1)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        monitor.log({"email": CANARY}, 1)
        assert monitor.ledger().total("seen") == 3
    assert not files_with(tmp_path, CANARY.encode())
    wanted = hashed(CANARY, Keys([OLD]), column="email").encode()
    assert len(files_with(tmp_path, wanted)) >= 2


def test_a_model_without_private_columns_logs_by_the_same_function(tmp_path: Path) -> None:
    """Nothing is put before the fast way where nothing is private."""
    with vedette.Monitor("delays", lake=tmp_path, private={}) as monitor:
        assert monitor.log == monitor.recorder._way_in.log


def test_rotation(tmp_path: Path) -> None:
    """The first key encrypts and says so, all decrypt, the last one hashes; without its key a value is not read."""
    pytest.importorskip("cryptography")
    before, during, after = Keys([OLD]), Keys.parse(f"{NEW.hex()},\n{OLD.hex()}", "test"), Keys([NEW])
    place = {"model": "m", "column": "c"}
    old, new = encrypt("a", before, **place), encrypt("a", during, **place)
    assert old.split(b".")[1].decode() == before.ids[0]
    assert new.split(b".")[1].decode() == after.ids[0]
    assert (
        decrypt(old, during, **place) == decrypt(new, during, **place) == decrypt(new, after, **place) == "a"
    )
    assert (
        hashed("a", before, column="c") == hashed("a", during, column="c") != hashed("a", after, column="c")
    )
    with pytest.raises(PrivacyError, match="is not among"):
        decrypt(old, after, **place)


def test_a_value_that_was_changed_or_moved_does_not_decrypt() -> None:
    """Every byte is authenticated, and so are model, column and the key's id."""
    pytest.importorskip("cryptography")
    keys = Keys([OLD])
    value = encrypt(CANARY, keys, model="m", column="c")
    assert value != encrypt(CANARY, keys, model="m", column="c")
    for model, column in (("m", "d"), ("n", "c")):
        with pytest.raises(PrivacyError):
            decrypt(value, keys, model=model, column=column)
    raw = bytearray(base64.urlsafe_b64decode(value.split(b".")[2]))
    for at in range(len(raw)):
        raw[at] ^= 1
        with pytest.raises(PrivacyError):
            decrypt(
                b".".join((*value.split(b".")[:2], base64.urlsafe_b64encode(raw))),
                keys,
                model="m",
                column="c",
            )
        raw[at] ^= 1
    for odd in ("", "a.b", "v2.x.AAAA", value[:-8], value[:20], "v1.é.AAAA", None):
        with pytest.raises(PrivacyError):
            decrypt(odd, keys, model="m", column="c")  # type: ignore[arg-type]  # what it must refuse


@given(
    st.one_of(
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(allow_nan=False),
        st.text(),
        st.binary(),
        st.datetimes(timezones=st.just(UTC)),
    )
)
def test_what_was_encrypted_comes_back(value: bool | int | float | str | bytes | datetime) -> None:
    """Decrypting is the inverse of encrypting, for each kind of value."""
    pytest.importorskip("cryptography")
    keys = Keys([OLD])
    found = decrypt(encrypt(value, keys, model="m", column="c"), keys, model="m", column="c")
    assert found == value
    assert isinstance(found, bool) == isinstance(value, bool)


def test_keys_are_neither_shown_nor_pickled() -> None:
    """The repr has ids alone, and pickling raises."""
    keys = Keys([OLD, NEW])
    assert OLD.hex()[:8] not in repr(keys)
    assert len(keys.ids) == 2
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(keys)
    with pytest.raises(PrivacyError, match="twice"):
        Keys([OLD, OLD])
