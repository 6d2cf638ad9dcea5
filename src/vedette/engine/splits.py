"""The sets of rows that a model is trained, validated and tested on: what they share that they should not, and how they differ.

A row of a test set that the training has seen, a column that tells the target by itself, a patient on both sides of the
split: figures on the test set are too good then, and nothing in the training shows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from vedette.engine.two_files.run import report
from vedette.errors import SchemaError
from vedette.lake.frames import frame_of
from vedette.records import Status, in_order
from vedette.statistics.intervals import share as share_limits
from vedette.statistics.rank_correlation import rank_correlation
from vedette.statistics.roc_auc import area_by_class

__all__ = ["SplitFinding", "Splits", "areas", "splits"]

LEVEL = 0.95
SHARED_MATTERS = 0.01
"""From this share of rows on, with its interval, a set is said to hold rows of another."""

_BY_CHANCE = (
    0.5  # of the rows shared: more than this expected of columns with so few values, and it is not leakage
)
_CHANCE_ROWS = 2000  # that the expectation is taken over
_AREA_MATTERS = 0.99  # of the lower limit: a column that tells the target alone
_CLASS_ROWS_MIN = 20
_CLASSES_MAX = 50  # distinct whole numbers or texts of a target that are classes
_RARE_ROWS = 10  # of a class in a set, below which no figure of it is worth telling
_SHOWN = 5
_NOT_COMPARED = ("id", "time")


@dataclass(frozen=True, slots=True)
class SplitFinding:
    """One thing found in or between sets: ``kind`` is ``shared_rows``, ``shared_groups``, ``time_order``, ``duplicates``,
    ``conflicts``, ``target_leak``, ``class_balance``, ``rare_class`` or ``drift``.

    ``sets`` are the sets it is about. ``value`` with ``low`` and ``high`` (95 %) is a share of ``n`` rows, or an area under the
    ROC curve; None where the finding is a fact without a number.
    """

    kind: str
    sets: tuple[str, ...]
    verdict: Status
    words: str
    advice: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0


@dataclass(frozen=True, slots=True)
class Splits:
    """What was found of sets of rows: ``rows`` by set, ``classes`` by set and class (empty where the target is a number),
    and ``findings``, the gravest first.
    """

    rows: Mapping[str, int]
    target: str | None
    classes: Mapping[str, Mapping[str, int]]
    findings: tuple[SplitFinding, ...]

    @property
    def verdict(self) -> Status:
        """The gravest of the findings; OK without any."""
        found = {one.verdict for one in self.findings}
        return next((one for one in _GRAVEST if one in found), Status.OK)

    def document(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return {
            "verdict": self.verdict.value,
            "rows": dict(self.rows),
            "target": self.target,
            "classes": {name: dict(one) for name, one in self.classes.items()},
            "findings": [asdict(one) for one in self.findings],
        }


_GRAVEST = (Status.ALARM, Status.WARN, Status.UNKNOWN)


def splits(
    train: Any,
    *,
    validation: Any = None,
    test: Any = None,
    target: str | None = None,
    groups: str | None = None,
    time: str | None = None,
    ignore: Sequence[str] = (),
) -> Splits:
    """What sets of rows share that they should not, and how they differ.

    Parameters
    ----------
    train, validation, test:
        Each a pandas, Polars or Arrow table, a mapping from names to arrays, or the path of a Parquet, CSV, Arrow or Delta
        table; ``train`` and one of the others.
    target:
        The column that the model learns. Numbers with more than 50 values are taken as a regression's.
    groups:
        A column whose values must lie in one set alone, such as a patient or a customer.
    time:
        A column of times where the sets follow one another: the first rows of a later set must not lie before the last of an
        earlier one.
    ignore:
        Columns that are not the model's, left out of the comparison of rows; ``id`` and ``time`` always are.

    Returns
    -------
    Splits
        Rows shared between sets (the share of the later set's rows whose inputs are those of a row of the earlier one, against
        what columns with so few values share by chance), groups on both sides, times out of order, rows that are repeated
        within a set, equal inputs with different targets, columns that tell the target by themselves (area under the ROC
        curve, or an error of nothing), classes whose shares differ or that are rare, and columns that drifted between sets
        (``report``'s own verdicts).

    Raises
    ------
    SchemaError
        Where a set lacks a column that another one has, or that was named.
    ValueError
        Where there is no second set.

    Examples
    --------
    >>> import numpy as np
    >>> random = np.random.default_rng(0)
    >>> x = random.normal(size=(500, 2))
    >>> rows = {"a": x[:, 0], "b": x[:, 1], "y": (x[:, 0] > 0).astype(int)}
    >>> test = {name: values[400:] for name, values in rows.items()}      # the last hundred are in the training set too
    >>> found = splits(rows, test=test, target="y")
    >>> [(one.kind, one.verdict.value) for one in found.findings]
    [('shared_rows', 'ALARM'), ('target_leak', 'ALARM')]
    >>> print(found.findings[0].words)
    100 of 100 rows of test have the inputs of a row of train
    """
    given = {"train": train, "validation": validation, "test": test}
    frames = {name: frame_of(one) for name, one in given.items() if one is not None}
    if "train" not in frames or len(frames) < 2:
        raise ValueError("splits: needs train, and validation or test beside it")
    _check(frames, [one for one in (target, groups, time, *ignore) if one is not None])
    inputs = [
        name
        for name in frames["train"].columns
        if name not in {target, groups, time, *ignore, *_NOT_COMPARED}
    ]
    keys = _keys(frames, inputs) if inputs else {}
    classes = _classes(frames, target)
    found: list[SplitFinding] = []
    for first, second in combinations(frames, 2):
        if keys:
            found += _shared(first, second, frames, keys, inputs)
        if groups is not None:
            found += _shared_groups(first, second, frames, groups)
        if time is not None:
            found += _order(first, second, frames, time)
    for name, frame in frames.items():
        if keys:
            found += _repeated(name, keys[name])
            if target is not None:
                found += _conflicts(name, keys[name], frame[target])
    if target is not None:
        found += _leaks(frames["train"], inputs, target, classes.get("train", {}))
        found += _rare(classes)
    for name, frame in frames.items():
        if name != "train":
            found += _drift(name, frame, frames["train"], [*inputs, *([target] if target else [])], target)
    order = [*_GRAVEST, Status.OK]
    return Splits(
        {name: frame.height for name, frame in frames.items()},
        target,
        classes,
        tuple(sorted(found, key=lambda one: order.index(one.verdict))),
    )


def areas(train: Any, target: str, left_out: Sequence[str | None] = ()) -> tuple[dict[str, float], int, int]:
    """The area under the ROC curve of each column by itself, of a target of two classes, and the rows of each class.

    The second class in order is the positive one. Columns without an order, and those with fewer than 20 rows of a class, have
    none; a target of other than two classes has none of any.
    """
    frame = frame_of(train)
    classes = _classes({"train": frame}, target).get("train", {})
    if len(classes) != 2:
        return {}, 0, 0
    positive = in_order(classes)[1]
    found = {}
    for name in frame.columns:
        kind = frame.schema[name]
        if name in {target, *left_out, *_NOT_COMPARED} or not (
            kind.is_numeric() or kind.is_temporal() or kind == pl.Boolean
        ):
            continue
        own = frame.select(pl.col(name).to_physical().cast(pl.Float64).alias("x"), pl.col(target).alias("y"))
        own = own.filter(pl.col("x").is_finite() & pl.col("y").is_not_null())
        hits = (own["y"].cast(pl.String) == positive).to_numpy()
        if min(hits.sum(), (~hits).sum()) < _CLASS_ROWS_MIN:
            continue
        cells = own["x"].rank("dense").to_numpy().astype(np.int64) - 1
        n = int(cells.max()) + 1
        positives, negatives = (np.bincount(cells[mask], minlength=n) for mask in (hits, ~hits))
        found[name] = float(area_by_class(positives, negatives, LEVEL)[0])
    return found, classes[positive], sum(classes.values()) - classes[positive]


def _check(frames: Mapping[str, pl.DataFrame], named: Sequence[str]) -> None:
    for name, frame in frames.items():
        if frame.is_empty():
            raise SchemaError(f"{name}: has no rows")
        for column in dict.fromkeys([*named, *frames["train"].columns]):
            if column not in frame.columns:
                raise SchemaError(f"{name}: has no column {column!r}; it has {', '.join(frame.columns[:20])}")


def _keys(frames: Mapping[str, pl.DataFrame], inputs: Sequence[str]) -> dict[str, pl.Series]:
    """A number for each row of each set, the same for equal inputs: 64 bits, so that a billion rows share one by chance."""
    for name in inputs:
        kinds = {one: frame.schema[name] for one, frame in frames.items()}
        if len({kind.is_numeric() or kind == pl.Null for kind in kinds.values()}) > 1:
            said = ", ".join(f"{kind} in {one}" for one, kind in kinds.items())
            raise SchemaError(f"column {name!r}: is of type {said}: must be of one kind in all sets")
    rows = pl.concat([frame.select(inputs) for frame in frames.values()], how="vertical_relaxed")
    rows = rows.with_columns(
        pl.col(name).list.eval(pl.element().cast(pl.String)).list.join(",")
        for name, kind in rows.schema.items()
        if isinstance(kind, pl.List)
    ).with_columns(pl.col(pl.Float32, pl.Float64) + 0.0)  # one zero
    hashes, found, start = rows.hash_rows(7), {}, 0
    for name, frame in frames.items():
        found[name] = hashes.slice(start, frame.height)
        start += frame.height
    return found


def _classes(frames: Mapping[str, pl.DataFrame], target: str | None) -> dict[str, dict[str, int]]:
    """The rows of each class by set; nothing where the target is a number or is not named."""
    if target is None:
        return {}
    every = pl.concat([frame[target].cast(pl.String) for frame in frames.values()])
    kind = frames["train"][target].dtype
    if every.n_unique() > _CLASSES_MAX or (kind.is_float() and not _whole(frames["train"][target])):
        return {}
    names = sorted(every.drop_nulls().unique().to_list())
    found = {}
    for name, frame in frames.items():
        counts = dict(frame[target].cast(pl.String).drop_nulls().value_counts(name="n").rows())
        found[name] = {one: int(counts.get(one, 0)) for one in names}
    return found


def _whole(column: pl.Series) -> bool:
    values = column.drop_nulls()
    return bool((values == values.round()).all())


def _shared(
    first: str,
    second: str,
    frames: Mapping[str, pl.DataFrame],
    keys: Mapping[str, pl.Series],
    inputs: Sequence[str],
) -> list[SplitFinding]:
    """Rows of the second set whose inputs are those of a row of the first."""
    n = len(keys[second])
    k = int(keys[second].is_in(keys[first].unique().implode()).sum())
    if not k:
        return []
    low, high = (float(one) for one in share_limits(k, n, LEVEL))
    words = f"{k:,} of {n:,} rows of {second} have the inputs of a row of {first}"
    chance = _by_chance(frames[first], frames[second], inputs)
    if chance > _BY_CHANCE * k / n:
        words += f"; columns with so few values share {100 * chance:.3g} % by chance"
        return [SplitFinding("shared_rows", (first, second), Status.OK, words, "", k / n, low, high, n)]
    status = Status.ALARM if low >= SHARED_MATTERS else Status.WARN
    advice = f"take them out of {second}: a figure on rows that were learned says nothing of new ones"
    return [SplitFinding("shared_rows", (first, second), status, words, advice, k / n, low, high, n)]


def _by_chance(first: pl.DataFrame, second: pl.DataFrame, inputs: Sequence[str]) -> float:
    """The share of rows of the second set that have a twin in the first where columns are independent of one another.

    1 - (1 - prod_j p_j)^n for a row whose values have the shares p_j among the n of the first.
    """
    some = second.head(_CHANCE_ROWS) if second.height > _CHANCE_ROWS else second
    log_p = np.zeros(some.height)
    for name in inputs:
        counts = first[name].value_counts(name="_n")
        n = some.select(name).join(counts, on=name, how="left", nulls_equal=True, maintain_order="left")["_n"]
        with np.errstate(divide="ignore"):
            log_p += np.log(n.fill_null(0).to_numpy() / first.height)
    return float(-np.expm1(first.height * np.log1p(-np.minimum(np.exp(log_p), 1 - 1e-15))).mean())


def _shared_groups(
    first: str, second: str, frames: Mapping[str, pl.DataFrame], groups: str
) -> list[SplitFinding]:
    one, other = frames[first][groups].drop_nulls().unique(), frames[second][groups].drop_nulls().unique()
    both = other.filter(other.is_in(one.implode())).sort()
    if both.is_empty():
        return []
    n_rows = int(frames[second][groups].is_in(both.implode()).sum())
    shown = ", ".join(str(name) for name in both.head(_SHOWN).to_list())
    more = f" and {len(both) - _SHOWN:,} more" if len(both) > _SHOWN else ""
    words = f"{len(both):,} of {len(other):,} {groups} of {second} are in {first} too ({shown}{more}), with {n_rows:,} rows"
    advice = f"split by {groups}, so that each lies in one set"
    value = len(both) / len(other)
    return [SplitFinding("shared_groups", (first, second), Status.ALARM, words, advice, value, n=len(other))]


def _order(first: str, second: str, frames: Mapping[str, pl.DataFrame], time: str) -> list[SplitFinding]:
    last, begins = frames[first][time].max(), frames[second][time].min()
    if last is None or begins is None or begins > last:  # type: ignore[operator]
        return []
    n = int((frames[second][time] <= last).sum())
    words = f"{n:,} of {frames[second].height:,} rows of {second} are no later than the last of {first} ({last!s})"
    advice = "split by time, so that nothing is learned from what comes after it"
    value = n / frames[second].height
    return [
        SplitFinding(
            "time_order", (first, second), Status.ALARM, words, advice, value, n=frames[second].height
        )
    ]


def _repeated(name: str, keys: pl.Series) -> list[SplitFinding]:
    n, k = len(keys), len(keys) - keys.n_unique()
    if not k:
        return []
    low, high = (float(one) for one in share_limits(k, n, LEVEL))
    status = Status.WARN if low >= SHARED_MATTERS else Status.OK
    words = f"{k:,} of {n:,} rows of {name} repeat the inputs of an earlier one"
    advice = "rows that are repeated count more than once, and intervals on them are too narrow"
    return [SplitFinding("duplicates", (name,), status, words, advice, k / n, low, high, n)]


def _conflicts(name: str, keys: pl.Series, target: pl.Series) -> list[SplitFinding]:
    rows = pl.DataFrame({"key": keys, "target": target}).drop_nulls()
    kinds = rows.group_by("key").agg(pl.col("target").n_unique().alias("kinds"), pl.len().alias("n"))
    repeated, torn = kinds.filter(pl.col("n") > 1), kinds.filter(pl.col("kinds") > 1)
    if torn.is_empty():
        return []
    k, n = int(torn["n"].sum()), int(repeated["n"].sum())
    words = f"{k:,} of {n:,} rows of {name} whose inputs are repeated have another target than their twin"
    advice = "no model can be right on both: look at the labels, or at inputs that are missing"
    low, high = (float(one) for one in share_limits(k, n, LEVEL))
    return [SplitFinding("conflicts", (name,), Status.WARN, words, advice, k / n, low, high, n)]


def _leaks(
    train: pl.DataFrame, inputs: Sequence[str], target: str, classes: Mapping[str, int]
) -> list[SplitFinding]:
    """Columns that tell the target by themselves."""
    found = []
    for name in inputs:
        own = train.select(pl.col(name).alias("x"), pl.col(target).alias("y")).drop_nulls()
        if own.height < _CLASS_ROWS_MIN:
            continue
        kind = own["x"].dtype
        ordered = kind.is_numeric() or kind.is_temporal() or kind == pl.Boolean
        if not classes:
            told = _tells_number(own) if ordered and own["y"].dtype.is_numeric() else None
        elif ordered:
            told = _tells_class(own["x"].to_physical().cast(pl.Float64), own["y"].cast(pl.String))
        elif kind == pl.String or kind == pl.Categorical:
            told = _tells_by_level(own)
        else:
            told = None
        if told is not None:
            words, value, low, high = told
            advice = (
                f"ask when {name} is known: what comes of the target is not there when predictions are made"
            )
            found.append(
                SplitFinding(
                    "target_leak",
                    ("train",),
                    Status.ALARM,
                    f"{name} {words}",
                    advice,
                    value,
                    low,
                    high,
                    own.height,
                )
            )
    return found


def _tells_class(x: pl.Series, y: pl.Series) -> tuple[str, float, float, float] | None:
    """The class whose area under the ROC curve by one column alone is largest, where that is all but 1."""
    there = x.is_finite()
    x, y = x.filter(there), y.filter(there)
    best = None
    cells = x.rank("dense").to_numpy().astype(np.int64) - 1 if len(x) else np.zeros(0, np.int64)
    for name in y.unique().sort().to_list():
        own = (y == name).to_numpy()
        if min(own.sum(), (~own).sum()) < _CLASS_ROWS_MIN:
            continue
        n_cells = int(cells.max()) + 1
        hits, others = (np.bincount(cells[mask], minlength=n_cells) for mask in (own, ~own))
        for positive, negative in ((hits, others), (others, hits)):
            area, low, high = (float(one) for one in area_by_class(positive, negative, LEVEL)[:3])
            if low >= _AREA_MATTERS and (best is None or area > best[1]):
                best = (
                    f"tells {y.name or 'the target'}={name} by itself: area under the ROC curve {area:.4f}",
                    area,
                    low,
                    high,
                )
    return best


def _tells_by_level(own: pl.DataFrame) -> tuple[str, float, float, float] | None:
    """The share of rows that have the target of most rows of their level, from rows of levels that come again."""
    rows = own.with_columns(pl.col("x").cast(pl.String), pl.col("y").cast(pl.String))
    counts = rows.group_by("x", "y").len("n")
    levels = counts.group_by("x").agg(pl.col("n").max().alias("most"), pl.col("n").sum().alias("all"))
    levels = levels.filter(pl.col("all") > 1)
    n, k = (
        int(levels["all"].sum()),
        int((levels["most"] - 1).sum()),
    )  # the row itself does not tell its target
    base = int(rows["y"].value_counts(name="n")["n"].max()) / rows.height  # type: ignore[arg-type]
    if n < _CLASS_ROWS_MIN or n < rows.height / 2:
        return None
    n -= levels.height
    low, high = (float(one) for one in share_limits(k, max(n, 1), LEVEL))
    if low < _AREA_MATTERS or low <= base + (1 - base) / 2:
        return None
    return f"tells the target by its level: right for {100 * k / n:.4g} % of rows", k / n, low, high


def _tells_number(own: pl.DataFrame) -> tuple[str, float, float, float] | None:
    """The share of the target's variance that one column's order explains, with Fisher's interval of Spearman's rho."""
    x, y = (own[name].to_physical().cast(pl.Float64).to_numpy() for name in ("x", "y"))
    rho, *limits, n = rank_correlation(x, y, LEVEL)
    low, high = sorted(abs(one) for one in limits)
    if n < _CLASS_ROWS_MIN or not low >= _AREA_MATTERS:
        return None
    return f"orders the rows as the target does: rank correlation {rho:.4f}", abs(rho), low, high


def _rare(classes: Mapping[str, Mapping[str, int]]) -> list[SplitFinding]:
    found = []
    for name, counts in classes.items():
        few = {one: n for one, n in counts.items() if n < _RARE_ROWS}
        if few:
            shown = ", ".join(f"{one} {n}" for one, n in list(few.items())[:_SHOWN])
            words = f"{name} has fewer than {_RARE_ROWS} rows of {len(few)} classes ({shown})"
            status = Status.WARN if min(few.values()) else Status.ALARM
            found.append(
                SplitFinding(
                    "rare_class",
                    (name,),
                    status,
                    words,
                    "no figure of them means much: stratify the split",
                    n=sum(counts.values()),
                )
            )
    return found


def _drift(
    name: str, frame: pl.DataFrame, train: pl.DataFrame, columns: Sequence[str], target: str | None
) -> list[SplitFinding]:
    """The columns that ``report`` calls changed, of a size that matters."""
    found = []
    for one in report(frame.select(columns), train.select(columns), columns={}).columns:
        if not (one.changed and one.matters):
            continue
        is_target = one.name == target
        words = f"{one.name} of {name} is not like that of train: {one.words}"
        advice = (
            "stratify the split by it"
            if is_target
            else "figures on this set are of another population than was learned"
        )
        kind = "class_balance" if is_target else "drift"
        found.append(SplitFinding(kind, ("train", name), Status.WARN, words, advice, n=frame.height))
    return found
