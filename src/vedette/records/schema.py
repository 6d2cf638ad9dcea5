"""What a model takes and gives: fields, their types, and the settings by which it is watched."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from vedette.errors import SchemaError
from vedette.records.names import is_storable

__all__ = ["RESERVED", "STRUCTURED", "Field", "Physical", "Role", "Settings", "check_feature_names"]

RESERVED = frozenset(
    {
        "id",
        "time",
        "received",
        "version",
        "prediction",
        "probability",
        "label",
        "latency_s",
        "error",
        "inclusion",
    }
)
"""Columns of vedette's own tables; a feature cannot have such a name, nor one that starts with an underscore
or with ``probability_``, nor one that ends like the column of a second type (``__int64``)."""


STRUCTURED = ("detection", "ranking", "multilabel")
"""Tasks whose predictions and labels are more than a class or a number: boxes, lists of items, sets of labels."""


class Role(StrEnum):
    """What a field of a row is to the model."""

    FEATURE = "feature"
    PREDICTION = "prediction"
    PROBABILITY = "probability"
    LATENCY = "latency"
    LABEL = "label"
    ERROR = "error"
    INCLUSION = "inclusion"


class Physical(StrEnum):
    """The closed table of stored types. A feature keeps one; a value of another type goes to a column of its own."""

    FLOAT64 = "float64"
    INT64 = "int64"
    UINT64 = "uint64"
    BOOL = "bool"
    TEXT = "text"
    BYTES = "bytes"
    TIMESTAMP = "timestamp"  # microseconds since 1970-01-01 UTC
    VECTOR32 = "vector32"  # a fixed number of float32
    VECTOR64 = "vector64"  # a fixed number of float64

    @property
    def numeric(self) -> bool:
        """True where values of this type are numbers that can be averaged."""
        return self in (Physical.FLOAT64, Physical.INT64, Physical.UINT64)


_VARIANTS = tuple(f"__{physical.value}" for physical in Physical)


@dataclass(frozen=True, slots=True)
class Field:
    """One stored column of a row: what it is to the model, and how its values are kept.

    ``name`` is the user's name of the feature, or the class for ``probability`` of a multi-class model, or ``""``.
    Two fields can share a name: a feature that changed its type has one field for each type. ``length`` is the number
    of elements of a vector, 0 for a single value.
    """

    role: Role
    name: str
    physical: Physical
    length: int = 0

    @property
    def base(self) -> str:
        """The column in the lake while the feature keeps its first type."""
        match self.role:
            case Role.FEATURE:
                return self.name
            case Role.PROBABILITY:
                return f"probability_{self.name}" if self.name else "probability"
            case Role.LATENCY:
                return "latency_s"
            case _:
                return self.role.value


@dataclass(frozen=True, slots=True)
class Settings:
    """What vedette knows about a model besides its rows.

    ``classes`` is ``()`` until it is known; for a binary model the second is the positive one.
    ``budget_per_month`` is the number of false alarms that the owner will stand over everything watched; ``segments``
    are the columns whose values are watched as segments. ``given`` names what was said, as against what is a default.
    """

    window_s: float = 3600.0
    task: str | None = None
    classes: tuple[str, ...] = ()
    timezone: str = "UTC"
    budget_per_month: float = 1.0
    segments: tuple[str, ...] = ()
    given: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """The settings as plain values, for JSON."""
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}

    @classmethod
    def of_document(cls, values: Mapping[str, Any]) -> Settings:
        """The settings that ``document`` gave; what it lacks has its default, ``TypeError`` for what is none."""
        found: dict[str, Any] = {n: tuple(one) if isinstance(one, list) else one for n, one in values.items()}
        return cls(**found)


def check_feature_names(names: Iterable[object]) -> tuple[str, ...]:
    """Return the names, or raise ``SchemaError`` naming those that are not strings, empty, reserved or alike.

    Two names are alike where they differ only by case or by Unicode normalisation (NFC): file systems, engines and
    people mix them up.
    """
    seen: dict[str, str] = {}
    for name in names:
        if not isinstance(name, str) or not name:
            raise SchemaError(f"feature name {name!r}: must be a non-empty string")
        if not is_storable(name):
            raise SchemaError(
                f"feature name {name[:80]!r}: must have no NUL and no half of a surrogate pair: rename the feature"
            )
        if len(name) > 256:
            raise SchemaError(
                f"feature name {name[:40]!r}... has {len(name)} characters: at most 256 are kept"
            )
        if name in RESERVED or name.startswith(("_", "probability_")) or name.endswith(_VARIANTS):
            raise SchemaError(
                f"feature name {name!r} is one of vedette's own column names: rename the feature"
            )
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in seen:
            raise SchemaError(
                f"feature names {seen[folded]!r} and {name!r} differ only by case or normalisation: rename one"
            )
        seen[folded] = name
    return tuple(seen.values())
