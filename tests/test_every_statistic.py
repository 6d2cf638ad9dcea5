"""What holds for every statistic: the suite walks ``STATISTICS`` and runs each check on each member."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

import vedette.statistics
from vedette.errors import GridError
from vedette.statistics import (
    STATISTICS,
    Statistic,
    Summary,
    category_grid,
    error_grid,
    every_statistic,
    find_statistic,
    latency_grid,
    numeric_grid,
    quality_grid,
    summarise_category,
    summarise_error,
    summarise_numeric,
    summarise_quality,
    summarise_vectors,
    vector_grid,
)
from vedette.statistics.direction_grid import directions_grid

NAMES = ["no", "yes", "maybe"]
LEVELS = ["a", "b", "c", "d"]
GRIDS = {
    "numeric": numeric_grid("x", np.random.default_rng(1).normal(size=800)),
    "latency": latency_grid(),
    "vector": vector_grid("v", np.random.default_rng(1).lognormal(-3, 1, 800), 3),
    "category": category_grid("c", {"a": 50, "b": 30, "c": 20}),
    "quality": quality_grid(("no", "yes")),
    "error": error_grid(*np.random.default_rng(1).normal(20, 3, (2, 800))),
    "directions": directions_grid("d", np.random.default_rng(1).normal(size=(400, 3))),
}
CASES = [(name, kind) for name, statistic in STATISTICS.items() for kind in statistic.kinds]
each = pytest.mark.parametrize(("name", "kind"), CASES, ids=lambda value: str(value))


def rows(kind, n, seed=0):
    """Columns of n ordinary rows of a kind."""
    rng = np.random.default_rng(seed)
    if kind == "quality":
        label = rng.integers(0, 2, n)
        score = np.clip(rng.normal(0.4 + 0.2 * label, 0.2), 0, 1)
        return label, (score > 0.5).astype(int), score
    if kind == "error":
        label = rng.normal(20, 3, n)
        return label, label + rng.normal(size=n)
    if kind == "directions":
        return (rng.normal(size=(n, 3)),)
    if kind == "category":
        return (rng.choice(4, n, p=[0.5, 0.3, 0.15, 0.05]),)
    return (rng.normal(size=n) if kind == "numeric" else rng.lognormal(-3, 1, n),)


def summary(kind, columns, window=None, n_windows=1):
    """The summary of such columns, each window an hour."""
    return dataclasses.replace(counted(kind, columns, window, n_windows), window_s=3600.0)


def counted(kind, columns, window, n_windows):
    """The summary of such columns."""
    grid = GRIDS[kind]
    match kind:
        case "quality":
            label, prediction, score = columns
            return summarise_quality(grid, label, prediction, NAMES, score, window, n_windows)
        case "error":
            return summarise_error(grid, *columns, window, n_windows)
        case "directions":
            return summarise_vectors(grid, columns[0], np.ones(len(columns[0]), bool), window, n_windows)
        case "category":
            return summarise_category(grid, columns[0], LEVELS, window, n_windows)
        case _:
            return summarise_numeric(grid, columns[0], None, window, n_windows)


def windows(kind, n_windows=5, n=600, seed=0):
    """Several ordinary windows."""
    return summary(kind, rows(kind, n * n_windows, seed), np.repeat(np.arange(n_windows), n), n_windows)


def odd_windows(kind):
    """One window of each kind of trouble, by name."""
    ordinary = windows(kind, 1)
    nothing = dataclasses.replace(Summary.empty(GRIDS[kind], kept=ordinary.hashes.shape[1]), window_s=3600.0)
    out = {
        "no rows": nothing,
        "one row": summary(kind, rows(kind, 1)),
        "two rows": summary(kind, rows(kind, 2)),
        "all equal": summary(kind, [np.repeat(column, 300, axis=0) for column in rows(kind, 1)]),
        "all missing": dataclasses.replace(nothing, rows=nothing.rows + 300, missing=nothing.rows + 300),
        "taken away twice": dataclasses.replace(
            nothing, rows=-ordinary.rows, counts=-ordinary.counts, missing=-ordinary.missing
        ),
        "huge counts": dataclasses.replace(
            ordinary, rows=ordinary.rows * 10**12, counts=ordinary.counts * 10**12
        ),
    }
    if kind in ("numeric", "latency", "vector"):
        for case, values in {
            "all NaN": [np.nan] * 300,
            "all infinite": [np.inf, -np.inf] * 150,
            "some of each": [np.nan, np.inf, 1.0, 2.0] * 100,
            "huge values": [1e308, -1e308, 1e308] * 100,
            "beyond the grid": [1e5, -1e5] * 150,
        }.items():
            out[case] = summary(kind, (np.array(values),))
    if kind == "category":
        out["only unseen levels"] = summary(kind, (np.full(300, 3),))
    if kind == "error":
        label, prediction = rows(kind, 300)
        for case, columns in {
            "no predictions": (label, label * np.nan),
            "no labels": (label * np.nan, prediction),
            "infinite labels": (label * np.inf, prediction),
            "infinite both": (label * np.inf, prediction * np.inf),
            "huge values": (label * 1e306, prediction * -1e306),
            "huge errors": (label, prediction * 1e80),
            "tiny values": (label * 1e-310, prediction * 1e-310),
            "always right": (label, label),
            "always off by 2": (label, label + 2),
            "off by 2 either way": (label, label + np.tile([2, -2], 150)),
            "one label": (label * 0 + 7, prediction),
            "labels of 0": (label * 0, prediction),
            "one error": (label, label + (np.arange(300) == 7)),
            "labels far from the grid": (label + 1e9, prediction + 1e9),
            "labels without end": (label + 1e16, prediction),
        }.items():
            out[case] = summary(kind, columns)
    if kind == "quality":
        label, prediction, score = rows(kind, 300)
        none = np.full(300, -1)
        out["no predictions"] = summary(kind, (label, none, score))
        out["no scores"] = summary(kind, (label, prediction, score * np.nan))
        out["no labels"] = summary(kind, (none, prediction, score))
        out["one class only"] = summary(kind, (label * 0, prediction * 0, score))
        out["other classes only"] = summary(kind, (none + 3, none + 3, score))
        out["always right"] = summary(kind, (label, label, label.astype(float)))
        out["always wrong"] = summary(kind, (label, 1 - label, 1.0 - label))
    return out


def figures(name, kind, current, level=0.95):
    """The figures of a statistic against an ordinary reference."""
    return STATISTICS[name].figures(current, windows(kind, seed=99), level)


def arrays(record):
    """The arrays of a summary or of estimates, by field, as bytes or lists."""
    values = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    return {
        key: value.tolist() if value.dtype == object else value.tobytes()
        for key, value in values.items()
        if isinstance(value, np.ndarray)
    }


@each
def test_a_statistic_is_one(name, kind):
    """Every member fulfils the protocol under its own name."""
    assert isinstance(STATISTICS[name], Statistic)
    assert STATISTICS[name].name == name


@each
def test_ordinary_windows_have_figures(name, kind):
    """With 600 rows a window every statistic has a value in its interval, for every window, and counts its rows."""
    found = figures(name, kind, windows(kind))
    assert (found.low <= found.value).all()
    assert (found.value <= found.high).all()
    assert (found.n > 0).all()
    assert found.reason.tolist() == [None] * 5


@each
def test_odd_windows_have_a_figure_or_a_reason(name, kind):
    """Whatever is in a window, there is a finite figure in its interval, or NaN with a reason of one line."""
    odd = odd_windows(kind)
    found = figures(name, kind, Summary.stack(list(odd.values())))
    for place, case in enumerate(odd):
        numbers = [found.low[place], found.value[place], found.high[place]]
        reason = found.reason[place]
        if reason is None:
            assert np.isfinite(numbers).all(), case
            assert sorted(numbers) == numbers, case
        else:
            assert np.isnan(numbers).all(), case
            assert isinstance(reason, str), case
            assert "\n" not in reason, case
        assert found.n[place] >= 0, case


@each
def test_nothing_at_all_is_never_a_good_figure(name, kind):
    """No rows and rows that were taken away twice have a reason; the number and the rate of no rows are 0."""
    odd = odd_windows(kind)
    nothing = figures(name, kind, odd["no rows"])
    zero = name in ("rows", "throughput_per_s") and nothing.value[0] == 0
    assert nothing.reason[0] is not None or zero
    assert figures(name, kind, odd["taken away twice"]).reason[0] is not None


@each
def test_windows_do_not_depend_on_each_other(name, kind):
    """A window's figure is the same to the bit alone, with others and in another order."""
    both = Summary.stack([windows(kind), *odd_windows(kind).values()])
    order = np.random.default_rng(3).permutation(len(both))
    together, shuffled = figures(name, kind, both), figures(name, kind, both.take(order))
    alone = figures(name, kind, both.take([2]))
    np.testing.assert_array_equal(together.low[order], shuffled.low)
    np.testing.assert_array_equal([together.value[2], together.high[2]], [alone.value[0], alone.high[0]])
    assert together.reason[order].tolist() == shuffled.reason.tolist()


