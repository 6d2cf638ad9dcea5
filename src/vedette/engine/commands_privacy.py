"""What ``vedette forget``, ``vedette release`` and ``vedette privacy`` do."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from vedette import config
from vedette.capture.private import Private
from vedette.engine import forget as forget_module
from vedette.engine import releasing
from vedette.engine.commands import open_lake, who
from vedette.errors import ConfigError
from vedette.lake.events import settings_of
from vedette.lake.ingest import now_of
from vedette.lake.spent import claims, spent

__all__ = ["forget", "release", "spending"]


def forget(
    location: str, model: str, subject: str, *, by: str | None = None, wait_s: float = 0.0
) -> forget_module.Forgotten:
    """Delete the rows of a subject, given as ``COLUMN=VALUE``; how the column is private is read from ``vedette.toml``."""
    column, equals, value = subject.partition("=")
    if not column or not equals or not value:
        raise ValueError("--subject: must be COLUMN=VALUE, such as customer=ann")  # it is not said again here
    lake = open_lake(location, model)
    said = config.read()
    folder = None if said.path is None else said.path.parent
    table = said.models.get(model, {}).get("private", {})
    treated = config.private_of(table, settings_of(lake.model(model)), folder)
    private = Private(model, treated.columns, treated.keys()) if treated.columns else None
    return forget_module.forget(lake, model, column, value, by=who(by), private=private, wait_s=wait_s)


def release(
    location: str,
    model: str,
    question: releasing.Question,
    *,
    subject: str,
    epsilon: float,
    rows_each: int = 1,
    by: str | None = None,
) -> list[releasing.Released]:
    """Release figures with differential privacy, of the budget that ``[privacy]`` in ``vedette.toml`` gives."""
    budget, delta = config.read().budget
    if not budget:
        raise ConfigError(
            "[privacy] epsilon: is not given: must be what the releases of a model may spend, such as 1.0"
        )
    return releasing.release(
        open_lake(location, model),
        model,
        question,
        subject=subject,
        epsilon=epsilon,
        budget=budget,
        delta=delta,
        by=who(by),
        now=now_of(time.time()),
        rows_each=rows_each,
    )


def spending(location: str, model: str) -> dict[str, Any]:
    """What the releases of a model have spent, and of what budget."""
    budget, delta = config.read().budget
    made = claims(open_lake(location, model), model)
    total = spent([one.epsilon for one in made], delta)
    return {
        "model": model, "epsilon": budget, "delta": delta, "spent": total, "left": max(budget - total, 0.0),
        "releases": [asdict(one) for one in made],
    }  # fmt: skip
