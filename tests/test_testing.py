"""The kit for users' own tests: cases as text, series, the clock."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_cli import run as command
from vedette import testing
from vedette.errors import CaseError

CASES = sorted((Path(__file__).parent / "cases").glob("*.case"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_cases_come_as_they_say(path: Path) -> None:
    """Every case of the folder: rules and alarms at the times given."""
    found = testing.run_file(path)
    assert (found.failures, found.checks > 5) == ((), True)


def test_a_case_that_comes_otherwise_says_how() -> None:
    """The line, what was expected, what came, and the rule's words."""
    [case] = testing.read_cases("rule low = accuracy < 0.9\nseries accuracy = 0.95 0.8\nat 2h firing nothing")
    [words] = testing.run_case(case)
    assert words.startswith("line 3: at 2h firing nothing: got low (in the end low: accuracy 0.8")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no case"),
        ("rule low = accuracy < 0.9\nseries accuracy = 0.9", "expects nothing"),
        ("rule low = acuracy < 0.9", "line 1: 'rule low = acuracy < 0.9': rule low: figure 'acuracy'"),
        ("series accuracy = 0.9y3", "'0.9y3': must be a number"),
        ("rule low = accuracy < 0.9\nseries accuracy = 0.9\nat 1h firing high", "there is no rule 'high'"),
        ("rule low = accuracy < 0.9\nseries accuracy = 0.9\nat 2h firing low", "the series ends before"),
        ("rule low = accuracy < 0.9\nat 1h burning low", "must be like 'at 3h firing low'"),
        ("window long", "window='long'"),
        ("data x = gamma(1)", "must be laws such as"),
        ("seed x", "'x': must be a whole number of 0 or more"),
        ("budget 0", "budget '0': must be a number above 0"),
        ("rows -5x3", "must be whole numbers of 0 or more"),
        ("rule a = rows < 1\nrule a = rows < 2", "rule a: is said twice"),
        (
            "rule low = accuracy < 0.9\nseries acuracy = 0.8\nat 1h firing low",
            "no rule reads the series 'acuracy'",
        ),
        ("rule low = accuracy < 0.9\nseries accuracy = 7\nat 1h firing low", "7 must lie in 0 to 1"),
        ("series accuracy = 0.8x2000000", "at most 100,000 windows"),
        ("data x = normal(0)", "normal(0): must be two numbers"),
        ("data x = normal(a, b)", "normal(a, b): must be numbers"),
        ("data x = choice(a=0.7, b=0.9)", "shares that add up to 1"),
        ("expect low", "must begin with case, rule"),
        ("rule low accuracy", "must be like 'rule NAME = ...'"),
        ("rule gone = no data for 2h", "goes by the clock"),
    ],
)
def test_a_file_that_cannot_be_read_names_the_line(text: str, words: str) -> None:
    """Nothing is passed over in silence."""
    with pytest.raises(CaseError) as told:
        testing.read_cases(text)
    assert words in str(told.value)


def test_rules_of_a_model_are_tried_as_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``rules delays`` takes them from vedette.toml; without any there is an error."""
    (tmp_path / "vedette.toml").write_text('[models.delays.rules]\nlow = "accuracy < 0.9"\n', "utf-8")
    monkeypatch.chdir(tmp_path)
    [case] = testing.read_cases("rules delays\nseries accuracy = 0.95 0.8\nat 2h firing low")
    assert testing.run_case(case) == []
    with pytest.raises(CaseError, match="no rules of the model 'other'"):
        testing.read_cases("rules other")


def test_a_rule_that_pages_nobody_is_not_firing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the severity warn it is ``warning`` as long as it is so, and no alert of it is resolved after."""
    said = '[models.m.rules]\nlow = { when = "accuracy < 0.9", severity = "warn" }\n'
    (tmp_path / "vedette.toml").write_text(said, "utf-8")
    monkeypatch.chdir(tmp_path)
    lines = ["rules m", "series accuracy = 0.95 0.8 0.95", "at 1h warning nothing", "at 2h warning low"]
    lines += ["at 2h firing nothing", "at 3h warning nothing", "at 3h resolved nothing"]
    [case] = testing.read_cases("\n".join(lines))
    assert testing.run_case(case) == []


def test_the_command_exits_with_1_where_a_case_fails(tmp_path: Path) -> None:
    """0 where all pass, 1 where one does not, 70 where a file cannot be read."""
    good, bad = tmp_path / "good.case", tmp_path / "bad.case"
    good.write_text("rule low = accuracy < 0.9\nseries accuracy = 0.8\nat 1h firing low\n", "utf-8")
    bad.write_text("rule low = accuracy < 0.9\nseries accuracy = 0.8\nat 1h firing nothing\n", "utf-8")
    codes = [command("rules", "test", *map(str, one)).returncode for one in ([good], [good, bad], [tmp_path])]
    assert codes == [0, 1, 70]


def test_the_clock_stands_until_it_is_moved() -> None:
    """Seconds since 1970; durations as everywhere."""
    clock = testing.Clock("2026-01-01")
    before = clock()
    clock.advance("1.5h")
    assert (clock() - before, clock()) == (5400.0, clock())
