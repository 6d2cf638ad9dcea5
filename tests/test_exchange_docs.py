"""What docs/exchange.md says is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.exchange_places import need
from vedette.engine.exchange import EXCHANGES

PAGE = Path(__file__).parent.parent / "docs" / "exchange.md"


@pytest.mark.filterwarnings("ignore")  # TensorBoard's own
def test_the_code_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block after the other, with its own assertions; the mirror's folder is there."""
    need("tensorboard")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, PAGE.name, "exec"), names)
    assert list((tmp_path / "tb" / "2026-11-22").glob("*tfevents*"))


def test_the_page_tells_of_every_kind() -> None:
    """Each kind that can be exchanged has both commands on the page."""
    text = PAGE.read_text("utf-8")
    assert [kind for kind in EXCHANGES if f"import {kind}" not in text or f"export {kind}" not in text] == []
