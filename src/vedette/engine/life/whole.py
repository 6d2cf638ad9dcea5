"""The life of a version as one record."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from vedette.engine.deployments import deployments_of
from vedette.engine.figures import FIGURE_SCHEMA, figures
from vedette.engine.life.served import deployment_section, drift, labels, quality, traffic
from vedette.engine.life.told import actions, alert_section
from vedette.engine.life.trained import code, data, origin_of, run_section, validation
from vedette.engine.versions import versions_of
from vedette.errors import NotThereError
from vedette.lake.tables import Lake
from vedette.records import Life

__all__ = ["life_of"]


def life_of(lake: Lake, model: str, version: str, now: datetime) -> Life:
    """All that is known of a version. Raises ``NotThereError`` where no run, no deployment and no row tells of it."""
    tables = lake.model(model)
    every = versions_of(tables)
    served = next((one for one in every if one.version == version), None)
    deployed = deployments_of(lake, model)
    own = [one for one in deployed if one.version == version]
    origin = origin_of(lake, model, version, own)
    if served is None and not own and not origin.runs:
        names = dict.fromkeys([*(one.version for one in every), *(one.version for one in deployed)])
        raise NotThereError(
            f"version={version!r}: no run, deployment or row of model {model} tells of it; there are "
            f"{', '.join(names) or 'no versions'}"
        )
    found = (
        pl.DataFrame(schema=FIGURE_SCHEMA)
        if served is None
        else figures(lake, model, version=version, window_s=0)
    )
    span = None if served is None else (served.first, served.last)
    return Life(
        model,
        version,
        now,
        (
            code(origin),
            data(origin),
            run_section(lake, model, origin),
            validation(origin),
            deployment_section(own),
            traffic(served, found),
            quality(found),
            drift(found),
            labels(lake, model, found),
            alert_section(lake, model, span, origin, now),
            actions(tables, version),
        ),
    )
