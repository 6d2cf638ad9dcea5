"""Rules that people set on a server: what holds and where it is from, and each change as a version that can be undone.

Where the truth lives: ``vedette.toml`` is for what is kept with the code; what is set on a server is an event in the lake,
beside the model, with all rules set there, who, when, why, and what was before. An event is never changed, so that the
newest one tells what is set, the others are the history, and an undo is one more. Whoever judges reads them in each round.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import polars as pl

from vedette.engine import written
from vedette.errors import DataError, RuleError
from vedette.lake.tables import UTC, ModelTables
from vedette.strategy.rule_records import Rule
from vedette.strategy.rules import parse

__all__ = ["RULES_MAX", "Held", "RuleChange", "changes", "held", "put", "remove", "undo", "version"]

RULES_MAX = 500
"""Rules of a model that can be set on a server: each is read in every round."""

_WHEN_MAX = 500  # characters


@dataclass(frozen=True, slots=True)
class Held:
    """A rule as somebody said it, and where: ``source`` is ``file`` (``vedette.toml``) or ``server``.

    ``holds`` is False of one set on a server whose name the file has too. ``rule`` is None where ``problem`` says why it
    cannot be read.
    """

    name: str
    said: Any
    source: Literal["file", "server"]
    holds: bool
    rule: Rule | None
    problem: str | None

    @property
    def when(self) -> str:
        """The condition, as it was written."""
        return str(self.said if isinstance(self.said, str) else self.said.get("when"))

    @property
    def watches(self) -> str:
        """What is looked at: a figure and the column that it is read off, as a rule names them.

        >>> Held("low", "psi(age) > 0.2", "file", True, parse("low", "psi(age) > 0.2"), None).watches
        'psi(age)'
        """
        if self.rule is None:
            return ""
        plain = {"schema": "the columns", "no_data": "whether rows come"}
        if self.rule.metric in plain:
            return plain[self.rule.metric]
        own = self.rule.source == "prediction" or self.rule.source.startswith("_")
        shown = own and f"{self.rule.metric}(" not in self.when.replace(" ", "")
        return (
            self.rule.metric
            if shown or self.rule.source == "latency_s"
            else f"{self.rule.metric}({self.rule.source})"
        )


@dataclass(frozen=True, slots=True)
class RuleChange:
    """One change of the rules set on a server; ``number`` counts them from 1. ``before`` and ``after`` are None for no rule."""

    number: int
    time: datetime
    by: str
    change: Literal["added", "changed", "removed", "undone"]
    name: str
    before: Any
    after: Any
    reason: str


def held(tables: ModelTables) -> list[Held]:
    """Every rule of a model, those of the file first, each by name."""
    file, people = written.of_file(tables).rules, written.set_by_people(tables)
    return [
        *(_held(name, said, "file", holds=True) for name, said in sorted(file.items())),
        *(_held(name, said, "server", holds=name not in file) for name, said in sorted(people.items())),
    ]


def _held(name: str, said: Any, source: Literal["file", "server"], *, holds: bool) -> Held:
    try:
        return Held(name, said, source, holds, parse(name, said), None)
    except ValueError as error:
        return Held(name, said, source, holds, None, str(error).removeprefix(f"rule {name}: "))


def changes(tables: ModelTables) -> list[RuleChange]:
    """Every change of the rules set on a server, the newest first."""
    rows = tables["events"].scan().filter(pl.col("kind") == written.SET).sort("time", maintain_order=True)
    found = []
    for number, row in enumerate(rows.collect().iter_rows(named=True), 1):
        said = json.loads(row["detail"])
        found.append(
            RuleChange(
                number, row["time"], said["by"], said["change"], row["name"], said["before"], said["after"],
                said["reason"],
            )
        )  # fmt: skip
    return found[::-1]


def version(tables: ModelTables) -> int:
    """How many changes there were: what a change says that it was made against."""
    rows = tables["events"].scan().filter(pl.col("kind") == written.SET).select(pl.len()).collect()
    return int(rows.item())


def put(
    tables: ModelTables,
    name: str,
    said: str | Mapping[str, Any],
    *,
    by: str,
    now: datetime,
    reason: str = "",
    seen: int | None = None,
) -> bool:
    """Add a rule, or say another thing by its name; True where that is a change. The caller holds the work lock.

    ``seen`` is the version that who changes has seen: ``RuleError`` where somebody has made another one since, and where
    ``vedette.toml`` has a rule of this name. Raises ``ValueError`` for a rule that cannot be read.
    """
    rule = parse(name, said)
    if len(rule.when) > _WHEN_MAX:
        raise ValueError(f"rule {name}: is of {len(rule.when)} characters: must be of {_WHEN_MAX} at most")
    _check(tables, name, seen)
    rules = dict(written.set_by_people(tables))
    before, after = rules.get(name), _plain(rule)
    if before == after:
        return False
    _check_room(rules, name)
    word: Literal["added", "changed"] = "added" if before is None else "changed"
    _write(tables, {**rules, name: after}, word, name, before, after, by=by, now=now, reason=reason)
    return True


def remove(
    tables: ModelTables, name: str, *, by: str, now: datetime, reason: str = "", seen: int | None = None
) -> None:
    """Take a rule away that was set on a server. The caller holds the work lock.

    Raises ``DataError`` where there is none of that name, ``RuleError`` as :func:`put`.
    """
    rules = dict(written.set_by_people(tables))
    if name not in rules:
        if name in written.of_file(tables).rules:
            raise RuleError(f"rule {name}: is in vedette.toml: must be taken away there")
        raise DataError(
            f"rule={name!r}: there is none of that name; set here are {', '.join(rules) or 'none'}"
        )
    _check(tables, None, seen)
    before = rules.pop(name)
    _write(tables, rules, "removed", name, before, None, by=by, now=now, reason=reason)


def undo(tables: ModelTables, number: int, *, by: str, now: datetime, seen: int | None = None) -> RuleChange:
    """Make the rule of a change what it was before that change; returns the change. The caller holds the work lock.

    Raises ``DataError`` where there is no change of that number, ``RuleError`` where it is so already, and as :func:`put`.
    """
    found = next((one for one in changes(tables) if one.number == number), None)
    if found is None:
        raise DataError(f"change={number}: there is none of that number; the newest is {version(tables)}")
    _check(tables, None if found.before is None else found.name, seen)
    rules = dict(written.set_by_people(tables))
    now_is = rules.get(found.name)
    if now_is == found.before:
        raise RuleError(f"change={number}: rule {found.name} is already what it was before it")
    if found.before is None:
        del rules[found.name]
    else:
        _check_room(rules, found.name)
        rules[found.name] = found.before
    why = f"undoes change {number}"
    _write(tables, rules, "undone", found.name, now_is, found.before, by=by, now=now, reason=why)
    return found


def _check(tables: ModelTables, name: str | None, seen: int | None) -> None:
    """Refuse a name that the file has, and a change made against rules that are not these any more."""
    if name is not None and name in written.of_file(tables).rules:
        raise RuleError(
            f"rule {name}: vedette.toml has one of this name, which holds: must be changed there, or have another name"
        )
    there = version(tables)
    if seen is not None and seen != there:
        raise RuleError(
            f"version={seen}: the rules were changed since: must be made again on version {there}"
        )


def _check_room(rules: Mapping[str, Any], name: str) -> None:
    """Refuse a rule more than there may be."""
    if name not in rules and len(rules) >= RULES_MAX:
        raise RuleError(f"rule {name}: there are {len(rules)} rules set here: must be {RULES_MAX} at most")


def _plain(rule: Rule) -> Any:
    """What is kept: the line alone where nothing but the usual is said besides, so that there is one way to say a rule."""
    usual = parse(rule.name, rule.when)
    keys = ("severity", "min_rows", "clear_after")
    besides = {key: getattr(rule, key) for key in keys if getattr(rule, key) != getattr(usual, key)}
    return {"when": rule.when, **besides} if besides else rule.when


def _write(
    tables: ModelTables,
    rules: Mapping[str, Any],
    change: str,
    name: str,
    before: Any,
    after: Any,
    *,
    by: str,
    now: datetime,
    reason: str,
) -> None:
    line = f"rules.{name}"
    detail = {
        "rules": dict(rules), "change": change, "before": before, "after": after, "by": by, "reason": reason,
        "added": {line: after} if before is None else {},
        "removed": {line: before} if after is None else {},
        "changed": {line: after} if before is not None and after is not None else {},
    }  # fmt: skip
    newest = tables["events"].scan().filter(pl.col("kind") == written.SET).select(pl.col("time").max())
    last = newest.collect().item()
    if last is not None and last >= now:  # a clock that was set back: the last that is written holds
        now = last + timedelta(microseconds=1)
    event = {"time": now, "kind": written.SET, "name": name, "version": "", "detail": json.dumps(detail)}
    tables["events"].write(pl.DataFrame([event]).with_columns(pl.col("time").cast(UTC)), {})
