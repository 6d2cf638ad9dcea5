"""Two versions in a lake held against each other: what is counted, what is claimed, what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import vedette
from vedette import config
from vedette.config.comparing import compared
from vedette.engine.comparing import evaluate
from vedette.engine.comparing.counted import Both, seen_of
from vedette.engine.comparing.naming import named
from vedette.engine.query import Query
from vedette.engine.view import view
from vedette.errors import ConfigError
from vedette.lake.tables import Lake
from vedette.records.comparing import Difference, Evaluated
from vedette.strategy.versions import PairedRates, Rates

HOUR = 3600.0
DAY = 24 * HOUR
START = 1_790_000_000.0 // DAY * DAY
"""A midnight, in seconds since 1970."""


class World:
    """A model with two versions, and what it did kept beside it as one frame."""

    def __init__(self, lake: Path, **settings: Any) -> None:
        self.now, self.lake, self.told = START, lake, pl.DataFrame()
        self.monitors = {
            version: vedette.Monitor(
                "net", version=version, lake=lake, window="1h", clock=lambda: self.now, **settings
            )
            for version in ("3", "4")
        }
        self.late: dict[str, list[pl.DataFrame]] = {"3": [], "4": []}

    def log(self, version: str, rows: pl.DataFrame, delay_s: Any = 0.0) -> None:
        """Rows with their labels, which come so many seconds after them."""
        told = rows.with_columns(
            (pl.col("time") + pl.duration(microseconds=pl.lit(delay_s) * 1e6)).alias("known"),
            pl.lit(version).alias("version"),
        )
        self.now = max(self.now, rows["time"].max().timestamp())  # type: ignore[union-attr]
        self.told = pl.concat([self.told, told], how="diagonal") if self.told.height else told
        self.monitors[version].log_many(rows.drop("label", "time_label", strict=False))
        self.late[version].append(told.select("id", "label", pl.col("known").alias("time")))

    def pass_to(self, now: float) -> None:
        """Labels come that are due."""
        self.now = now
        moment = pl.lit(int(now * 1e6)).cast(pl.Datetime("us", "UTC"))
        for version, frames in self.late.items():
            every = pl.concat(frames) if frames else pl.DataFrame()
            if every.height:
                due = every.filter(pl.col("time") <= moment)
                if due.height:
                    self.monitors[version].label_many(due)
                self.late[version] = [every.filter(pl.col("time") > moment)]

    def flush(self) -> None:
        for monitor in self.monitors.values():
            monitor.flush()

    def compare(self, **said: Any) -> Evaluated:
        return self.monitors["3"].compare(champion="3", challenger="4", **said)


def rows_of(
    rng: np.random.Generator, version: str, begin: float, length: float, n: int, accuracy: float, **more: Any
) -> pl.DataFrame:
    label = rng.integers(0, 2, n)
    prediction = np.where(rng.uniform(size=n) < accuracy, label, 1 - label)
    at = np.sort(begin + rng.uniform(size=n) * length)
    return pl.DataFrame(
        {
            "id": [f"{version}-{begin:.0f}-{number}" for number in range(n)],
            "time": pl.Series((at * 1e6).astype(np.int64)).cast(pl.Datetime("us", "UTC")),
            "prediction": prediction,
            "label": label,
            **more,
        }
    )


def common_rows(world: World) -> pl.DataFrame:
    """The rows of the hours in which both versions had some."""
    hours = world.told.with_columns(pl.col("time").dt.truncate("1h").alias("hour"))
    both = pl.col("version").n_unique().over("hour") == 2
    return hours.filter(both)


def the(found: Evaluated, figure: str) -> Difference:
    return next(one for one in found.found if one.figure == figure)


@pytest.fixture(scope="module")
def delayed(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Champion from day 0, challenger with a fifth of the rows from day 2 to 6; labels come 30 hours later, some corrected."""
    rng = np.random.default_rng(7)
    world = World(tmp_path_factory.mktemp("delayed") / "lake", task="classification", classes=["0", "1"])
    for day in range(7):
        for version, n, accuracy in (("3", 500, 0.9), ("4", 125, 0.8)):
            if version == "4" and day < 2:
                continue
            begin = START + day * DAY
            latency = rng.lognormal(-4 if version == "3" else -3.9, 0.4, n)
            cost = rng.gamma(2.0, 1.0, n)
            world.log(
                version,
                rows_of(rng, version, begin, DAY, n, accuracy, latency_s=latency, cost=cost),
                30 * HOUR,
            )
        world.pass_to(START + (day + 1) * DAY)
    world.flush()
    return world


