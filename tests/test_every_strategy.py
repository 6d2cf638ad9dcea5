"""What every strategy must do; whoever enters one in ``STRATEGIES`` gets these checks for it."""

from __future__ import annotations

import pickle
from dataclasses import fields, replace

import numpy as np
import pytest

from vedette.statistics import (
    category_grid,
    latency_grid,
    numeric_grid,
    quality_grid,
    summarise_category,
    summarise_numeric,
    summarise_quality,
)
from vedette.strategy import STRATEGIES, Evidence, State, begin, inflation, plan

pytestmark = pytest.mark.parametrize("name", STRATEGIES)
GRIDS = {
    "x": numeric_grid("x", np.random.default_rng(0).normal(size=500)),
    "carrier": category_grid("carrier", {"a": 60, "b": 30, "c": 10}, ["d"]),
    "_quality": quality_grid(("0", "1")),
    "latency_s": latency_grid(),
}


def summaries(random, n, n_windows=1, shift=0.0):
    """n independent rows in each window, of all kinds of columns; ``shift`` moves every one of them."""
    total = n * n_windows
    window = np.repeat(np.arange(n_windows), n)
    label = random.integers(0, 2, total)
    wrong = random.random(total) < 0.1 + 0.2 * shift
    level = np.minimum(
        random.choice(4, total, p=[0.6, 0.29, 0.1, 0.01]) + (random.random(total) < shift / 2), 3
    )
    return {
        "x": summarise_numeric(
            GRIDS["x"], random.normal(size=total) + shift, random.random(total) > 0.02, window, n_windows
        ),
        "carrier": summarise_category(GRIDS["carrier"], level, ("a", "b", "c", "d"), window, n_windows),
        "_quality": summarise_quality(
            GRIDS["_quality"],
            label,
            np.where(wrong, 1 - label, label),
            ("0", "1"),
            np.full(total, np.nan),
            window,
            n_windows,
        ),
        "latency_s": summarise_numeric(
            GRIDS["latency_s"], random.lognormal(-4 + shift, 0.5, total), None, window, n_windows
        ),
    }


def start(random, order=tuple(GRIDS), budget=1.0):
    """A plan over a reference of 2,000 rows, and the state that begins with it."""
    batches = summaries(random, 100, 20)
    batches = {column: batches[column] for column in order}
    reference = {column: summary.merged() for column, summary in batches.items()}
    watches = plan(reference, "model")
    state = begin(watches, reference, inflation(watches, batches), windows_per_month=720, budget=budget)
    return watches, state


def steps(watches, random, n_steps, n=200, change=None):
    return [
        watches.step(
            summaries(random, n, shift=0.5 if change is not None and w >= change else 0.0), w, w * 3600.0
        )
        for w in range(n_steps)
    ]


def judge_all(name, state, some):
    strategy, found = STRATEGIES[name](), []
    for step in some:
        evidence, state = strategy.judge(step, state)
        found.append(evidence)
    return found, state


def same(one, other):
    """True where all arrays of two records are equal to the bit."""
    return all(
        np.array_equal(
            getattr(one, f.name), getattr(other, f.name), equal_nan=getattr(one, f.name).dtype.kind == "f"
        )
        for f in fields(one)
    )


def test_name_and_guarantee(name):
    """A strategy knows its name and says which of the four guarantees stands behind it."""
    strategy = STRATEGIES[name]()
    assert (strategy.name, strategy.guarantee in {"proved", "calibrated", "tracked", "rule"}) == (name, True)


def test_inputs_stay_as_they_are(name):
    """Judging changes neither the step nor the state that was handed in."""
    random = np.random.default_rng(1)
    watches, state = start(random)
    some = steps(watches, random, 6, change=3)
    _, state = judge_all(name, state, some[:4])
    before, step = pickle.dumps((state, some[4])), some[4]
    STRATEGIES[name]().judge(step, state)
    assert pickle.dumps((state, step)) == before


