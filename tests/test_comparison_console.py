"""A report of two files in a terminal: what it says, at which widths, and what names cannot do to it."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.comparisons import bare_column, many, sample
from tests.test_comparison_page import HOSTILE, named
from vedette.output.comparison import Comparison, Estimate, Figures
from vedette.output.comparison_console import print_comparison
from vedette.output.numbers import width


def printed(
    report: Comparison, monkeypatch: pytest.MonkeyPatch, columns: int = 80, html: str | None = None
) -> str:
    """What a pipe gets, at a width."""
    monkeypatch.setenv("COLUMNS", str(columns))
    file = io.StringIO()
    print_comparison(report, as_json=False, file=file, html=html)
    return file.getvalue()


def told(text: str) -> str:
    """The text without its line breaks."""
    return " ".join(text.split())


def test_the_verdict_and_the_error_rate_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first lines say how it stands, what was compared, and under which error rate."""
    text = printed(sample(), monkeypatch)
    assert text.startswith(
        "ALARM flights-2013-07.parquet against flights-2013-01.parquet\n12,000 rows against 30,000"
    )
    assert "under one error rate of 5 % by Benjamini and Yekutieli over 61 hypotheses." in told(text)


def test_findings_figures_and_the_page_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each finding, each figure with its interval beside the reference's, the notes, and where the page lies."""
    report = sample()
    text = printed(report, monkeypatch, 120, html="out/report.html")
    assert all(one.words in text for one in report.findings)
    assert re.search(r"accuracy +91\.2 % \[90\.7, 91\.7\] +12,000 +93\.1 % \[92\.8, 93\.4\] +changed", text)
    assert "too few positives: 4, 20 are needed" in text
    assert report.notes[0] in text
    assert text.rstrip().endswith("out/report.html")


def test_only_columns_that_changed_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of what changed, with the distance and its interval; what did not change is not in it."""
    text = printed(sample(), monkeypatch, 120)
    table = text[text.index("Columns that changed") : text.index("The model")]
    assert re.search(r"age +numeric +The mean rose by 5\.0 years .* PSI 0\.31 \[0\.26, 0\.37\]", table)
    assert "temperature_c" in table
    assert re.search(r"referrer +text +only in the reference", table)
    assert "distance_km" not in table


def test_no_more_than_fifteen_columns_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is told as a number."""
    report = many(200)
    changed = sum(one.changed is True for one in report.columns)
    text = printed(report, monkeypatch, 120)
    table = text[text.index("Columns that changed") : text.index("The model")]
    assert f"... and {changed - 15} more" in table
    assert sum(one.name in table for one in report.columns if one.changed) == 15


@pytest.mark.parametrize("columns", [20, 40, 63, 64, 80, 200])
def test_no_line_is_wider_than_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """At any width lines are wrapped, in narrow ones the tables become sentences, and no number is lost."""
    text = printed(many(40), monkeypatch, columns)
    assert max(map(len, text.splitlines())) <= columns
    assert "9PSI" not in text
    if columns < 64:
        assert "accuracy: 91.2 % [90.7, 91.7], n 12,000; reference 93.1 % [92.8, 93.4]" in told(text)


def test_a_pipe_gets_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """No colours and no box drawing where no terminal reads."""
    assert not re.search("[\x1b\u2500-\u257f]", printed(sample(), monkeypatch))


def test_names_do_not_act_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control characters, direction marks and rich's markup are shown, not obeyed."""
    wide = 4000
    names = [*HOSTILE, "[red]not red[/red]", "[link=file:///etc/passwd]x[/link]", ":smile:"]
    text = printed(named(names), monkeypatch, wide)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
    for name in (
        "[red]not red[/red]",
        "[link=file:///etc/passwd]x[/link]"[:29],
        ":smile:",
        "user⟨U+202E⟩gpj.exe",
    ):
        assert name in text
    assert text.encode("utf-8")
    markup = bare_column("a", "[red]k[/]", None, None, changed=True, words="[bold]w[/bold]")
    one = replace(
        sample(),
        columns=(
            replace(
                markup,
                distances={"[b]d[/b]": Estimate(1.0, 0.5, 1.5, 9)},
                current=sample().columns[0].current,
                reference=sample().columns[0].reference,
            ),
        ),
        figures=(Figures("[i]m[/i]", "[u]s[/u]", Estimate(None, None, None, 0, "[s]r[/s]"), None, None),),
    )
    for columns in (50, 200):
        shown = printed(one, monkeypatch, columns)
        assert all(
            mark in shown
            for mark in ("[red]k[/]", "[bold]w[/bold]", "[b]d[/b]", "[i]m[/i]", "[u]s[/u]", "[s]r[/s]")
        )


def test_a_terminal_without_the_characters_gets_marks(tmp_path: Path) -> None:
    """Names that an encoding lacks are shown as escapes: printing never fails."""
    file = tmp_path / "out.txt"
    with file.open("w", encoding="ascii") as out:
        print_comparison(named(HOSTILE), as_json=False, file=out)
    assert r"\u202e" not in file.read_text("ascii")
    assert r"\u27e8U+202E\u27e9" in file.read_text("ascii")


def test_one_file_alone_has_no_reference_column(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a reference nothing is said of one, but that there is none."""
    base = sample()
    figures = tuple(replace(one, reference=None, changed=None) for one in base.figures)
    columns = tuple(replace(one, reference=None, changed=None) for one in base.columns)
    text = printed(
        replace(base, reference=None, reference_rows=None, figures=figures, columns=columns), monkeypatch
    )
    assert "there is no reference to compare with" in told(text)
    assert re.search(r"^figure +current +n *$", text, re.MULTILINE)
    assert "Columns that changed" not in text


def test_json_is_the_document_of_the_report() -> None:
    """``as_json`` writes one JSON document and nothing else."""
    file = io.StringIO()
    print_comparison(sample(), as_json=True, file=file)
    document = json.loads(file.getvalue())
    assert document["verdict"] == "ALARM"
    assert list(document["columns"]) == [one.name for one in sample().columns]


@pytest.mark.parametrize("as_json", [False, True])
def test_a_reader_that_has_had_enough_is_no_error(as_json: bool) -> None:
    """``| head`` ends the output, not the exit code."""
    code = (
        "from tests.comparisons import many\nfrom vedette.output.comparison_console import print_comparison\n"
        f"print_comparison(many(2000), as_json={as_json})"
    )
    pipe_out, pipe_in = os.pipe()
    os.close(pipe_out)
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=pipe_in,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
        check=False,
    )
    os.close(pipe_in)
    assert (done.returncode, done.stderr) == (0, "")


def test_json_and_the_page_need_no_rich() -> None:
    """rich is imported only where text is printed."""
    code = (
        "import io, sys\nfrom tests.comparisons import sample\n"
        "import vedette.output.comparison_page\nfrom vedette.output.comparison_console import print_comparison\n"
        "print_comparison(sample(), as_json=True, file=io.StringIO())\n"
        "print('rich' in sys.modules, 'polars' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent.parent,
        check=True,
    )
    assert done.stdout.split() == ["False", "False"]


def test_numbers_side_by_side_are_rounded_alike() -> None:
    """The wider of two intervals decides for both; an estimate without an interval has no say."""
    assert (
        width(Estimate(1.0, 0.5, 1.75, 9), None, Estimate(1.0, 0.9, 1.1, 9), Estimate(3.0, None, None, 9))
        == 1.25
    )
