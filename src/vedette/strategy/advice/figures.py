"""Figures of windows for plain rules, one for each watch of a column, read off counts alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vedette.statistics import find_statistic
from vedette.statistics.summary import Summary
from vedette.strategy.advice.history import Column
from vedette.strategy.records import Floats, Ints
from vedette.strategy.watches import ROWS_MIN

__all__ = ["DISTANCES", "FIGURES", "distances", "figures", "n_of"]

FIGURES = {
    "location": "mean",
    "spread": "sd",
    "missing": "missing_share",
    "mix": "total_variation",
    "unseen": "unseen_share",
    "accuracy": "accuracy",
    "bias": "bias",
    "errors": "rmse",
}
"""The figure that a rule would hold against limits, by the kind of watch; a watch of another kind has none."""

DISTANCES = {"psi": ("location", "mix"), "kolmogorov_smirnov": ("location",)}
"""The kinds of watches that a distance from the reference stands for."""


def n_of(column: Column, coarse: Ints) -> Ints:
    """int64[..., K]: the rows that each watch's figure rests on, of coarse counts [..., S, 32]."""
    n = coarse.sum(axis=-1)
    first = np.searchsorted(column.of_watch, np.arange(len(column.watches)))
    return np.asarray(n[..., first], dtype=np.int64)


def figures(column: Column, counts: Ints, coarse: Ints) -> Floats:
    """float64[..., K]: the figure of each watch by ``FIGURES``, of counts [..., cells + 1] and their coarse counts
    [..., S, 32]; NaN with fewer than 50 rows.

    Means and spreads are those of the middles of cells. Of ``accuracy`` it is the share of wrong predictions, so that
    more is worse, as for the other watches of one side.
    """
    n = n_of(column, coarse)
    out = np.full(n.shape, np.nan)
    finite = counts[..., :-1].astype(np.float64)
    for k, watch in enumerate(column.watches):
        name = FIGURES.get(watch.kind)
        with np.errstate(invalid="ignore", divide="ignore"):
            if name in ("mean", "bias"):
                found = finite @ column.values / n[..., k]
            elif name == "sd":
                mean = finite @ column.values / n[..., k]
                found = np.sqrt(np.maximum(finite @ np.square(column.values) / n[..., k] - mean * mean, 0.0))
            elif name == "rmse":
                found = np.sqrt(finite @ np.square(column.values) / n[..., k])
            elif name == "total_variation":
                found = distances(column, counts, name)
            elif name is not None:
                found = coarse[..., int(np.searchsorted(column.of_watch, k)), 1] / n[..., k]
            else:
                continue
        out[..., k] = np.where(n[..., k] >= ROWS_MIN, found, np.nan)
    return out


def distances(column: Column, counts: Ints, name: str) -> Floats:
    """float64[...]: a figure that compares with the reference, by the statistic that figures are made with."""
    flat = counts.reshape(-1, counts.shape[-1])
    empty = Summary.empty(column.grid, len(flat), 0)
    summary = replace(empty, rows=flat.sum(axis=1), counts=flat[:, :-1], missing=flat[:, -1])
    found = find_statistic(name).figures(summary, column.reference)
    return np.asarray(found.value).reshape(counts.shape[:-1])
