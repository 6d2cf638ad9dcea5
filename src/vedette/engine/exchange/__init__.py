"""Exchange: runs of TensorBoard and MLflow become runs of a model, and a model's runs are written there.

``import_runs`` (``imported.py``) takes what is found at a place, compares it with what the lake has, and records
what is new through a journal, as a training would: so a second import, or one after a kill, brings what lacks and no more.
``export_runs`` (``exported.py``) writes runs through the mirrors of ``capture/mirrors``. Both say what was left out.

To add a kind, write a file with ``found_runs(place)``, which gives ``FoundRun`` records, and ``mirrored(place, about)``, which
gives the one that mirrors a run or None, and put its name into ``EXCHANGES``; what writes it is the mirror of the same name.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from vedette.capture.mirrors import MIRRORS, About, check_installed
from vedette.engine.exchange.found import FoundRun

__all__ = ["EXCHANGES", "FoundRun", "found_runs", "mirrored"]

EXCHANGES: dict[str, str] = {name: f"vedette.engine.exchange.{name}" for name in MIRRORS}
"""The kinds that runs are read from, and the module that reads each."""


def found_runs(kind: str, place: str) -> Iterator[FoundRun]:
    """The runs at a place of a kind; ``ValueError`` for a kind that there is not, ``MissingExtraError`` without its package,
    ``DataError`` where there is nothing of the kind."""
    if kind not in EXCHANGES:
        raise ValueError(f"{kind!r}: must be one of {', '.join(EXCHANGES)}")
    check_installed(kind)
    found: Iterator[FoundRun] = import_module(EXCHANGES[kind]).found_runs(place)
    return found


def mirrored(kind: str, place: str, about: About) -> FoundRun | None:
    """What a place has of a run that was mirrored or exported there; None where it has none of it."""
    found: FoundRun | None = import_module(EXCHANGES[kind]).mirrored(place, about)
    return found
