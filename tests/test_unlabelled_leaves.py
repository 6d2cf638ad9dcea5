"""Leaves in the lake: counted as rows come in, and asked of windows whose labels have not come."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import vedette
from tests.world import DAY, START
from vedette.engine import cycle
from vedette.engine.estimated_counts import TwoClasses
from vedette.engine.leaf_columns import LEAVES
from vedette.engine.query import Query
from vedette.engine.stored import score_middles
from vedette.engine.summarise import QUALITY, SCORES, Shape
from vedette.engine.view import View, view
from vedette.lake import tables
from vedette.lake.events import latest_reference
from vedette.lake.tables import Lake
from vedette.statistics.grid import Grid
from vedette.statistics.unlabelled import (
    Cut,
    Leaves,
    Levels,
    Measure,
    Rehearsal,
    Table,
    Windows,
    counted,
    cut_leaves,
    cut_of_grid,
    follow,
    leaf_grid,
    over_bins,
)
from vedette.statistics.unlabelled.confidence import calibrated
from vedette.statistics.unlabelled.leaves import DOUBT_ROWS

N = 400
METRICS = ["accuracy", "f1"]


def rows(seed: int, n: int = N, odd: float = 0.3) -> pl.DataFrame:
    """Rows whose probabilities are true, but of the odd kinds, of which a coin tells the label; ``w`` may be missing."""
    random = np.random.default_rng(seed)
    probability = 1 / (1 + np.exp(-2.5 * random.normal(size=n)))
    strange = random.random(n) < odd
    kind = np.where(strange, random.choice(["p", "q"], n), random.choice(["a", "b", "c"], n))
    label = random.random(n) < np.where(strange, 0.5, probability)
    return pl.DataFrame(
        {
            "id": [f"{seed}-{i}" for i in range(n)],
            "kind": kind,
            "x": random.normal(size=n),
            "w": pl.Series(random.normal(size=n)).set(pl.Series(random.random(n) < 0.1), None),
            "probability": probability,
            "prediction": (probability > 0.5).astype(int),
            "label": label.astype(int),
        }
    )


class Model:
    """A model with a reference of 4,000 labelled rows, whose days come one by one."""

    def __init__(self, folder: Path, reference: pl.DataFrame | None = None, **said: Any) -> None:
        self.now, self.folder, self.days = START, folder, 0
        self.monitor = vedette.Monitor(
            *("m", "1"),
            lake=folder,
            window="1d",
            task="classification",
            classes=[0, 1],
            clock=lambda: self.now.timestamp(),
            **said,
        )
        self.monitor.reference(rows(1, 4000).drop("id") if reference is None else reference)
        self.round()

    def day(self, frame: pl.DataFrame, *, labels: bool = False, rounds: int = 1) -> pl.DataFrame:
        """The rows of a day, in so many rounds; with their labels, as they are given back."""
        at = pl.Series([START + DAY * (self.days + i / frame.height) for i in range(frame.height)])
        told = frame.with_columns(time=at)
        self.days += 1
        self.now = START + DAY * self.days
        for number in range(rounds):
            part = told[number * frame.height // rounds : (number + 1) * frame.height // rounds]
            self.monitor.log_many(part.drop("label"))
            if labels:
                self.monitor.label_many(part.select("id", "label"))
            self.round()
        return told

    def round(self) -> None:
        cycle.once(Lake.at(self.folder), models=["m"])

    def seen(self) -> View:
        return view(Lake.at(self.folder), "m", Query(metrics=tuple(METRICS), estimate=True))

    @property
    def grids(self) -> Mapping[str, Grid]:
        return Shape.of(Lake.at(self.folder).model("m")).grids

    @property
    def why(self) -> str:
        said = latest_reference(Lake.at(self.folder).model("m"))
        assert said is not None
        return str(said[1]["leaves"])


def leaf_by_hand(row: Mapping[str, Any], basis: Mapping[str, Any], grids: Mapping[str, Grid]) -> int:
    """The leaf of one row, told from the frozen description alone, one feature and one node after another."""
    tree, codes = basis["tree"], []
    n_leaves = len(tree["value"])
    for place, feature in enumerate(basis["features"]):
        value, edges, seen = row[feature["name"]], basis["edges"][place], basis["seen"][place]
        if value is not None and feature["ranks"] is not None:
            grid = grids[feature["name"]]
            names = list(grid.levels)
            known = len(names) if value in grid.known else len(names) + 1
            value = feature["ranks"][names.index(value) if value in names else known]
        if value is None:
            if not basis["missing"][place]:
                return n_leaves
            codes.append(len(edges) + 1)
            continue
        few = len(seen) == len(edges) + 1
        if (value not in seen) if few else not seen[0] <= value <= seen[-1]:
            return n_leaves
        codes.append(bisect_right(edges, value))
    node = 0
    while tree["feature"][node] >= 0:
        low = codes[tree["feature"][node]] <= tree["cut"][node]
        node = tree["left" if low else "right"][node]
    return int(tree["leaf"][node])


def counts_by_hand(frame: pl.DataFrame, grids: Mapping[str, Grid]) -> Counter[tuple[int, int, int]]:
    """Rows by leaf, step of scores and prediction, one row after another."""
    grid = grids[LEAVES]
    basis = json.loads(grid.basis)
    return Counter(
        (
            leaf_by_hand(row, basis, grids),
            bisect_right(grid.score_edges.tolist(), row["probability"]),
            int(row["prediction"]),
        )
        for row in frame.iter_rows(named=True)
    )


def counts_of(seen: View, window: int) -> Counter[tuple[int, int, int]]:
    """The same as the lake has it, of a window by its number."""
    by = TwoClasses.of(seen)
    assert isinstance(by, TwoClasses)
    assert by.leaves is not None
    starts, counts = by.leaves.windows(seen, Query().span(seen.shape.window_us))
    own = counts[starts == round((START + DAY * window).timestamp() * 1e6)]
    if not len(own):
        return Counter()
    return Counter({tuple(map(int, at)): int(own[0][tuple(at)]) for at in np.argwhere(own[0])})


def test_rows_are_counted_by_leaf(tmp_path: Path) -> None:
    """Every row by the description of the tree, one by one; new levels, missing values and numbers beyond all included."""
    model = Model(tmp_path)
    frame = rows(7)
    frame = frame.with_columns(
        kind=pl.when(pl.int_range(N) % 10 == 0).then(pl.lit("new")).when(pl.int_range(N) % 10 == 1).then(None)
        .otherwise("kind"),
        x=pl.when(pl.int_range(N) % 7 == 0).then(1e6).otherwise("x"),
    )  # fmt: skip
    model.day(frame)
    grid = model.grids[LEAVES]
    assert "kind" in {one.name for one in cut_of_grid(grid)[0].features}
    found = counts_of(model.seen(), 0)
    assert found == counts_by_hand(frame, model.grids)
    assert found.total() == N
    assert sum(n for (leaf, _, _), n in found.items() if leaf == grid.length - 1) >= N // 5
    assert grid.length <= 17
    model.monitor.close()


def test_any_cutting_of_rounds_gives_the_same_counts(tmp_path: Path) -> None:
    """One round, or rounds of a few rows each: the same counts to the bit, and the same figures."""
    found, told = [], []
    for rounds in (1, 7):
        model = Model(tmp_path / str(rounds))
        for number in range(2):
            model.day(rows(20 + number), rounds=rounds)
        found.append([counts_of(model.seen(), number) for number in range(2)])
        told.append(model.monitor.figures(METRICS, estimate=True))
        model.monitor.close()
    assert found[0] == found[1]
    assert told[0].equals(told[1])
    assert set(told[0]["kind"]) == {"estimated"}


def fine(frame: pl.DataFrame, grids: Mapping[str, Grid], labels: bool) -> np.ndarray:
    """Rows counted by leaf, score bin and prediction (and label), each leaf told by hand."""
    basis, edges = json.loads(grids[LEAVES].basis), grids[QUALITY].score_edges
    leaf = [leaf_by_hand(row, basis, grids) for row in frame.iter_rows(named=True)]
    bins = np.searchsorted(edges, frame["probability"].to_numpy(), side="right")
    label = frame["label"].to_numpy() if labels else None
    return counted(grids[LEAVES].length, len(edges) + 2, leaf, bins, frame["prediction"].to_numpy(), label)


def test_the_estimate_is_that_of_the_rows(tmp_path: Path) -> None:
    """Accuracy by leaves, read off summaries, is what each row's leaf, score bin and prediction say, row by row."""
    reference = rows(1, 4000)
    model = Model(tmp_path, reference.drop("id"))
    frame = model.day(rows(8, odd=0.7))
    seen = model.seen()
    by, grids = TwoClasses.of(seen), seen.shape.grids
    assert isinstance(by, TwoClasses)
    span = Query().span(seen.shape.window_us)
    known = by.known(seen, span, np.array([round(START.timestamp() * 1e6)]), METRICS)
    table = fine(reference.slice(800), grids, True)[0]  # the first fifth cut the grids
    whole = table.sum(axis=0).astype(float)
    chance, _ = calibrated(whole[..., 1], whole.sum(axis=-1), score_middles(grids[QUALITY]))
    steps = np.searchsorted(
        grids[LEAVES].score_edges, np.append(-np.inf, grids[QUALITY].score_edges), "right"
    )
    step = np.append(steps, steps[-1] + 1)
    right, counts = 0.0, fine(frame, grids, False)
    for leaf, bins, prediction in np.argwhere(counts[0]):
        own = step == step[bins]
        there = table[leaf, own, prediction]
        off = there[:, 1].sum() - (there.sum(axis=1) * chance[own, prediction]).sum()
        one = chance[bins, prediction] + off / (there.sum() + DOUBT_ROWS)
        one = min(max(one, 1e-6), 1 - 1e-6)
        right += counts[0, leaf, bins, prediction] * (one if prediction else 1 - one)
    value = known.measures["leaves"]["accuracy"].value[0]
    assert right / N == pytest.approx(value, abs=2e-4)
    exact = Leaves(Table(table, score_middles(grids[QUALITY]))).estimate(Windows(counts), METRICS)
    for metric in METRICS:
        assert known.measures["leaves"][metric].value[0] == pytest.approx(exact[metric].value[0], abs=2e-4)
    model.monitor.close()