def test_what_is_counted_is_what_the_rows_of_both_are(delayed: World) -> None:
    """Of the windows in which both versions had rows: rows, labels that have come, hits, mean latency, from the frame itself."""
    found = delayed.compare(
        guard_rails={"accuracy": 0.02, "latency_s": 0.01},
        shown=["recall", "mean(cost)"],
        lower_is_better=["mean(cost)"],
    )
    hours = delayed.told.with_columns(pl.col("time").dt.truncate("1h").alias("hour"))
    ends = hours.group_by("version").agg(
        pl.col("hour").min().alias("low"), pl.col("hour").max().alias("high")
    )
    low, high = ends["low"].max(), ends["high"].min()
    assert (found.since, found.until) == (low, high + timedelta(hours=1))  # type: ignore[operator]
    rows = hours.filter(pl.col("hour").is_between(low, high))
    moment = pl.lit(int(delayed.now * 1e6)).cast(pl.Datetime("us", "UTC"))
    for version in ("3", "4"):
        own = rows.filter(pl.col("version") == version)
        known = own.filter(pl.col("known") <= moment)
        assert found.rows[version] == own.height
        assert found.labelled[version] == pytest.approx(known.height / own.height)
        side = "champion" if version == "3" else "challenger"
        right = (known["prediction"] == known["label"]).mean()
        assert getattr(the(found, "accuracy"), side) == pytest.approx(right)
        assert getattr(the(found, "accuracy"), f"n_{side}") == known.height
        positive = known.filter(pl.col("label") == 1)
        assert getattr(the(found, "recall"), side) == pytest.approx((positive["prediction"] == 1).mean())
        assert getattr(the(found, "latency_s"), side) == pytest.approx(own["latency_s"].mean())
        assert getattr(the(found, "mean(cost)"), side) == pytest.approx(own["cost"].mean())
    assert the(found, "accuracy").guarantee == "proved"


def test_a_challenger_that_is_worse_is_rolled_back(delayed: World) -> None:
    """Ten points of accuracy less are found, with the figure in the reasons, and the interval holds the truth."""
    found = delayed.compare(guard_rails={"accuracy": 0.02, "error_rate": 0.05})
    assert found.decision == "roll back"
    assert found.why[0].startswith("accuracy is worse")
    accuracy = the(found, "accuracy")
    assert accuracy.claim == "worse"
    assert accuracy.low is not None
    assert accuracy.high is not None
    assert accuracy.low < -0.1 < accuracy.high < 0


def test_blocks_hold_rows_of_one_window_whose_labels_came_together(delayed: World) -> None:
    """Hits and rows of each block are those of the rows of one hour with labels of one hour, by brute force."""
    settings = compared("a", {"champion": "3", "challenger": "4", "guard_rails": {"accuracy": 0.02}})
    seen = view(Lake.at(delayed.lake), "net", Query(metrics=("rows", "accuracy")))
    found = delayed.compare(guard_rails={"accuracy": 0.02})
    assert found.since is not None
    assert found.until is not None
    both = Both(("3", "4"), tuple(sorted(set(common_rows(delayed)["hour"]))))
    looks = seen_of(seen, named("accuracy", settings), both).looks
    assert isinstance(looks, Rates)
    moment = pl.lit(int(delayed.now * 1e6)).cast(pl.Datetime("us", "UTC"))
    rows = common_rows(delayed).filter(pl.col("known") <= moment)
    rows = rows.with_columns(pl.col("known").dt.truncate("1h").alias("came"))
    by = (
        rows.group_by("came", "hour")
        .agg(
            (pl.col("version") == "3").sum().alias("n3"),
            (pl.col("version") == "4").sum().alias("n4"),
            ((pl.col("version") == "3") & (pl.col("prediction") == pl.col("label"))).sum().alias("h3"),
            ((pl.col("version") == "4") & (pl.col("prediction") == pl.col("label"))).sum().alias("h4"),
        )
        .sort("came", "hour")
    )
    told = [looks.champion_hits, looks.champion_n, looks.challenger_hits, looks.challenger_n]
    for mine, theirs in zip(told, ("h3", "n3", "h4", "n4"), strict=True):
        assert np.array_equal(mine, by[theirs].to_numpy())