def test_same_input_same_answer(name):
    """Two runs over the same steps agree to the bit: chance comes from names and windows alone."""
    runs = []
    for _ in range(2):
        random = np.random.default_rng(2)
        watches, state = start(random)
        runs.append(judge_all(name, state, steps(watches, random, 12, change=6))[1])
    assert same(*runs)


def test_a_state_through_bytes_is_the_same_state(name):
    """Storing the state between any two steps changes no bit of the answer."""
    random = np.random.default_rng(3)
    watches, state = start(random)
    some, stored = steps(watches, random, 12, change=6), state
    _, kept = judge_all(name, state, some)
    for step in some:
        _, stored = STRATEGIES[name]().judge(step, State.from_bytes(stored.to_bytes()))
    assert same(stored, kept)


def test_order_of_columns_does_not_matter(name):
    """With the columns in another order each watch gets the same evidence, to the bit."""
    found = []
    for order in (tuple(GRIDS), tuple(reversed(GRIDS))):
        random = np.random.default_rng(4)
        watches, state = start(random, order)
        evidence, state = judge_all(name, state, steps(watches, random, 12, change=6))
        found.append(
            {
                watch.id: (evidence[-1].log_evidence[k], state.latched[k], state.opened[k].tobytes())
                for k, watch in enumerate(watches.watches)
            }
        )
    assert found[0] == found[1]


def test_what_is_too_little_waits(name):
    """Thirty rows, then thirty more, are judged as sixty rows in the second window."""
    random = np.random.default_rng(5)
    watches, state = start(random)
    one, other = summaries(random, 30), summaries(random, 30)
    both = {column: one[column] + other[column] for column in one}
    apart = [watches.step(one, 0, 0.0), watches.step(other, 1, 3600.0)]
    _, split = judge_all(name, state, apart)
    _, whole = judge_all(name, state, [watches.step(both, 1, 3600.0)])
    assert np.array_equal(split.pool, whole.pool)
    assert np.array_equal(split.bets, whole.bets)


def test_no_rows_are_no_judgement(name):
    """A step without rows judges nothing, says so, and leaves the evidence where it was."""
    random = np.random.default_rng(6)
    watches, state = start(random)
    _, state = judge_all(name, state, steps(watches, random, 3))
    evidence, after = STRATEGIES[name]().judge(watches.step({}, 3, 3 * 3600.0), state)
    assert set(evidence.reason) == {"no rows"}
    assert same(after, replace(state, waiting=after.waiting))


def test_a_window_is_judged_once(name):
    """More rows for a window that was judged wait for the next, so there are never more judgements than windows."""
    random = np.random.default_rng(7)
    watches, state = start(random)
    step = watches.step(summaries(random, 200), 5, 5 * 3600.0)
    evidence, state = judge_all(name, state, [step, step])
    assert (evidence[0].judged.all(), evidence[1].judged.any()) == (True, False)
    assert np.array_equal(state.carry, step.counts)


def test_corrections_wait_for_rows(name):
    """Counts that are negative, as corrected labels make them, are held until new rows outweigh them."""
    random = np.random.default_rng(8)
    watches, state = start(random)
    step = watches.step(summaries(random, 200), 0, 0.0)
    row = int(watches.first[[watch.id for watch in watches.watches].index("accuracy")])
    counts = step.counts.copy()
    counts[row, :2] = (300, -2)
    k = [watch.id for watch in watches.watches].index("accuracy")
    evidence, _ = STRATEGIES[name]().judge(replace(step, counts=counts), state)
    assert (evidence.judged[k], evidence.reason[k]) == (False, "corrections outweigh new rows")


def test_a_model_without_watches(name):
    """A plan with nothing to watch is judged without complaint."""
    watches = plan({}, "model")
    state = begin(watches, {}, np.zeros(0), windows_per_month=720)
    evidence, after = STRATEGIES[name]().judge(watches.step({}, 0, 0.0), state)
    assert (len(evidence.judged), same(state, after)) == (0, True)


