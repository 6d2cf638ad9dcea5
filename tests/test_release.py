"""Releases with differential privacy: the noise is that of theory, and no budget is ever broken."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats

import vedette
from vedette import config
from vedette.engine.releasing import Question, Released, _noise, release
from vedette.errors import ConfigError, LakeError, PrivacyError
from vedette.lake.spent import claim, claims, spent
from vedette.lake.tables import Lake

pytest.importorskip("opendp", reason="the extra 'release' is not installed")

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BIG = 1e9


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Forty customers of 1 to 5 rows, in two plans, with amounts and labels, 80 % of them as predicted."""
    path = tmp_path_factory.mktemp("lake")
    rows = [(f"c{i % 40}", "ab"[i % 2], float(i % 11), 1, f"row-{i}") for i in range(100)]
    frame = pl.DataFrame(rows, schema=["customer", "plan", "amount", "prediction", "id"], orient="row")
    with vedette.Monitor("delays", version="1", lake=str(path), classes=["0", "1"]) as monitor:
        monitor.log_many(frame)
        monitor.label_many(
            pl.DataFrame({"id": frame["id"], "label": [0 if i % 5 == 0 else 1 for i in range(100)]})
        )
        monitor.flush()
    return Lake.at(path)


def ask(
    lake: Lake, question: Question, epsilon: float = 1.0, rows_each: int = 1, budget: float = BIG
) -> list[Released]:
    return release(
        lake, "delays", question, subject="customer", epsilon=epsilon, budget=budget, delta=0.0, by="ann", now=NOW,
        rows_each=rows_each,
    )  # fmt: skip


def test_the_noise_is_discrete_laplace(lake: Lake) -> None:
    """Of 400 counts the noise has the probabilities of the two-sided geometric of scale rows / epsilon, by chi-square."""
    drawn = np.array([ask(lake, Question("count"), 0.5, 2)[0].value for _ in range(400)], dtype=float) - 80
    q = np.exp(-0.5 / 2)
    middle = np.arange(-8, 9)
    p = (1 - q) / (1 + q) * q ** np.abs(middle)
    seen = np.array([(drawn == x).sum() for x in middle])
    beyond = (1 - p.sum(), len(drawn) - seen.sum())
    assert stats.chisquare([*seen, beyond[1]], np.array([*p, beyond[0]]) * 400).pvalue > 1e-4


@pytest.mark.parametrize(
    ("question", "exact"),
    [
        (Question("count"), [40.0]),
        (Question("histogram", "plan", ("a", "b", "c")), [20.0, 20.0, 0.0]),
        (Question("mean", "amount", low=0.0, high=10.0), [np.mean([i % 11 for i in range(40)])]),
        (Question("accuracy"), [0.8]),
        (Question("recall", positive="1"), [1.0]),
        (Question("precision", positive="1"), [0.8]),
    ],
)
def test_intervals_hold_the_exact_number(lake: Lake, question: Question, exact: list[float]) -> None:
    """Of 60 releases at least 95 % have intervals, all of theirs, that hold what is so of the rows that count."""
    holds = 0
    for _ in range(60):
        found = ask(lake, question)
        assert len(found) == len(exact)
        holds += all(
            one.low is not None and one.high is not None and one.low - 1e-6 <= true <= one.high + 1e-6
            for one, true in zip(found, exact, strict=True)
        )
    assert holds >= 60 * 0.95 - 5


def test_a_subject_gives_no_more_rows_than_are_said(lake: Lake) -> None:
    """With next to no noise: one row of each of 40 customers, two of each, then all 100."""
    counts = [ask(lake, Question("count"), 1e4, n)[0].value for n in (1, 2, 100)]
    assert counts == [40, 80, 100]


def test_a_value_beyond_the_bounds_counts_as_the_bound(lake: Lake) -> None:
    """A mean of amounts from 0 to 10, clipped to [2, 3]."""
    found = ask(lake, Question("mean", "amount", low=2.0, high=3.0), 1e5)[0]
    assert found.value == pytest.approx(np.clip([i % 11 for i in range(40)], 2, 3).mean(), abs=1e-3)