def test_rows_that_are_still_in_the_journal_count(tmp_path: Path) -> None:
    """Before and after a round the same is told."""
    rng = np.random.default_rng(2)
    world = World(tmp_path / "lake", task="classification", classes=["0", "1"])
    for version, n in (("3", 400), ("4", 300)):
        world.log(version, rows_of(rng, version, START, 5 * HOUR, n, 0.9), 60.0)
    world.pass_to(START + 6 * HOUR)
    before = world.compare(guard_rails={"accuracy": 0.02})
    world.flush()
    after = world.compare(guard_rails={"accuracy": 0.02})
    assert before.rows == {"3": 400, "4": 300}
    assert before == after


def test_shares_that_change_while_the_level_falls_show_no_difference(tmp_path: Path) -> None:
    """Simpson's paradox: equal versions, the challenger gets most of its rows when everything is bad."""
    rng = np.random.default_rng(11)
    world = World(tmp_path / "lake", task="classification", classes=["0", "1"])
    for hour in range(48):
        level = 0.95 if hour < 24 else 0.75
        for version, n in (("3", 190 if hour < 24 else 100), ("4", 10 if hour < 24 else 100)):
            world.log(version, rows_of(rng, version, START + hour * HOUR, HOUR, n, level), 60.0)
    world.pass_to(START + 49 * HOUR)
    found = the(world.compare(guard_rails={"accuracy": 0.02}), "accuracy")
    assert found.champion is not None
    assert found.challenger is not None
    assert found.difference is not None
    assert found.low is not None
    assert found.high is not None
    assert found.challenger - found.champion < -0.04  # all rows together
    assert abs(found.difference) < 0.02
    assert found.low < 0 < found.high
    assert found.claim in ("undecided", "not worse")


def test_corrected_labels_count_as_they_are_now(tmp_path: Path) -> None:
    """A label that is said again otherwise takes the place of the first, and no block is below zero."""
    rng = np.random.default_rng(5)
    world = World(tmp_path / "lake", task="classification", classes=["0", "1"])
    for version in ("3", "4"):
        world.log(version, rows_of(rng, version, START, 6 * HOUR, 300, 0.9), HOUR)
    world.pass_to(START + 8 * HOUR)
    world.flush()
    wrong = world.told.filter(pl.col("version") == "4").head(60)
    world.now = START + 20 * HOUR
    at = pl.lit(int(world.now * 1e6)).cast(pl.Datetime("us", "UTC"))
    world.monitors["4"].label_many(
        wrong.select("id", (1 - pl.col("prediction")).alias("label"), at.alias("time"))
    )
    world.flush()
    own = world.told.filter(pl.col("version") == "4").with_columns(
        pl.when(pl.col("id").is_in(wrong["id"].to_list()))
        .then(1 - pl.col("prediction"))
        .otherwise(pl.col("label"))
        .alias("label")
    )
    found = the(world.compare(guard_rails={"accuracy": 0.02}), "accuracy")
    assert found.challenger == pytest.approx((own["prediction"] == own["label"]).mean())
    assert found.n_challenger == 300


