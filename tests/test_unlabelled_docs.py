"""The page about quality without labels does what it says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from vedette.statistics.unlabelled import ESTIMATORS, METRICS

TEXT = (Path(__file__).parent.parent / "docs" / "unlabelled.md").read_text("utf-8")


def test_the_code_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """The example runs, prints what is written under it, and its intervals hold nearly all windows."""
    names: dict[str, object] = {}
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(compile(code, "unlabelled.md", "exec"), names)
    printed, written = capsys.readouterr().out.strip(), code.rstrip().splitlines()[-1].removeprefix("# ")
    assert re.sub(r"[\d.]+", "#", printed) == re.sub(r"[\d.]+", "#", written)
    inside = names["inside"]
    assert isinstance(inside, np.integer)
    assert inside >= 8


def test_every_estimator_and_metric_is_on_the_page() -> None:
    """Each has its name there."""
    assert [name for name in (*ESTIMATORS, *METRICS) if f"`{name}`" not in TEXT] == []
