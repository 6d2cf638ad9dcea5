"""MLflow's pyfunc models, whatever is inside of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from vedette.capture.frameworks.calls import Calls
from vedette.capture.frameworks.methods import recorded
from vedette.capture.frameworks.proxy import proxy

__all__ = ["watch"]


def watch(model: Any, calls: Calls) -> Any:
    """A model whose ``predict`` is recorded; the names of a matrix's columns are those of its signature."""

    @cache
    def names() -> Sequence[str] | None:
        schema = model.metadata.get_input_schema() if model.metadata is not None else None
        return schema.input_names() if schema is not None and schema.has_input_names() else None

    return proxy(model, {"predict": recorded(calls, model.predict, names)})
