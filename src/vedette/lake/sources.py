"""Where the rows of a model come from: the journals of this machine's producers, and what servers received of others."""

from __future__ import annotations

from vedette.capture.journal import producers
from vedette.lake.producer import Producer
from vedette.lake.received import folders
from vedette.lake.tables import Lake

__all__ = ["sources"]


def sources(lake: Lake, model: str) -> list[Producer]:
    """All producers of a model, living and dead."""
    return [*producers(lake.journal, model), *folders(lake, model)]
