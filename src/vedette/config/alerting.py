"""The table ``[alerts]`` of ``vedette.toml``: when nobody is told, what explains what, and who is told when nobody reacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from vedette.config.channels import RENEWED, ChannelSettings
from vedette.config.maintenance import Maintenance, maintenance_of
from vedette.config.values import duration_s, patterns_of, refuse_unknown
from vedette.errors import ConfigError

__all__ = [
    "ALERTING_KEYS",
    "EQUAL",
    "ESCALATION_KEYS",
    "INHIBITION_KEYS",
    "AlertingSettings",
    "Escalation",
    "Inhibition",
    "Match",
    "alerting_of",
]

ALERTING_KEYS = {
    "maintenance": "spans in which nobody is told, one table each",
    "inhibit": "which alert explains which, one table a rule",
    "inhibit_usual": "false: the rules that come with vedette do not hold",
    "escalate": "who is told of an alert that nobody reacts to, one table a level",
}
INHIBITION_KEYS = {
    "source": "the cause: patterns by 'model', 'watch' and 'segment'",
    "target": "what it explains: patterns by the same",
    "equal": "what must be the same of both: some of column, watch, segment",
}
ESCALATION_KEYS = {
    "after": "how long an alert fires without a reaction until this level is told",
    "channels": "the channels that are told",
    "repeat": "how long until the level is told again",
    "times": "how often it is told at most",
    "models": "patterns of the models that it is for",
    "watches": "patterns of the watches that it is for",
}
EQUAL = ("column", "watch", "segment")
_MATCHED = {"model": "patterns of models", "watch": "patterns of watches", "segment": "patterns of segments"}


@dataclass(frozen=True, slots=True)
class Match:
    """Which alerts are meant: of each of model, watch and segment one pattern at least must fit. '' is all rows together.

    >>> Match(watch=("*.missing",), segment=("",)).fits("delays", "age.missing", "")
    True
    """

    model: tuple[str, ...] = ("*",)
    watch: tuple[str, ...] = ("*",)
    segment: tuple[str, ...] = ("*",)

    def fits(self, model: str, watch: str, segment: str) -> bool:
        """True for an alert of such a model, watch and segment."""
        return all(
            any(fnmatchcase(given, pattern) for pattern in patterns)
            for given, patterns in ((model, self.model), (watch, self.watch), (segment, self.segment))
        )


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While an alert of ``source`` is open, one of ``target`` is explained by it where ``equal`` is the same of both.

    Of ``column`` (what the name of a watch begins with) and ``watch`` that is plain; of ``segment`` the source may also be of
    all rows together, which hold every segment.
    """

    source: Match = field(default_factory=Match)
    target: Match = field(default_factory=Match)
    equal: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Escalation:
    """A level: its channels are told of an alert that has fired for ``after_s`` without a reaction, and told again every
    ``repeat_s``, ``times`` times in all.
    """

    after_s: float
    channels: tuple[str, ...]
    repeat_s: float | None = None
    times: int = 1
    models: tuple[str, ...] = ("*",)
    watches: tuple[str, ...] = ("*",)

    @property
    def name(self) -> str:
        """What it is called where it is written down: by its time, so that a level put before it changes nothing.

        >>> Escalation(1800.0, ("boss",)).name
        'escalation 1800'
        """
        return f"escalation {self.after_s:g}"

    def concerns(self, model: str, watch: str) -> bool:
        """True for an alert of that model and watch."""
        return all(
            any(fnmatchcase(given, pattern) for pattern in patterns)
            for given, patterns in ((model, self.models), (watch, self.watches))
        )


@dataclass(frozen=True, slots=True)
class AlertingSettings:
    """What the table says; ``inhibit_usual`` is False where the rules that come with vedette do not hold."""

    maintenance: tuple[Maintenance, ...] = ()
    inhibit: tuple[Inhibition, ...] = ()
    inhibit_usual: bool = True
    escalate: tuple[Escalation, ...] = ()

    def levels_of(self, channel: str) -> tuple[Escalation, ...]:
        """The levels that name a channel, the earliest first; a channel that has any is told by them alone."""
        return tuple(one for one in self.escalate if channel in one.channels)


