"""The page of real reports: how large it gets, and whether it says what the verdict says."""

from __future__ import annotations

import re

import numpy as np
import pytest

from vedette.engine.two_files.run import report
from vedette.output.comparison_page import page
from vedette.records import Status

CHANCE = np.random.default_rng(0)
LONG = {"Chinese": "家" * 240, "markup": "&<>" * 80}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_long_names_of_categories_leave_the_page_under_2_mb(text: str) -> None:
    """200 columns whose levels have 240 characters take less than 2 MB."""
    levels = np.array([f"{at:02d}{text}" for at in range(12)])
    now, before = ({f"c{at}": levels[CHANCE.integers(0, 12, 100)] for at in range(200)} for _ in range(2))
    assert len(page(report(now, before)).encode()) < 2_000_000


def test_long_names_of_columns_leave_the_page_under_2_mb() -> None:
    """200 columns with names of 3,000 characters that are longer once escaped take less than 2 MB."""
    now, before = ({f"{at}{'<' * 3000}": CHANCE.normal(size=100) for at in range(200)} for _ in range(2))
    assert len(page(report(now, before)).encode()) < 2_000_000


def test_a_thousand_segments_leave_the_page_under_2_mb() -> None:
    """Of many segments the page shows those that changed and the largest, and says how many there are besides."""
    names = np.array([f"segment {at}" for at in range(1000)])
    label = np.tile([0, 1], 4000)
    rows = {
        "label": label,
        "prediction": label,
        "probability": CHANCE.random(8000),
        "s": np.resize(names, 8000),
    }
    text = page(report(rows, rows, by=["s"]))
    assert len(text.encode()) < 2_000_000
    assert "and 988 more segments with --json" in text


def test_a_card_has_the_colour_of_its_finding() -> None:
    """A column that shifted is a warning on its card as it is in the verdict; one that vanished is an alarm."""
    before = {"x": CHANCE.normal(size=2000), "gone": CHANCE.normal(size=2000)}
    found = report({"x": CHANCE.normal(3, 1, 2000)}, before)
    marks = dict(re.findall(r'class="col is-(\w*)".*?<bdi>(\w+)</bdi>', page(found)))
    by_name = {name: mark for mark, name in marks.items()}
    assert by_name == {one.about: one.status.value for one in found.findings}


def test_a_figure_that_is_not_told_from_chance_is_not_called_unchanged() -> None:
    """Too few rows to tell is no proof that nothing changed: the page does not say so."""
    label = np.tile([0, 1], 100)
    wrong = np.isin(np.arange(200) % 20, [1, 3, 5])  # 30 of 200
    now, before = (
        {"label": label, "prediction": np.where(one, 0, label)}
        for one in (wrong | (np.arange(200) < 20), wrong)
    )
    text = page(report(now, before))
    assert "unchanged" not in text
    assert "<span class=dim>no change told</span>" in text


def test_what_is_left_out_is_said_to_be_where_it_is() -> None:
    """Of more findings than ten the last says how many are figures of the model and how many are columns."""
    label = np.tile([0, 1], 3000)
    segment = np.repeat([f"s{at}" for at in range(12)], 500)
    now = {"label": label, "prediction": 1 - label, "s": segment}
    found = report(now, now | {"prediction": label}, by=["s"])
    assert found.findings[-1].words == "6 more, in the figures of the model"
    assert found.findings[-1].status is Status.ALARM
