"""Which open alert explains which: a cause is told, what it explains is recorded and shown under it.

The rules are few. They are those below, unless ``inhibit_usual = false``, and the tables ``[[alerts.inhibit]]`` of
``vedette.toml``. An alert has one cause at most, and no two explain each other: what is explained hangs on a root that is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from vedette.config import AlertingSettings, Inhibition, Match
from vedette.engine.health import NO_DATA
from vedette.records import Alert, AlertState

__all__ = ["USUAL", "causes", "chain", "column_of", "root_of"]

_QUALITY = ("accuracy", "f1", "hit_rate", "error.*", "accuracy.expected", "error.expected", "f1.expected")
_SCORE = ("prediction.*", "probability.*", "probability_*", *_QUALITY)
_DRIFT = ("*.location", "*.spread", "*.mix", "*.unseen", "*.direction", "*.shape", "*.expected")

USUAL = (
    # rows that do not come are why nothing else can be right
    Inhibition(Match(watch=(NO_DATA,)), Match()),
    # what is so of all rows is so of each segment
    Inhibition(Match(segment=("",)), Match(segment=("?*",)), ("watch",)),
    # values that are missing are gone from the mean and the mix of their column, and from what the model says
    Inhibition(Match(watch=("*.missing",)), Match(watch=_DRIFT), ("column", "segment")),
    Inhibition(Match(watch=("*.missing",)), Match(watch=_SCORE), ("segment",)),
    # the rows that have their labels in time are others than those that have not
    Inhibition(Match(watch=("labels.late",)), Match(watch=_QUALITY), ("segment",)),
    # spread is measured about the middle of the reference: a mean that moved away widens it, with the same deviation
    Inhibition(Match(watch=("*.location",)), Match(watch=("*.spread",)), ("column", "segment")),
    Inhibition(
        Match(watch=("latency.location",)), Match(watch=("latency.slow", "latency*.expected")), ("segment",)
    ),
    # a machine without room answers late
    Inhibition(
        Match(watch=tuple(f"rule:*{name}*" for name in ("cpu", "memory", "rss", "gpu", "disk"))),
        Match(watch=("latency", "latency.*", "latency_p*", "latency*.expected")),
    ),
)
"""The rules that come with vedette, the likeliest cause first."""

_TOLD = (AlertState.FIRING, AlertState.ACKNOWLEDGED, AlertState.SILENCED)


def causes(model: str, alerts: Iterable[Alert], settings: AlertingSettings) -> dict[str, str]:
    """The cause of each open alert that has one, by id: a forest, the same for the same alerts.

    An alert that is pending explains nothing, and nothing explains it: nobody would be told of it.
    """
    there = sorted((one for one in alerts if one.state in _TOLD), key=lambda one: (one.opened, one.id))
    found: dict[str, str] = {}
    for rule in (*settings.inhibit, *(USUAL if settings.inhibit_usual else ())):
        sources = _by_key(rule, model, there)
        if not sources:
            continue
        for one in there:
            if one.id in found or not rule.target.fits(model, one.watch, one.segment):
                continue
            key = _key(rule, one)
            for cause in sources.get(key, ()) if key is not None else ():
                if _may_explain(rule, cause, one) and root_of(found, cause.id) != one.id:
                    found[one.id] = cause.id
                    break
    return found


def chain(found: Mapping[str, str], name: str) -> Iterator[str]:
    """The causes of an alert, the nearest first, by id.

    >>> list(chain({"c": "b", "b": "a"}, "c")), list(chain({}, "c"))
    (['b', 'a'], [])
    """
    while name in found:
        name = found[name]
        yield name


def root_of(found: Mapping[str, str], name: str) -> str:
    """The alert that all of it comes from: itself where it has no cause.

    >>> root_of({"c": "b", "b": "a"}, "c"), root_of({}, "c")
    ('a', 'c')
    """
    return next(reversed([name, *chain(found, name)]))


def column_of(watch: str) -> str:
    """What the name of a watch begins with, empty where it has one part alone.

    >>> column_of("age.location"), column_of("a.b.missing"), column_of("accuracy")
    ('age', 'a.b', '')
    """
    return watch.rpartition(".")[0]


def _by_key(rule: Inhibition, model: str, there: Sequence[Alert]) -> dict[tuple[str, ...], list[Alert]]:
    """The alerts that may be causes, by what must be the same: of thousands each is compared with few."""
    found: dict[tuple[str, ...], list[Alert]] = {}
    for one in there:
        key = _key(rule, one)
        if key is not None and rule.source.fits(model, one.watch, one.segment):
            found.setdefault(key, []).append(one)
    return found


def _key(rule: Inhibition, one: Alert) -> tuple[str, ...] | None:
    """Column and watch, where they must be the same; None for a watch of no column that must have one."""
    column = column_of(one.watch)
    if "column" in rule.equal and not column:
        return None
    return (column if "column" in rule.equal else "", one.watch if "watch" in rule.equal else "")


def _may_explain(rule: Inhibition, cause: Alert, one: Alert) -> bool:
    return cause.id != one.id and ("segment" not in rule.equal or cause.segment in ("", one.segment))
