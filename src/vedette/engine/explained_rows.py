"""The rows around a change, as a search over segments takes them: an outcome for each, and the columns as levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np
import polars as pl

from vedette import strategy
from vedette.engine.columns import category_texts, codes, numbers
from vedette.engine.direction_columns import along, feature_of
from vedette.engine.outputs import is_structured, loss_of, own_columns, spread
from vedette.engine.segment_names import shown
from vedette.engine.segments import labelled_rows, rows_of
from vedette.engine.summarise import (
    LABELLED,
    outcomes,
    row_weights,
    vectors,
    window_starts,
)
from vedette.engine.view import View
from vedette.lake.rows import label_text, variants
from vedette.records import RESERVED
from vedette.statistics.direction_grid import basis_of
from vedette.statistics.grid import Grid
from vedette.statistics.structured.ranking import HITS_AMONG
from vedette.statistics.summary import Summary
from vedette.strategy.segment_search import Levels

__all__ = ["Around", "around", "is_feature", "outcome_of", "outcome_words"]

LEVELS_SHOWN = 60
"""Levels of a category that are segments, the most frequent; the others are in none."""

COLUMNS_MAX = 40
FEW_VALUES = 12  # so many different numbers are levels, more are cut into bands
BANDS = 8
_IDENTIFIER = 0.5  # a text column with more values than this share of its rows names rows, not segments


@dataclass(frozen=True, slots=True, eq=False)
class Around:
    """Rows before and after a change: ``outcome`` float[N] (NaN: none), ``is_after`` bool[N], the columns as levels.

    ``counts`` are rows by level of each category before and after, of all of its levels. ``left_out`` names the columns
    that are in no segment, and why. ``sampled``: a sampler left rows out, and those kept do not stand for as many each.
    """

    outcome: np.ndarray
    is_after: np.ndarray
    columns: Mapping[str, Levels]
    counts: tuple[Mapping[str, Mapping[str, int]], Mapping[str, Mapping[str, int]]]
    left_out: tuple[str, ...]
    sampled: bool = False


def around(
    seen: View,
    watch: strategy.Watch,
    level: str,
    reference: Mapping[str, Summary],
    spans: tuple[tuple[datetime, datetime], tuple[datetime, datetime]],
    first: Sequence[str] = (),
) -> Around:
    """The rows of the two spans of event time (half-open), with the outcome that the watch watches.

    ``level`` is which level of a mix it is about. Where there are more than ``COLUMNS_MAX`` columns, those named in
    ``first`` are kept.
    """
    outputs = own_columns(seen.shape.settings)
    grids = {
        name: grid
        for name, grid in seen.shape.grids.items()
        if name not in outputs and is_feature(name, grid)
    }
    within = pl.lit(False)
    for since, until in spans:
        within |= (pl.col("time") >= since) & (pl.col("time") < until)
    of_segment = watch.segment.partition("=")[0]
    wanted = [*grids, *([of_segment] if of_segment else []), *_needed(watch)]
    wanted += ["prediction"] if is_structured(seen.shape.settings) else []
    rows = rows_of(seen, "predictions", wanted, within)
    if of_segment:
        names = category_texts(rows, of_segment).map_elements(shown, return_dtype=pl.String, skip_nulls=False)
        rows = rows.filter((of_segment + "=" + names).fill_null(f"{of_segment}=null") == watch.segment)
    if watch.column not in LABELLED:  # labels are compared with predictions as they are
        rows = spread(rows, seen.shape.settings)
    if watch.column in LABELLED:
        every = pl.lit(True)
        rows = labelled_rows(seen, rows, within, every, tuple(grids)) if rows.height else rows
    if watch.kind == "late" and rows.height:
        rows = _with_lateness(seen, rows, reference[watch.source].grid.length)
    outcome = outcome_of(rows, watch, level, reference[watch.source]) if rows.height else np.zeros(0)
    is_after = (rows["time"] >= spans[1][0]).to_numpy() if rows.height else np.zeros(0, dtype=bool)
    columns: dict[str, Levels] = {}
    left_out: list[str] = []
    counts: tuple[dict[str, dict[str, int]], dict[str, dict[str, int]]] = ({}, {})
    order = [*[name for name in first if name in grids], *[name for name in grids if name not in first]]
    kept = {name for name in order if name not in (watch.column, of_segment)}
    kept = set([name for name in order if name in kept][:COLUMNS_MAX])
    for name in grids:
        if not rows.height or not variants(rows.columns, name):
            continue
        if grids[name].kind == "category":
            texts = category_texts(rows, name)
            for side, mask in zip(counts, (~is_after, is_after), strict=True):
                told = texts.filter(pl.Series(mask)).drop_nulls().rename("level").value_counts(name="n")
                side[name] = dict(told.rows())
        if name in (watch.column, of_segment):
            continue
        if name not in kept:
            left_out.append(f"{name} (beyond the {COLUMNS_MAX} columns that changed most)")
            continue
        found = _levels(rows, name, grids[name], reference.get(name))
        if found is None:
            left_out.append(f"{name} (a value for each row)")
        else:
            columns[name] = found
    versions = rows["version"].unique().sort().to_list() if rows.height else []
    if 1 < len(versions) <= LEVELS_SHOWN:
        columns["version"] = Levels(codes(rows["version"], versions)[0].astype(np.int64), versions)
    sampled = row_weights(rows) is not None if rows.height else False
    return Around(outcome, is_after, columns, counts, tuple(left_out), sampled)


def is_feature(name: str, grid: Grid) -> bool:
    """True for a column that is one of the model's inputs, and whose rows can be told apart by levels."""
    reserved = name in RESERVED or name in LABELLED or name.startswith("probability")
    return not reserved and grid.kind in ("numeric", "category")


