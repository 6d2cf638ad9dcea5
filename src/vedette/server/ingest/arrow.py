"""What is sent as Arrow, checked in full before anything is done with it. It runs in a process that may be killed.

pyarrow reads it and validates every buffer; then its columns, the document and the request must agree. What comes back is
what is needed to read the rows later.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from vedette import config
from vedette.capture.format import FIELDS_MAX
from vedette.capture.values import TEXT_BYTES_MAX
from vedette.capture.vectors import VECTOR_ELEMENTS_MAX
from vedette.errors import SchemaError
from vedette.records import RESERVED, Physical, Role, Settings, check_feature_names, is_runs, is_storable

__all__ = ["MalformedError", "batch_of", "check_document", "check_settings", "rows_of"]

Body = bytes | mmap.mmap
ROWS_MAX = 10_000
LOST_MAX = 2 * ROWS_MAX + 1
"""Runs of sequences without a row: there can be one before, between and behind each two rows of a request."""
_REASON_MAX = 1000
_REASONS_MAX, _SETTINGS_MAX = 2**20, 2**20  # characters
_UTC = pa.timestamp("us", "UTC")
_BEFORE = (("_sequence", pa.int64()), ("id", pa.utf8()), ("time", _UTC), ("received", _UTC))
_TYPES = {
    Physical.FLOAT64: pa.float64(), Physical.INT64: pa.int64(), Physical.UINT64: pa.uint64(), Physical.BOOL: pa.bool_(),
    Physical.TEXT: pa.utf8(), Physical.BYTES: pa.binary(), Physical.TIMESTAMP: _UTC,
}  # fmt: skip
_ELEMENTS = {Physical.VECTOR32: pa.float32(), Physical.VECTOR64: pa.float64()}
_ROLES = {
    "predictions": frozenset(Role) - {Role.LABEL},
    "labels": frozenset((Role.LABEL,)),
}
_SINGLE = frozenset(Physical) - set(_ELEMENTS)
_NUMBER, _TEXT = frozenset((Physical.FLOAT64,)), frozenset((Physical.TEXT,))
_OF_ROLE = {
    Role.PREDICTION: _SINGLE, Role.LABEL: _SINGLE, Role.PROBABILITY: _NUMBER, Role.LATENCY: _NUMBER,
    Role.INCLUSION: _NUMBER, Role.ERROR: _TEXT,
}  # fmt: skip
_FROM_US, _BEFORE_US = 0, 253_402_300_800_000_000
_PARTS = ("torn", "void", "set_aside")
_OF_BATCH = {
    "predictions": frozenset(("id", "time", "received", "version", "_settings")),
    "labels": frozenset(("id", "time", "received", "label", "version", "_settings")),
    "reference": frozenset(("time", "version", "_settings")),
}
_BESIDE = frozenset(("id", "time", "received", "version", "_settings", "_training"))
_TEXTS = frozenset(("string", "large_string", "string_view"))
_VALUES = _TEXTS | {
    "double",
    "int64",
    "uint64",
    "bool",
    "binary",
    "large_binary",
    "binary_view",
    "timestamp[us, tz=UTC]",
}


class MalformedError(ValueError):
    """What was sent is not what it must be."""


def check_document(about: Any, said: Mapping[str, Any]) -> None:
    """Raise where a document is not that of the request ``said``, or does not account for each sequence."""
    if type(about) is not dict:
        raise MalformedError("the document: must be a JSON object")
    for name, value in {"format": 1, **said}.items():
        if about.get(name) != value or type(about.get(name)) is not type(value):
            raise MalformedError(
                f"the document's {name}={about.get(name)!r}: must be {value!r}, as in the request"
            )
    rows, lost = about.get("rows"), about.get("lost")
    if type(lost) is list and len(lost) > LOST_MAX:
        raise MalformedError(f"{len(lost):,} runs of lost: must be at most {LOST_MAX:,}")
    if (
        type(rows) is not int
        or rows < 0
        or type(lost) is not list
        or not all(type(one) is dict for one in lost)
    ):
        raise MalformedError("the document: must have rows, a number, and lost, a list of runs")
    before = -1
    n_lost = 0
    for one in lost:
        if not all(type(one.get(key)) is int for key in ("first", "last")) or not one["first"] <= one["last"]:
            raise MalformedError(f"a run of lost: {str(one)[:80]}: must have first and last, both in it")
        if one["first"] <= before:
            raise MalformedError("the runs of lost: must be in order, each sequence in one")
        if (
            one.get("part") not in _PARTS
            or type(one.get("reason")) is not str
            or len(one["reason"]) > _REASON_MAX
            or not is_storable(one["reason"])
        ):
            raise MalformedError(
                f"a run of lost: part={one.get('part')!r}: must be one of {', '.join(_PARTS)}, with a reason"
            )
        if type(one.get("time")) not in (int, float) or not 0 <= one["time"] < 2.5e11:
            raise MalformedError("a run of lost: time must be seconds since 1970-01-01 UTC")
        before = one["last"]
        n_lost += one["last"] - one["first"] + 1
    if "first" in said:
        if lost and not said["first"] <= lost[0]["first"] <= before < said["end"]:
            raise MalformedError("the runs of lost: must lie within the range")
        if rows + n_lost != said["end"] - said["first"]:
            raise MalformedError(
                f"{rows} rows and {n_lost} lost of {said['end'] - said['first']}: each sequence must be accounted for once"
            )
    if sum(len(one["reason"]) for one in lost) > _REASONS_MAX:
        raise MalformedError(f"the reasons of lost: must have {_REASONS_MAX:,} characters in all at most")
    _check_beside(about)


def _check_beside(about: Mapping[str, Any]) -> None:
    version = about.get("version", "" if about["rows"] else "1")
    if type(version) is not str or not 0 < len(version) <= 256 or not is_storable(version):
        raise MalformedError(f"the document's version={version!r}: must be text")
    if about.get("settings") is not None:
        try:
            check_settings(about["settings"])
        except (TypeError, ValueError) as error:
            raise MalformedError(f"the document's settings: {error}") from None


def check_settings(document: Any) -> None:
    """Raise ``ValueError`` or ``TypeError`` where settings are not those that a producer can have."""
    if type(document) is not dict:
        raise TypeError("must be an object")
    if len(json.dumps(document)) > _SETTINGS_MAX:
        raise ValueError(f"must have {_SETTINGS_MAX:,} characters at most")
    found = Settings.of_document(document)
    if type(found.window_s) not in (int, float) or not 1.0 <= found.window_s <= 366 * 86_400.0:
        raise ValueError(f"window_s={str(found.window_s)[:20]}: must be 1 second to 366 days")
    texts = (*found.classes, *found.segments, *found.given)
    if not all(type(one) is str and one and is_storable(one) for one in texts):
        raise ValueError("classes, segments and given: must be lists of texts")
    config.settings(
        {
            "task": found.task, "timezone": found.timezone, "budget_per_month": found.budget_per_month,
            **({"classes": found.classes} if found.classes else {}),
        }
    )  # fmt: skip


def _read(body: Body, *, file: bool) -> pa.Table:
    try:
        source = pa.BufferReader(body)
        reader = pa.ipc.open_file(source) if file else pa.ipc.open_stream(source)
        if len(reader.schema) > FIELDS_MAX + 10:
            raise MalformedError(f"{len(reader.schema):,} columns: must be at most {FIELDS_MAX:,}")
        table = reader.read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, OverflowError, UnicodeDecodeError) as error:
        raise MalformedError(f"no Arrow {'file' if file else 'stream'}: {str(error)[:200]}") from None
    return table


def rows_of(body: Body, said: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be known of the rows of an Arrow stream. Raises ``MalformedError``."""
    table = _read(body, file=False)
    metadata = table.schema.metadata or {}
    try:
        about = json.loads(metadata.get(b"vedette", b"null"))
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"the document in the schema's metadata: no JSON: {str(error)[:100]}") from None
    check_document(about, said)
    if table.num_rows != about["rows"] or table.num_rows > ROWS_MAX:
        raise MalformedError(
            f"{table.num_rows:,} rows: must be {about['rows']:,}, as in the document, at most {ROWS_MAX:,}"
        )
    names = table.column_names
    if len(set(names)) < len(names):
        raise MalformedError("two columns have the same name")
    for (name, kind), found in zip(_BEFORE, list(table.schema)[:4], strict=False):
        if found.name != name or found.type != kind:
            raise MalformedError(f"column {found.name[:80]!r} of {found.type}: must be {name} of {kind}")
    if len(names) < len(_BEFORE):
        raise MalformedError(
            f"{len(names)} columns: must begin with {', '.join(name for name, _ in _BEFORE)}"
        )
    fields = [_field(one, said["stream"]) for one in list(table.schema)[4:]]
    if len({tuple(one) for one in fields}) < len(fields):
        raise MalformedError("two columns are of the same field")
    _check_names([one[1] for one in fields if one[0] == Role.FEATURE])
    _check_names([f"of {one[1]}" for one in fields if one[0] == Role.PROBABILITY and one[1]])
    if is_runs(said["model"]):
        _check_run(fields)
    for name in table.column_names:
        _check_sizes(table[name], name)
    for name in ("time", "received"):
        _check_times(table[name], name)
    _check_sequences(table["_sequence"], about, said)
    kept = {name: about[name] for name in ("version", "settings", "lost", "absent") if about.get(name)}
    absent = kept.get("absent", {})
    if type(absent) is not dict or not all(type(n) is int for n in absent.values()):
        raise MalformedError("the document's absent: must be numbers by column")
    if absent:
        kept["absent"] = {name: n for name, n in absent.items() if name in names}
    return {"n_rows": table.num_rows, "fields": fields, **kept}