@each
def test_merging_shards_is_one_pass(name, kind):
    """Figures of added summaries of three shards are those of all rows at once."""
    columns = rows(kind, 900)
    shards = [summary(kind, [column[k::3] for column in columns]) for k in range(3)]
    merged = figures(name, kind, shards[2] + shards[0] + shards[1])
    whole = figures(name, kind, summary(kind, columns))
    for part in ("value", "low", "high", "n"):
        np.testing.assert_allclose(getattr(merged, part), getattr(whole, part), rtol=1e-9)


@each
def test_the_order_of_rows_does_not_matter(name, kind):
    """Shuffled rows have the same figures."""
    columns = rows(kind, 700)
    order = np.random.default_rng(5).permutation(700)
    one = figures(name, kind, summary(kind, columns))
    two = figures(name, kind, summary(kind, [column[order] for column in columns]))
    np.testing.assert_allclose([one.value, one.low, one.high], [two.value, two.low, two.high], rtol=1e-9)


@each
def test_inputs_are_left_as_they_were(name, kind):
    """Neither the windows nor the reference is changed."""
    current, reference = Summary.stack([windows(kind), *odd_windows(kind).values()]), windows(kind, seed=9)
    before = arrays(current), arrays(reference)
    STATISTICS[name].figures(current, reference)
    assert (arrays(current), arrays(reference)) == before


