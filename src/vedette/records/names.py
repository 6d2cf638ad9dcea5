"""Names of models and classes, and what is recorded beside a model."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from typing import Any

__all__ = [
    "ENDPOINT",
    "KIN",
    "PROBE",
    "PROCESS",
    "RUN",
    "check_model_name",
    "class_name",
    "in_order",
    "is_model_name",
    "is_runs",
    "is_storable",
    "owner_of",
]

_MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


PROCESS, PROBE, ENDPOINT, RUN = "process", "probe", "endpoint", "run"


KIN = (PROCESS, PROBE, ENDPOINT)
"""What is recorded beside a model ``m``, as models of their own, and judged: ``m.process``, ``m.probe`` and ``m.endpoint``.

Training runs are ``m.run``, whose rows are points of curves and are not judged by windows."""


def is_runs(model: str) -> bool:
    """True for the name under which a model's runs are recorded.

    >>> is_runs("net.run"), is_runs("net")
    (True, False)
    """
    return model.endswith(f".{RUN}")


def owner_of(model: str) -> str:
    """The model beside which another is recorded, its runs or its process; else the model itself.

    >>> owner_of("net.run"), owner_of("net.process"), owner_of("net")
    ('net', 'net', 'net')
    """
    owner, _, kind = model.rpartition(".")
    return owner if owner and kind in (*KIN, RUN) else model


def check_model_name(name: str) -> str:
    """Return the name, or raise ``ValueError`` saying what a model's name may be."""
    if not isinstance(name, str) or not _MODEL_NAME.fullmatch(name):
        raise ValueError(
            f"model={name!r}: must be 1 to 63 characters of a-z, 0-9, '.', '_' and '-', and start with a letter or digit"
        )
    return name


def is_model_name(name: str) -> bool:
    """True for what may be the name of a model."""
    return _MODEL_NAME.fullmatch(name) is not None


def is_storable(text: str) -> bool:
    """True for text that may name a column: without NUL and without half of a surrogate pair.

    >>> is_storable("größe"), is_storable("a\\0b"), is_storable("\\ud800")
    (True, False, False)
    """
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def class_name(value: Any) -> str:
    """The one name of a class, however the caller spells it: ``1``, ``1.0``, ``True`` and ``"1"`` are the class ``1``.

    >>> class_name(True), class_name(1.0), class_name("late"), class_name(0.5)
    ('1', '1', 'late', '0.5')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    # int() of the value itself, not of the float, keeps integers above 2**53 apart
    return str(int(value)) if number.is_integer() else repr(number)


def in_order(names: Collection[str]) -> list[str]:
    """Names by size where all are finite numbers, else as text; the same whatever order they come in.

    >>> in_order({"10", "9", "9.0"}), in_order({"1", "nan"}), in_order({"b", "a"})
    (['9', '9.0', '10'], ['1', 'nan'], ['a', 'b'])
    """
    try:
        sizes = {name: float(name) for name in names}
    except ValueError:
        return sorted(names)
    if not all(map(math.isfinite, sizes.values())):
        return sorted(names)
    return sorted(names, key=lambda name: (sizes[name], name))
