"""Every sampler: what it keeps stands for all, whatever it is shown, and what it leaves out is counted."""

from __future__ import annotations

import copy
import math
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vedette import Monitor, sampling
from vedette.capture.sampling import SAMPLERS, Row, sampler_of
from vedette.capture.sampling.draws import Drawn, LeftOut

MADE: dict[str, Callable[[], Any]] = {
    "all": sampling.All,
    "rate": lambda: sampling.Rate(0.1),
    "reservoir": lambda: sampling.Reservoir(50, window_s=3600.0),
    "stratified": lambda: sampling.Stratified("segment", rate={"rare": 0.5, None: 0.05}),
    "rare_first": lambda: sampling.RareFirst(0.1),
    "uncertain_first": lambda: sampling.UncertainFirst(0.1),
    "auto": lambda: sampling.Auto(within=0.1),
}
N = 4000


def rows(n: int = N, seed: int = 1) -> list[Row]:
    """Rows of two hours with a rare segment, a rare class and probabilities."""
    chance = np.random.default_rng(seed)
    return [
        Row(
            {"segment": "rare" if i % 40 == 0 else "usual", "x": float(i)},
            int(score > 0.9),
            float(score),
            ValueError() if i % 100 == 7 else None,
            7200.0 * i / n,
        )
        for i, score in enumerate(chance.random(n))
    ]


def drawn(sampler: Any) -> Drawn:
    """Its drawing, with nothing behind it."""

    def raised(said: str) -> None:
        raise AssertionError(said)

    return Drawn(sampler, print, LeftOut(lambda: 3600.0, print), float, raised)


def stands_for(sampler: Any, given: list[Row]) -> np.ndarray:
    """What each row stands for, 0 where it was left out."""
    one, found = drawn(sampler), np.zeros(len(given))
    for i, row in enumerate(given):
        n, stratum = one.inverse(row)
        found[i] = n if n == 1 or one.draw(stratum, n) else 0
    return found


def test_every_sampler_is_made_here() -> None:
    """A sampler that joins the list joins these tests."""
    assert set(MADE) == set(SAMPLERS)


@pytest.mark.parametrize("name", MADE)
def test_chances_are_probabilities_and_change_nothing(name: str) -> None:
    """Each is above 0 and at most 1, and the caller's row is as it was."""
    sampler, given = MADE[name](), rows()
    before = copy.deepcopy([(row.features, row.prediction, row.probability) for row in given])
    chances = [sampler.chance(row)[0] for row in given]
    assert all(0 < chance <= 1 for chance in chances)
    assert [(row.features, row.prediction, row.probability) for row in given] == before


@pytest.mark.parametrize("name", MADE)
def test_what_is_kept_stands_for_all(name: str) -> None:
    """Over many draws the weighted number of rows, of a segment, of errors and the sum of a feature are those of all rows."""
    given = rows()
    x = np.array([row.features["x"] for row in given])
    rare = np.array([row.features["segment"] == "rare" for row in given])
    failed = np.array([row.error is not None for row in given])
    found = np.array(
        [
            [weight.sum(), weight @ rare, weight @ failed, weight @ x]
            for weight in (stands_for(MADE[name](), given) for _ in range(120))
        ]
    )
    truth = np.array([N, rare.sum(), failed.sum(), x.sum()])
    error = found.std(axis=0, ddof=1) / math.sqrt(len(found))
    assert (np.abs(found.mean(axis=0) - truth) <= 4.5 * error + 1e-9 * truth).all()


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize(
    "row",
    [
        Row({}, None, None, None, 0.0),
        Row({"segment": ["a"]}, [1], {"a": 0.5, "b": 0.5}, None, 1e9),
        Row({"segment": None}, "x", [0.2, 0.3, 0.5], KeyError("k"), 0.0),
        Row({"segment": float("nan")}, float("nan"), float("nan"), None, 5.0),
    ],
    ids=["empty", "unhashable", "failed", "nan"],
)
def test_odd_rows_have_a_chance(name: str, row: Row) -> None:
    """Missing, unhashable and NaN: a probability all the same, and the draw takes it."""
    sampler = MADE[name]()
    n, stratum = drawn(sampler).inverse(row)
    assert n >= 1
    hash(stratum)


@pytest.mark.parametrize("name", MADE)
def test_a_million_strata_take_no_memory(name: str) -> None:
    """What a sampler remembers, and what is drawn in, is bounded."""
    sampler = MADE[name]()
    one = drawn(sampler)
    for i in range(20_000):
        n, stratum = one.inverse(Row({"segment": f"s{i}"}, f"p{i}", 0.99, None, float(i) * 4000))
        if n > 1:
            one.draw(stratum, n)
    assert len(one._draws) <= 4096
    held = [
        value
        for name in getattr(sampler, "__slots__", ())
        if hasattr(value := getattr(sampler, name), "__len__")
    ]
    assert all(len(value) <= 4096 for value in held)


