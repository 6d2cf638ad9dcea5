"""What sets a policy off: verdicts as the last round left them, and decisions of comparisons."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from fnmatch import fnmatchcase

from vedette.config.comparing import CompareSettings
from vedette.config.policies import PolicySettings
from vedette.records import Health
from vedette.records.actions import Occasion
from vedette.records.comparing import Evaluated

__all__ = ["occasions"]


def occasions(
    policy: PolicySettings,
    health: Health,
    evaluated: Mapping[CompareSettings, Evaluated],
    opened: Mapping[tuple[str, str], datetime],
) -> list[Occasion]:
    """What a policy is set off by now. The same alarm, or the same decision of the same comparison, has the same key: one that is
    given another ``since`` is another. ``opened`` is when the open alert of a watch began."""
    if policy.on.of_comparison:
        return [
            Occasion(
                model=one.model,
                policy=policy.name,
                key=f"{one.decision}|{one.name}|{one.champion}|{one.challenger}|{settings.since or ''}",
                what=f"{one.decision} {one.name}: {one.challenger} against {one.champion}",
                evidence="; ".join(
                    [*one.why, *(f"looks like {each.kind}: {each.words}" for each in one.suspects)]
                ),
                since=one.since,
                version=one.challenger,
                champion=one.champion,
                challenger=one.challenger,
            )
            for settings, one in evaluated.items()
            if fnmatchcase(one.name, policy.on.pattern) and one.decision == policy.on.word
        ]
    found = []
    for verdict in health.verdicts:
        name = f"{verdict.watch}[{verdict.segment}]" if verdict.segment else verdict.watch
        pattern = policy.on.pattern.replace(
            "[", "[[]"
        )  # a bracket is that of a segment, and no set of characters
        if verdict.verdict.value != policy.on.word or not fnmatchcase(name, pattern):
            continue
        began = verdict.since or opened.get((verdict.watch, verdict.segment))
        since = "" if began is None else began.isoformat()
        found.append(
            Occasion(
                model=health.model,
                policy=policy.name,
                key=f"{verdict.verdict.value}|{verdict.watch}|{verdict.segment}|{since}",
                what=f"{verdict.verdict.value} {name}",
                evidence=verdict.evidence or verdict.reason or "",
                since=verdict.since,
                version=health.version,
            )
        )
    return found