def alerting_of(table: Any, channels: Sequence[ChannelSettings], path: str) -> AlertingSettings:
    """The settings of the table ``[alerts]``; ``ConfigError`` names what is impossible."""
    where = f"{path}: [alerts]"
    if not isinstance(table, Mapping):
        raise ConfigError(f"{path}: alerts={table!r}: must be a table")
    refuse_unknown(table, ALERTING_KEYS, where)
    usual = table.get("inhibit_usual", True)
    if not isinstance(usual, bool):
        raise ConfigError(f"{where}: inhibit_usual={usual!r}: must be true or false")
    by_name = {one.name: one for one in channels}
    found: dict[str, list[Any]] = {"maintenance": [], "inhibit": [], "escalate": []}
    for key, made in found.items():
        for number, one in enumerate(_tables(table.get(key, []), f"{where}: {key}"), 1):
            try:
                if key == "maintenance":
                    made.append(maintenance_of(one))
                elif key == "inhibit":
                    made.append(_inhibition(one))
                else:
                    made.append(_escalation(one, by_name))
            except ValueError as error:
                raise ConfigError(f"{path}: [[alerts.{key}]] number {number}: {error}") from error
    levels = sorted(found["escalate"], key=lambda one: one.after_s)
    known: set[tuple[float, str]] = set()
    for one in levels:
        for channel in one.channels:
            if (one.after_s, channel) in known:
                raise ConfigError(
                    f"{where}: escalate: channel {channel!r} is in two levels after {one.after_s:g} s: must be in one of them"
                )
            known.add((one.after_s, channel))
    return AlertingSettings(tuple(found["maintenance"]), tuple(found["inhibit"]), usual, tuple(levels))


def _tables(given: Any, where: str) -> list[Mapping[str, Any]]:
    if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
        raise ConfigError(f"{where}={given!r}: must be an array of tables, such as [[alerts.inhibit]]")
    return given


def _inhibition(table: Mapping[str, Any]) -> Inhibition:
    _known(table, INHIBITION_KEYS)
    for key in ("source", "target"):
        if not isinstance(table.get(key), Mapping):
            raise ValueError(f"{key}={table.get(key)!r}: must be a table, such as {{ watch = '*.missing' }}")
    equal = table.get("equal", [])
    if not isinstance(equal, list) or not set(map(str, equal)) <= set(EQUAL):
        raise ValueError(f"equal={equal!r}: must be a list of {', '.join(EQUAL)}")
    return Inhibition(_match(table["source"]), _match(table["target"]), tuple(equal))


def _match(table: Mapping[str, Any]) -> Match:
    _known(table, _MATCHED)
    said = {key: [one] if isinstance(one, str) else one for key, one in table.items()}
    return Match(**{key: patterns_of(said, key) for key in _MATCHED})


def _escalation(table: Mapping[str, Any], channels: Mapping[str, ChannelSettings]) -> Escalation:
    _known(table, ESCALATION_KEYS)
    if "after" not in table:
        raise ValueError("after: is missing: must say how long nobody reacted, such as '30m'")
    named = table.get("channels")
    if not isinstance(named, list) or not named or not all(isinstance(one, str) for one in named):
        raise ValueError(f"channels={named!r}: must be a list of names of channels")
    for one in named:
        if one not in channels:
            raise ValueError(
                f"channels: {one!r}: there is no such channel; there are {', '.join(channels) or 'none'}"
            )
        if channels[one].type in RENEWED:
            raise ValueError(
                f"channels: {one!r}: is an {channels[one].type}, which escalates by its own routes"
            )
        if "firing" not in channels[one].states:
            raise ValueError(f"channels: {one!r}: is not told what fires: its states must have 'firing'")
    repeat = table.get("repeat")
    times = table.get("times", 1 if repeat is None else 3)
    if isinstance(times, bool) or not isinstance(times, int) or not 1 <= times <= 100:
        raise ValueError(f"times={times!r}: must be a whole number from 1 to 100")
    if times > 1 and repeat is None:
        raise ValueError(f"times={times}: needs 'repeat', the time between two")
    return Escalation(
        duration_s(table["after"], "after"),
        tuple(dict.fromkeys(named)),
        None if repeat is None else duration_s(repeat, "repeat"),
        times,
        patterns_of(table, "models"),
        patterns_of(table, "watches"),
    )


def _known(table: Mapping[str, Any], keys: Mapping[str, str]) -> None:
    unknown = sorted(set(table) - set(keys))
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r}: must be one of {', '.join(keys)}")