def test_one_of_each_n_is_kept_at_a_random_place() -> None:
    """Of the rows of a stratum exactly one in each block of n, and each place as often as another."""
    one = drawn(sampling.Rate(0.1))
    blocks = [[one.draw("s", 10) for _ in range(10)] for _ in range(5000)]
    assert all(sum(block) == 1 for block in blocks)
    places = Counter(block.index(1) for block in blocks)
    chi_square = sum((places[i] - 500) ** 2 / 500 for i in range(10))
    assert chi_square < 33.7  # 1e-4 of chi-square on 9 degrees of freedom


def test_a_rate_keeps_no_fewer_than_asked() -> None:
    """The whole part of one over the rate: 0.3 keeps a third, 0.7 all, 0.01 one in a hundred."""
    kept = [drawn(sampling.Rate(rate)).inverse(rows(1)[0])[0] for rate in (0.3, 0.7, 0.01, 1 / 49, 1.0, 1e-9)]
    assert kept == [3, 1, 100, 49, 1, 2**20]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: sampling.Rate(0), "rate=0: must be above 0 and at most 1"),
        (lambda: sampling.Rate(1.5), "rate=1.5: must be above 0 and at most 1"),
        (lambda: sampling.Rate("1"), "rate='1': must be"),  # type: ignore[arg-type]
        (lambda: sampling.Reservoir(0), "rows=0: must be a whole number of rows"),
        (lambda: sampling.Stratified("a"), "give one of rate="),
        (lambda: sampling.Stratified("a", rate=0.1, rows=3), "give one of rate="),
        (lambda: sampling.Stratified("", rate=0.1), "by='': must be the name of a feature"),
        (lambda: sampling.Stratified("a", rate={"x": 2}), "rate of 'x'=2: must be"),
        (
            lambda: sampling.Stratified(("a", "b"), rate={"x": 0.1}),
            "rate of 'x': must be of a value for each of a, b",
        ),
        (lambda: sampling.Auto(within=0), "within=0: must be"),
        (lambda: sampling.Auto(rows_per_s=0), "rows_per_s=0: must be above 0"),
        (lambda: sampling.UncertainFirst(0.1, margin=2), "margin=2: must be"),
        (lambda: sampler_of("rate"), "sampler='rate': needs arguments"),
        (lambda: sampler_of("some"), "sampler='some': must be one of all, rate"),
        (lambda: sampler_of(True), "sampler=True: must be a rate"),
        (lambda: sampler_of(sampling.Rate), "must be a rate"),
    ],
)
def test_what_is_impossible_is_refused(make: Callable[[], Any], said: str) -> None:
    """With the name, the value, and what would be right."""
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        make()


@pytest.mark.parametrize("one", [1, 1.0, True, np.int64(1), np.float32(1), np.bool_(True), "1"], ids=repr)
def test_a_rate_is_of_a_value_however_it_is_spelt(one: Any) -> None:
    """As numpy and scikit-learn give it, as a number, a boolean or a text."""
    sampler = sampling.Stratified("prediction", rate={1: 1.0, None: 0.01})
    other = sampling.Stratified("prediction", rate={"1": 1.0, None: 0.01})
    row = Row({}, one, None, None, 0.0)
    assert (sampler.chance(row)[0], other.chance(row)[0]) == (1.0, 1.0)


def test_auto_keeps_what_a_precision_needs() -> None:
    """Of each window at least the rows that it needs, and at most about twice as many once the pace is known."""
    sampler = sampling.Auto(within=0.05)
    sampler.bind(3600.0, float)
    given = [Row({}, 1, None, None, 3600.0 * 4 * i / 100_000) for i in range(100_000)]
    kept = stands_for(sampler, given) > 0
    by_window = kept.reshape(4, -1).sum(axis=1)
    assert sampler.needed == 385
    assert (by_window >= 385).all()
    assert by_window[1:].max() <= 2.2 * 385


def test_auto_gives_way_under_pressure() -> None:
    """The fuller the journal, the fewer rows; down to one in 64 of what it kept."""
    taken = [0.0]
    sampler = sampling.Auto()
    sampler.bind(3600.0, lambda: taken[0])
    found = []
    for taken[0] in (0.0, 0.5, 0.55, 0.7, 0.99):
        found.append(sampler.chance(rows(1)[0])[0])
    assert found == [1.0, 1.0, 0.5, 0.125, 2.0**-7]


def test_a_journal_that_fills_up_thins_the_rows(tmp_path: Path) -> None:
    """With a real one: where most of its room is taken, most rows are left out and counted; where there is room again, none."""
    with Monitor("m", lake=tmp_path, sampler="auto", journal_bytes_max=2**24, resources=False) as monitor:

        def left_out(until: Callable[[int], bool]) -> bool:
            """True once it is so of a thousand rows; the keeper looks at the room every second."""
            for _ in range(100):
                told = monitor.ledger().total("sampled_out")
                for i in range(1000):
                    monitor.log({"x": float(i)}, 1)
                if until(monitor.ledger().total("sampled_out") - told):
                    return True
                time.sleep(0.1)
            return False

        assert left_out(lambda n: n == 0)
        folder = next(one for one in (tmp_path / ".journal" / "m").iterdir() if one.is_dir())
        heavy = folder / "predictions-999999999999.seg.tmp"
        heavy.write_bytes(bytes(13 * 2**20))
        assert left_out(lambda n: n > 800)
        heavy.unlink()
        assert left_out(lambda n: n == 0)