@each
def test_asking_twice_gives_the_same_answer(name, kind):
    """There is no chance in a figure but what is seeded: two calls agree to the bit."""
    current = Summary.stack([windows(kind), *odd_windows(kind).values()])
    assert arrays(figures(name, kind, current)) == arrays(figures(name, kind, current))


@each
def test_a_higher_level_is_a_wider_interval(name, kind):
    """The interval at 0.99 holds that at 0.8."""
    narrow, wide = (figures(name, kind, windows(kind), level) for level in (0.8, 0.99))
    done = wide.reason == None  # noqa: E711 - by element: p01 and p99 need more rows at 0.99
    assert (wide.low[done] <= narrow.low[done]).all()
    assert (narrow.high[done] <= wide.high[done]).all()


@each
@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, 95.0, np.nan])
def test_a_level_that_is_none_is_refused(name, kind, level):
    """A level outside (0, 1) is a ValueError that says so."""
    with pytest.raises(ValueError, match="level="):
        figures(name, kind, windows(kind), level)


@each
def test_summaries_of_another_kind_are_refused(name, kind):
    """A statistic that cannot read a kind of summary says which kinds it reads."""
    for other in set(GRIDS) - set(STATISTICS[name].kinds):
        with pytest.raises(ValueError, match=f"{name} of a {other} summary"):
            STATISTICS[name].figures(windows(other), windows(other))


