"""Secrets that the server makes: 256 bits of chance, of which only a SHA-256 is kept.

A fast hash is right here, unlike for passwords: nobody can try 2^256 of them.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

__all__ = ["digest_of", "new_secret", "same"]


def new_secret() -> str:
    """256 random bits, as 43 characters that need no quoting in a header or a URL."""
    return secrets.token_urlsafe(32)


def digest_of(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def same(left: str, right: str) -> bool:
    """Whether two texts are the same, in a time that does not tell where they differ."""
    return hmac.compare_digest(
        left.encode("utf-8", "surrogateescape"), right.encode("utf-8", "surrogateescape")
    )
