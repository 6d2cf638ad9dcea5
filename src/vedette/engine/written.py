"""What ``vedette.toml`` says of how a model is judged: its rules, tolerances, and whether its rows are independent.

A round that reads another text than the lake has makes it an event, with who and when, so that the newest event tells
what is in force, and all of them its history. A file that says nothing of a model, or nothing of its judging, changes
nothing (an empty table ``rules`` takes all rules away).

Rules that people set on a server are events too (``rule_changes.py``). What is in force is both; where both have a rule of
one name that of the file holds, since what was reviewed with the code must not be undone by a click.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from vedette.config import JUDGING
from vedette.lake.tables import ModelTables
from vedette.records import ENDPOINT, PROBE

__all__ = ["SET", "Written", "in_force", "news", "of_file", "register", "set_by_people"]

SET = "rules"
"""The kind of the events of rules that people set on a server."""

_KIND = "judging"
_OF_KIN = {  # where nobody says otherwise of these names
    PROBE: {"changed": "values(changed) outside 0 to 0"},
    ENDPOINT: {"down": "values(up) outside 1 to 1 for 2 windows"},
}


@dataclass(frozen=True, slots=True)
class Written:
    """Rules by name as they were written, tolerances by column or watch, and what is said of the rows and of time.

    ``series`` and ``detectors_share`` are None where nobody says; ``holidays`` are days and ``events`` times, as ISO text;
    ``slo`` are service-level objectives by name as they were written.
    """

    rules: Mapping[str, Any] = field(default_factory=dict)
    tolerance: Mapping[str, float] = field(default_factory=dict)
    rows: str = "dependent"
    series: bool | None = None
    holidays: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    detectors_share: float | None = None
    slo: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("holidays", "events"):  # JSON gives lists
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Written:
        """What the table of a model says, as plain values."""
        plain = json.loads(json.dumps({key: table[key] for key in JUDGING if key in table}, default=_iso))
        return cls(**plain)

    def lines(self) -> dict[str, Any]:
        """All that is said, by name: ``rules.low``, ``tolerance.age``, ``rows``."""
        found = {f"rules.{name}": said for name, said in self.rules.items()}
        found |= {f"tolerance.{name}": said for name, said in self.tolerance.items()}
        found |= {f"slo.{name}": said for name, said in self.slo.items()}
        usual = {"rows": "dependent", "series": None, "holidays": (), "events": (), "detectors_share": None}
        plain = {name: getattr(self, name) for name in usual}
        return found | {name: said for name, said in plain.items() if said != usual[name]}


def _iso(one: Any) -> str:
    return one.isoformat() if isinstance(one, date) else str(one)


def in_force(tables: ModelTables) -> Written:
    """What holds: what ``vedette.toml`` says, and of the rules that people set those whose name the file does not have."""
    newest = _newest(tables)
    said = _of_file(tables, newest)
    return replace(said, rules={**_of_people(newest), **said.rules})


def of_file(tables: ModelTables) -> Written:
    """What ``vedette.toml`` said when it was last read; nothing where it never said anything of the model."""
    return _of_file(tables, _newest(tables))


def set_by_people(tables: ModelTables) -> Mapping[str, Any]:
    """The rules that people set on a server, by name, whether the file has one of the same name or not."""
    return _of_people(_newest(tables))


def _newest(tables: ModelTables) -> Mapping[str, dict[str, Any]]:
    """The detail of the newest event of each kind."""
    events = (
        tables["events"].scan().filter(pl.col("kind").is_in([_KIND, SET])).sort("time", maintain_order=True)
    )
    rows = events.select("kind", "detail").collect()
    return {kind: json.loads(detail) for kind, detail in dict(rows.iter_rows()).items()}


def _of_file(tables: ModelTables, newest: Mapping[str, dict[str, Any]]) -> Written:
    return Written(**newest[_KIND]["written"]) if _KIND in newest else _said(tables, {})


def _of_people(newest: Mapping[str, dict[str, Any]]) -> Mapping[str, Any]:
    rules: Mapping[str, Any] = newest[SET]["rules"] if SET in newest else {}
    return rules


def _said(tables: ModelTables, table: Mapping[str, Any]) -> Written:
    """What a model's table says, with the rule that a probe or an endpoint has where nobody says otherwise."""
    found = Written.of(table)
    owner, _, kind = tables.path.name.rpartition(".")
    return replace(found, rules={**(_OF_KIN.get(kind, {}) if owner else {}), **found.rules})


def news(tables: ModelTables, table: Mapping[str, Any] | None) -> bool:
    """True where a model's table says another thing than it did; one without any of the keys says nothing."""
    return table is not None and bool(set(table) & set(JUDGING)) and of_file(tables) != _said(tables, table)


def register(tables: ModelTables, table: Mapping[str, Any] | None, by: str, now: datetime) -> bool:
    """Make an event of what a model's table says, where it did not say so before; True where it did.

    The caller holds the work lock.
    """
    if table is None or not news(tables, table):
        return False
    written = _said(tables, table)
    old, new = of_file(tables).lines(), written.lines()
    detail = {
        "written": asdict(written),
        "by": by,
        "added": {name: said for name, said in new.items() if name not in old},
        "removed": {name: said for name, said in old.items() if name not in new},
        "changed": {name: said for name, said in new.items() if name in old and old[name] != said},
    }
    newest = (
        tables["events"].scan().filter(pl.col("kind") == _KIND).select(pl.col("time").max()).collect().item()
    )
    if (
        newest is not None and newest >= now
    ):  # a clock that was set back: the last that is written is in force
        now = newest + timedelta(microseconds=1)
    event = {
        "kind": _KIND,
        "name": "",
        "version": "",
        "detail": json.dumps(detail, sort_keys=True),
        "time": now,
    }
    tables["events"].write(pl.DataFrame([event]), {})
    return True