def test_rows_that_both_answered_are_compared_as_pairs(tmp_path: Path) -> None:
    """Shadow: discordant rows, disagreement and the mean difference of latencies, by brute force."""
    rng = np.random.default_rng(3)
    world = World(tmp_path / "lake", task="classification", classes=["0", "1"])
    champion = rows_of(rng, "row", START, 10 * HOUR, 600, 0.9, latency_s=rng.lognormal(-4, 0.3, 600))
    other = np.where(rng.uniform(size=600) < 0.05, 1 - champion["prediction"], champion["prediction"])
    challenger = champion.with_columns(
        pl.Series("prediction", other), pl.col("latency_s") + pl.Series(rng.normal(0.002, 0.001, 600))
    )
    world.log("3", champion, HOUR)
    world.log("4", challenger, HOUR)
    world.pass_to(START + 12 * HOUR)
    world.late["4"].clear()
    world.flush()
    found = world.compare(
        mode="shadow", guard_rails={"accuracy": 0.02, "disagreement": 0.1, "latency_s": 0.01}
    )
    right = (champion["prediction"] == champion["label"]).to_numpy()
    right_other = other == champion["label"].to_numpy()
    accuracy = the(found, "accuracy")
    assert accuracy.difference == pytest.approx(right_other.mean() - right.mean())
    assert (accuracy.n_champion, accuracy.n_challenger) == (600, 600)
    assert the(found, "disagreement").challenger is None
    assert the(found, "disagreement").difference == pytest.approx(
        (other != champion["prediction"].to_numpy()).mean()
    )
    assert the(found, "disagreement").claim == "not worse"
    latency = the(found, "latency_s")
    assert latency.difference == pytest.approx((challenger["latency_s"] - champion["latency_s"]).mean())
    assert latency.claim == "worse"
    assert found.decision == "roll back"
    seen = view(Lake.at(world.lake), "net", Query(metrics=("rows", "accuracy")))
    assert found.since is not None
    assert found.until is not None
    from vedette.engine.comparing.rows import of_pairs

    settings = compared(
        "a", {"champion": "3", "challenger": "4", "mode": "shadow", "guard_rails": {"accuracy": 0.02}}
    )
    looks = of_pairs(
        seen, named("accuracy", settings), Both(("3", "4"), tuple(sorted(set(common_rows(world)["hour"]))))
    ).looks
    assert isinstance(looks, PairedRates)
    assert int(np.sum(looks.only_champion)) == int((right & ~right_other).sum())
    assert int(np.sum(looks.only_challenger)) == int((right_other & ~right).sum())


def test_rows_of_one_user_are_not_independent(tmp_path: Path) -> None:
    """Ten heavy users by version, who differ among themselves: rows alone claim a difference, units do not, and their error
    is that of drawing users anew."""
    rng = np.random.default_rng(4)
    world = World(tmp_path / "lake", task="classification", classes=["0", "1"])
    users = {"3": rng.uniform(0.6, 1.0, 30), "4": rng.uniform(0.6, 1.0, 30)}
    users["3"].sort()
    users["3"], users["4"] = users["3"][5:], users["4"]  # the champion's happen to be the better ones
    for version, levels in users.items():
        for number, level in enumerate(levels):
            rows = rows_of(rng, f"{version}-{number}", START + number, 20 * HOUR, 200, float(level))
            world.log(version, rows.with_columns(pl.lit(f"{version}u{number}").alias("user")), 60.0)
    world.pass_to(START + 22 * HOUR)
    world.flush()
    alone = the(world.compare(guard_rails={"accuracy": 0.005}), "accuracy")
    tied = the(world.compare(guard_rails={"accuracy": 0.005}, unit="user"), "accuracy")
    assert alone.claim == "worse"
    assert tied.claim in ("undecided", "unknown")
    known = world.told.with_columns((pl.col("prediction") == pl.col("label")).alias("right"))
    means = {
        version: known.filter(pl.col("version") == version)
        .group_by("user")
        .agg(pl.col("right").mean())["right"]
        .to_numpy()
        for version in ("3", "4")
    }
    drawn = [
        np.mean(rng.choice(means["4"], len(means["4"]))) - np.mean(rng.choice(means["3"], len(means["3"])))
        for _ in range(4000)
    ]
    from vedette.engine.comparing.rows import of_units
    from vedette.strategy.versions import Estimates

    settings = compared(
        "a", {"champion": "3", "challenger": "4", "guard_rails": {"accuracy": 0.02}, "unit": "user"}
    )
    seen = view(Lake.at(world.lake), "net", Query(metrics=("rows", "accuracy")))
    both = Both(("3", "4"), tuple(sorted(set(common_rows(world)["hour"]))))
    looks = of_units(seen, named("accuracy", settings), both, "user").looks
    assert isinstance(looks, Estimates)
    assert float(looks.se[-1]) == pytest.approx(np.std(drawn), rel=0.1)


