"""What ``vedette compare`` does: the comparisons that are written, or one that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vedette import config
from vedette.config.comparing import CompareSettings, compared
from vedette.engine.commands import open_lake
from vedette.engine.comparing import evaluate
from vedette.engine.versions import versions_of
from vedette.lake.tables import Lake
from vedette.records.comparing import Evaluated

__all__ = ["asked_of", "compare"]


def compare(location: str, model: str, name: str | None, said: Mapping[str, Any]) -> list[Evaluated]:
    """The comparisons of ``vedette.toml``, one of them, or what was said in the place of it; see ``Monitor.compare``."""
    lake = open_lake(location, model)
    return [evaluate(lake, model, one) for one in asked_of(lake, model, name, said)]


def asked_of(lake: Lake, model: str, name: str | None, said: Mapping[str, Any]) -> list[CompareSettings]:
    """The comparisons that are meant: what is said, over what is written under the name.

    Raises ``ValueError`` where nothing is written or said.
    """
    tables = config.read().models.get(model, {}).get("compare", {})
    given = {key: value for key, value in said.items() if value not in (None, (), [], {})}
    if name is None and not given:
        if not tables:
            raise ValueError(
                f"model {model!r} has no comparison: write [models.{model}.compare.NAME] into vedette.toml, or name champion, "
                "challenger, and goals or guard_rails"
            )
        return [compared(one, table) for one, table in tables.items()]
    if name is not None and name not in tables and not given:
        known = ", ".join(sorted(tables)) or "none"
        raise ValueError(f"comparison {name!r}: there is none of that name; there are {known}")
    table = {**tables.get(name or "", {}), **given}
    if not {"champion", "challenger"} <= set(table):
        versions = [one.version for one in versions_of(lake.model(model))]
        if len(versions) < 2:
            raise ValueError(
                f"model {model!r} has {len(versions)} version{'' if len(versions) == 1 else 's'} with rows: two are compared"
            )
        newest = table.get("challenger", versions[0])
        before = [one for one in versions if one != newest]
        table = {"champion": before[0], "challenger": newest, **table}
    return [compared(name or "asked", table)]
