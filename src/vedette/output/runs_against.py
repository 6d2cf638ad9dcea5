"""Parameters against results: what runs were given beside what became of them, as small pictures with rank correlations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from vedette.output.comparison_svg import Axis
from vedette.output.curves import number_or_word
from vedette.output.names import bidi, html
from vedette.output.runs_console import results_of
from vedette.statistics.rank_correlation import RankCorrelation, rank_correlation

__all__ = ["Against", "against", "cards"]

RUNS_MIN = 3
"""Fewer runs show nothing that a table does not."""

_PARAMETERS, _RESULTS = 6, 3
_WIDTH, _HEIGHT = 300, 170
_FIRST = ("val", "test", "eval")  # results that are of rows which were not trained on come first
_LEVELS_MAX = 12
_WIDE = 30.0  # from this ratio on an axis of positive numbers is logarithmic


@dataclass(frozen=True, slots=True)
class Against:
    """One parameter against one result: a point a run, ``x`` a number or a level's name, with the result's limits or None.

    ``correlation`` is of numbers; all that are shown hold together at 95 %.
    """

    parameter: str
    result: str
    points: tuple[tuple[str, float | str, float, float | None, float | None], ...]
    correlation: RankCorrelation | None


def against(frame: pl.DataFrame, metric: str | None = None) -> list[Against]:
    """The pictures of runs as ``Monitor.runs`` has them: parameters that differ, up to six, against up to three results.

    ``metric`` names the result. Empty where fewer than three runs have both.
    """
    parameters = [name for name in frame.columns if name.startswith("params.")]
    parameters = [name for name in parameters if frame[name].drop_nulls().n_unique() > 1]
    results = [name for name in results_of(frame.columns) if frame[name].dtype.is_numeric()]
    if metric is not None:
        results = [name for name in results if name.partition(".")[2] == metric]
    results.sort(key=lambda name: (not name.partition(".")[2].startswith(_FIRST), frame[name].null_count()))
    pairs = [(one, other) for other in results[:_RESULTS] for one in parameters[:_PARAMETERS]]
    level = 1 - 0.05 / max(len(pairs), 1)
    found = [_pair(frame, parameter, result, level) for parameter, result in pairs]
    return [one for one in found if one is not None]


def _pair(frame: pl.DataFrame, parameter: str, result: str, level: float) -> Against | None:
    names = {one: f"{result}{one}" for one in ("_low", "_high")}
    there = [one for one in names.values() if one in frame.columns]
    rows = frame.select("name", parameter, result, *there).drop_nulls([parameter, result])
    rows = rows.filter(pl.col(result).is_finite())
    numbers = rows[parameter].dtype.is_numeric()
    if numbers:
        rows = rows.filter(pl.col(parameter).is_finite())
    if rows.height < RUNS_MIN or (not numbers and rows[parameter].n_unique() > _LEVELS_MAX):
        return None
    points = tuple(
        (row["name"], row[parameter], row[result], *(row.get(names[one]) for one in ("_low", "_high")))
        for row in rows.iter_rows(named=True)
    )
    found = rank_correlation(rows[parameter].to_numpy(), rows[result].to_numpy(), level) if numbers else None
    return Against(parameter.partition(".")[2], result.partition(".")[2], points, found)


def cards(found: Sequence[Against]) -> str:
    """The pictures as HTML, a card for each result."""
    by_result: dict[str, list[Against]] = {}
    for one in found:
        by_result.setdefault(one.result, []).append(one)
    said = "a point a run, bars are 95 % intervals; rank correlations hold together at 95 %"
    return "".join(
        f"<div class=card><h2>{bidi(result, 80)} against parameters</h2><p class=dim>{said}</p>"
        f"<div class=grid3>{''.join(map(_picture, some))}</div></div>"
        for result, some in by_result.items()
    )


def _picture(one: Against) -> str:
    up = _axis([value for point in one.points for value in point[2:] if value is not None])
    across, places = _across(one)
    grid = "".join(
        f"<line class=grid x1=0 x2={_WIDTH} y1={_y(place)} y2={_y(place)} />"
        f'<text x=-5 y={_y(place) + 4:.1f} text-anchor="end">{html(text)}</text>'
        for place, text in up.ticks(3)
    )
    below = "".join(
        f'<text x={place * _WIDTH / 100:.1f} y={_HEIGHT + 15} text-anchor="middle">{html(text, 14)}</text>'
        for place, text in across
        if 3 < place < 97
    )
    dots = ""
    for (name, x, y, low, high), place in zip(one.points, places, strict=True):
        at = round(place * _WIDTH / 100, 1)
        if low is not None and high is not None:
            dots += f"<line class=m0 x1={at} x2={at} y1={_y(up.place(low))} y2={_y(up.place(high))} />"
        said = f"{name}: {one.parameter} {_word(x)}, {one.result} {number_or_word(y)}"
        dots += f"<circle class=p0 cx={at} cy={_y(up.place(y))} r=4><title>{html(said, 200)}</title></circle>"
    return (
        f"<figure><figcaption>{bidi(one.parameter, 40)} <span class=dim>{html(_said(one.correlation))}</span></figcaption>"
        f'<svg viewBox="-44 -12 {_WIDTH + 44} {_HEIGHT + 32}" role="img" '
        f'aria-label="{html(f"{one.result} against {one.parameter}", 80)}">{grid}{below}{dots}</svg></figure>'
    )


def _said(found: RankCorrelation | None) -> str:
    if found is None or math.isnan(found.value):
        return ""
    return f"rank correlation {found.value:.2f} ({found.low:.2f} to {found.high:.2f}), {found.n} runs"


def _across(one: Against) -> tuple[Sequence[tuple[float, str]], list[float]]:
    """Ticks, and the place of each point, in percent of the width."""
    values = [point[1] for point in one.points]
    numbers = [float(value) for value in values if not isinstance(value, str)]
    if len(numbers) == len(values):
        axis = _axis(numbers)
        return axis.ticks(4), [_inner(axis.place(value)) for value in numbers]
    levels: Mapping[str, float] = {
        name: 100 * (at + 0.5) / len({*map(str, values)})
        for at, name in enumerate(sorted({*map(str, values)}))
    }
    return [(place, name) for name, place in levels.items()], [levels[str(value)] for value in values]


def _inner(place: float) -> float:
    return min(max(place, 2.0), 98.0)  # a dot on the edge is a half


def _axis(values: Sequence[float]) -> Axis:
    low, high = min(values), max(values)
    if low > 0 and high / low >= _WIDE:
        return Axis(low, high, log=True)
    pad = (high - low) * 0.06
    return Axis(low - pad, high + pad)


def _y(place: float) -> float:
    return round(_HEIGHT * (1 - place / 100), 1)


def _word(value: float | str) -> str:
    return number_or_word(value) if isinstance(value, float) else str(value)
