"""Private columns of a row: dropped, hashed or encrypted before anything of it reaches the journal.

Whatever goes wrong refuses the row with a reason that has the column's name and never its value.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from vedette.capture.media import Image, Text
from vedette.capture.rejected import Rejected
from vedette.capture.values import identifier, resolve
from vedette.errors import PrivacyError
from vedette.privacy import Keys, Plain, decrypt, encrypt, folded, hashed
from vedette.records import Physical

__all__ = ["Private"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Private:
    """What is done to the private columns of a model: ``drop``, ``hash`` or ``encrypt``, by column.

    Names are compared without regard to case and Unicode normalisation, so that no other spelling of a name goes through.

    >>> private = Private("delays", {"Phone": "drop"}, None)
    >>> private.features({"phone": "0676 123", "distance": 12.5})
    {'distance': 12.5}
    """

    __slots__ = ("_keys", "_model", "_treated")

    def __init__(self, model: str, columns: Mapping[str, str], keys: Keys | None) -> None:
        self._model = model
        self._treated = {folded(name): treatment for name, treatment in columns.items()}
        self._keys = keys
        if "encrypt" in self._treated.values():
            self.value("", "", "encrypt")  # fails here where it cannot be

    def treatment(self, name: str) -> str | None:
        """What is done to a column, None where it is not private."""
        return self._treated.get(folded(name))

    def features(self, given: Mapping[Any, Any]) -> dict[Any, Any]:
        """A row's features as they may be recorded."""
        found = {}
        for key, value in given.items():
            name = str.__str__(key) if isinstance(key, str) else key
            if not isinstance(name, str):
                found[key] = value  # refused further on: names are texts
                continue
            treatment = self.treatment(name)
            if treatment is None:
                self._check_spread(name, value)
                found[name] = value
            elif treatment != "drop":
                found[name] = self.value(name, value, treatment)
        return found

    def id(self, given: Any) -> Any:
        """An id as it may be recorded: its hash where ids are private, by the text that ids are kept as."""
        if "id" not in self._treated:
            return given
        try:
            key = identifier(given)
        except Rejected as reason:
            raise Rejected(f"id: {reason}") from None
        return None if key is None else self.value("id", key.decode(), "hash")

    def value(self, name: str, given: Any, treatment: str) -> str | bytes | None:
        """One value hashed (text) or encrypted (bytes); null and NaN are null."""
        try:
            physical, plain = resolve(given, vectors=False)
        except Rejected as reason:
            raise Rejected(f"{name}: private: {reason}") from None
        if physical is None or plain != plain:
            return None
        assert self._keys is not None
        if physical is Physical.TIMESTAMP:
            plain = _EPOCH + timedelta(microseconds=plain)
        value: Plain = plain
        if treatment == "hash":
            return hashed(value, self._keys, column=name)
        return encrypt(value, self._keys, model=self._model, column=name)

    def read(self, name: str, encrypted: str | bytes) -> Plain | None:
        """An encrypted value of a column in the clear, None where it is by a key that is not among these, or is none."""
        assert self._keys is not None
        try:
            return decrypt(encrypted, self._keys, model=self._model, column=name)
        except PrivacyError:
            return None

    def _check_spread(self, name: str, value: Any) -> None:
        """Refuse an image or a text that would be spread into columns of which one is private."""
        if isinstance(value, Image | Text):
            stem = f"{folded(name)}_"
            if any(one.startswith(stem) for one in self._treated):
                raise Rejected(f"{name}: is spread into a private column: make {name!r} itself private")
