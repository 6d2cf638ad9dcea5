"""Names of another system's runs and metrics as vedette takes them.

A run: each character other than letters and digits of ASCII and ``. _ : @ + = -`` becomes ``-``, what stands before the first
letter or digit goes, and it is cut after 128 characters. A metric: over 240 characters it is cut, characters that no table
can hold become ``?``. Where another run has the name already (or another metric of the run, but for upper and lower case),
``-`` and eight hexadecimal digits of the SHA-256 of the original are added. The original is kept in the event ``imported``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256

from vedette.capture.metrics import NAME_MAX, Names
from vedette.capture.values import Rejected
from vedette.records import is_storable

__all__ = ["metric_names", "run_name"]

_OTHER = re.compile(r"[^A-Za-z0-9._:@+=-]")
_BEFORE = re.compile(r"^[^A-Za-z0-9]+")
_RUN_MAX = 128


def _digits(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def run_name(original: str, identity: str, taken: Collection[str]) -> str:
    """The name of a run here.

    >>> run_name("exp/lr=0.1", "x", ()), run_name("a b", "x", {"a-b"}), run_name("//", "x", ())
    ('exp-lr=0.1', 'a-b-2d711642', 'run')
    """
    plain = _BEFORE.sub("", _OTHER.sub("-", original))[:_RUN_MAX] or "run"
    return plain if plain not in taken else f"{plain[: _RUN_MAX - 9]}-{_digits(identity)}"


def metric_names(
    originals: Iterable[str], before: Mapping[str, str] | None = None, stored: Collection[str] = ()
) -> dict[str, str]:
    """The name here of each metric of a run, by its name there.

    ``before`` are the names that were changed by an earlier import, ``stored`` the metrics that the run has here: of two
    that differ by case the one that came first keeps its name.

    >>> metric_names(["Loss", "loss"])
    {'Loss': 'Loss', 'loss': 'loss-2ea71c18'}
    """
    names = Names()
    found = {one: name for one, name in (before or {}).items() if one in set(originals)}
    for name in found.values():
        names.column(name)
    for one in sorted(set(originals) - set(found), key=lambda one: (one not in stored, one)):
        plain = "".join(c if is_storable(c) else "?" for c in one)[:NAME_MAX] or "metric"
        try:
            names.column(plain)
        except Rejected:
            plain = f"{plain[: NAME_MAX - 9]}-{_digits(one)}"
            names.column(plain)
        found[one] = plain
    return found
