"""Plain rules: a figure against a threshold, for so many windows. Facts, outside the budget of false alarms.

A rule is a line of text: what must not be, and for how long before somebody is told::

    accuracy < 0.9 for 3 windows            a figure against a number
    accuracy surely < 0.9                   the whole 95 % interval of the figure, not its value alone
    missing_share(age) > 5 %                a figure of a column
    psi(age) outside 0 to 0.2               a figure against a range, both ends allowed
    values(age) outside 0 to 120            any single value of a column against a range
    rows < 100 for 2 windows                windows without rows count as 0
    schema changed                          a column of the reference vanished, changed its type, or a new one came
    no data for 2h                          no rows have come by the wall's clock

``parse`` reads the line, ``gaps_before`` and ``advance`` take a rule from window to window, ``standing_of`` says what
to show of it. Nothing here knows where the figures are from: ``vedette.testing`` and the engine use the same.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from vedette.config import duration_s
from vedette.records import Status
from vedette.statistics import BREAKDOWNS, Statistic, every_statistic
from vedette.statistics.structured import TASK_FIGURES
from vedette.strategy.bounds import bounds_of
from vedette.strategy.rule_records import COUNTS, RULE_ROWS_MIN, Reading, Rule, RuleState

__all__ = [
    "RULE_ROWS_MIN",
    "Reading",
    "Rule",
    "RuleState",
    "advance",
    "gaps_before",
    "parse",
    "standing_of",
    "unknown_of",
    "words_of",
]

_WINDOWS_OPEN = 3.0  # an answer outlives its window by as many windows, or by twice the usual gap
_NEW = "no window has ended since the rule was made"
_FOREVER = 50  # windows without rows, after which more of them tell nothing new

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|[-+]?(?:nan|inf(?:inity)?)"
_FIGURE = re.compile(r"\s*([A-Za-z_][\w]*(?:@\w+)?)\s*(?:\(\s*(.*)\))?\s*")
_COMPARED = re.compile(rf"(surely\s+)?(<=|>=|<|>)\s*({_NUMBER})\s*(%)?", re.IGNORECASE)
_OUTSIDE = re.compile(
    rf"(surely\s+)?outside\s+({_NUMBER})\s*(%)?\s*(?:to|\.\.)\s*({_NUMBER})\s*(%)?", re.IGNORECASE
)
_LASTING = re.compile(r"(.*?)\s+for\s+(\S+)\s+windows?\s*", re.IGNORECASE)
_NO_DATA = re.compile(r"no\s+data\s+for\s+(.+?)\s*", re.IGNORECASE)
_SCHEMA = re.compile(r"schema\s+changed\s*", re.IGNORECASE)
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")

_OF_MODEL = {"rows": "prediction", "throughput_per_s": "prediction", "error_rate": "prediction"}
_ANY_SIZE = COUNTS | {"values", "distinct", "schema"}  # true of however few rows
_FORM = "such as 'accuracy < 0.9 for 3 windows', 'values(age) outside 0 to 120', 'schema changed' or 'no data for 2h'"


def parse(name: str, said: str | Mapping[str, object]) -> Rule:
    """The rule of a line of text, or of a table whose ``when`` is one.

    Keys besides: ``severity`` (``alarm``, or ``warn`` that pages nobody), ``min_rows`` (50), ``clear_after`` (1).
    Raises ``ValueError`` with the rule's name, what was said, and what would be right; also where the threshold could
    never be crossed, or always is.

    >>> rule = parse("low", "accuracy < 0.9 for 3 windows")
    >>> rule.metric, rule.low, rule.windows
    ('accuracy', 0.9, 3)
    >>> parse("low", "accuracy < 1.7")
    Traceback (most recent call last):
    ValueError: rule low: 'accuracy < 1.7': 1.7 is outside the possible: accuracy lies in 0 to 1
    """
    table = {"when": said} if isinstance(said, str) else dict(said)
    when = table.get("when")
    try:
        if not _NAME.fullmatch(name):
            raise ValueError("the name must be 1 to 63 characters of a-z, 0-9, '_' and '-'")
        if not isinstance(when, str) or not when.strip():
            raise ValueError(f"when={when!r}: must be text, {_FORM}")
        rule = _parsed(name, when.strip())
        return replace(
            rule,
            severity=_severity(table.get("severity", "alarm")),
            min_rows=_whole(
                "min_rows", table.get("min_rows", 0 if rule.metric in _ANY_SIZE else rule.min_rows), 0
            ),
            clear_after=_whole("clear_after", table.get("clear_after", 1), 1),
        )
    except ValueError as error:
        raise ValueError(f"rule {name}: {error}") from None


def _severity(value: object) -> str:
    if value not in ("alarm", "warn"):
        raise ValueError(f"severity={value!r}: must be 'alarm' or 'warn'")
    return str(value)


def _whole(name: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= 1_000_000:
        raise ValueError(f"{name}={value!r}: must be a whole number from {least} to 1,000,000")
    return value


def _parsed(name: str, when: str) -> Rule:
    silence = _NO_DATA.fullmatch(when)
    if silence:
        return Rule(name, when, "no_data", "prediction", after_s=duration_s(silence[1], "no data for"))
    lasting = _LASTING.fullmatch(when)
    condition, windows = (lasting[1], _count(lasting[2])) if lasting else (when, 1)
    if _SCHEMA.fullmatch(condition):
        return Rule(name, when, "schema", "prediction", high=0.0, windows=windows)
    figure = _FIGURE.match(condition)
    if not figure:
        raise ValueError(f"{when!r}: must begin with a figure, {_FORM}")
    rest = condition[figure.end() :].strip()
    metric, source = _figure(figure[1], (figure[2] or "").strip())
    rule = Rule(name, when, metric, source, windows=windows)
    compared, outside = _COMPARED.fullmatch(rest), _OUTSIDE.fullmatch(rest)
    if compared:
        value = _threshold(compared[3], compared[4])
        below = compared[2].startswith("<")
        ends = {"low": value} if below else {"high": value}
        rule = replace(rule, **ends, inclusive="=" in compared[2], surely=bool(compared[1]))  # type: ignore[arg-type]
    elif outside:
        low, high = _threshold(outside[2], outside[3]), _threshold(outside[4], outside[5])
        if low > high:
            raise ValueError(
                f"{when!r}: the range begins at {low:g} and ends at {high:g}: must not end before"
            )
        rule = replace(rule, low=low, high=high, surely=bool(outside[1]))
    else:
        raise ValueError(
            f"{when!r}: after {figure[0].strip()!r} must come <, <=, >, >= and a number, or 'outside LOW to HIGH'"
        )
    if rule.surely and metric == "values":
        raise ValueError(f"{when!r}: single values have no interval to be sure of: must be without 'surely'")
    _check_possible(rule)
    return rule


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise ValueError(f"for {text} windows: must be a whole number from 1 to 10,000")
    return int(text)


def _threshold(text: str, percent: str | None) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"threshold {text}: must be a finite number")
    return value / 100.0 if percent else value


def _figure(metric: str, column: str) -> tuple[str, str]:
    """The metric and the column that it is read off."""
    if metric == "values":
        if not column:
            raise ValueError("values: is said of a column, such as values(age)")
        return metric, column
    statistics = every_statistic()
    of_task = {kind: own[metric] for kind, own in TASK_FIGURES.items() if metric in own}
    if of_task and metric not in statistics and all(isinstance(one, Statistic) for one in of_task.values()):
        kind = next(iter(of_task))
        if column:
            raise ValueError(f"{metric}({column}): {metric} is said of the model, without a column")
        return metric, f"_{kind}"
    if metric in BREAKDOWNS or (of_task and metric not in statistics):
        raise ValueError(f"figure {metric!r}: tells of several classes; a rule needs one number")
    if metric not in statistics:
        near = difflib.get_close_matches(
            metric, [*dict.fromkeys([*statistics, *_of_tasks()]), "values"], 3, 0.5
        )
        hint = f"did you mean {' or '.join(near)}?" if near else "docs/statistics.md lists the figures"
        raise ValueError(f"figure {metric!r}: there is none of that name: {hint}")
    kinds = set(statistics[metric].kinds)
    of_model = {"quality": "_quality", "error": "_error", "latency": "latency_s"}
    own = of_model[next(iter(kinds))] if len(kinds) == 1 and kinds <= set(of_model) else _OF_MODEL.get(metric)
    if own is not None:
        if column and column != own:
            raise ValueError(f"{metric}({column}): {metric} is said of the model, without a column")
        return metric, own
    if not column:
        raise ValueError(f"{metric}: is said of a column, such as {metric}(age)")
    return metric, column


def _of_tasks() -> list[str]:
    """The names of figures of boxes, rankings and sets of labels."""
    return list(dict.fromkeys(name for own in TASK_FIGURES.values() for name in own))


def _check_possible(rule: Rule) -> None:
    """Raise ``ValueError`` for a threshold that no value of the figure could cross, or that every value does."""
    least, most = bounds_of(rule.metric)
    for end in (rule.low, rule.high):
        if math.isfinite(end) and not least <= end <= most:
            raise ValueError(
                f"{rule.when!r}: {end:g} is outside the possible: {rule.metric} lies in {_range(least, most)}"
            )
    never = (rule.low == -math.inf or (rule.low <= least and not rule.inclusive)) and (
        rule.high == math.inf or (rule.high >= most and not rule.inclusive)
    )
    always = rule.inclusive and (rule.low == most or rule.high == least)
    if never or always:
        what = "never" if never else "always"
        raise ValueError(f"{rule.when!r}: is {what} so: {rule.metric} lies in {_range(least, most)}")


def _range(least: float, most: float) -> str:
    if most == math.inf:
        return f"{least:g} and above" if math.isfinite(least) else "all numbers"
    return f"{least:g} to {most:g}" if math.isfinite(least) else f"{most:g} and below"


def _breaks(rule: Rule, value: float) -> bool:
    if rule.inclusive:
        return value <= rule.low or value >= rule.high
    return value < rule.low or value > rule.high


def broken_by(rule: Rule, reading: Reading) -> bool | None:
    """Whether a reading breaks the rule; None where it says nothing: no figure, or too few rows.

    >>> rule = parse("low", "accuracy surely < 0.9")
    >>> broken_by(rule, Reading(0, 60, 0.88, 0.85, 0.91, 900)), broken_by(rule, Reading(0, 60, 0.8, 0.7, 0.89, 90))
    (False, True)
    """
    if unknown_of(rule, reading) is not None:
        return None
    assert reading.value is not None
    assert reading.low is not None
    assert reading.high is not None
    if rule.metric == "values":
        return _breaks(rule, reading.low) or _breaks(rule, reading.high)
    if not rule.surely:
        return _breaks(rule, reading.value)
    below = reading.high <= rule.low if rule.inclusive else reading.high < rule.low
    return below or (reading.low >= rule.high if rule.inclusive else reading.low > rule.high)


def unknown_of(rule: Rule, reading: Reading) -> str | None:
    """Why a reading says nothing about the rule, or None."""
    if reading.reason is not None:
        return reading.reason
    numbers = (reading.value, reading.low, reading.high)
    if any(one is None or math.isnan(one) for one in numbers):
        return f"{rule.metric} is no number"
    return f"fewer than {rule.min_rows} rows: {reading.n}" if reading.n < rule.min_rows else None


def advance(rule: Rule, state: RuleState, reading: Reading) -> tuple[RuleState, str | None]:
    """The state after one more window, and what changed: ``pending``, ``opens``, ``closes``, or None.

    A window that says nothing leaves all as it is, but for the reason: it neither counts nor interrupts. A pending
    rule that is kept again closes at once; one that fires when it was kept in ``clear_after`` windows in a row.

    >>> rule, state, changes = parse("low", "accuracy < 0.9 for 2 windows"), RuleState(), []
    >>> for at, value in enumerate([0.95, 0.85, 0.84, 0.93]):
    ...     state, change = advance(rule, state, Reading(at, at + 1, value, value, value, 500))
    ...     changes.append(change)
    >>> changes
    [None, 'pending', 'opens', 'closes']
    """
    broken = broken_by(rule, reading)
    if broken is None:
        return replace(state, reason=unknown_of(rule, reading)), None
    gap = (
        1.0 if state.last is None else max(1.0, (reading.start - state.last) / (reading.end - reading.start))
    )
    seen = replace(state, last=reading.start, gap=gap, reason=None)
    if broken:
        since = reading.start if state.broken == 0 and not state.firing else state.since
        now = replace(seen, broken=state.broken + 1, kept=0, since=since)
        now = replace(now, evidence=words_of(rule, reading, now))
        if not state.firing and now.broken >= rule.windows:
            return replace(now, firing=True, opened=reading.start), "opens"
        return now, "pending" if now.pending and state.broken == 0 else None
    kept = state.kept + 1 if state.firing else 0
    closes = state.pending or (state.firing and kept >= rule.clear_after)
    if state.firing and not closes:
        now = replace(seen, broken=0, kept=kept)
        return replace(now, evidence=words_of(rule, reading, now)), None
    since = reading.start if closes or state.since is None else state.since
    now = replace(seen, broken=0, kept=0, firing=False, since=since, opened=None)
    return replace(now, evidence=words_of(rule, reading, now)), "closes" if closes else None


def gaps_before(rule: Rule, state: RuleState, reading: Reading, window_s: float) -> Iterator[Reading]:
    """Of a rule on how much came: the windows between the last that was judged and this one, in which nothing did.

    They are known with the first rows that come after them: rows that have stopped are a matter of ``no data for``.

    >>> rule, state = parse("few", "rows < 100"), RuleState(last=0.0)
    >>> [gap.start for gap in gaps_before(rule, state, Reading(180.0, 240.0, 500, 500, 500, 500), 60.0)]
    [60.0, 120.0]
    """
    if not rule.counts_gaps or state.last is None:
        return
    between = round((reading.start - state.last) / window_s) - 1
    for back in range(min(between, max(rule.windows, rule.clear_after, _FOREVER)), 0, -1):
        start = reading.start - back * window_s
        yield Reading(start, start + window_s, 0.0, 0.0, 0.0, 0)


def standing_of(rule: Rule, state: RuleState, now: float, window_s: float) -> tuple[Status, str | None]:
    """The verdict on a rule, and why where it is UNKNOWN; ``now`` is the start of the last window that was judged.

    An answer outlives its window by three windows, or by twice the usual gap between two answers. A rule that fires
    goes on firing: no rows are no recovery.

    >>> rule, state = parse("low", "accuracy < 0.9"), RuleState(last=0.0)
    >>> [standing_of(rule, state, 60.0 * at, 60.0)[0].value for at in (3, 4)]
    ['OK', 'UNKNOWN']
    """
    if state.firing:
        return (Status.ALARM if rule.severity == "alarm" else Status.WARN), None
    if state.last is None:
        return Status.UNKNOWN, state.reason or _NEW
    if (now - state.last) / window_s > max(_WINDOWS_OPEN, 2.0 * state.gap):
        return Status.UNKNOWN, state.reason or "no rows"
    return (Status.WARN if state.pending else Status.OK), None


def words_of(rule: Rule, reading: Reading, state: RuleState) -> str:
    """What the window showed, in words and numbers."""
    what = reading.words or _shown(rule, reading)
    if state.firing and state.kept:
        return f"{what}; {rule.when}: not so for {state.kept} of {rule.clear_after} windows"
    if rule.windows > 1 and state.broken:
        first = (
            ""
            if state.since is None
            else f" since {datetime.fromtimestamp(state.since, UTC):%Y-%m-%d %H:%M} UTC"
        )
        return f"{what}; {rule.when}: for {state.broken} window{'s' if state.broken > 1 else ''}{first}"
    return f"{what}; {rule.when}"


def _shown(rule: Rule, reading: Reading) -> str:
    assert reading.value is not None
    assert reading.low is not None
    assert reading.high is not None
    name = (
        rule.metric if rule.source.startswith("_") or rule.source in _OWN else f"{rule.metric}({rule.source})"
    )
    if rule.metric == "schema":
        return f"{reading.value:.0f} columns are not those of the reference"
    if rule.metric == "values":
        return f"values of {rule.source} from {reading.low:.6g} to {reading.high:.6g} in {reading.n:,} rows"
    if rule.metric in COUNTS:
        return f"{name} {reading.value:.6g}"
    return f"{name} {reading.value:.4g} ({reading.low:.4g} to {reading.high:.4g}, {reading.n:,} rows)"


_OWN = frozenset({"prediction", "latency_s"})