def test_leaves_see_what_scores_do_not(tmp_path: Path) -> None:
    """A window of odd kinds alone is right by a coin, with the scores of any other: leaves say so, and are named."""
    parts = [rows(200 + part, 600, odd=part % 4 / 4) for part in range(20)]  # days differ by their kinds
    model = Model(tmp_path, pl.concat(parts).drop("id"))
    model.day(rows(9))
    odd = model.day(rows(10, odd=1.0))
    told = model.monitor.figures("accuracy", estimate=True)
    assert [note.partition(";")[0] for note in told["note"]] == ["leaves", "leaves"]
    assert "windows of the reference" in told["note"][1]
    truth = float((odd["label"] == odd["prediction"]).mean())  # type: ignore[arg-type]
    seen = model.seen()
    by = TwoClasses.of(seen)
    assert isinstance(by, TwoClasses)
    starts = told["start"].dt.timestamp("us").to_numpy()
    plain = by.known(seen, Query().span(seen.shape.window_us), starts, METRICS).measures["confidence"]
    off = plain["accuracy"].value[1] - truth
    assert off > 0.1
    assert abs(told["value"][1] - truth) < off / 2
    model.monitor.close()


def test_late_labels_teach_and_change_no_leaf(tmp_path: Path) -> None:
    """Labels that come later make a window measured and its record known; all rows were counted by leaf before."""
    model = Model(tmp_path)
    days = [model.day(rows(30 + number, 100)) for number in range(12)]
    before = counts_of(model.seen(), 0)
    for day in days[:11]:
        model.monitor.label_many(day.select("id", "label"))
    model.round()
    told = model.monitor.figures("accuracy", estimate=True)
    assert told["kind"].to_list() == ["measured"] * 11 + ["estimated"]
    assert "over 11 windows whose labels have come" in told["note"][11]
    assert counts_of(model.seen(), 0) == before
    fresh = model.day(rows(50))
    model.monitor.label_many(fresh.select("id", "label"))
    journals = model.monitor.figures("accuracy", estimate=True)
    model.round()
    assert model.monitor.figures("accuracy", estimate=True).equals(journals)
    model.monitor.close()