def _field(column: pa.Field, stream: str) -> list[Any]:
    metadata = {key.decode("utf-8", "replace"): value for key, value in (column.metadata or {}).items()}
    try:
        role, physical = Role(metadata["role"].decode()), Physical(metadata["type"].decode())
        name = metadata["name"].decode()
    except (KeyError, ValueError):
        raise MalformedError(
            f"column {column.name[:80]!r}: its metadata must have a known role, a name, a type"
        ) from None
    if role not in _ROLES[stream]:
        raise MalformedError(f"column {column.name[:80]!r}: {role} does not belong to {stream}")
    length = 0
    if physical in _ELEMENTS:
        kind = column.type
        if not pa.types.is_fixed_size_list(kind) or kind.value_type != _ELEMENTS[physical]:
            raise MalformedError(
                f"column {column.name[:80]!r} of {kind}: must be a fixed_size_list of {_ELEMENTS[physical]}"
            )
        length = kind.list_size
        if not 0 < length <= VECTOR_ELEMENTS_MAX:
            raise MalformedError(
                f"column {column.name[:80]!r}: {length} elements: must be 1 to {VECTOR_ELEMENTS_MAX:,}"
            )
    elif column.type != _TYPES[physical]:
        raise MalformedError(
            f"column {column.name[:80]!r} of {column.type}: must be {_TYPES[physical]}, as its metadata say"
        )
    if physical not in _OF_ROLE.get(role, Physical):
        raise MalformedError(f"column {column.name[:80]!r}: {role} cannot be {physical}")
    if role not in (Role.FEATURE, Role.PROBABILITY) and name:
        raise MalformedError(f"column {column.name[:80]!r}: {role} has no name of its own")
    if len(name) > 256 or not is_storable(name):
        raise MalformedError(
            f"column {column.name[:80]!r}: its name must have at most 256 characters, without NUL"
        )
    return [role.value, name, physical.value, length]


