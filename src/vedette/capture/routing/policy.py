"""What part of the traffic goes to which version."""

from __future__ import annotations

import hashlib
import re
import sys
import zlib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["BUCKETS", "MODES", "Policy", "assigned", "bucket", "mixed"]

BUCKETS = 65_536
"""Into which identifiers fall: shares are told apart by a 65,536th."""

MODES = ("sticky", "alternating")

VERSIONS_MAX = 250
_VERSION = re.compile(r"[^\x00-\x1f]{1,100}")


@dataclass(frozen=True, slots=True)
class Policy:
    """Which versions answer, and for what part of the traffic.

    Parameters
    ----------
    shares
        By version, the part of the traffic that it answers: from 0 to 1, in all 1. Read to a 65,536th; what is
        more than 0 is at least that.
    shadow
        Versions that get a copy of each request and whose answers nobody sees.
    mode
        ``sticky``: what an identifier was answered by goes on answering it, as far as the shares allow. ``alternating``: each
        request is on its own, and versions take turns by their shares.
    salt
        By which identifiers are mixed. Another one deals them anew: so that those who were in an experiment are not together
        in the next.

    Raises ``ValueError`` where shares do not add up to 1, or for a version without a name, one that is in ``shares`` and
    ``shadow``, and a mode that there is not.

    Examples
    --------
    >>> Policy({"3": 0.9, "4": 0.1}).shares["4"]
    0.1
    >>> Policy({"3": 0.9, "4": 0.2})
    Traceback (most recent call last):
    ValueError: shares={'3': 0.9, '4': 0.2}: must add up to 1, got 1.1
    """

    shares: Mapping[str, float]
    shadow: Sequence[str] = field(default=())
    mode: str = "sticky"
    salt: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.shares, Mapping) or not self.shares:
            raise ValueError(
                f"shares={self.shares!r}: must be shares by version, such as {{'3': 0.9, '4': 0.1}}"
            )
        for version in (*self.shares, *self.shadow):
            if not isinstance(version, str) or not _VERSION.fullmatch(version):
                raise ValueError(f"version {version!r}: must be a text of 1 to 100 characters on one line")
        if len({*self.shares, *self.shadow}) > VERSIONS_MAX:
            raise ValueError(f"{len({*self.shares, *self.shadow})} versions: must be at most {VERSIONS_MAX}")
        for version, share in self.shares.items():
            if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
                raise ValueError(f"share {share!r} of version {version!r}: must be from 0 to 1")
        total = sum(self.shares.values())
        if abs(total - 1) > 1e-6:
            raise ValueError(f"shares={dict(self.shares)!r}: must add up to 1, got {total:g}")
        both = set(self.shares) & set(self.shadow)
        if both or len(set(self.shadow)) < len(self.shadow):
            raise ValueError(
                f"shadow={list(self.shadow)!r}: must be versions that are not in shares, each once"
            )
        if self.mode not in MODES:
            raise ValueError(f"mode={self.mode!r}: must be one of {', '.join(MODES)}")


def mixed(salt: str) -> array[int]:
    """The numbers by which a salt mixes identifiers: 65,536 of 16 bits, of SHAKE-256 (FIPS 202)."""
    found = array("H", hashlib.shake_256(salt.encode("utf-8", "surrogatepass")).digest(2 * BUCKETS))
    if sys.byteorder == "big":
        found.byteswap()
    return found


def bucket(identifier: str, mixing: array[int]) -> int:
    """The bucket of an identifier, from 0 to ``BUCKETS`` - 1: the same in every process, and under another salt another.

    The upper half of its CRC-32 (zlib's, compiled), exclusive or the number that the salt has for the lower half. A CRC alone is
    linear: under any two salts the same identifiers would lie together.

    >>> [bucket(f"user-{number}", mixed("autumn")) for number in range(4)]
    [37068, 38494, 6700, 40216]
    """
    code = zlib.crc32(identifier.encode("utf-8", "surrogatepass"))
    return code >> 16 ^ mixing[code & 0xFFFF]


def assigned(policy: Policy, before: Sequence[str] = ()) -> list[str]:
    """The version of each bucket, changed from ``before`` in as few of them as the shares allow.

    >>> first = assigned(Policy({"3": 1.0}))
    >>> second = assigned(Policy({"3": 0.9, "4": 0.1}), first)
    >>> third = assigned(Policy({"3": 0.7, "4": 0.3}), second)
    >>> sum(one != other for one, other in zip(second, third, strict=True)), third.count("4")
    (13107, 19661)
    """
    wanted = _whole(policy.shares)
    table: list[str | None] = [None] * BUCKETS
    left = dict(wanted)
    for number, version in enumerate(before):
        if left.get(version, 0):
            table[number] = version
            left[version] -= 1
    missing = (version for version, count in left.items() for _ in range(count))
    return [version if version is not None else next(missing) for version in table]


def _whole(shares: Mapping[str, float]) -> dict[str, int]:
    """Buckets by version: rounded down, and what is left to those that lost most; a share above 0 has at least one."""
    exact = {version: share * BUCKETS for version, share in shares.items()}
    found = {version: max(int(value + 1e-9), 1 if value > 0 else 0) for version, value in exact.items()}
    by_loss = sorted(exact, key=lambda version: found[version] - exact[version])
    for version in by_loss[: max(BUCKETS - sum(found.values()), 0)]:
        found[version] += 1
    while sum(found.values()) > BUCKETS:
        found[max(found, key=lambda version: found[version])] -= 1
    return found