def test_a_reference_that_waits_in_the_journal_tells_as_it_will(tmp_path: Path) -> None:
    """What is asked before the round that takes the reference is told by the leaves that it will cut."""
    model = Model(tmp_path)
    model.day(rows(11))
    model.monitor.reference(rows(2, 4000).drop("id"))
    model.monitor.log_many(rows(12).drop("label").with_columns(time=pl.lit(START + timedelta(hours=30))))
    waiting = model.monitor.figures(METRICS, estimate=True)
    model.round()
    assert model.monitor.figures(METRICS, estimate=True).equals(waiting)
    model.monitor.close()


def test_another_reference_cuts_its_own_leaves(tmp_path: Path) -> None:
    """Counts on the leaves of an older reference are not mixed in: those windows are told by scores; nor when the first comes
    back."""
    first = rows(1, 4000).drop("id")
    model = Model(tmp_path, first)
    model.day(rows(13))
    grids = [model.grids[LEAVES]]
    for reference in (rows(2, 4000).drop("id"), first):
        model.monitor.reference(reference)
        model.round()
        grids.append(model.grids[LEAVES])
        model.day(rows(14 + len(grids)))
    assert len(set(grids)) == 3
    seen = model.seen()
    by = TwoClasses.of(seen)
    assert isinstance(by, TwoClasses)
    assert [counts_of(seen, number).total() for number in range(3)] == [0, 0, N]
    starts = np.array([round((START + DAY * number).timestamp() * 1e6) for number in range(3)])
    said = by.known(seen, Query().span(seen.shape.window_us), starts, METRICS).measures
    same = said["leaves"]["accuracy"].value == said["confidence"]["accuracy"].value
    assert same.tolist() == [True, True, False]
    model.monitor.close()


