"""The verdicts of a model as the last round left them; what is older than it should be is UNKNOWN, never OK."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl

from vedette import config
from vedette.engine import outbox, report_events
from vedette.engine.rules import PREFIX, Standing, silence_rules
from vedette.engine.stability.facts import FACTS_S, facts_of, has_facts, opened
from vedette.engine.state import GRACE, LIVE, NEVER, OPEN, Kept, kept_row, receipts, was_live
from vedette.engine.versions import newest_version
from vedette.errors import ConfigError
from vedette.lake.events import settings_of
from vedette.lake.ledger import ledger
from vedette.lake.tables import Lake, ModelTables
from vedette.records import KIN, Health, Status, Verdict

__all__ = ["LOST", "NOT_KEPT", "NO_DATA", "health", "health_with_kin", "kin_of", "silences_of", "turns"]

NO_DATA = "no_data"
"""What watches that rows come at all: it fires where they came by the wall's clock and have stopped."""


NOT_KEPT = "rows.kept"
"""What tells of rows that were seen and could not be kept."""

_LOST_SHARE = 0.01  # of the rows of the last windows: from there on it is said beside the verdicts
_LOST_WINDOWS = 10
LOST = ("rejected", "void", "dropped", "torn")
"""What the ledger calls rows that were seen and could not be kept."""


def health(lake: Lake, model: str, now: datetime | None = None) -> Health:
    """The verdicts as the last round left them. What is older than it should be is UNKNOWN, never OK."""
    tables = lake.model(model)
    kept = kept_row(tables, series=False)
    untold = outbox.verdicts(tables, now) + report_events.verdicts(tables) + _wrongly_written()
    untold += _compared(tables)
    untold += _facts(tables, now)
    if kept is None:
        known = tables["summaries"].scan().select(pl.len()).collect().item()
        reason = (
            "no reference: give one with monitor.reference(frame)" if known else _nothing_kept(lake, model)
        )
        nothing = Verdict("model", "", Status.UNKNOWN, None, "", "rule", reason)
        return Health(model, newest_version(tables) or "", _gravest([nothing, *untold]), (nothing, *untold))
    verdicts = untold
    silent = silences_of(tables, kept, now)[NO_DATA]
    for row in json.loads(kept.verdicts):
        since = None if row["since"] is None else datetime.fromisoformat(row["since"])
        status, reason = Status(row["verdict"]), row["reason"]
        if kept.known == NEVER and status is Status.UNKNOWN and reason in ("no rows", "no labels", OPEN):
            reason = (
                "no window has ended yet"
                if kept.due is None
                else f"no window has ended yet; the next is judged {kept.due:%Y-%m-%d %H:%M} UTC"
            )
        elif silent and status is Status.OK:
            status, reason = Status.UNKNOWN, silent
        verdicts.append(
            Verdict(row["watch"], row["segment"], status, since, row["evidence"], row["guarantee"], reason)
        )
    verdicts += _silence_verdicts(tables, kept, now)
    verdicts += _losses(tables, kept, model)
    if not kept.reference:
        words = "no reference: rules alone are watched; give one with monitor.reference(frame)"
        verdicts.append(Verdict("model", "", Status.WARN, None, words, "rule"))
    said = tuple(kept.guarantee.splitlines())
    return Health(model, kept.version, _gravest(verdicts), tuple(verdicts), said)


def _facts(tables: ModelTables, now: datetime | None) -> list[Verdict]:
    """Objectives and crash loops, as they stand by the wall's clock."""
    found = () if now is None else facts_of(tables, now)
    told = opened(tables) if any(one.status is Status.ALARM for one in found) else {}
    return [one.verdict(told.get(one.watch) if one.status is Status.ALARM else None) for one in found]


def kin_of(lake: Lake, model: str) -> list[str]:
    """The models that are recorded beside a model, and are there."""
    return [name for kind in KIN if lake.has(name := f"{model}.{kind}")]


def health_with_kin(lake: Lake, model: str, now: datetime | None = None) -> Health:
    """The verdicts of a model, and those of what is recorded beside it, as ``probe: rule:changed``."""
    found = health(lake, model, now)
    beside = [
        replace(one, watch=f"{name.rpartition('.')[2]}: {one.watch}")
        for name in kin_of(lake, model)
        for one in health(lake, name, now).verdicts
        if one.watch not in ("model", "vedette.toml", NO_DATA)
    ]
    verdicts = (*found.verdicts, *beside)
    return replace(found, verdict=_gravest(verdicts), verdicts=verdicts) if beside else found


def _gravest(verdicts: Iterable[Verdict]) -> Status:
    order = (Status.ALARM, Status.UNKNOWN, Status.WARN, Status.OK)
    return next(
        (status for status in order if any(one.verdict is status for one in verdicts)), Status.UNKNOWN
    )


def _compared(tables: ModelTables) -> list[Verdict]:
    """What comparisons of versions decided, where the file has any."""
    try:
        asked = config.read().compare_of(tables.path.name)
    except ConfigError:  # which has a verdict of its own
        return []
    if not asked:
        return []
    from vedette.engine.comparing.standing import verdicts  # a check without comparisons needs none of it

    return verdicts(tables, asked)


