"""The code of docs/change_points.md runs, and finds what it is about."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "change_points.md"


def test_the_code_of_the_page_runs() -> None:
    """Both changes of the latency, the change of the errors and the alarm of the rate are found."""
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        exec(compile(block, PAGE.name, "exec"), names)
    changes = names["found"].changes  # type: ignore[attr-defined]
    assert [200 in changes[0].dates, 300 in changes[1].dates, len(changes)] == [True, True, 2]
    assert names["focus"].since == 10  # type: ignore[attr-defined]
    assert names["row"] < 800  # type: ignore[operator]
