"""Passwords: argon2id, and which ones will do."""

from __future__ import annotations

import secrets
import threading
from importlib import resources

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from vedette.errors import AccessError

__all__ = ["LENGTH_MAX", "LENGTH_MIN", "RULES", "Passwords", "check_password", "first_password"]

LENGTH_MIN, LENGTH_MAX = 12, 256
"""Characters. Longer ones are refused, never cut: a long one costs the server work before anybody is known."""

_DISTINCT_MIN = 5
RULES = (
    f"{LENGTH_MIN} to {LENGTH_MAX} characters of any kind, at least {_DISTINCT_MIN} of them different; "
    "without the user's name or the product's, and none of the common passwords"
)
"""What :func:`check_password` asks, to be said before anybody chooses."""

# OWASP Password Storage Cheat Sheet, argon2id: m=19456 (19 MiB), t=2, p=1
_TIME_COST, _MEMORY_KIB, _PARALLELISM = 2, 19456, 1
_AT_ONCE = 4  # each takes its memory: more than this wait for their turn
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # none that is taken for another


class Passwords:
    """Hashes and compares passwords; slow on purpose, so never on the event loop."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=_TIME_COST, memory_cost=_MEMORY_KIB, parallelism=_PARALLELISM)
        self._turn = threading.BoundedSemaphore(_AT_ONCE)
        self._nobody = self._hasher.hash(secrets.token_urlsafe(16))  # what an unknown user is held against

    def hash(self, password: str) -> str:
        """What is kept of a password: parameters, salt and hash."""
        with self._turn:
            return self._hasher.hash(password)

    def matches(self, kept: str | None, password: str) -> bool:
        """Whether this is the password; as long in coming where there is none (None or empty) to hold it against."""
        if len(password) > LENGTH_MAX:
            password = ""
        with self._turn:
            try:
                right = self._hasher.verify(kept or self._nobody, password)
            except VerifyMismatchError:
                return False
            except (InvalidHashError, VerificationError):
                return False  # a damaged hash is nobody's password
        return right and bool(kept)

    def outdated(self, kept: str) -> bool:
        """Whether a hash was made with other parameters than are used now."""
        return self._hasher.check_needs_rehash(kept)


def check_password(password: str, user: str) -> None:
    """Raise ``AccessError`` for a password that will not do, without the password in it.

    Length counts, not kinds of characters (NIST SP 800-63B, 3.1.1.2). None that holds the user's name or ``vedette``, none
    of one or two characters over and over, none of the common ones.
    """
    if not LENGTH_MIN <= len(password) <= LENGTH_MAX:
        raise AccessError(
            f"password: has {len(password)} characters: must have {LENGTH_MIN} to {LENGTH_MAX}; any characters will do"
        )
    plain = password.casefold()
    for word in {user.casefold(), user.casefold().partition("@")[0], "vedette"}:
        if len(word) > 3 and word in plain:
            raise AccessError(
                "password: holds the user's name, or the product's: must be one that nobody guesses"
            )
    if len(set(plain)) < _DISTINCT_MIN:
        raise AccessError(
            f"password: has fewer than {_DISTINCT_MIN} different characters: must be one that nobody guesses"
        )
    if plain in _common():
        raise AccessError("password: is one of the common ones: must be one that nobody guesses")


def _common() -> frozenset[str]:
    text = resources.files("vedette.server.access").joinpath("common_passwords.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def first_password() -> str:
    """A password of 100 bits, in groups that can be read out.

    >>> len(first_password())
    23
    """
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(4))