def test_auto_keeps_to_a_pace() -> None:
    """No more rows a second than asked for, whatever comes."""
    sampler = sampling.Auto(rows_per_s=100)
    given = [Row({}, 1, None, None, i / 2000) for i in range(40_000)]
    kept = stands_for(sampler, given) > 0
    assert kept[10_000:].reshape(-1, 10_000).sum(axis=1).max() <= 1000  # 5 s each


def test_sampled_rows_are_counted_and_weighted(tmp_path: Path) -> None:
    """The ledger has what was left out, each kept row its probability, and the number of rows is that of all."""
    with Monitor(
        "m", lake=tmp_path, sampler=sampling.Stratified("segment", rate={"rare": 0.5, None: 0.05})
    ) as monitor:
        for i, row in enumerate(rows(2000)):
            monitor.log(
                row.features, row.prediction, probability=row.probability, id=f"k{i}", time=row.time_s
            )
            monitor.label(f"k{i}", row.prediction, time=row.time_s)
        monitor.flush()
        ledger = monitor.ledger()
        figures = monitor.figures(["rows", "accuracy"], window="all")
        by_segment = monitor.figures("rows", by="segment", window="all")
    assert ledger.balanced
    assert ledger.total("seen") == 2000
    kept = ledger.total("in_lake")
    assert kept + ledger.total("sampled_out") == 2000
    command = [sys.executable, "-m", "vedette", "figures", "m", "--metric", "rows", "--lake", str(tmp_path)]
    assert "sampled: weighted" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    told = {row["metric"]: row for row in figures.iter_rows(named=True)}
    assert told["rows"]["value"] == pytest.approx(2000, abs=25)
    assert (told["rows"]["n"], told["rows"]["sampled"]) == (kept, "weighted")
    assert told["rows"]["completeness"] == pytest.approx(kept / 2000)
    assert told["accuracy"]["value"] == 1.0
    found = dict(by_segment.select("segment", "value").iter_rows())
    assert found["segment=rare"] == pytest.approx(50, abs=2)


def test_the_file_may_say_the_sampler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rate or a name in the model's table; what the code says comes before it, and a name that is none is told."""
    monkeypatch.chdir(tmp_path)
    Path("vedette.toml").write_text("[models.m]\nsampler = 0.1\n[models.n]\nsampler = 'none'\n")
    for sampler, n in ((None, 10), ("all", 100)):
        with Monitor("m", lake=tmp_path / str(n), sampler=sampler) as monitor:
            assert monitor.log_many({"x": np.arange(100.0), "prediction": [1] * 100}) == n
    with pytest.raises(ValueError, match="sampler='none': must be one of all, rate"):
        Monitor("n", lake=tmp_path)


def test_batches_are_sampled_too(tmp_path: Path) -> None:
    """``log_many`` keeps by the same sampler; what was sampled before it came brings its own probability."""
    with Monitor("m", lake=tmp_path, sampler=0.1) as monitor:
        taken = monitor.log_many(
            {"x": np.arange(1000.0), "prediction": [1] * 1000, "inclusion": [0.5] * 1000}
        )
        monitor.flush()
        total = monitor.figures("rows", window="all")["value"].item()
        ledger = monitor.ledger()
    assert (taken, total) == (100, 2000.0)
    assert (ledger.total("sampled_out"), ledger.balanced) == (900, True)


def test_a_sampler_that_raises_loses_nothing(tmp_path: Path) -> None:
    """Rows are handed on with the probability of one that they had."""

    class Broken:
        def chance(self, row: Row) -> tuple[float, None]:
            if row.features["x"] % 2:
                raise RuntimeError("no")
            return 7.0, None

    with Monitor("m", lake=tmp_path, sampler=Broken()) as monitor:
        for i in range(100):
            monitor.log({"x": i}, 1)
        monitor.flush()
        assert monitor.figures("rows", window="all")["value"].item() == 100.0


def test_a_child_draws_anew(tmp_path: Path) -> None:
    """After a fork parent and child draw different rows, and each counts what it left out itself."""
    import os

    with Monitor("m", lake=tmp_path, sampler=0.1) as monitor:
        for i in range(995):
            monitor.log({"x": i, "who": "before"}, 1)
        child = os.fork()
        who = "parent" if child else "child"
        for i in range(1000):
            monitor.log({"x": i, "who": who}, 1)
        if not child:
            monitor.close()
            os._exit(0)
        os.waitpid(child, 0)
        monitor.flush()
        ledger = monitor.ledger()
        rows_by = monitor.figures("mean", feature="x", by="who", window="all")
    assert (ledger.total("seen"), ledger.balanced) == (2995, True)
    values = dict(rows_by.select("segment", "value").iter_rows())
    assert values["who=child"] != values["who=parent"]
