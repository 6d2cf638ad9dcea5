"""Rows as JSON: parsed strictly, and checked against the closed table of types, each place that is wrong by its path."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, NoReturn

from vedette import config
from vedette.capture.arguments import shown
from vedette.capture.format import FIELDS_MAX
from vedette.capture.rejected import Rejected
from vedette.capture.structured import label_json, prediction_json
from vedette.capture.values import TEXT_BYTES_MAX, event_time, identifier
from vedette.capture.vectors import VECTOR_ELEMENTS_MAX
from vedette.errors import SchemaError
from vedette.records import STRUCTURED, Settings, check_feature_names, class_name, is_storable
from vedette.server.ingest.limits import Refused

__all__ = ["JsonRequest", "parse", "request_of"]

_PREDICTION = frozenset(
    ("features", "prediction", "probability", "id", "time", "latency_s", "error", "inclusion")
)
_LABEL = frozenset(("id", "label", "time"))
_BESIDE = frozenset(("rows", "version", "producer", "first", "window", "task", "classes", "timezone"))
_INTEGERS = range(-(2**63), 2**64)
_EXACT = 2**53
_INF = math.inf
_PRODUCER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CELLS_MAX = 4_000_000


def parse(body: bytes) -> Any:
    """The value of a JSON text. Raises ``Refused`` (400) for what is none, and for what JSON leaves open: a name that comes
    twice, NaN and Infinity, another encoding than UTF-8."""
    try:
        return json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_constant)
    except UnicodeDecodeError as error:
        raise Refused(400, f"byte {error.start}: is no UTF-8") from None
    except RecursionError:
        raise Refused(400, "nested too deeply: a row is an object with an object of features") from None
    except json.JSONDecodeError as error:
        raise Refused(400, f"no JSON: {error.msg} at character {error.pos}") from None
    except ValueError as error:  # more digits than an integer may have
        raise Refused(400, f"no JSON: {str(error).partition(';')[0]}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise Refused(400, f"{shown(twice)}: is there twice in one object")
    return found


def _constant(name: str) -> NoReturn:
    raise Refused(400, f"{name}: is not JSON; send null for what is missing")


class JsonRequest:
    """Rows of one request, checked; ``about`` is what goes with them into the log, ``columns`` the names of their features."""

    def __init__(self, stream: str, document: Any, now_s: float, rows_max: int, names: set[int]) -> None:
        if type(document) is not dict:
            raise Refused(400, "the body: must be an object: a row, or rows: [...]")
        self.stream, self._now_s, self._names = stream, now_s, names
        self._settings = Settings()
        self._seen: set[int] = set()
        self._distinct: set[str] = set()
        self.about = self._about(document)
        self.producer: str | None = document.get("producer")
        self.first: int | None = document.get("first")
        if "rows" in document:
            rows = document["rows"]
            if type(rows) is not list or not 0 < len(rows) <= rows_max:
                raise Refused(
                    413 if type(rows) is list and rows else 400,
                    f"rows: must be a list of 1 to {rows_max:,} rows",
                )
            unknown = document.keys() - _BESIDE
        else:
            rows = [document]
            unknown = document.keys() - _BESIDE - (_PREDICTION if stream == "predictions" else _LABEL)
        if unknown:
            raise Refused(400, f"{shown(min(unknown))}: is no key of a request; {_keys(stream)}, {_beside()}")
        self.n_rows = len(rows)
        self.columns: Set[str] = self._distinct
        check = self._prediction if stream == "predictions" else self._label
        single = "rows" not in document
        for number, row in enumerate(rows):
            where = "" if single else f"rows[{number}]."
            if type(row) is not dict:
                raise Refused(400, f"{where[:-1]}: must be an object")
            check(row, where, _BESIDE if single else frozenset())

    def _about(self, document: Mapping[str, Any]) -> dict[str, Any]:
        version = document.get("version", "1")
        if type(version) is not str or not 0 < len(version) <= 128 or not is_storable(version):
            raise Refused(400, f"version={shown(version)}: must be text of 1 to 128 characters")
        producer, first = document.get("producer"), document.get("first")
        if (producer is None) != (first is None):
            raise Refused(400, "producer and first: must be given both, or neither")
        if first is not None and (type(first) is not int or not 1 <= first < 2**62):
            raise Refused(
                400, f"first={shown(first)}: must be an integer from 1: the number of the first row"
            )
        if producer is not None and (type(producer) is not str or not _PRODUCER.fullmatch(producer)):
            raise Refused(
                400, f"producer={shown(producer)}: must be 1 to 64 letters, digits, '.', '_' and '-'"
            )
        given = _settings(document)
        self._settings = given or self._settings
        return {"version": version, "settings": {} if given is None else given.document()}

    def _prediction(self, row: dict[str, Any], where: str, beside: frozenset[str]) -> None:
        if not row.keys() <= _PREDICTION and (unknown := row.keys() - _PREDICTION - beside):
            raise Refused(400, f"{where}{shown(min(unknown))}: is no key of a row; {_keys('predictions')}")
        features = row.get("features")
        if type(features) is not dict:
            if features is not None or row.get("error") is None:
                raise Refused(400, f"{where}features: must be an object of values by name")
            features = {}
        names = tuple(features)
        if (known := hash(names)) not in self._seen:
            self._seen.add(known)
            self._check_names(names, known, where)
        for name, value in features.items():
            kind = type(value)
            if kind is float:
                if not -_INF < value < _INF:
                    raise Refused(400, f"{where}features.{name}: is beyond float64")
            elif kind is not bool and value is not None:
                self._value(value, f"{where}features.{name}", vectors=True)
        if "prediction" not in row and row.get("error") is None:
            raise Refused(400, f"{where}prediction: must be given, null where there is none")
        self._output(prediction_json, row.get("prediction"), f"{where}prediction")
        probability = row.get("probability")
        if type(probability) is dict:
            self._classes(probability, where)
        else:
            self._number(probability, f"{where}probability")
        self._number(row.get("latency_s"), f"{where}latency_s")
        inclusion = row.get("inclusion")
        self._number(inclusion, f"{where}inclusion")
        if inclusion is not None and not 0 < inclusion <= 1:
            raise Refused(400, f"{where}inclusion={inclusion!r}: must be above 0 and at most 1")
        error = row.get("error")
        if error is not None and type(error) is not str:
            raise Refused(400, f"{where}error: must be text that names it")
        self._value(error, f"{where}error", vectors=False)
        self._id_and_time(row, where)

    def _label(self, row: dict[str, Any], where: str, beside: frozenset[str]) -> None:
        if not row.keys() <= _LABEL and (unknown := row.keys() - _LABEL - beside):
            raise Refused(400, f"{where}{shown(min(unknown))}: is no key of a label; {_keys('labels')}")
        if row.get("id") is None:
            raise Refused(400, f"{where}id: must be that of the prediction that the label is of")
        if "label" not in row:
            raise Refused(400, f"{where}label: must be given")
        self._output(label_json, row["label"], f"{where}label")
        self._id_and_time(row, where)

    def _output(self, write: Callable[[str, Any, Sequence[str]], str | None], value: Any, where: str) -> None:
        """Raise where a value is no prediction, or no label, of the task that the request names."""
        task = self._settings.task
        if task in STRUCTURED:
            try:
                text = write(task, value, self._settings.classes)
            except Rejected as error:
                raise Refused(400, f"{where}: {str(error).partition(': ')[2] or error}") from None
            if text is not None and len(text.encode()) > TEXT_BYTES_MAX:
                raise Refused(400, f"{where}: as text longer than {TEXT_BYTES_MAX:,} bytes")
        elif type(value) in (list, dict):
            raise Refused(
                400, f"{where}: boxes, lists and sets come with task: {', '.join(STRUCTURED)} beside the rows"
            )
        else:
            self._value(value, where, vectors=False)

    def _check_names(self, names: tuple[str, ...], known: int, where: str) -> None:
        """Names that a row of this request is the first to have; ``known`` is their hash."""
        self._distinct.update(names)
        if len(self._distinct) > FIELDS_MAX or len(self._distinct) * self.n_rows > _CELLS_MAX:
            raise Refused(
                413, f"{len(self._distinct):,} features in {self.n_rows:,} rows: must be at most {FIELDS_MAX:,}, and "
                f"{_CELLS_MAX:,} values in all",
            )  # fmt: skip
        if known in self._names:
            return
        if len(names) > FIELDS_MAX:
            raise Refused(400, f"{where}features: {len(names):,} of them: must be at most {FIELDS_MAX:,}")
        try:
            check_feature_names(names)
        except SchemaError as error:
            raise Refused(400, f"{where}features: {error}") from None
        if len(self._names) < 100_000:
            self._names.add(known)

    def _classes(self, probability: dict[str, Any], where: str) -> None:
        if not 0 < len(probability) <= FIELDS_MAX:
            raise Refused(400, f"{where}probability: must have a number for each class, by its name")
        folded = {unicodedata.normalize("NFC", name).casefold() for name in probability}
        if len(folded) < len(probability):
            raise Refused(400, f"{where}probability: two classes differ only by case or normalisation")
        for name, value in probability.items():
            if not class_name(name) or not is_storable(name) or len(name) > 256:
                raise Refused(400, f"{where}probability.{shown(name)}: is no name of a class")
            self._number(value, f"{where}probability.{name}")

    def _id_and_time(self, row: Mapping[str, Any], where: str) -> None:
        try:
            identity = row.get("id")
            if identity is not None:
                found = identifier(identity)
                if found is not None and len(found) > TEXT_BYTES_MAX:
                    raise Rejected(f"longer than {TEXT_BYTES_MAX} bytes")
        except Rejected as error:
            raise Refused(400, f"{where}id: {error}") from None
        try:
            if row.get("time") is not None:
                event_time(row["time"], self._now_s)
        except Rejected as error:
            raise Refused(400, f"{where}time={shown(row['time'])}: {error}") from None

    @staticmethod
    def _number(value: Any, where: str) -> None:
        if value is None:
            return
        kind = type(value)
        if (kind is float and -_INF < value < _INF) or (kind is int and -_EXACT <= value <= _EXACT):
            return
        raise Refused(400, f"{where}={shown(value)}: must be a number")

    def _value(self, value: Any, where: str, *, vectors: bool) -> None:
        """Raise where a value is outside the closed table."""
        kind = type(value)
        if value is None or kind is bool:
            return
        if kind is str:
            if len(value) > TEXT_BYTES_MAX or not (value.isascii() or _fits(value)):
                raise Refused(400, f"{where}: text must be Unicode of at most {TEXT_BYTES_MAX:,} bytes")
        elif kind is int:
            if value not in _INTEGERS:
                raise Refused(400, f"{where}: integer beyond 64 bits")
        elif kind is float:
            if not -_INF < value < _INF:
                raise Refused(400, f"{where}: is beyond float64")
        elif kind is list and vectors:
            self._vector(value, where)
        else:
            more = ", or a list of numbers" if vectors else ""
            raise Refused(400, f"{where}: must be a number, text, true, false or null{more}")

    def _vector(self, value: list[Any], where: str) -> None:
        if not 0 < len(value) <= VECTOR_ELEMENTS_MAX:
            raise Refused(400, f"{where}: must have 1 to {VECTOR_ELEMENTS_MAX:,} elements")
        for number, one in enumerate(value):
            self._number(one, f"{where}[{number}]")
            if one is None:
                raise Refused(400, f"{where}[{number}]=None: must be a number")


def _fits(text: str) -> bool:
    try:
        return len(text.encode()) <= TEXT_BYTES_MAX
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


def _beside() -> str:
    return f"and beside rows {', '.join(sorted(_BESIDE))}"


def _keys(stream: str) -> str:
    return f"there are {', '.join(sorted(_PREDICTION if stream == 'predictions' else _LABEL))}"


def _settings(document: Mapping[str, Any]) -> Settings | None:
    """What a request says of the model beside its rows; None where it says nothing."""
    given = {name: document[name] for name in ("window", "task", "classes", "timezone") if name in document}
    if not given:
        return None
    try:
        return config.settings(given)
    except (TypeError, ValueError) as error:
        raise Refused(400, str(error)) from None


def request_of(stream: str, body: bytes, now_s: float, rows_max: int, names: set[int]) -> JsonRequest:
    """The rows of a body, checked. Raises ``Refused``."""
    return JsonRequest(stream, parse(body), now_s, rows_max, names)
