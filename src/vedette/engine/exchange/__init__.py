"""Exchange: runs of TensorBoard and MLflow become runs of a model, and a model's runs are written there.

``import_runs`` (``imported.py``) takes what is found at a place, compares it with what the lake has, and records
what is new through a journal, as a training would: so a second import, or one after a kill, brings what lacks and no more.
``export_runs`` (``exported.py``) writes runs through the mirrors of ``capture/mirrors``. Both say what was left out.

To add a kind, write a file with a function ``found_runs(place)`` that gives ``FoundRun`` records, and put its name into
``EXCHANGES``; what writes it is the mirror of the same name.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from vedette.capture.mirrors import MIRRORS, check_installed
from vedette.engine.exchange.found import FoundRun

__all__ = ["EXCHANGES", "FoundRun", "found_runs"]

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
