"""The table ``[models.NAME.private]``: which columns are dropped, hashed or encrypted, and where the keys are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vedette.config.channels import is_variable_name
from vedette.privacy import Keys, folded
from vedette.records import RESERVED, Settings, is_storable

__all__ = ["PRIVACY_KEYS", "PRIVATE_KEYS", "K", "PrivateSettings", "budget_of", "k_of", "private_of"]

PRIVATE_KEYS = {
    "key_env": "the environment variable that holds the keys",
    "key_file": "the file that holds the keys, relative to vedette.toml",
}
PRIVACY_KEYS = {
    "k": "figures of fewer rows are not shown, nor what would tell of them; 0 shows all",
    "epsilon": "what releases of one model may spend of differential privacy, all together",
    "delta": "with it, at most 0.01, by which many small releases cost less; default 0",
}
K = 10
"""Rows that a figure of a model with private columns must rest on to be shown, where nothing else is said."""
TREATMENTS = ("drop", "hash", "encrypt")


@dataclass(frozen=True, slots=True)
class PrivateSettings:
    """What is done to each private column, and where the keys are."""

    columns: Mapping[str, str] = field(default_factory=dict)
    key_env: str | None = None
    key_file: Path | None = None

    def keys(self) -> Keys | None:
        """The keys, read now; None where every column is dropped. Raises ``PrivacyError`` where they cannot be had."""
        if set(self.columns.values()) <= {"drop"}:
            return None
        if self.key_env is not None:
            return Keys.from_environment(self.key_env)
        assert self.key_file is not None
        return Keys.from_file(self.key_file)


def k_of(table: Any, private: Mapping[str, Any]) -> int:
    """The rows that a figure must rest on to be shown: what ``[privacy]`` says, else 10 where there are private columns.

    Raises ``ValueError`` for what is no number of rows.

    >>> k_of({}, {}), k_of({}, {"email": "drop"}), k_of({"k": 5}, {})
    (0, 10, 5)
    """
    k = table.get("k", K if private else 0)
    if isinstance(k, bool) or not isinstance(k, int) or k < 0:
        raise ValueError(f"privacy: k={k!r}: must be a whole number, 0 or more")
    return k


def budget_of(table: Any) -> tuple[float, float]:
    """The epsilon and delta that ``[privacy]`` gives the releases of each model; an epsilon of 0 allows none.

    Raises ``ValueError`` for what is no such number.

    >>> budget_of({"epsilon": 1, "delta": 1e-6})
    (1.0, 1e-06)
    """
    found = []
    for name, most in (("epsilon", 64), ("delta", 0.01)):
        one = table.get(name, 0)
        if isinstance(one, bool) or not isinstance(one, int | float) or not 0 <= one <= most:
            raise ValueError(f"privacy: {name}={one!r}: must be a number from 0 to {most}")
        found.append(float(one))
    return found[0], found[1]


def private_of(table: Any, settings: Settings, folder: Path | None = None) -> PrivateSettings:
    """The settings of a table, or ``ValueError``; no value of it is said in one, since it may be a key in the wrong place."""
    if not isinstance(table, Mapping):
        raise ValueError("private: must be a table, such as email = 'hash'")
    columns: dict[str, str] = {}
    seen: dict[str, str] = {}
    for name, treatment in table.items():
        if not isinstance(name, str) or not name or not is_storable(name):
            raise ValueError("private: the names of columns must be texts without NUL")
        if name in PRIVATE_KEYS:
            continue
        if not isinstance(treatment, str) or treatment not in TREATMENTS:
            raise ValueError(f"private.{name}: must be one of {', '.join(TREATMENTS)}")
        if folded(name) == "id" and (name != "id" or treatment != "hash"):
            raise ValueError("private.id: must be 'hash': labels find their prediction by it")
        if name != "id" and (folded(name) in RESERVED or folded(name).startswith("probability_")):
            raise ValueError(f"private.{name}: is no feature: must be a feature, or id")
        if folded(name) in seen:
            raise ValueError(f"private: {seen[folded(name)]!r} and {name!r} are the same column")
        if treatment != "hash" and folded(name) in {folded(one) for one in settings.segments}:
            raise ValueError(f"private.{name}: is a segment: must be hashed, or no segment")
        seen[folded(name)], columns[name] = name, treatment
    env, file = table.get("key_env"), table.get("key_file")
    if env is not None and (not isinstance(env, str) or not is_variable_name(env)):
        raise ValueError("private.key_env: must be the name of an environment variable, not a key")
    if file is not None and not isinstance(file, str | Path):
        raise ValueError("private.key_file: must be the path of a file")
    if env is not None and file is not None:
        raise ValueError("private: key_env and key_file are both given: one of them holds the keys")
    if env is None and file is None and not set(columns.values()) <= {"drop"}:
        raise ValueError("private: hashing and encrypting need a key: give key_env or key_file")
    path = None if file is None else Path(folder or ".") / Path(file).expanduser()
    return PrivateSettings(columns, env, path)
