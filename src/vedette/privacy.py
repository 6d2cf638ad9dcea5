"""Values that must not leave the process in the clear: their keys, their hashes, and their encryption.

``[models.NAME.private]`` says of which columns (``docs/privacy.md``); whoever holds the keys reads encrypted values with
:func:`decrypt`. A hash is for everybody one way.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import math
import os
import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from vedette.errors import PrivacyError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["Keys", "Plain", "decrypt", "encrypt", "folded", "hashed"]

Plain: TypeAlias = bool | int | float | str | bytes | datetime
"""What can be hashed or encrypted: a single value."""

_KEY_BYTES = 32
_NONCE_BYTES = 12
_EXACT_MAX = 2**53  # beyond it not every integer is a float
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Keys:
    """One secret key or several, the newest first: the first encrypts, all decrypt, the last one hashes.

    That the last one hashes keeps hashes the same while a new key is put before it, so that late labels find their
    prediction. From each key, 32 random bytes, keys for encrypting, for hashing and the public id are derived by
    HMAC-SHA-256. No key is shown or pickled. Raises ``PrivacyError`` for no key, another length, or the same key twice.

    >>> Keys([bytes(range(32))])
    Keys(ids=['e9aa284a'])
    """

    __slots__ = ("_ciphers", "_hashing", "ids")

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise PrivacyError("keys: none is given: must be one or more of 32 bytes")
        for at, key in enumerate(keys):
            if not isinstance(key, bytes) or len(key) != _KEY_BYTES:
                raise PrivacyError(f"keys: number {at + 1} is not of {_KEY_BYTES} bytes")
        self.ids = [_derived(key, "id").hex()[:8] for key in keys]
        """The public id of each key, as encrypted values say it."""
        if len(set(self.ids)) < len(self.ids):
            raise PrivacyError("keys: the same key is given twice")
        self._hashing = _derived(keys[-1], "hash")
        self._ciphers = dict(zip(self.ids, (_derived(key, "encrypt") for key in keys), strict=True))

    @classmethod
    def parse(cls, text: str, source: str) -> Keys:
        """Keys from text: each as 64 hexadecimal digits or in base64, with blanks, commas or line ends between."""
        try:
            return cls([_parsed(one) for one in re.split(r"[\s,]+", text.strip()) if one])
        except PrivacyError as error:
            raise PrivacyError(f"{source}: {error}") from None

    @classmethod
    def from_environment(cls, name: str) -> Keys:
        """Keys from an environment variable."""
        text = os.environ.get(name)
        if not text:
            raise PrivacyError(
                f"key_env={name!r}: is not set: must hold a key of 32 bytes, base64 or hexadecimal"
            )
        return cls.parse(text, f"key_env={name!r}")

    @classmethod
    def from_file(cls, path: str | Path) -> Keys:
        """Keys from a file."""
        said = f"key_file={str(path)!r}"
        try:
            text = Path(path).read_text("ascii")
        except OSError as error:
            raise PrivacyError(f"{said}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:  # it holds the bytes it failed at
            raise PrivacyError(f"{said}: is no text of keys in base64 or hexadecimal") from None
        return cls.parse(text, said)

    def __repr__(self) -> str:
        return f"Keys(ids={self.ids!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("Keys are not pickled: they would leave the process in the clear")

    def _cipher(self, key_id: str) -> AESGCM:
        return _aesgcm()(self._ciphers[key_id])


def folded(column: str) -> str:
    """A column's name, of all that differ by case or Unicode normalisation alone the same."""
    return unicodedata.normalize("NFC", column).casefold()


def hashed(value: Plain, keys: Keys, *, column: str) -> str:
    """The hash of a value: 128 bits of HMAC-SHA-256 over the column and the value, as 32 hexadecimal digits.

    >>> keys = Keys([bytes(range(32))])
    >>> hashed(1, keys, column="plan") == hashed(1.0, keys, column="plan") != hashed("1", keys, column="plan")
    True
    """
    own = hmac.digest(keys._hashing, folded(column).encode(), "sha256")
    return hmac.digest(own, _spelled(value), "sha256").hex()[:32]