@pytest.fixture(scope="module")
def at_a_bound(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """10,000 customers with the amount 95, without labels: their sum in steps has no room in 32 bits."""
    path = tmp_path_factory.mktemp("bound")
    n = 10_000
    with vedette.Monitor("delays", version="1", lake=str(path)) as monitor:
        monitor.log_many(
            pl.DataFrame(
                {"customer": [f"c{i}" for i in range(n)], "amount": [95.0] * n, "prediction": [1] * n}
            )
        )
        monitor.flush()
    return Lake.at(path)


@pytest.mark.parametrize(("low", "high"), [(0.0, 95.0), (95.0, 99.0), (0.0, 100.0)])
def test_a_mean_of_many_rows_at_a_bound_is_released(at_a_bound: Lake, low: float, high: float) -> None:
    """The exact sum fits whatever the rows are, and comes with noise: no two releases are the same."""
    found = [ask(at_a_bound, Question("mean", "amount", low=low, high=high), 1.0)[0] for _ in range(3)]
    assert all(one.low is not None and one.high is not None and one.low <= 95 <= one.high for one in found)
    assert [one.value for one in found] == pytest.approx([95.0] * 3, abs=0.1)


def test_intervals_of_a_mean_hold_at_a_small_epsilon(at_a_bound: Lake) -> None:
    """At epsilon 0.001 the noise of the sum is a thousand million steps wide, and 95 % of intervals hold the mean."""
    question = Question("mean", "amount", low=60.0, high=130.0)
    found = [ask(at_a_bound, question, 0.001)[0] for _ in range(60)]
    assert sum(one.low <= 95 <= one.high for one in found) >= 60 * 0.95 - 5  # type: ignore[operator]


@pytest.mark.parametrize("scale", [2**20 / 0.001, 2.0**52])
def test_noise_of_a_large_scale_is_not_cut_off(scale: float) -> None:
    """By Kolmogorov and Smirnov it is Laplace's, up to the largest scale that is allowed."""
    drawn = np.array(_noise(scale).on([0] * 2000), dtype=float)
    assert stats.kstest(drawn / scale, stats.laplace.cdf).pvalue > 1e-4
    assert np.abs(drawn).max() > 2 * scale


def test_noise_that_cannot_be_drawn_does_not_tell_of_what() -> None:
    """The number stands neither in the error's words nor in what it came from."""
    with pytest.raises(PrivacyError, match="could not be drawn") as caught:
        _noise(1.0).on([2**63 + 12345])
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert "12345" not in str(caught.value)


@pytest.mark.parametrize("kind", ["accuracy", "precision", "recall"])
def test_shares_without_labels_are_refused_before_anything_is_spent(at_a_bound: Lake, kind: str) -> None:
    """That there are no ids or labels is seen from the columns alone."""
    before = len(claims(at_a_bound, "delays"))
    with pytest.raises(LakeError, match="needs predictions with ids, and labels"):
        ask(at_a_bound, Question(kind, positive=None if kind == "accuracy" else "1"))
    assert len(claims(at_a_bound, "delays")) == before


def test_a_share_of_right_answers_needs_classes_and_one_of_them(lake: Lake, tmp_path: Path) -> None:
    """A regression has none, and ``zebra`` is none of the model's; nothing is spent."""
    with vedette.Monitor("fare", version="1", lake=str(tmp_path), task="regression") as monitor:
        monitor.log({"customer": "ann"}, 3.5, id="a")
        monitor.label("a", 4.5)
        monitor.flush()
    other, said = Lake.at(tmp_path), {"epsilon": 1.0, "budget": 2.0, "delta": 0.0, "by": "ann", "now": NOW}
    with pytest.raises(LakeError, match="the model's task is regression"):
        release(other, "fare", Question("accuracy"), subject="customer", **said)
    with pytest.raises(LakeError, match="positive='zebra': must be a class of 'delays': 0, 1"):
        ask(lake, Question("precision", positive="zebra"))
    assert claims(other, "fare") == []
    assert not [one for one in claims(lake, "delays") if "zebra" in one.what]


def test_the_budget_is_never_broken(lake: Lake, tmp_path: Path) -> None:
    """Ten tenths fit into one, the eleventh is refused and spends nothing."""
    other = Lake(tmp_path)

    def spend() -> None:
        claim(
            other, "delays", by="ann", what="count", subject="customer", epsilon=0.1, budget=1.0, delta=0.0, now=NOW
        )  # fmt: skip

    for _ in range(10):
        spend()
    with pytest.raises(PrivacyError, match=r"with 1 spent it would be 1\.1 of a budget of 1 "):
        spend()
    assert len(claims(other, "delays")) == 10


_CLAIMS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from vedette.errors import PrivacyError
from vedette.lake.spent import claim
from vedette.lake.tables import Lake
for _ in range(20):
    try:
        claim(Lake(Path(sys.argv[1])), "delays", by=sys.argv[2], what="count", subject="c", epsilon=0.05, budget=1.0,
              delta=0.0, now=datetime.now(UTC))
    except PrivacyError:
        break
    if sys.argv[2] == "killed":
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_processes_together_and_a_killed_one_spend_no_more_than_there_is(tmp_path: Path) -> None:
    """Four processes that want 80 parts of 20, one killed as soon as it has claimed: 20 are claimed, that one's among them."""
    started = [
        subprocess.Popen([sys.executable, "-c", _CLAIMS, str(tmp_path), name])
        for name in ("killed", "ann", "bob", "cid")
    ]
    assert [one.wait(60) for one in started][1:] == [0, 0, 0]
    made = claims(Lake(tmp_path), "delays")
    assert len(made) == 20
    assert sum(one.by == "killed" for one in made) == (started[0].returncode == -signal.SIGKILL)
    assert spent([one.epsilon for one in made], 0.0) == pytest.approx(1.0)


def test_half_a_claim_is_none(tmp_path: Path) -> None:
    """What a crash cut off in the middle of the line was never computed, and is overwritten."""
    lake = Lake(tmp_path)
    say = {"by": "ann", "what": "count", "subject": "c", "budget": 1.0, "delta": 0.0, "now": NOW}
    claim(lake, "delays", epsilon=0.5, **say)  # type: ignore[arg-type]
    path = tmp_path / ".released" / "delays.jsonl"
    path.write_bytes(path.read_bytes() + b'{"by": "an')
    claim(lake, "delays", epsilon=0.5, **say)  # type: ignore[arg-type]
    assert [one.epsilon for one in claims(lake, "delays")] == [0.5, 0.5]
    path.write_bytes(b"nonsense\n")
    with pytest.raises(LakeError, match="restore the file"):
        claim(lake, "delays", epsilon=0.1, **say)  # type: ignore[arg-type]


def test_what_cannot_be_is_told_before_anything_is_spent(lake: Lake) -> None:
    """A wrong column, kind or bound leaves the ledger as it was."""
    before = len(claims(lake, "delays"))
    with pytest.raises(LakeError, match="no such column"):
        ask(lake, Question("mean", "amont", low=0.0, high=1.0))
    with pytest.raises(LakeError, match="a mean is of numbers"):
        ask(lake, Question("mean", "plan", low=0.0, high=1.0))
    with pytest.raises(ValueError, match="rows_each=0"):
        ask(lake, Question("count"), rows_each=0)
    with pytest.raises(ValueError, match="epsilon=nan"):
        ask(lake, Question("count"), float("nan"))
    for question, least in (
        (Question("mean", "amount", low=0.0, high=1.0), "2.33e-10"),
        (Question("count"), "2.22e-16"),
    ):
        with pytest.raises(ValueError, match=rf"must be {least} or more"):
            ask(lake, question, 2e-16)
    for bounds in ({"since": NOW.replace(tzinfo=None)}, {"until": NOW.replace(tzinfo=None)}):
        with pytest.raises(ValueError, match="must have a time zone"):
            ask(lake, Question("count", **bounds))  # type: ignore[arg-type]
    for wrong in (
        {"kind": "median"}, {"kind": "mean"}, {"kind": "count", "column": "x"}, {"kind": "histogram", "column": "x"},
        {"kind": "mean", "column": "x", "low": 1.0, "high": 1.0}, {"kind": "recall"},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"must be|needs|has no"):
            Question(**wrong)  # type: ignore[arg-type]
    assert len(claims(lake, "delays")) == before


def test_the_commands_release_and_tell_what_is_spent(lake: Lake, tmp_path: Path) -> None:
    """Without a budget nothing is released; with one, what was spent before counts."""
    path = tmp_path / "vedette.toml"
    environment = {**os.environ, "VEDETTE_CONFIG": str(path), "VEDETTE_LAKE": str(lake.path)}
    asked = ["release", "delays", "count", "--subject", "customer", "--epsilon", "0.5", "--json"]

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "vedette", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    path.write_text("")
    assert "[privacy] epsilon: is not given" in run(*asked).stderr
    already = spent([one.epsilon for one in claims(lake, "delays")], 0.0)
    path.write_text("[privacy]\nepsilon = 0.25\n")
    refused = run(*asked)
    assert refused.returncode == 70
    assert "of a budget of 0.25" in refused.stderr
    told = json.loads(run("privacy", "delays", "--json").stdout)
    assert told["spent"] == pytest.approx(already)
    assert run("privacy", "delays").stdout.startswith("delays: spent")


@pytest.mark.parametrize("text", ["epsilon = -1", "epsilon = true", "delta = 0.5", 'epsilon = "1"'])
def test_a_wrong_budget_is_refused(text: str, tmp_path: Path) -> None:
    """What is no such number is named."""
    path = tmp_path / "vedette.toml"
    path.write_text(f"[privacy]\n{text}\n")
    with pytest.raises(ConfigError, match="must be a number from 0"):
        config.read(path)
