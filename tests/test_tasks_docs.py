"""The page on fairness, boxes, rankings and several labels: its code runs and says what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vedette.statistics.fairness import FAIRNESS
from vedette.statistics.measured import Measured

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
    monitor.close()  # type: ignore[attr-defined]


def test_every_metric_of_fairness_is_on_the_page() -> None:
    """And no other is."""
    assert set(re.findall(r"`(\w+_(?:difference|ratio))`", PAGE)) == set(FAIRNESS)
