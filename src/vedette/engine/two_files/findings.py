"""The ten things worth knowing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vedette.output.comparison import Column, Comparison, Figures, Finding, Side
from vedette.output.comparison_words import column_status, figure_status, is_main, metric_words
from vedette.output.numbers import estimate, number, percent, unit_of, width
from vedette.records import Status

__all__ = ["findings_of"]

FINDINGS_MAX = 10
FIGURES_MAX = 3  # of all rows; further ones share a line
NAMED = 5
KNOWN_MIN = 100  # rows of a reference without a gap that say that gaps are news
SHARE_MIN, MORE_MIN = 0.01, 0.1  # of rows without a value, where the reference has none and where it has some
_ORDER = (Status.ALARM, Status.WARN, Status.UNKNOWN, Status.OK)


def findings_of(report: Comparison, warnings: Sequence[str]) -> tuple[Finding, ...]:
    """What a person should read first, the gravest first, ten at most."""
    every = [
        *_whole(report),
        *(Finding(Status.WARN, "label", one) for one in warnings),
        *_figures(report),
        *_columns(report),
        *_together(report),
        *_odd(report),
    ]
    every.sort(key=lambda one: _ORDER.index(one.status))
    if len(every) > FINDINGS_MAX:
        rest = len(every) - FINDINGS_MAX + 1
        worst = every[FINDINGS_MAX - 1].status
        every = [
            *every[: FINDINGS_MAX - 1],
            Finding(worst, "", f"{rest:,} more, {_where(report, every[FINDINGS_MAX - 1 :])}"),
        ]
    if not every:
        every = [Finding(Status.OK, "", "nothing has changed that could be told from chance")]
    return tuple(every)


def _where(report: Comparison, rest: Sequence[Finding]) -> str:
    """Where the findings stand that are not told."""
    metrics = {one.metric for one in report.figures}
    ours = sum(one.about in metrics for one in rest)
    places = (ours, "the figures of the model"), (len(rest) - ours, "the columns")
    told = [(count, place) for count, place in places if count]
    return (
        f"in {told[0][1]}"
        if len(told) == 1
        else " and ".join(f"{count:,} in {place}" for count, place in told)
    )


def _whole(report: Comparison) -> Iterator[Finding]:
    if report.reference is None:
        yield Finding(Status.UNKNOWN, "", "no reference was given: nothing can be said to have changed")
    for rows, where in ((report.rows, "the current file"), (report.reference_rows, "the reference")):
        if rows == 0:
            yield Finding(Status.UNKNOWN, "", f"{where} has no rows")


def _figures(report: Comparison) -> Iterator[Finding]:
    for status in (Status.ALARM, Status.OK):
        told = [one for one in report.figures if _is(one, status) and not one.segment]
        first = told if len(told) <= FIGURES_MAX else told[: FIGURES_MAX - 1]
        yield from (Finding(status, one.metric, f"{_from_to(one)}, {one.current.n:,} rows") for one in first)
        rest = told[len(first) :]
        if rest:  # one thing, seen by many figures
            further = [f"; {metric_words(one.metric)} {_from_to(one)}" for one in rest[1:NAMED]]
            more = f"; and {len(rest) - NAMED:,} more figures" if len(rest) > NAMED else ""
            yield Finding(status, rest[0].metric, f"{_from_to(rest[0])}{''.join(further)}{more}")
        for one in report.figures:
            if one.segment and _is(one, status):
                yield Finding(status, one.metric, f"{_from_to(one)}, {one.current.n:,} rows of {one.segment}")
    reasons: dict[str, list[str]] = {}
    for one in filter(fell_silent, report.figures):
        if is_main(one.metric):
            reasons.setdefault(one.current.reason or "unknown", []).append(one.metric)
    for reason, metrics in reasons.items():
        names = ", ".join(metric_words(metric) for metric in metrics[1:NAMED])
        more = f" and {len(metrics) - NAMED} more" if len(metrics) > NAMED else ""
        also = f"; neither can {names}{more}" if names else ""
        yield Finding(Status.UNKNOWN, metrics[0], f"cannot be computed any more: {reason}{also}")
    for one in report.figures:
        if (
            one.metric == "roc_auc"
            and not one.segment
            and one.current.high is not None
            and one.current.high < 0.5
        ):
            said = f"{' '.join(estimate(one.current))}, worse than chance: is the probability that of the other class?"
            yield Finding(Status.WARN, one.metric, said)


def fell_silent(one: Figures) -> bool:
    """True for a figure of all rows that the reference has, and that cannot be computed any more."""
    before = one.reference
    return not one.segment and one.current.value is None and before is not None and before.value is not None


def _is(one: Figures, status: Status) -> bool:
    """True for a figure that changed, and is as grave as that."""
    return bool(one.changed) and figure_status(one) is status


def _from_to(one: Figures) -> str:
    unit, by = unit_of(one.metric), width(one.current, one.reference)
    return f"{estimate(one.reference, unit, by)[0]} to {' '.join(estimate(one.current, unit, by))}"


def _columns(report: Comparison) -> Iterator[Finding]:
    for one in report.columns:
        if one.changed and one.matters:
            yield Finding(column_status(one), one.name, one.words)
    small = [one.name for one in report.columns if one.changed and one.matters is False]
    if small:
        names = ", ".join(small[:5]) + (f" and {len(small) - 5:,} more" if len(small) > 5 else "")
        yield Finding(Status.OK, "", f"changed, but too little to matter: {names}")
    blind = [
        one
        for one in report.columns
        if one.changed is None and one.role not in ("id", "time") and one.kind != "time"
    ]
    if report.reference is None:
        return
    if blind:
        names = ", ".join(f"{one.name} ({one.reason})" for one in blind[:3])
        more = f" and {len(blind) - 3:,} more" if len(blind) > 3 else ""
        yield Finding(Status.UNKNOWN, "", f"cannot be judged: {names}{more}")
    elif all(one.changed is None for one in report.columns):
        yield Finding(Status.UNKNOWN, "", "no column can be judged: identifiers and times are not compared")


def _together(report: Comparison) -> Iterator[Finding]:
    """What a classifier over all columns saw."""
    one = report.together
    if one is not None and one.changed and one.matters:
        alone = not any(column.changed and column.matters for column in report.columns)
        said = f"{one.words}; no column alone changed by as much as matters" if alone else one.words
        yield Finding(Status.WARN, "", f"all columns together: {said}")


def _odd(report: Comparison) -> Iterator[Finding]:
    """What is odd in the current file, whatever the reference says."""
    for one in report.columns:
        side = one.current
        if side is None or not side.rows:
            continue
        if one.role == "id":
            yield from _repeated(one, side)
            continue
        yield from _unfit(one, side)
        told = one.changed and one.p_value is not None and one.matters  # with the change
        several = side.rows - side.missing - side.nan - side.inf >= 2
        if side.missing + side.nan == side.rows and not told:
            before = one.reference
            always = before is not None and 0 < before.rows == before.missing + before.nan
            yield Finding(
                Status.OK if always else Status.WARN,
                one.name,
                "all values are missing" + (", as in the reference" if always else ""),
            )
        elif one.kind == "numeric" and several and side.minimum == side.maximum and not told:
            yield Finding(Status.OK, one.name, f"holds one value only, {number(side.minimum)}")
        yield from _gaps(one, side)
        if side.inf and not (told and "infinite" in one.words):
            yield Finding(
                Status.WARN,
                one.name,
                f"{_counted(side.inf, 'value is', 'values are')} infinite ({percent(side.inf / side.rows)})",
            )


def _gaps(one: Column, side: Side) -> Iterator[Finding]:
    """Values that are missing as never before: of a few long gaps chance cannot be told, but they are there."""
    before = one.reference
    if before is None or before.rows < KNOWN_MIN or one.changed:
        return
    gone, was = ((each.missing + each.nan) / each.rows for each in (side, before))
    if gone < 1 and gone - was >= (MORE_MIN if was else SHARE_MIN):
        then = f"{percent(was)} in the reference" if was else "in the reference all have one"
        said = f"{percent(gone)} of rows have no value, {then}; not told from chance"
        yield Finding(Status.UNKNOWN, one.name, f"{said} (they come in few stretches, or are few)")


def _repeated(one: Column, side: Side) -> Iterator[Finding]:
    distinct = side.figures.get("distinct")
    if distinct is None or distinct.value is None or distinct.low != distinct.high:
        return
    repeated = side.rows - side.missing - side.nan - int(distinct.value)
    if repeated > 0:
        yield Finding(
            Status.WARN,
            one.name,
            f"{_counted(repeated, 'row repeats', 'rows repeat')} an id ({percent(repeated / side.rows)})",
        )


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _unfit(one: Column, side: Side) -> Iterator[Finding]:
    """Values that cannot be what the name of their column says."""
    low, high = side.minimum or 0.0, side.maximum or 0.0
    if one.role in ("probability", "latency") and one.kind not in ("numeric", "boolean", "empty"):
        yield Finding(Status.WARN, one.name, "holds no numbers: it is left out of the figures")
    elif one.role in ("label", "prediction") and one.kind in ("time", "other", "vector"):
        yield Finding(
            Status.WARN, one.name, "holds neither numbers nor names of classes: it is left out of the figures"
        )
    elif one.role == "probability" and (low < 0 or high > 1):
        percents = " (percents? divide them by 100)" if low >= 0 and 10 < high <= 100 else ""
        said = f"from {number(low)} to {number(high)}: what lies outside 0 to 1 is left out of the figures{percents}"
        yield Finding(Status.WARN, one.name, said)
    elif one.role == "latency" and low < 0:
        yield Finding(Status.WARN, one.name, f"down to {number(low)} s: a latency cannot be negative")