def test_a_column_that_never_varies_never_alarms(name):
    """Where reference and windows hold a single value there is nothing to tell, and no coin is thrown."""
    grid = numeric_grid("constant", np.full(100, 3.0))
    reference = {"constant": summarise_numeric(grid, np.full(500, 3.0))}
    watches = plan(reference, "model")
    state = begin(watches, reference, np.ones(len(watches.key)), windows_per_month=30, budget=100.0)
    evidence, _ = judge_all(
        name,
        state,
        [watches.step({"constant": summarise_numeric(grid, np.full(80, 3.0))}, w, 0.0) for w in range(60)],
    )
    assert max(one.log_evidence.max() for one in evidence) < np.log(20)


def test_a_value_beside_the_only_one_alarms(name):
    """A column that never varied and then takes another value alarms within three windows."""
    grid = numeric_grid("constant", np.full(100, 3.0))
    reference = {"constant": summarise_numeric(grid, np.full(500, 3.0))}
    watches = plan(reference, "model")
    state = begin(watches, reference, np.ones(len(watches.key)), windows_per_month=720)
    values = [np.full(80, 3.0)] * 3 + [np.full(80, 4.0)] * 3
    evidence, _ = judge_all(
        name,
        state,
        [watches.step({"constant": summarise_numeric(grid, v)}, w, 0.0) for w, v in enumerate(values)],
    )
    assert any(one.alarm[0] for one in evidence[3:])


def test_steps_of_another_plan_are_refused(name):
    """A step whose rows are not the state's is an error, never a wrong answer."""
    random = np.random.default_rng(9)
    _, state = start(random)
    other, _ = start(random, ("x",))
    with pytest.raises(ValueError, match="must be of the same plan"):
        STRATEGIES[name]().judge(other.step({}, 0, 0.0), state)


def test_memory_stays_flat(name):
    """The arrays of the state do not grow with the number of steps."""
    random = np.random.default_rng(10)
    watches, state = start(random)
    _, after = judge_all(name, state, steps(watches, random, 40, change=20))
    assert [getattr(state, f.name).nbytes for f in fields(state)] == [
        getattr(after, f.name).nbytes for f in fields(after)
    ]


def test_records_pickle(name):
    """State and evidence can be sent to another process."""
    random = np.random.default_rng(11)
    watches, state = start(random)
    evidence, state = STRATEGIES[name]().judge(watches.step(summaries(random, 200), 0, 0.0), state)
    loaded: tuple[Evidence, State] = pickle.loads(pickle.dumps((evidence, state)))
    assert same(loaded[1], state)


def test_a_change_of_half_a_deviation_is_seen(name):
    """A lasting shift of 0.5 sd and its like in the other columns alarm within six windows of 200 rows."""
    random = np.random.default_rng(12)
    watches, state = start(random)
    evidence, _ = judge_all(name, state, steps(watches, random, 21, change=15))
    told = {watches.watches[k].id for one in evidence[15:] for k in np.flatnonzero(one.alarm)}
    assert {"x.location", "carrier.mix", "accuracy", "latency.location", "latency.slow"} <= told


def test_false_alarms_stay_within_the_budget(name):
    """Independent rows, eight references: alarms stay within a budget of ten a month, and are not impossible."""
    random = np.random.default_rng(13)
    n_alarms, n_days, n_runs = 0, 60, 8
    for _ in range(n_runs):
        watches, state = start(random, budget=10.0)
        state = replace(state, windows_per_month=np.array([30.0]))
        days = summaries(random, 100, n_days)
        some = [
            watches.step({column: one.take([day]) for column, one in days.items()}, day, day * 86400.0)
            for day in range(n_days)
        ]
        n_alarms += sum(int(one.alarm.sum()) for one in judge_all(name, state, some)[0])
    assert 0 < n_alarms <= 10.0 * n_runs * n_days / 30