@each
def test_a_statistic_that_compares_needs_a_reference(name, kind):
    """Without a reference there is ``no reference``; on another grid a GridError; the others do not look at it."""
    statistic, current = STATISTICS[name], windows(kind)
    if not statistic.needs_reference:
        assert arrays(statistic.figures(current, None)) == arrays(figures(name, kind, current))
        return
    assert set(statistic.figures(current, None).reason) == {"no reference"}
    other = Summary.empty(dataclasses.replace(GRIDS[kind], column="another"))
    with pytest.raises(GridError, match="must be the same grid"):
        statistic.figures(current, other)


@each
def test_no_windows_are_no_figures(name, kind):
    """A summary of no windows has no figures, and is no error."""
    assert len(figures(name, kind, windows(kind).take([]))) == 0


@each
def test_a_statistic_and_its_figures_go_through_pickle(name, kind):
    """Workers of another process can be handed a statistic and hand back figures."""
    statistic = pickle.loads(pickle.dumps(STATISTICS[name]))
    found = statistic.figures(windows(kind), windows(kind, seed=99))
    assert arrays(pickle.loads(pickle.dumps(found))) == arrays(figures(name, kind, windows(kind)))


@pytest.mark.parametrize(
    ("name", "kind"), [case for case in CASES if STATISTICS[case[0]].needs_reference], ids=str
)
def test_no_change_is_within_the_interval(name, kind):
    """Of 400 windows, 20 against each of 20 references, at most 8 % have an interval that leaves out 0."""
    outside = [
        STATISTICS[name].figures(windows(kind, 20, 300, seed), windows(kind, seed=1000 + seed)).low > 0
        for seed in range(20)
    ]
    assert np.mean(outside) <= 0.08  # 5 % are meant to; the standard error is 1.1 %


@pytest.mark.parametrize("name", [name for name, kind in CASES if kind == "numeric"])
@pytest.mark.parametrize("size", [1.7e308, 1e-310])
@pytest.mark.parametrize("steps", [2, 300])
def test_the_ends_of_floating_point_warn_nobody(name, size, steps):
    """Columns of the greatest and the least floats have figures or reasons; no sum or step overflows with a noise."""
    x = np.repeat(np.concatenate([np.linspace(0, size, steps), -np.linspace(0, size, steps)]), 600 // steps)
    column = summarise_numeric(numeric_grid("x", x), x)
    found = STATISTICS[name].figures(column, column)
    assert np.isfinite(found.value[0]) == (found.reason[0] is None)


class Answer:
    """A statistic as another package would bring it."""

    name = "answer"
    kinds = ("numeric",)
    needs_reference = False

    def figures(self, current, reference=None, level=0.95):
        return STATISTICS["rows"].figures(current)


class EntryPoint:
    """What ``importlib.metadata`` returns, with no package behind it."""

    value = "package:thing"

    def __init__(self, name, thing):
        self.name, self.thing = name, thing

    def load(self):
        return self.thing


@pytest.fixture
def installed(monkeypatch):
    """Pretends that a package with such an entry point is installed."""

    def pretend(thing):
        entries = [EntryPoint("answer", thing)]
        monkeypatch.setattr(vedette.statistics, "entry_points", lambda group: entries)
        every_statistic.cache_clear()

    yield pretend
    monkeypatch.undo()
    every_statistic.cache_clear()


@pytest.mark.parametrize("thing", [Answer, Answer()], ids=["class", "instance"])
def test_other_packages_bring_statistics(installed, thing):
    """An entry point of the group is found by its statistic's name, after vedette's own."""
    installed(thing)
    assert find_statistic("answer").name == "answer"
    assert list(every_statistic())[:-1] == list(STATISTICS)


@pytest.mark.parametrize(
    ("thing", "message"), [(object(), "must be a Statistic"), (type(STATISTICS["psi"]), "'psi' is taken")]
)
def test_an_entry_point_that_cannot_be_used_is_refused(installed, thing, message):
    """What is no statistic, or would hide one, is an error that names the entry point."""
    installed(thing)
    with pytest.raises(ValueError, match=message):
        every_statistic()


def test_an_unknown_statistic_is_refused_with_the_names_there_are():
    """A typing error is told what would have been right."""
    with pytest.raises(ValueError, match=r"metric='acuracy': must be one of .*accuracy"):
        find_statistic("acuracy")