def test_a_split_that_is_not_the_one_that_was_set_stops_a_promotion(tmp_path: Path) -> None:
    """The challenger is better, and gets a third of the rows where a half was set."""
    rng = np.random.default_rng(6)
    world = World(tmp_path / "lake", task="classification", classes=["0", "1"])
    for hour in range(30):
        for version, n, accuracy in (("3", 100, 0.8), ("4", 50, 0.92)):
            world.log(version, rows_of(rng, version, START + hour * HOUR, HOUR, n, accuracy), 60.0)
    world.pass_to(START + 31 * HOUR)
    world.flush()
    as_set = world.compare(goals=["accuracy"], shares={"3": 2 / 3, "4": 1 / 3})
    other = world.compare(goals=["accuracy"], shares={"3": 0.5, "4": 0.5})
    assert (as_set.decision, as_set.mismatch) == ("promote", False)
    assert (other.decision, other.mismatch) == ("hold", True)
    assert other.split is not None
    assert "not by chance" in other.split


def test_what_is_not_decided_yet_says_when_it_will_be(tmp_path: Path) -> None:
    """A hold with a forecast; more rows bring it nearer."""
    rng = np.random.default_rng(8)
    world = World(tmp_path / "lake", task="classification", classes=["0", "1"])
    for hour in range(24):
        for version in ("3", "4"):
            world.log(version, rows_of(rng, version, START + hour * HOUR, HOUR, 30, 0.9), 60.0)
    world.pass_to(START + 25 * HOUR)
    found = world.compare(guard_rails={"accuracy": 0.02})
    assert found.decision == "hold"
    assert found.decided_in_s is not None
    assert HOUR < found.decided_in_s < 60 * DAY
    assert found.late_s is None or found.late_s >= found.decided_in_s


