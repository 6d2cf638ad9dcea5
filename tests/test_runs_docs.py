"""What docs/training.md says of training runs is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "training.md"


def test_the_code_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block after the other, with the results the page speaks of."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 5
    for block in blocks:
        exec(compile(block, PAGE.name, "exec"), names)
    frame, curve = names["frame"], names["curve"]
    assert frame.select("name", "status").rows() == [
        ("with-data", "finished"),
        ("nightly", "finished"),
        ("of-two", "finished"),
        ("2026-11-22", "finished"),
    ]  # type: ignore[attr-defined]
    assert {"params.lr", "last.loss", "summary.best"} <= set(frame.columns)  # type: ignore[attr-defined]
    assert (len(curve), curve["count"].sum()) == (251, 1002)  # type: ignore[arg-type,index]
