"""The page on drift: its code runs and prints what is written there, and its figures exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vedette.statistics import STATISTICS

PAGE = (Path(__file__).parent.parent / "docs" / "drift.md").read_text("utf-8")


def test_the_code_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Labels that mean something else, and embeddings that moved, are found, with the truth in the interval."""
    monkeypatch.chdir(tmp_path)
    codes = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(codes) == 3
    for code in codes:
        exec(compile(code, "docs/drift.md", "exec"), {})
        told = capsys.readouterr().out.strip().splitlines()
        assert told == re.findall(r"^# ((?:True|False|ALARM|OK)(?: .*)?)$", code, re.MULTILINE)


def test_the_figures_of_the_lake_are_those_that_there_are() -> None:
    """A line that names the lake names figures of the lake only."""
    lines = [
        line
        for line in PAGE.splitlines()
        if line.startswith("|") and re.search(r"\| lake(, report)? \|$", line)
    ]
    named = {name for line in lines for name in re.findall(r"`(\w+)`", line)}
    assert len(lines) == 5
    assert named <= set(STATISTICS)


def test_every_figure_that_compares_numbers_categories_or_labels_is_in_the_text_or_listed_elsewhere() -> None:
    """Each figure of the page's second table has a line in the first, so that its unit is told."""
    first, second = PAGE.split("## What each can and cannot see")
    for name in re.findall(r"^\| `(\w+)`", second.split("## How often")[0], re.MULTILINE):
        assert f"`{name}`" in first