def test_without_labels_scores_or_rows_enough_there_are_none(tmp_path: Path) -> None:
    """No leaves, no counts of them, and the event of the reference says why; the rest is estimated as ever."""
    whole = rows(1, 4000).drop("id")
    given = {
        "none: no labels with probabilities of two classes": whole.drop("label"),
        "none: no labels with probabilities of two classes ": whole.drop("probability"),
        "none: 999 labelled rows with probabilities: leaves need 1,000, and ten stretches of them": whole.head(
            1248
        ),
        "none: no feature of numbers or levels that may tell leaves": whole.drop("kind", "x", "w"),
        "none: no feature tells where labels differ from what scores say": whole.drop(
            "kind", "w"
        ).with_columns(x=1.0),
    }
    for number, (why, reference) in enumerate(given.items()):
        model = Model(tmp_path / str(number), reference)
        model.day(
            rows(15).select(reference.columns + ["label"] * ("label" not in reference.columns), id="id")
        )
        assert model.why == why.strip()
        assert LEAVES not in model.grids
        counted_too = Lake.at(model.folder).model("m")["summaries"].scan().select("column", "part").collect()
        assert LEAVES not in counted_too["column"].to_list()
        note = model.monitor.figures("accuracy", estimate=True)["note"][0]
        assert (note is None) if not number else not note.startswith("leaves"), (why, note)
        model.monitor.close()


@pytest.mark.parametrize("treatment", ["hash", "encrypt", "drop"])
def test_private_columns_tell_no_leaf(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, treatment: str
) -> None:
    """What is hashed, encrypted or dropped is not split on, however much it would tell."""
    pytest.importorskip("cryptography")
    monkeypatch.setenv("LEAVES_KEY", bytes(range(32)).hex())
    model = Model(tmp_path, private={"kind": treatment, "key_env": "LEAVES_KEY"})
    features = {one.name for one in cut_of_grid(model.grids[LEAVES])[0].features}
    assert features <= {"x", "w"}
    model.day(rows(16))
    assert counts_of(model.seen(), 0).total() == N
    model.monitor.close()