def test_a_figure_without_values_is_unknown_and_promotes_nothing(delayed: World, tmp_path: Path) -> None:
    """No labels: the guard-rail on accuracy is unknown, with why, and what is known promotes nobody."""
    rng = np.random.default_rng(9)
    world = World(tmp_path / "lake", task="classification", classes=["0", "1"])
    for version in ("3", "4"):
        world.log(version, rows_of(rng, version, START, 9 * HOUR, 3000, 0.9), 100 * DAY)
    world.pass_to(START + 10 * HOUR)
    found = world.compare(guard_rails={"accuracy": 0.02, "error_rate": 0.01})
    assert found.decision == "hold"
    assert the(found, "accuracy").claim == "unknown"
    assert "no labels have come" in str(the(found, "accuracy").reason)
    assert the(found, "error_rate").claim == "not worse"
    alone = delayed.monitors["3"].compare(champion="3", challenger="9", guard_rails={"accuracy": 0.02})
    assert (alone.decision, alone.why) == ("unknown", ("no rows of version 9",))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"guard_rails": {"accuracy": 0.01}}, "champion=None: must be the text of a version"),
        ({"champion": "3", "challenger": "3", "goals": ["accuracy"]}, "both '3': must be two"),
        ({"champion": "3", "challenger": "4"}, "must have goals or guard_rails"),
        ({"champion": "3", "challenger": "4", "guard_rails": {"accuracy": 0}}, "must be a number above 0"),
        ({"champion": "3", "challenger": "4", "goals": "accuracy"}, "must be a list of figures"),
        ({"champion": "3", "challenger": "4", "goals": ["f1"], "mode": "blue"}, "must be one of canary, ab"),
        ({"champion": "3", "challenger": "4", "goals": ["f1"], "alpha": 0.7}, "above 0 and less than 0.5"),
        ({"champion": "3", "challenger": "4", "goals": ["f1"], "margin": 1}, "unknown key 'margin'"),
        (
            {"champion": "3", "challenger": "4", "goals": ["f1"], "shares": {"3": 1}},
            "must be the shares of '3' and '4'",
        ),
        (
            {"champion": "3", "challenger": "4", "goals": ["f1"], "guard_rails": {"f1": 0.1}},
            "must be one of them",
        ),
        (
            {"champion": "3", "challenger": "4", "goals": ["f1"], "since": "soon"},
            "must be like 2026-11-22T09:00",
        ),
        (
            {"champion": "3", "challenger": "4", "goals": ["f1"], "mode": "shadow", "unit": "u"},
            "leave it out",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(table: dict[str, Any], words: str, tmp_path: Path) -> None:
    """By its name, its value, and what would be right; from a file with the file's name."""
    with pytest.raises(ValueError, match=r"compare\.a") as told:
        compared("a", table)
    assert words in str(told.value)
    path = tmp_path / "vedette.toml"
    lines = [
        f"{key} = {json.dumps(value) if not isinstance(value, dict) else _inline(value)}"
        for key, value in table.items()
    ]
    path.write_text("[models.net.compare.a]\n" + "\n".join(lines) + "\n")
    with pytest.raises(ConfigError, match=r"vedette\.toml"):
        config.read(path)


def _inline(table: dict[str, Any]) -> str:
    return "{ " + ", ".join(f'"{key}" = {value}' for key, value in table.items()) + " }"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"guard_rails": {"acuracy": 0.01}}, "did you mean accuracy"),
        ({"guard_rails": {"mean(cost)": 0.01}}, "name it in lower_is_better or higher_is_better"),
        ({"guard_rails": {"missing_share": 0.01}}, "is said of a column, such as missing_share(cost)"),
        ({"guard_rails": {"mae": 0.01}}, "this model has no such figure"),
        ({"guard_rails": {"disagreement": 0.01}}, "is of mode shadow"),
        ({"goals": ["psi(cost)"], "lower_is_better": ["psi(cost)"]}, "by which versions can be compared"),
        ({"goals": ["disagreement"], "mode": "shadow"}, "cannot be a goal"),
    ],
)
def test_figures_that_cannot_be_compared_say_why(delayed: World, said: dict[str, Any], words: str) -> None:
    """A name that is none, one that is of columns, one whose direction nobody said."""
    with pytest.raises(ValueError, match=r".+") as told:
        delayed.compare(**said)
    assert words in str(told.value)