def _check_names(names: list[str]) -> None:
    try:
        check_feature_names(dict.fromkeys(names))
    except SchemaError as error:
        raise MalformedError(str(error)) from None


def _check_sizes(column: pa.ChunkedArray, name: str) -> None:
    kind = column.type
    if (
        pa.types.is_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_large_binary(kind)
    ):
        longest = pc.max(pc.binary_length(column)).as_py() or 0
        if longest > TEXT_BYTES_MAX:
            raise MalformedError(
                f"column {name[:80]!r}: {longest:,} bytes in one value: must be at most {TEXT_BYTES_MAX:,}"
            )


def _check_times(column: pa.ChunkedArray, name: str) -> None:
    least, most = pc.min_max(column.cast(pa.int64())).as_py().values()
    if least is not None and not _FROM_US <= least <= most < _BEFORE_US:
        raise MalformedError(f"column {name}: must lie in the years 1970 to 9999")


def _check_run(fields: list[list[Any]]) -> None:
    """Raise where the rows of a training are not metrics by step, or its events not text."""
    right = {
        Role.FEATURE: _NUMBER, Role.PREDICTION: frozenset((Physical.INT64, Physical.FLOAT64)), Role.LABEL: _TEXT,
    }  # fmt: skip
    for role, name, physical, _ in fields:
        if Physical(physical) not in right.get(Role(role), ()) or name in ("run", "step"):
            raise MalformedError(f"{role} {name[:80]!r} of {physical}: is no column of a training")