def _with_lateness(seen: View, rows: pl.DataFrame, delay_windows: int) -> pl.DataFrame:
    """The rows, and in ``_late`` whether no label of theirs was known so many windows after their own."""
    ids = rows.lazy().select("id").drop_nulls().unique()
    labels = rows_of(seen, "labels", ["label"], pl.lit(True), ids)
    rows = rows.with_columns(pl.lit(True).alias("_late"))
    if labels.is_empty():
        return rows
    came = labels.group_by("id").agg(pl.col("time").min().alias("_came"))
    rows = rows.join(came, on="id", how="left", maintain_order="left")
    window_us = seen.shape.window_us
    there = rows["_came"].is_not_null().to_numpy()
    late = np.ones(rows.height, dtype=bool)
    own, known = (window_starts(rows[name].filter(there), window_us) for name in ("time", "_came"))
    late[there] = (known - own) // window_us > delay_windows
    return rows.with_columns(pl.Series("_late", late))


def _needed(watch: strategy.Watch) -> tuple[str, ...]:
    if watch.kind == "late":
        return ()
    if watch.kind in ("direction", "shape"):
        return (feature_of(watch.column),)
    return ("label", "prediction") if watch.column in LABELLED else (watch.column,)


def outcome_of(rows: pl.DataFrame, watch: strategy.Watch, level: str, reference: Summary) -> np.ndarray:
    """What a watch watches, for each row: 0 or 1 where it is a share, else a value; NaN where a row has none."""
    grid, kind = reference.grid, watch.kind
    if kind == "late":
        return _numbers(rows["_late"])
    if kind in ("direction", "shape"):
        directed, there = along(rows, watch.column, grid)
        there = there & np.isfinite(directed).all(axis=1)
        _, basis = basis_of(grid)
        place = np.full(rows.height, np.nan)
        place[there] = basis.features(directed[there])[:, max(grid.levels.index(level) if level else 0, 0)]
        return np.abs(place) if kind == "shape" else place
    if kind == "accuracy":
        label, prediction = label_text(rows, "label"), label_text(rows, "prediction")
        return _numbers(label != prediction)
    if kind in ("quality", "hits"):
        return loss_of(rows, grid)
    if kind in ("bias", "errors"):
        label_value, predicted = outcomes(rows)
        error = predicted - label_value
        return np.asarray(np.abs(error) if kind == "errors" else error)
    if kind in ("mix", "unseen") or (kind == "missing" and grid.kind == "category"):
        texts = category_texts(rows, watch.column)
        if kind == "missing":
            return _numbers(texts.is_null())
        known = {"mix": list(watch.rows[:-1]), "unseen": [*grid.levels, *grid.known]}[kind]
        hit = texts == level if kind == "mix" and level else ~texts.is_in(known)
        return _numbers(hit)
    if grid.kind == "vector":
        found = vectors(rows, watch.column, grid.length)
    else:
        found = numbers(rows, watch.column)
    values, there = found[0], found[1] & np.isfinite(found[0])
    if kind == "missing":
        return np.asarray(~there, dtype=np.float64)
    centre = grid.centre + float(reference.total.sum()) / max(float(reference.used.sum()), 1.0)
    return np.where(there, np.abs(values - centre) if kind == "spread" else values, np.nan)