def test_the_command_line_says_the_same(delayed: World, tmp_path: Path) -> None:
    """Exit 1 for a roll back, JSON as ``document`` has it, the comparisons of the file by name."""
    (tmp_path / "vedette.toml").write_text(
        '[models.net.compare.canary]\nchampion = "3"\nchallenger = "4"\nguard_rails = { accuracy = 0.02 }\n'
    )
    call = [sys.executable, "-m", "vedette", "compare", "net", "--lake", str(delayed.lake)]
    done = subprocess.run(
        [*call, "canary", "--json"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 1, done.stderr
    (document,) = json.loads(done.stdout)
    settings = config.read(tmp_path / "vedette.toml").compare_of("net")[0]
    assert document == json.loads(json.dumps(evaluate(Lake.at(delayed.lake), "net", settings).document()))
    words = subprocess.run(
        [*call, "--guard-rail", "latency_s=0.5"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert words.returncode == 0, words.stderr
    assert words.stdout.startswith("PROMOTE")
    wrong = subprocess.run([*call, "nightly"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert wrong.returncode == 64
    assert "there are canary" in wrong.stderr


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (pl.col("size") * 2.54, "scaled", "size is about 2."),
        (pl.col("size") + 30, "shifted", "size is +30"),
        (pl.when(pl.col("size") <= 12).then(pl.col("size")).alias("size"), "missing", "size is missing in"),
        (pl.lit(None, pl.Float64).alias("size"), "schema", "size"),
        (pl.lit("Z").alias("region"), "changed", "region="),
    ],
)
def test_inputs_that_are_not_the_same_are_named_before_labels_come(
    change: pl.Expr, kind: str, words: str, tmp_path: Path
) -> None:
    """Without a single label the challenger is held; where the inputs are meant to be the same it is rolled back, with which
    column it is."""
    rng = np.random.default_rng(12)
    world = World(tmp_path / "lake", task="classification", classes=["0", "1"])
    for hour in range(8):
        for version, n in (("3", 150), ("4", 80)):
            more = {
                "size": rng.gamma(5, 2, n),
                "region": rng.choice(["n", "s"], n),
                "other": rng.normal(size=n),
            }
            rows = rows_of(rng, version, START + hour * HOUR, HOUR, n, 0.9, **more)
            world.log(version, rows.with_columns(change) if version == "4" else rows, 100 * DAY)
    world.flush()
    rails = {"accuracy": 0.02, "error_rate": 0.01}
    assert world.compare(guard_rails=rails).decision == "hold"
    found = world.compare(guard_rails=rails, same_inputs=True)
    assert found.decision == "roll back"
    assert [(one.kind, one.column) for one in found.suspects] == [
        (kind, "region" if "region" in words else "size")
    ]
    assert words in found.suspects[0].words
    assert found.why == (f"inputs are not the same: {found.suspects[0].words}",)


def test_inputs_that_are_the_same_are_called_others_in_a_hundredth_at_most(tmp_path: Path) -> None:
    """Ten worlds of six inputs each, whose levels drift while the share of the traffic changes."""
    rng = np.random.default_rng(13)
    named = 0
    for number in range(10):
        world = World(tmp_path / f"lake{number}", task="classification", classes=["0", "1"])
        for hour in range(6):
            for version, n in (("3", 120 - 15 * hour), ("4", 30 + 15 * hour)):
                more = {f"x{k}": rng.normal(0.3 * hour, 1, n) for k in range(5)}
                more["kind"] = rng.choice(["a", "b", "c"], n, p=[0.1 + 0.1 * hour, 0.6 - 0.1 * hour, 0.3])
                world.log(
                    version, rows_of(rng, version, START + hour * HOUR, HOUR, n, 0.9, **more), 100 * DAY
                )
        world.flush()
        named += bool(world.compare(guard_rails={"error_rate": 0.01}, same_inputs=True).suspects)
    assert named <= 1


def test_latencies_that_hang_together_in_a_window_are_no_difference(tmp_path: Path) -> None:
    """The challenger's host is slow in one hour and quick in the next, by far more than its rows are spread: rows taken for
    independent would be sure of it, the windows are not."""
    rng = np.random.default_rng(14)
    world = World(tmp_path / "lake", task="classification", classes=["0", "1"])
    moods = rng.normal(0, 0.02, 10)
    for hour in range(10):
        for version in ("3", "4"):
            mood = moods[hour] if version == "4" else 0.0
            latency = np.abs(0.1 + mood + rng.normal(0, 0.002, 300))
            world.log(
                version, rows_of(rng, version, START + hour * HOUR, HOUR, 300, 0.9, latency_s=latency), 60.0
            )
    world.flush()
    found = the(world.compare(guard_rails={"latency_s": 0.001}), "latency_s")
    assert found.difference is not None
    assert found.low is not None
    assert found.high is not None
    assert found.claim == "undecided"
    assert found.low < 0 < found.high
    assert abs(found.difference - moods.mean()) < 0.001
    assert found.high - found.low > 4 * moods.std() / np.sqrt(10)
