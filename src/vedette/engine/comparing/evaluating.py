"""Reading a comparison out of a lake."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from vedette.config.comparing import CompareSettings
from vedette.engine.comparing.counted import Both, seen_of
from vedette.engine.comparing.deciding import decided, time_left
from vedette.engine.comparing.estimated import estimates_of
from vedette.engine.comparing.looks import Seen, nothing
from vedette.engine.comparing.naming import DISAGREEMENT, MEAN_LATENCY, Named, named
from vedette.engine.comparing.rows import BY_ROWS, of_pairs, of_units
from vedette.engine.comparing.suspects import OF_INPUTS, leaking, suspects_of
from vedette.engine.comparing.traffic import both_of, labelled_of, predictions_of, rows_within, split_of
from vedette.engine.query import Query
from vedette.engine.view import View, view
from vedette.lake.deleting import anew
from vedette.lake.tables import Lake
from vedette.records.comparing import Difference, Evaluated, Suspect

__all__ = ["evaluate", "unmade"]


def evaluate(lake: Lake, model: str, settings: CompareSettings) -> Evaluated:
    """A comparison as it stands now, rows that are still in the journals included.

    Raises ``ValueError`` where a figure is none of this model, or nobody said whether more of it is better.
    """
    asked = [named(text, settings) for text in settings.figures]
    for figure in asked:
        if figure.metric == DISAGREEMENT and figure.text in settings.goals:
            raise ValueError(
                f"{figure.text}: cannot be a goal: name it in guard_rails, with how much of it is allowed"
            )
    return anew(lambda: _evaluated(lake, model, settings, asked))


def _evaluated(lake: Lake, model: str, settings: CompareSettings, asked: Sequence[Named]) -> Evaluated:
    seen = view(lake, model, Query(metrics=_metrics(asked)))
    told = predictions_of(seen, settings)
    both = both_of(told, settings)
    if both is None:
        lacking = [
            one for one in (settings.champion, settings.challenger) if one not in told["version"].to_list()
        ]
        lacks = "the two have no rows at the same time"
        if lacking:
            lacks = f"no rows of version {' and '.join(lacking)}"
        found = {figure.text: nothing(lacks) for figure in asked}
        return _told(model, settings, decided(settings, asked, found)[0], "unknown", (lacks,))
    found = {figure.text: _seen(lake, model, settings, figure, both, seen) for figure in asked}
    split, wrong = split_of(told, both, settings)
    differences, decision, why = decided(settings, asked, found, mismatch_found=wrong)
    suspects: tuple[Suspect, ...] = ()
    if decision == "roll back" or settings.same_inputs:
        suspects = _suspects(lake, model, settings, both, differences)
    other = [f"inputs are not the same: {one.words}" for one in suspects if one.kind in OF_INPUTS]
    other = other if settings.same_inputs else []
    until = both.last + timedelta(seconds=seen.shape.settings.window_s)
    if decision == "roll back" or settings.no_leak:
        leaks = leaking(lake, model, both, until)
        suspects = (*suspects, *leaks)
        other += [one.words for one in leaks] if settings.no_leak else []
    if other:
        decision, why = "roll back", (*(why if decision == "roll back" else ()), *other)
    run_s = (until - both.first).total_seconds()
    half, most = time_left(settings, asked, found, run_s) if decision == "hold" else (None, None)
    rows = {
        version: round(float(told.filter(rows_within(both, version))["rows"].sum()))
        for version in both.versions
    }
    return Evaluated(
        model=model,
        name=settings.name,
        champion=settings.champion,
        challenger=settings.challenger,
        mode=settings.mode,
        decision=decision,
        why=why,
        found=differences,
        since=both.first,
        until=until,
        looks=told.filter(rows_within(both, settings.challenger))["start"].n_unique(),
        rows=rows,
        labelled=labelled_of(seen, both, rows),
        split=split,
        mismatch=wrong,
        decided_in_s=half,
        late_s=most,
        suspects=suspects if decision == "roll back" else (),
    )


def _suspects(
    lake: Lake, model: str, settings: CompareSettings, both: Both, differences: tuple[Difference, ...]
) -> tuple[Suspect, ...]:
    """Why it does worse: the columns of all rows are read for that."""
    seen = view(lake, model, Query(metrics=("rows", "missing_share", "accuracy"), since=settings.since))
    return suspects_of(seen, both, differences)


def _metrics(asked: Sequence[Named]) -> tuple[str, ...]:
    """The statistics whose columns are read: those asked for, and what tells of rows, labels and latency."""
    beside = {MEAN_LATENCY: "latency_p50_s", DISAGREEMENT: "rows"}
    return tuple(
        dict.fromkeys(["rows", "accuracy", "mae", *(beside.get(one.metric, one.metric) for one in asked)])
    )


def _seen(lake: Lake, model: str, settings: CompareSettings, figure: Named, both: Both, seen: View) -> Seen:
    if figure.estimate:
        return estimates_of(lake, model, figure, both)
    if settings.mode == "shadow" and figure.metric in BY_ROWS:
        return of_pairs(seen, figure, both)
    if settings.unit is not None:
        if figure.metric not in BY_ROWS:
            return nothing(f"by unit only {', '.join(sorted(BY_ROWS - {DISAGREEMENT}))} are compared")
        return of_units(seen, figure, both, settings.unit)
    return seen_of(seen, figure, both)


def unmade(model: str, settings: CompareSettings, why: str) -> Evaluated:
    """A comparison that cannot be made, and why."""
    return _told(model, settings, (), "unknown", (why,))


def _told(
    model: str, settings: CompareSettings, found: tuple[Difference, ...], decision: str, why: tuple[str, ...]
) -> Evaluated:
    """A comparison of which there is nothing to tell but why."""
    return Evaluated(
        model=model,
        name=settings.name,
        champion=settings.champion,
        challenger=settings.challenger,
        mode=settings.mode,
        decision=decision,
        why=why,
        found=found,
        since=None,
        until=None,
        looks=0,
        rows={},
        labelled={},
        split=None,
        mismatch=False,
        decided_in_s=None,
        late_s=None,
    )