def _check_sequences(column: pa.ChunkedArray, about: Mapping[str, Any], said: Mapping[str, Any]) -> None:
    if column.null_count:
        raise MalformedError("_sequence: must not be null")
    found = column.to_numpy()
    if len(found) and (found[0] < said["first"] or found[-1] >= said["end"] or (np.diff(found) <= 0).any()):
        raise MalformedError("_sequence: must ascend within the range")
    for one in about["lost"]:
        begin, end = np.searchsorted(found, [one["first"], one["last"] + 1])
        if begin != end:
            raise MalformedError(f"sequence {int(found[begin])}: is a row, and in a run of lost")


def batch_of(body: Body, said: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be known of the rows of an Arrow file. Raises ``MalformedError``."""
    table = _read(body, file=True)
    stream = said["stream"]
    if table.num_rows != said["rows"] or not table.num_rows:
        raise MalformedError(f"{table.num_rows:,} rows: must be {said['rows']:,}, as in the request")
    names = table.column_names
    if len(set(names)) < len(names):
        raise MalformedError("two columns have the same name")
    lacking = _OF_BATCH[stream] - set(names)
    if lacking:
        raise MalformedError(f"column {min(lacking)}: must be there in {stream}")
    features = []
    for one in table.schema:
        if len(one.name) > 270 or not is_storable(one.name):
            raise MalformedError(
                f"column {one.name[:80]!r}: its name must have at most 256 characters, without NUL"
            )
        if not _may_be(one.name, one.type):
            raise MalformedError(f"column {one.name[:80]!r} of {one.type}: is outside the table of types")
        if one.name not in RESERVED and one.name not in _BESIDE and not one.name.startswith("probability_"):
            features.append(one.name)
        _check_sizes(table[one.name], one.name)
    _check_names(features)
    classes = [one for one in names if one.startswith("probability_")]
    _check_names([f"of {one.removeprefix('probability_')}" for one in classes])
    if is_runs(said["model"]):
        _check_run_batch(table.schema, stream)
    for name in ("time", "received"):
        if name in names:
            if table[name].null_count:
                raise MalformedError(f"column {name}: must not be null")
            _check_times(table[name], name)
    for name in ("version", "_settings"):
        first = table[name][0].as_py()
        if type(first) is not str:
            raise MalformedError(f"column {name}: must be text, the same in every row")
    try:
        check_settings(json.loads(table["_settings"][0].as_py()))
    except (TypeError, ValueError, RecursionError) as error:
        raise MalformedError(f"column _settings: {str(error)[:100]}") from None
    return {"n_rows": table.num_rows, "features": features}


def _may_be(name: str, kind: pa.DataType) -> bool:
    """Whether a column of a batch may be of a type: those in which ``log_many`` writes it."""
    if name in ("time", "received"):
        return bool(kind == _UTC)
    if name in ("id", "version", "_settings", "error"):
        return str(kind) in _TEXTS or (name in ("id", "error") and pa.types.is_null(kind))
    if name in ("latency_s", "inclusion") or name.startswith("probability"):
        return str(kind) in ("double", "null")
    if name == "_training":
        return str(kind) == "bool"
    if name in ("prediction", "label"):
        return str(kind) in _VALUES or pa.types.is_null(kind)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return str(kind.value_type) in ("double", "float")
    return str(kind) in _VALUES


def _check_run_batch(schema: pa.Schema, stream: str) -> None:
    for one in schema:
        if one.name in _BESIDE:
            continue
        right = ("int64", "double") if one.name == "prediction" else ("double",)
        if stream != "predictions" or str(one.type) not in right or one.name in ("run", "step"):
            raise MalformedError(f"column {one.name[:80]!r} of {one.type}: is no column of a training")