def _wrongly_written() -> list[Verdict]:
    """What is wrong with ``vedette.toml`` now: rules and channels stay what they were until it is mended."""
    try:
        config.read()
    except ConfigError as error:
        return [Verdict("vedette.toml", "", Status.UNKNOWN, None, "", "rule", str(error))]
    return []


def _nothing_kept(lake: Lake, model: str) -> str:
    """Why there is nothing to judge: nothing came, or none of what came could be kept."""
    parts = [one for one in ledger(lake, model).producers if one.stream == "predictions"]
    reasons = Counter[str]()
    for part in parts:
        for counts in part.reasons.values():
            reasons.update(counts)
    seen, left_out = sum(part.seen for part in parts), sum(part.sampled_out for part in parts)
    if seen and left_out == seen:
        return f"all of {seen:,} rows were left out by the sampler"
    if not seen or not reasons:
        return "nothing was recorded yet"
    reason, n = reasons.most_common(1)[0]
    return f"none of {seen:,} rows was kept ({n:,}: {reason}): see vedette ledger {model}"


def _losses(tables: ModelTables, kept: Kept, model: str) -> list[Verdict]:
    """A warning where of the last windows' rows a hundredth and more were not kept, with the reason of most."""
    since = kept.known - _LOST_WINDOWS * timedelta(seconds=settings_of(tables).window_s)
    rows = (
        tables["ledger"]
        .scan()
        .filter(pl.col("stream").str.ends_with("predictions") & (pl.col("window") >= since))
        .group_by("part", "reason")
        .agg(pl.col("n").sum(), pl.col("window").min())
        .collect()
    )
    lost, seen = rows.filter(pl.col("part").is_in(LOST)).sort("n", "part", "reason"), int(rows["n"].sum())
    n = int(lost["n"].sum())
    if not n or n < _LOST_SHARE * seen:
        return []
    most = lost.row(-1, named=True)
    why = f"{most['n']:,}: {most['reason'] or most['part']}"
    words = f"{n:,} of {seen:,} rows of the last windows were not kept ({why}): see vedette ledger {model}"
    first: datetime = min(lost["window"].to_list())
    return [Verdict(NOT_KEPT, "", Status.WARN, first, words, "rule")]


def silences_of(tables: ModelTables, kept: Kept, now: datetime | None) -> dict[str, str | None]:
    """By watch why rows that came by the wall's clock are missed, None where they are not: ``no_data`` and rules.

    ``no_data`` waits for three windows of the model, a rule for as long as it says.
    """
    silence_s, newest = _silence(tables, now)
    return {
        watch: f"no rows since {newest:%Y-%m-%d %H:%M} UTC" if silence_s > limit else None
        for watch, limit in _patience(tables, kept, ("alarm",)).items()
    }


def turns(tables: ModelTables, kept: Kept, now: datetime) -> datetime | None:
    """When time alone makes another verdict, rows that do not come or budgets that burn; None where it makes none."""
    silence_s, _ = _silence(tables, now)
    left = [limit - silence_s for limit in _patience(tables, kept, ("alarm", "warn")).values()]
    still = [one for one in left if 0 <= one < math.inf]  # NaN is neither
    if has_facts(tables):
        still.append(FACTS_S)
    return now + timedelta(seconds=min(still) + 1) if still else None


def _patience(tables: ModelTables, kept: Kept, severities: Collection[str]) -> dict[str, float]:
    """By watch for how many seconds no rows may come before it is said."""
    window_s = settings_of(tables).window_s
    return {NO_DATA: 3 * window_s + GRACE.total_seconds() if kept.known != NEVER else math.inf} | {
        f"{PREFIX}{name}": rule.after_s
        for name, rule in silence_rules(Standing.rules_of(kept)).items()
        if rule.severity in severities
    }


def _silence(tables: ModelTables, now: datetime | None) -> tuple[float, datetime]:
    """For how long no rows have come, and the last receipt; NaN where their clock is not the wall's, as in a replay."""
    if now is None:
        return math.nan, NEVER
    newest, ingested = receipts(tables, now, None)
    if newest - ingested >= LIVE:
        return math.nan, newest
    if ingested - newest < LIVE:
        return (now - ingested).total_seconds(), newest
    # a replay, or rows that waited in the journal until a round came at last
    return (now - newest).total_seconds() if was_live(tables) else math.nan, newest


def _silence_verdicts(tables: ModelTables, kept: Kept, now: datetime | None) -> list[Verdict]:
    """The verdicts of the rules on rows that do not come, as they stand now."""
    rules = silence_rules(Standing.rules_of(kept))
    if not rules:
        return []
    silence_s, newest = _silence(tables, now)
    words = f"the last rows came {newest:%Y-%m-%d %H:%M} UTC"
    out = []
    for name, rule in rules.items():
        watch, evidence = f"{PREFIX}{name}", f"{words}; {rule.when}"
        if math.isnan(silence_s):
            reason = "the rows' clock is not the wall's: how long none came cannot be told"
            out.append(Verdict(watch, "", Status.UNKNOWN, None, "", "rule", reason))
        elif silence_s > rule.after_s:
            status = Status.ALARM if rule.severity == "alarm" else Status.WARN
            out.append(Verdict(watch, "", status, newest, evidence, "rule", None))
        else:
            out.append(Verdict(watch, "", Status.OK, None, evidence, "rule", None))
    return out
