"""Rows of what was received, as the reader of journals gives them."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from vedette.capture.journal import Chunk
from vedette.capture.lost import Lost
from vedette.capture.rejected import Rejected
from vedette.capture.structured import label_json, prediction_json
from vedette.capture.values import event_time
from vedette.capture.vectors import numbers_of
from vedette.capture.vectors import vector as vector_of
from vedette.errors import JournalError
from vedette.lake.received.index import Entry
from vedette.records import STRUCTURED, Field, Physical, Role, Settings, class_name

__all__ = ["JsonRows", "lost_of", "of_arrow", "of_json", "of_nothing", "settings_of"]

Columns = dict[Field, tuple[NDArray[Any], NDArray[np.bool_]]]
_FLOAT_EXACT = 2**53
_CLASSES = (Role.PREDICTION, Role.LABEL)
_NUMPY: dict[Physical, Any] = {
    Physical.FLOAT64: np.float64, Physical.INT64: np.int64, Physical.UINT64: np.uint64, Physical.BOOL: np.bool_,
}  # fmt: skip


def settings_of(about: Mapping[str, Any]) -> Settings:
    """The settings that came with rows; the defaults where none did."""
    return Settings.of_document(about.get("settings") or {})


def lost_of(about: Mapping[str, Any], after: int) -> list[Lost]:
    """The runs of sequences beyond ``after`` that have no row, as the ledger counts them."""
    found = []
    for one in about.get("lost", ()):
        first = max(int(one["first"]), after + 1)
        if first <= one["last"]:
            # what was set aside lies with whoever sent it: the server has refused it
            part = "void" if one["part"] == "set_aside" else one["part"]
            found.append(Lost(first, int(one["last"]), part, one["reason"], float(one["time"])))
    return found


def _chunk(
    version: str, settings: Settings, sequence: NDArray[np.int64], time: NDArray[np.float64],
    received: NDArray[np.float64], ids: NDArray[np.object_], columns: Columns, absent: dict[Field, int],
    after: int, end: int, lost: Sequence[Lost],
) -> Chunk:  # fmt: skip
    void: dict[str, int] = {}
    for one in lost:
        if one.part == "void":
            void[one.reason] = void.get(one.reason, 0) + one.n
    torn = end - 1 - after - len(sequence) - sum(void.values())
    return Chunk(
        version=version, fields=tuple(columns), settings=settings, sequence=sequence, time=time,
        received=received, ids=ids, columns=columns, absent=absent, next=end, torn=torn, void=void, lost=tuple(lost),
    )  # fmt: skip


def of_nothing(entry: Entry, after: int, more: Sequence[Lost] = ()) -> Chunk:
    """A range of which there is no row."""
    one = entry.received
    none = np.zeros(0)
    lost = [*more, *lost_of(one.about, max(after, one.first - 1))]
    return _chunk(
        str(one.about.get("version", "")), settings_of(one.about), none.astype(np.int64), none, none,
        np.zeros(0, dtype=object), {}, {}, after, one.end, lost,
    )  # fmt: skip


def of_arrow(entry: Entry, after: int, more: Sequence[Lost] = ()) -> Chunk:
    """The rows of an Arrow stream beyond ``after``. Raises ``JournalError`` where it cannot be read any more."""
    one, about = entry.received, entry.received.about
    try:
        frame = pl.read_ipc_stream(io.BytesIO(entry.body()))
    except pl.exceptions.PolarsError as error:
        raise JournalError(f"rows of {one.producer}: cannot be read: {error}") from error
    n_whole = frame.height
    frame = frame.filter(pl.col("_sequence") > after)
    receipt = entry.place.received_us
    received = _micros(frame["received"], np.full(frame.height, receipt))
    columns: Columns = {}
    for name, (role, of, physical, length) in zip(frame.columns[4:], about["fields"], strict=True):
        field = Field(Role(role), of, Physical(physical), length)
        columns[field] = _values(frame[name], field)
    absent = {
        field: int(count)
        for (field, _), name in zip(columns.items(), frame.columns[4:], strict=True)
        if (count := about.get("absent", {}).get(name))
    }
    if frame.height < n_whole:  # of a part of the rows it is not known
        absent = {field: frame.height for field, count in absent.items() if count == n_whole}
    return _chunk(
        str(about.get("version", "")), settings_of(about), frame["_sequence"].to_numpy(),
        _micros(frame["time"], received) / 1e6, received / 1e6, frame["id"].to_numpy(), columns, absent,
        after, one.end, [*more, *lost_of(about, max(after, one.first - 1))],
    )  # fmt: skip


def _micros(times: pl.Series, otherwise: NDArray[np.int64]) -> NDArray[np.int64]:
    whole = times.is_not_null().to_numpy()
    return np.where(whole, times.dt.timestamp("us").fill_null(0).to_numpy(), otherwise)


def _values(column: pl.Series, field: Field) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    present = column.is_not_null().to_numpy()
    match field.physical:
        case Physical.TEXT | Physical.BYTES:
            return np.array(column.to_list(), dtype=object), present
        case Physical.TIMESTAMP:
            return column.dt.timestamp("us").fill_null(0).to_numpy(), present
        case Physical.VECTOR32 | Physical.VECTOR64:
            kind = np.float32 if field.physical is Physical.VECTOR32 else np.float64
            values = np.zeros((len(column), field.length), dtype=kind)
            if present.any():
                values[present] = column.drop_nulls().to_numpy()
            return values, present
        case Physical.BOOL:
            return column.fill_null(value=False).to_numpy(), present
        case _:
            return column.fill_null(0).to_numpy(), present


class JsonRows:
    """Rows that came as JSON, gathered from many requests of one producer into the columns of one chunk.

    A number of JSON has no type. It is a float64, but for whole numbers where the lake's column holds integers, or where no
    float64 equals it. Predictions and labels, which are classes more often than values, are integers where all that were
    gathered are whole and the lake has no column yet. ``kinds`` are the lake's columns of numbers: True for integers. Boxes,
    lists and sets of a task that has them (``settings``) are one text, as ``log`` writes them.
    """

    def __init__(self, stream: str, kinds: Mapping[str, bool], settings: Settings) -> None:
        self.stream, self._kinds, self._settings = stream, kinds, settings
        self.sequence: list[int] = []
        self.times: list[float] = []
        self.received: list[float] = []
        self.ids: list[str | None] = []
        self._cells: dict[Field, tuple[list[int], list[Any]]] = {}
        self._given: dict[str, int] = {}

    def take(self, rows: Iterable[Mapping[str, Any]], first: int, after: int, received_us: int) -> None:
        """Take the rows whose sequence is beyond ``after``."""
        receipt = received_us / 1e6
        for number, row in enumerate(rows, first):
            if number <= after:
                continue
            at = len(self.sequence)
            self.sequence.append(number)
            given = row.get("time")
            self.times.append(receipt if given is None else event_time(given, math.inf)[0])
            self.received.append(receipt)
            identity = row.get("id")
            self.ids.append(None if identity is None else str(identity))
            for field, value in self._fields(row):
                indexes, values = self._cells.setdefault(field, ([], []))
                indexes.append(at)
                values.append(value)

    def _fields(self, row: Mapping[str, Any]) -> Iterable[tuple[Field, Any]]:
        if self.stream == "labels":
            yield from self._cell(Role.LABEL, "", self._whole(label_json, row["label"]))
            return
        for name, value in (row.get("features") or {}).items():
            self._given[name] = self._given.get(name, 0) + 1
            yield from self._cell(Role.FEATURE, name, value)
        yield from self._cell(Role.PREDICTION, "", self._whole(prediction_json, row.get("prediction")))
        probability = row.get("probability")
        if isinstance(probability, Mapping):
            for name, value in probability.items():
                yield from self._score(Role.PROBABILITY, class_name(name), value)
        else:
            yield from self._score(Role.PROBABILITY, "", probability)
        yield from self._score(Role.LATENCY, "", row.get("latency_s"))
        yield from self._score(Role.INCLUSION, "", row.get("inclusion"))
        if row.get("error") is not None:
            yield Field(Role.ERROR, "", Physical.TEXT), row["error"]

    def _whole(self, write: Callable[[str, Any, Sequence[str]], str | None], value: Any) -> Any:
        """A prediction or a label as the lake keeps it."""
        task = self._settings.task
        return write(task, value, self._settings.classes) if task in STRUCTURED else value

    @staticmethod
    def _score(role: Role, name: str, value: float | None) -> Iterable[tuple[Field, Any]]:
        if value is not None:
            yield Field(role, name, Physical.FLOAT64), float(value)

    def _cell(self, role: Role, name: str, value: Any) -> Iterable[tuple[Field, Any]]:
        kind = type(value)
        if kind is str:
            yield Field(role, name, Physical.TEXT), value
        elif kind is bool:
            yield Field(role, name, Physical.BOOL), value
        elif kind is list:
            physical, data = vector_of(value, type.mro(kind), _no_other)  # type: ignore[misc]
            numbers = np.array(numbers_of(physical, data))
            yield Field(role, name, physical, len(numbers)), numbers
        elif value is not None:
            yield self._number(role, name, value)

    def _number(self, role: Role, name: str, value: float) -> tuple[Field, Any]:
        whole = type(value) is int or value.is_integer()
        base = name or role.value
        integers = self._kinds.get(base, role in _CLASSES)
        if whole and (integers or not -_FLOAT_EXACT <= value <= _FLOAT_EXACT) and type(value) is int:
            physical = Physical.INT64 if -(2**63) <= value < 2**63 else Physical.UINT64
            return Field(role, name, physical), value
        if whole and integers and abs(value) <= _FLOAT_EXACT:
            return Field(role, name, Physical.INT64), int(value)
        return Field(role, name, Physical.FLOAT64), float(value)

    def columns(self) -> tuple[Columns, dict[Field, int]]:
        """The columns, and in how many rows each feature was not given at all."""
        n = len(self.sequence)
        columns: Columns = {}
        for role in _CLASSES:
            whole, real = Field(role, "", Physical.INT64), Field(role, "", Physical.FLOAT64)
            if role.value not in self._kinds and whole in self._cells and real in self._cells:
                for mine, more in zip(self._cells[real], self._cells.pop(whole), strict=True):
                    mine += more  # values: the whole ones among them are values too
        for field, (indexes, values) in self._cells.items():
            present = np.zeros(n, dtype=bool)
            present[indexes] = True
            if field.physical is Physical.TEXT:
                filled: NDArray[Any] = np.full(n, None, dtype=object)
            elif field.length:
                kind = np.float32 if field.physical is Physical.VECTOR32 else np.float64
                filled = np.zeros((n, field.length), dtype=kind)
            else:
                filled = np.zeros(n, dtype=_NUMPY[field.physical])
            filled[indexes] = values
            columns[field] = (filled, present)
        absent = {
            field: n - self._given[field.name]
            for field in columns
            if field.role is Role.FEATURE and self._given[field.name] < n
        }
        return columns, absent


def _no_other(_value: Any) -> None:
    """JSON has no numbers but its own."""
    return


def of_json(
    entries: Sequence[Entry], after: int, kinds: Mapping[str, bool], more: Sequence[Lost] = ()
) -> Chunk:
    """The rows of requests that follow one another, alike in version and settings, beyond ``after``.

    Raises ``JournalError`` where one cannot be read any more.
    """
    about = entries[0].received.about
    gathered = JsonRows(entries[0].received.stream, kinds, settings_of(about))
    for entry in entries:
        try:
            document = json.loads(entry.body())
            rows = document.get("rows", [document])
            gathered.take(rows, entry.received.first, after, entry.place.received_us)
        except (ValueError, KeyError, TypeError, Rejected) as error:
            raise JournalError(f"rows of {entry.received.producer}: cannot be read: {error}") from error
    columns, absent = gathered.columns()
    ids = np.array(gathered.ids, dtype=object)
    return _chunk(
        str(about.get("version", "")), settings_of(about), np.array(gathered.sequence, dtype=np.int64), np.array(gathered.times),
        np.array(gathered.received), ids, columns, absent, after, entries[-1].received.end, more,
    )  # fmt: skip
