"""What docs/deployment.md says of deployments is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "deployment.md"


def test_the_code_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block after the other, in a folder of its own, ends with what the page speaks of."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__file__": __file__}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        exec(compile(block, PAGE.name, "exec"), names)
    row = names["monitor"].deployments().row(0, named=True)
    assert (row["version"], row["stage"], row["status"], row["by"]) == ("4", "canary", "serving", "ann")
    assert row["first_prediction"] is not None
    life = names["life"]
    assert [one.name for one in life.sections] == [
        *("code", "data", "runs", "validation", "deployments", "traffic", "quality", "drift", "labels", "alerts", "actions"),
    ]  # fmt: skip
    assert (tmp_path / "MODEL_CARD.md").read_text("utf-8").startswith("# Model card: delays, version 4")
    missing = [one.name for one in life.sections if f"`{one.name}`" not in PAGE.read_text("utf-8")]
    assert missing == []