def test_texts_that_seldom_come_twice_tell_no_leaf(tmp_path: Path) -> None:
    """An identifier or a moment would send all later rows to the last leaf."""
    reference = rows(1, 4000)
    at = pl.Series([START - timedelta(seconds=i) for i in range(4000)])
    model = Model(tmp_path, reference.rename({"id": "ticket"}).with_columns(seen=at).drop("kind"))
    assert {one.name for one in cut_of_grid(model.grids[LEAVES])[0].features} <= {"x", "w"}
    model.monitor.close()


def test_a_column_that_is_missing_altogether(tmp_path: Path) -> None:
    """Rows without a feature that the reference always had are in the last leaf, whether it is null or does not come."""
    model = Model(tmp_path)
    last = model.grids[LEAVES].length - 1
    frame = rows(17)
    for number, one in enumerate((frame.with_columns(kind=pl.lit(None, pl.String)), frame.drop("kind"))):
        model.day(one.with_columns(id=pl.col("id") + str(number)))
        assert {leaf for leaf, _, _ in counts_of(model.seen(), number)} == {last}
    assert set(model.monitor.figures("accuracy", estimate=True)["kind"]) == {"estimated"}
    model.monitor.close()


def test_segments_are_told_without_leaves(tmp_path: Path) -> None:
    """By segment scores are asked: a reference's rows of a leaf are not kept by segment."""
    model = Model(tmp_path)
    for number in range(12):
        model.day(rows(60 + number, 200), labels=number < 11)
    told = model.monitor.figures("accuracy", estimate=True, by="kind")
    notes = told["note"].drop_nulls().to_list()
    assert notes
    assert not any(note.startswith("leaves") for note in notes)
    model.monitor.close()


class CrashError(Exception):
    """Stands for the end of a process."""


def play(folder: Path, fatal: tuple[str, int, bool] | None = None) -> tuple[object, ...]:
    """A second reference, then rows, in two rounds; ``fatal`` is the table before or after whose commit one of them dies."""
    write, died = tables.Table.write, []
    model = Model(folder)
    model.day(rows(17))

    def mortal(
        self: tables.Table, frame: pl.DataFrame, through: dict[str, int], *, replace: bool = False
    ) -> bool:
        if fatal is None or self.name != fatal[0] or died:
            return write(self, frame, through, replace=replace)
        if fatal[2]:
            write(self, frame, through, replace=replace)
        died.append(True)
        raise CrashError

    for step in range(2):
        if step:
            model.now = START + DAY * 2
            model.monitor.log_many(rows(18).drop("label").with_columns(time=pl.lit(START + DAY * 1.5)))
        else:
            model.monitor.reference(rows(3, 4000).drop("id"))
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(
                tables.Table, "write", mortal if fatal is not None and step == fatal[1] else write
            )
            try:
                model.round()
            except CrashError:
                model.round()
    assert bool(died) is (fatal is not None)
    seen, found = model.seen(), model.monitor.figures(METRICS, estimate=True)
    model.monitor.close()
    return counts_of(seen, 0), counts_of(seen, 1), found.rows()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, ...]:
    """What comes of it where no round dies."""
    return play(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("table", "step"), [("events", 0), ("grids", 0), ("summaries", 0), ("summaries", 1)])
def test_a_crash_at_any_commit_changes_no_count(
    tmp_path: Path, undisturbed: tuple[object, ...], table: str, step: int, after: bool
) -> None:
    """A round that dies before or after a commit, of the reference or of rows, is followed by one that ends at the same."""
    assert play(tmp_path, (table, step, after)) == undisturbed
    assert [one.total() for one in undisturbed[:2]] == [0, N]  # type: ignore[attr-defined]


