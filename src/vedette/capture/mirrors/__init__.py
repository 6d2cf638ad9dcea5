"""Mirrors: what a training run records, written for another system too while it trains.

In come rows of metrics and events, in the order in which the run recorded them; out go TensorBoard's event files or a run
of MLflow. ``feed.py`` takes them off the training without waiting and hands them to a mirror in a thread of its own;
what exports runs that are over (``engine/exchange``) writes through the same mirrors.

To add a kind, write a file with ``open_mirror(place, about)``, ``stored(values, times_us)`` (as what they are kept there) and
``losses(values)`` (how many are kept as others), which import what they need when they are called, and put its name, which is
that of the package and of the extra, into ``MIRRORS``. ``tests/test_mirrors.py`` runs the shared checks on each.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from vedette.capture.mirrors.address import split
from vedette.capture.mirrors.rows import About, Event, Mirror, Row
from vedette.errors import MissingExtraError

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "MIRRORS", "About", "Event", "Mirror", "Row", "check_address", "check_installed", "losses", "open_mirror", "stored",
]  # fmt: skip

MIRRORS: dict[str, str] = {name: f"vedette.capture.mirrors.{name}" for name in ("tensorboard", "mlflow")}
"""The kinds of mirrors, and the module that opens each."""


def check_installed(kind: str) -> None:
    """Raise ``ValueError`` for a kind that there is not, ``MissingExtraError`` where its package is not installed."""
    if kind not in MIRRORS:
        raise ValueError(f"{kind!r}: must be one of {', '.join(MIRRORS)}")
    if find_spec(kind) is None:
        raise MissingExtraError(f'{kind} is not installed: pip install "vedette[{kind}]"')


def check_address(address: str) -> None:
    """Raise for an address that no mirror has, before anything is opened: ``ValueError`` or ``MissingExtraError``.

    >>> check_address("tensorboard")
    Traceback (most recent call last):
    ...
    ValueError: 'tensorboard': must be KIND:PLACE, such as tensorboard:./tb or mlflow:sqlite:///runs.db#experiment
    """
    check_installed(split(address)[0])


def open_mirror(address: str, about: About) -> Mirror:
    """The mirror at an address, open for one run; it raises what its package raises where that cannot be."""
    check_address(address)
    kind, place = split(address)
    found: Mirror = import_module(MIRRORS[kind]).open_mirror(place, about)
    return found


def stored(kind: str, values: np.ndarray[Any, Any], times_us: np.ndarray[Any, Any]) -> tuple[Any, Any]:
    """The values and the times (microseconds) as which a kind of mirror keeps them."""
    found: tuple[Any, Any] = import_module(MIRRORS[kind]).stored(values, times_us)
    return found


def losses(kind: str, values: np.ndarray[Any, Any]) -> Mapping[str, int]:
    """How many of the values a kind of mirror does not keep as they are, in words."""
    found: Mapping[str, int] = import_module(MIRRORS[kind]).losses(values)
    return found