def encrypt(value: Plain, keys: Keys, *, model: str, column: str) -> bytes:
    """A value by AES-256-GCM with the first key: ``v1.KEY_ID.`` and nonce, ciphertext and tag in URL-safe base64.

    The nonce is random, so that equal values do not look equal; one key is good for 2**32 values (NIST SP 800-38D, 8.3).
    Model and column are authenticated: a value that was moved elsewhere does not decrypt.
    """
    nonce = os.urandom(_NONCE_BYTES)
    key_id = keys.ids[0]
    sealed = keys._cipher(key_id).encrypt(nonce, _spelled(value), _bound(model, column, key_id))
    return b"v1." + key_id.encode() + b"." + base64.urlsafe_b64encode(nonce + sealed)


def decrypt(value: bytes | str, keys: Keys, *, model: str, column: str) -> Plain:
    """The value that was encrypted for a column of a model; whole numbers come back as ``int``, times in UTC.

    Raises ``PrivacyError`` for what is no encrypted value, a key that is not among ``keys``, or a value that was changed
    or is of another model or column. Needs the extra ``privacy``.

    >>> keys = Keys([bytes(range(32))])
    >>> decrypt(encrypt("0676 123", keys, model="delays", column="phone"), keys, model="delays", column="phone")
    '0676 123'
    """
    from cryptography.exceptions import InvalidTag

    try:
        text = value.decode("ascii") if isinstance(value, bytes) else value
        version, key_id, sealed = text.split(".")
        raw = base64.b64decode(sealed.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeError, ValueError, AttributeError):
        raise PrivacyError("the value is not an encrypted one: must be 'v1.KEY_ID.BASE64'") from None
    if version != "v1":
        raise PrivacyError(f"the value is of version {version[:8]!r}: must be 'v1'")
    if key_id not in keys._ciphers:
        raise PrivacyError(f"the value is by the key {key_id[:8]!r}: is not among {keys.ids}")
    try:
        nonce, rest = raw[:_NONCE_BYTES], raw[_NONCE_BYTES:]
        return _read(keys._cipher(key_id).decrypt(nonce, rest, _bound(model, column, key_id)))
    except (InvalidTag, ValueError):
        raise PrivacyError(
            f"the value does not decrypt as column {column!r} of {model!r}: it was changed, or is of another"
        ) from None


def _parsed(text: str) -> bytes:
    try:
        if len(text) == 2 * _KEY_BYTES:
            return bytes.fromhex(text)
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        raise PrivacyError("a key is neither 64 hexadecimal digits nor base64 of 32 bytes") from None


def _derived(key: bytes, purpose: str) -> bytes:
    return hmac.new(key, f"vedette privacy 1 {purpose}".encode(), hashlib.sha256).digest()


def _bound(model: str, column: str, key_id: str) -> bytes:
    return "\0".join(("v1", key_id, model, folded(column))).encode()


def _spelled(value: Plain) -> bytes:
    """The one spelling of a value: equal numbers have the same, values of different kinds never."""
    if isinstance(value, bool):
        return b"b:true" if value else b"b:false"
    if isinstance(value, float):
        whole = math.isfinite(value) and value.is_integer() and abs(value) <= _EXACT_MAX
        return f"n:{int(value) if whole else value!r}".encode()
    if isinstance(value, int):
        return f"n:{value}".encode()
    if isinstance(value, str):
        return b"s:" + value.encode()
    if isinstance(value, bytes):
        return b"y:" + value
    return f"t:{(value - _EPOCH) // _MICROSECOND}".encode()


def _read(spelling: bytes) -> Plain:
    kind, rest = spelling[:2], spelling[2:]
    if kind == b"b:":
        return rest == b"true"
    if kind == b"s:":
        return rest.decode()
    if kind == b"y:":
        return rest
    if kind == b"t:":
        return _EPOCH + int(rest) * _MICROSECOND
    try:
        return int(rest)
    except ValueError:
        return float(rest)


def _aesgcm() -> type[AESGCM]:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        from vedette.errors import MissingExtraError

        raise MissingExtraError(
            "encrypting needs the extra 'privacy': pip install 'vedette[privacy]'"
        ) from None
    return AESGCM