def _numbers(truths: pl.Series) -> np.ndarray:
    """0 and 1, NaN for null."""
    return np.asarray(truths.cast(pl.Float64).fill_null(np.nan).to_numpy())


def outcome_words(watch: strategy.Watch, level: str) -> str:
    """The mean of that outcome, in words."""
    column = watch.column
    return {
        "accuracy": "the share of wrong predictions",
        "quality": "what rows lack of F1, on average",
        "hits": f"the share of queries without a hit among the first {HITS_AMONG}",
        "bias": "the mean error (prediction less label)",
        "errors": "the mean absolute error",
        "direction": f"the mean place of {feature_of(column)} along {level}, in standard deviations,",
        "shape": f"the mean distance of {feature_of(column)} along {level}, in standard deviations,",
        "late": f"the share of predictions without a label after {watch.rows[0]}",
        "missing": f"the share of missing values of {column}",
        "unseen": f"the share of new levels of {column}",
        "mix": f"the share of {column}={level}" if level else f"the share of rare levels of {column}",
        "spread": f"the mean distance of {column} from its reference mean",
    }.get(watch.kind, f"the mean of {column}")


def _levels(rows: pl.DataFrame, name: str, grid: Grid, reference: Summary | None) -> Levels | None:
    """A column as levels, None where it names rows: a category's own, few numbers as they are, else bands."""
    if grid.kind == "category":
        texts = category_texts(rows, name)
        counts = texts.rename("level").value_counts(sort=True, name="n")
        if counts.height > max(LEVELS_SHOWN, _IDENTIFIER * rows.height):
            return None
        usual = counts.sort(["n", "level"], descending=[True, False])["level"].head(LEVELS_SHOWN).to_list()
        known = [one for one in usual if one is not None]
        code = codes(texts, known)[0].astype(np.int64)
        if texts.null_count():
            code[texts.is_null().to_numpy()] = len(known)
            return Levels(code, [*map(shown, known), "null"])
        return Levels(code, [shown(one) for one in known])
    values, present = numbers(rows, name)
    there = present & np.isfinite(values)
    few = np.unique(values[there])
    if len(few) <= FEW_VALUES:
        code, names = np.searchsorted(few, values), [f"{one:.6g}" for one in few]
        code = np.minimum(code, max(len(few) - 1, 0)).astype(np.int64)
    else:
        edges = _edges(reference, values[there])
        code = np.searchsorted(edges, values, side="right").astype(np.int64)
        names = _bands([_short(one) for one in edges])
    if not there.all():
        code[~there] = len(names)
        names = [*names, "null"]
    return Levels(code, names) if names else None


def _bands(edges: Sequence[str]) -> list[str]:
    """The names of bands between edges; two that are written alike have a single value between them.

    >>> _bands(["0", "0", "5"]), _bands(["2"])
    (['under 0', '0', 'over 0 to 5', '5 and more'], ['under 2', '2 and more'])
    """
    names = [f"under {edges[0]}"]
    for at, (low, high) in enumerate(pairwise(edges)):
        over = "over " if at and edges[at - 1] == low else ""
        names.append(low if low == high else f"{over}{low} to {high}")
    alone = len(edges) > 1 and edges[-1] == edges[-2]
    return [*names, f"over {edges[-1]}" if alone else f"{edges[-1]} and more"]


def _short(edge: float) -> str:
    """An edge of a band: four digits, whole from a thousand on, powers of ten only where there is no other way."""
    if abs(edge) < 1e-300:  # the next number after zero, where zero has a cell of its own
        return "0"
    return f"{edge:.0f}" if 1000 <= abs(edge) < 1e7 else f"{edge:.4g}"


def _edges(reference: Summary | None, values: np.ndarray) -> np.ndarray:
    """Inner edges of bands of about equal size: those of the reference's grid, frozen, else the eighths of the rows."""
    shares = np.arange(1, BANDS) / BANDS
    if reference is not None and int(reference.used.sum()):
        below = np.cumsum(reference.counts.sum(axis=0))[:-1] / reference.used.sum()
        at = np.abs(below[None] - shares[:, None]).argmin(axis=1)
        return np.unique(reference.grid.edges[at])
    return np.unique(np.quantile(values, shares))
