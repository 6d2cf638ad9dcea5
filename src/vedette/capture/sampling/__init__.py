"""Samplers: a row comes in, and with what probability it is to be kept goes out; the rest follows from that.

A :class:`Sampler` says for each row the probability with which it is to be kept, from the row itself and from those before
it. ``sampled`` wraps a ``log``: it draws, hands on the rows that are kept with their inclusion probability, and counts the
others as sampled out. Figures are weighted by the inverse of that probability (Horvitz-Thompson), whichever sampler it was.

To add a sampler, write a class with ``chance`` as ``Sampler`` says, in a file of its own, and put it into ``SAMPLERS``
below; from another package, name it in an entry point of the group ``vedette.samplers``. ``tests/test_every_sampler.py``
runs the shared checks on each.

>>> sampler_of(0.01)
Rate(rate=0.01)
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import Any, Protocol, runtime_checkable

from vedette.capture.sampling.all import All
from vedette.capture.sampling.auto import Auto
from vedette.capture.sampling.rare_first import RareFirst
from vedette.capture.sampling.rate import Rate
from vedette.capture.sampling.reservoir import Reservoir
from vedette.capture.sampling.row import Row
from vedette.capture.sampling.stratified import Stratified
from vedette.capture.sampling.uncertain_first import UncertainFirst

__all__ = [
    "SAMPLERS",
    "All",
    "Auto",
    "RareFirst",
    "Rate",
    "Reservoir",
    "Row",
    "Sampler",
    "Stratified",
    "UncertainFirst",
    "sampler_of",
]


@runtime_checkable
class Sampler(Protocol):
    """Says with what probability a row is to be kept."""

    def chance(self, row: Row) -> tuple[float, Any]:
        """The probability, above 0 and at most 1, and the stratum that the row is drawn in (hashable).

        It may depend on the row and on those before it, never on those after it, nor on which of them were kept. What is
        drawn with is ``1/n`` for the largest whole ``n`` that keeps no fewer rows; of the rows of a stratum with the same
        ``n`` exactly one in each ``n`` that follow each other is kept, at a random place. Called from any thread.
        """


SAMPLERS: dict[str, type[Any]] = {
    "all": All,
    "rate": Rate,
    "reservoir": Reservoir,
    "stratified": Stratified,
    "rare_first": RareFirst,
    "uncertain_first": UncertainFirst,
    "auto": Auto,
}
"""The samplers that come with vedette, by name."""


@cache
def every_sampler() -> dict[str, Any]:
    """The samplers of vedette and those that installed packages bring, by name; looked up once."""
    found: dict[str, Any] = {entry.name: entry.load() for entry in entry_points(group="vedette.samplers")}
    return {**found, **SAMPLERS}


def sampler_of(given: Any) -> Sampler:
    """The sampler that was asked for: an object, a rate, or the name of one that needs no arguments.

    Raises ``ValueError`` for what is none.

    >>> sampler_of("auto")
    Auto(within=None, rows_per_s=None)
    """
    if isinstance(given, Sampler) and not isinstance(given, type):
        return given
    if isinstance(given, int | float) and not isinstance(given, bool):
        return Rate(float(given))
    if isinstance(given, str):
        known = SAMPLERS if given in SAMPLERS else every_sampler()
        if given in known:
            try:
                made = known[given]()
            except TypeError as error:
                raise ValueError(f"sampler={given!r}: needs arguments: {error}") from None
            return sampler_of(made)
        raise ValueError(f"sampler={given!r}: must be one of {', '.join(known)}, a rate, or a sampler")
    raise ValueError(
        f"sampler={given!r}: must be a rate above 0 and at most 1, a name, or an object with chance(row)"
    )
