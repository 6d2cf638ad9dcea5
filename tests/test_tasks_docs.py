"""The page on fairness, boxes, rankings and several labels: its code runs and says what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vedette.statistics.fairness import FAIRNESS
from vedette.statistics.fairness_errors import ERROR_FAIRNESS
from vedette.statistics.measured import Measured
from vedette.statistics.structured import TASK_FIGURES
from vedette.statistics.structured.detection import IMAGE_METRICS

PAGE = (Path(__file__).parent.parent / "docs" / "tasks.md").read_text("utf-8")


def test_the_code_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block in turn; the figures that it names have values."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(block, "docs/tasks.md", "exec"), names)
    frame, monitor = names["frame"], names["monitor"]
    assert frame["value"].null_count() == 0  # type: ignore[index]
    for name in ("dogs",):
        assert isinstance(names[name], Measured)
    for of in ("at", "sizes", "lists", "figures"):
        assert any(one.known for one in names[of].values())  # type: ignore[attr-defined]
    for name in ("of_boxes", "average", "of_lists", "of_labels"):
        assert names[name]["value"].null_count() < names[name].height  # type: ignore[index]
    monitor.close()  # type: ignore[attr-defined]


def test_every_metric_of_fairness_is_on_the_page() -> None:
    """And no other is."""
    assert set(re.findall(r"`(\w+_(?:difference|ratio))`", PAGE)) == {*FAIRNESS, *ERROR_FAIRNESS}


def test_every_figure_of_the_tasks_is_on_the_page() -> None:
    """Those that go through the lake, by the name that the page gives them: a cut or an average is said once."""
    said = set(re.findall(r"`(\w+?)(?:@\w+)?`", PAGE))
    averages = "_(micro|macro|weighted|samples|per_class)$"
    for name in [*(one for own in TASK_FIGURES.values() for one in own), *IMAGE_METRICS]:
        bare = re.sub(averages, "", name.partition("@")[0])
        assert {name, bare} & said or bare.startswith(("map_", "mar_", "found_", "there_")), name