def test_a_grid_of_leaves_comes_back_from_its_text() -> None:
    """With the same leaves, and a name that is of its reference alone."""
    cut, table, scored = _cut()
    grid = leaf_grid(LEAVES, cut, scored, table, "a")
    again = Grid.from_json(grid.to_json())
    assert again == grid
    assert again != leaf_grid(LEAVES, cut, scored, table, "b")
    back, reference = cut_of_grid(again)
    assert reference == "a"
    random = np.random.default_rng(3)
    some = {
        "x": np.append(random.normal(size=500) * 3, [np.nan, np.inf]),
        "c": Levels(random.integers(-1, 5, 502), 5),
    }
    assert back.leaves(some).tolist() == cut.leaves(some).tolist()
    other = {**some, "c": Levels(some["c"].cell, 6)}  # type: ignore[union-attr]
    assert set(back.leaves(other).tolist()) == {len(cut) - 1}


def _cut() -> tuple[Cut, Table, Grid]:
    random = np.random.default_rng(2)
    n, edges = 3000, np.arange(1, 20) / 20
    columns = {"x": random.normal(size=n), "c": Levels(random.integers(0, 4, n), 5)}
    bins, prediction = random.integers(0, 20, n), random.integers(0, 2, n)
    odd = (columns["x"] > 0.5) | (columns["c"].cell == 2)  # type: ignore[operator, union-attr]
    label = (random.random(n) < np.where(odd, 0.8, 0.3)).astype(np.int64)
    scores = np.append((np.arange(20) + 0.5) / 20, np.nan)
    found = cut_leaves(columns, bins, prediction, label, scores)
    assert found is not None
    table = Table(counted(1, 21, np.zeros_like(bins), bins, prediction, label)[0], scores)
    return found, table, Grid(SCORES, "scored", classes=("0", "1"), score_edges=edges)


def test_rows_spread_over_bins_add_up() -> None:
    """However rows were counted by leaf, there are as many in each bin as there are; a step of which none was is the last's."""
    cut, table, scored = _cut()
    grid = leaf_grid(LEAVES, cut, scored, table, "a")
    random = np.random.default_rng(4)
    steps = grid.shape[0]
    by_leaf = random.integers(0, 9, (6, grid.length, steps, 2)).astype(float)
    by_leaf[2] = by_leaf[3, :, 1] = 0
    every = random.integers(0, 50, (6, 21, 2)).astype(float)
    found = over_bins(grid, by_leaf, every, scored.score_edges)
    assert np.allclose(found.sum(axis=1), every)
    assert (found[2, :-1] == 0).all()
    assert (found >= 0).all()


@pytest.mark.parametrize("delay", [None, 1])
def test_leaves_are_not_kept_where_what_they_refine_is_beaten(delay: int | None) -> None:
    """Evidence against ``confidence`` is evidence against ``leaves``, unless they are better than what comes in its place."""

    def measure(value: np.ndarray) -> Measure:
        return Measure(value, *(np.full(len(value), 1e-4) for _ in range(3)), np.full(len(value), np.inf))

    random = np.random.default_rng(5)
    noise = random.normal(size=60) * 0.02
    truth = np.full(60, 0.8)
    # leaves err less than confidence, but so unevenly that nothing is sure of them
    off = {
        "leaves": 0.05 + 0.2 * (np.arange(60) % 10 == 0),
        "confidence": np.full(60, 0.08),
        "constant": np.full(60, 0.04),
    }
    sign = np.where(np.arange(60) % 2, 1, -1)
    said = {name: {"accuracy": measure(truth + sign * part)} for name, part in off.items()}
    past = Rehearsal(said, {"accuracy": truth + noise * 0})
    told = follow(said, {"accuracy": truth if delay else truth * np.nan}, delay=delay, rehearsal=past)[
        "accuracy"
    ]
    assert told.estimator[-1] == "constant"
    better = {**said, "leaves": {"accuracy": measure(truth + sign * 0.02)}}
    kept = Rehearsal(better, {"accuracy": truth})
    told = follow(better, {"accuracy": truth if delay else truth * np.nan}, delay=delay, rehearsal=kept)[
        "accuracy"
    ]
    assert set(told.estimator) == {"leaves"}
