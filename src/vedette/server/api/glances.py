"""Glances that outlive the server, on disk beside its database: after a restart only what moved on meanwhile is read.

Each is kept with what its tables and ``vedette.toml`` looked like when it was read. The file is a cache and nothing else: one
that cannot be read, or that another version of vedette wrote, is begun anew, and all models are read from their tables.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import vedette
from vedette.engine.glance import Glance
from vedette.lake.stamps import Stamp, glances_path
from vedette.lake.tables import Lake
from vedette.records import Alert, AlertState, Health, Status, Verdict, Window

__all__ = ["KeptGlances", "from_json", "to_json"]

log = logging.getLogger("vedette")

_WAIT_S = 5.0  # for another server of the same lake that writes
_LAYOUT = f"{vedette.__version__}/1"  # the number rises when glances are made or written otherwise


class KeptGlances:
    """The glances of a lake in ``.server/glances.db``, by model.

    ``found`` gives one that was kept of a model that looks as it did then. ``keep`` writes some, and ``forget`` takes those
    away whose models are gone. Where the file cannot be read or written the log says so, once, and nothing is kept.
    """

    def __init__(self, lake: Lake) -> None:
        self._path = glances_path(lake)
        self._said = False
        self._kept = self._read()

    def found(self, model: str, moved: Stamp) -> Glance | None:
        """What was kept of a model, None where it moved on since; asked of each model once."""
        digest, text = self._kept.pop(model, ("", ""))
        if digest != _digest(moved):
            return None
        try:
            return from_json(text)
        except (ValueError, KeyError, TypeError):  # a file that somebody else wrote to
            return None

    def keep(self, glances: Mapping[str, tuple[Stamp, Glance]]) -> None:
        """Write glances, each with what its model looked like before it was read."""
        rows = [(name, _digest(moved), to_json(one)) for name, (moved, one) in glances.items()]
        self._write("INSERT OR REPLACE INTO glances VALUES (?, ?, ?)", rows)

    def forget(self, models: Iterable[str]) -> None:
        """Take those away whose models are gone."""
        self._write("DELETE FROM glances WHERE model = ?", [(name,) for name in models])

    def _read(self) -> dict[str, tuple[str, str]]:
        if not self._path.is_file():
            return {}
        try:
            with closing(self._open()) as connection:
                return {
                    name: (digest, text)
                    for name, digest, text in connection.execute("SELECT model, moved, glance FROM glances")
                }
        except (sqlite3.Error, OSError) as error:
            log.warning("%s: is begun anew: %s", self._path, error)
            return {}

    def _write(self, statement: str, rows: Sequence[tuple[str, ...]]) -> None:
        if not rows:
            return
        try:
            try:
                self._execute(statement, rows)
            except sqlite3.DatabaseError as error:
                if isinstance(
                    error, sqlite3.OperationalError
                ):  # locked, full or not to be written: not broken
                    raise
                self._path.unlink(missing_ok=True)
                self._execute(statement, rows)
        except (sqlite3.Error, OSError) as error:
            if not self._said:
                log.warning(
                    "%s: cannot be written, all models are read at the next start: %s", self._path, error
                )
            self._said = True

    def _execute(self, statement: str, rows: Sequence[tuple[str, ...]]) -> None:
        with closing(self._open()) as connection, connection:
            connection.executemany(statement, rows)

    def _open(self) -> sqlite3.Connection:
        """The file, laid out as this version does."""
        _make_private(self._path)
        connection = sqlite3.connect(self._path, timeout=_WAIT_S)
        try:
            connection.execute("PRAGMA synchronous=NORMAL")  # what is lost with the power is read again
            connection.execute("CREATE TABLE IF NOT EXISTS layout (name TEXT PRIMARY KEY)")
            if connection.execute("SELECT name FROM layout").fetchall() != [(_LAYOUT,)]:
                with connection:
                    connection.execute("DROP TABLE IF EXISTS glances")
                    connection.execute(
                        "CREATE TABLE glances (model TEXT PRIMARY KEY, moved TEXT NOT NULL, glance TEXT NOT NULL)"
                    )
                    connection.execute("DELETE FROM layout")
                    connection.execute("INSERT INTO layout VALUES (?)", (_LAYOUT,))
        except BaseException:
            connection.close()
            raise
        return connection


def _make_private(path: Path) -> None:
    """The file for its owner alone, as the database beside it: evidence names segments."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _digest(moved: Stamp) -> str:
    return hashlib.sha256(repr(moved).encode()).hexdigest()


def to_json(one: Glance) -> str:
    """A glance as text."""
    return json.dumps(asdict(one), default=datetime.isoformat, separators=(",", ":"))


def from_json(text: str) -> Glance:
    """A glance that ``to_json`` wrote. Raises ``ValueError``, ``KeyError`` or ``TypeError`` for anything else."""
    one = json.loads(text)
    health, window = one["health"], one["window"]
    verdicts = tuple(_verdict(each) for each in health["verdicts"])
    words = {key: tuple(health[key]) for key in ("guarantee", "notes")}
    return Glance(
        **one
        | {
            "health": Health(**health | words | {"verdict": Status(health["verdict"]), "verdicts": verdicts}),
            "alerts": tuple(_alert(each) for each in one["alerts"]),
            "window": None if window is None else Window(_time(window["start"]), _time(window["end"])),
            "turns": None if one["turns"] is None else _time(one["turns"]),
        }
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _times(row: Mapping[str, Any], *names: str) -> dict[str, datetime | None]:
    return {name: None if row[name] is None else _time(row[name]) for name in names}


def _verdict(row: Mapping[str, Any]) -> Verdict:
    return Verdict(**{**row, **_times(row, "since"), "verdict": Status(row["verdict"])})


def _alert(row: Mapping[str, Any]) -> Alert:
    times = _times(row, "opened", "closed", "until", "changed", "hushed")
    return Alert(**{**row, **times, "state": AlertState(row["state"])})
