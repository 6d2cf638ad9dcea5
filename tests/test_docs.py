"""What the documentation says is so: examples run, commands exist, the demo does its job."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier

import vedette
from tests.world import World
from vedette.statistics import BREAKDOWNS, STATISTICS

SERVER_NEEDS = ("fastapi", "uvicorn", "sqlalchemy", "alembic", "argon2", "h11", "jinja2", "prometheus_client")
ROOT = Path(__file__).parent.parent
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(vedette.__path__, "vedette.")
    if not module.name.endswith(
        ("__main__", "demo.rebuild")
    )  # one runs the command, one needs the source of the data
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example in a docstring gives what it says."""
    monkeypatch.chdir(tmp_path)
    if name.startswith("vedette.server."):  # the only room that needs an extra to be imported at all
        for needed in SERVER_NEEDS:
            pytest.importorskip(needed, reason="the extra 'server' is not installed")
    assert doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS).failed == 0


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)


def test_the_code_of_the_readme_runs(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's Python, with a validation set and a row to log, does what it says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VEDETTE_LAKE", raising=False)
    names: dict[str, object] = {
        "validation": world.rows(400),
        "current": world.rows(300),
        "reference": world.rows(400),
        "features": {"x": 0.5, "c": "a"},
        "prediction": 1,
        "model": MLPClassifier(tol=1.0, n_iter_no_change=2),
        **dict.fromkeys(("x", "xv"), np.arange(80.0).reshape(40, 2)),
        **dict.fromkeys(("y", "yv", "y_test", "y_val", "predicted"), np.arange(40) % 2),
        "p_val": np.linspace(0.1, 0.9, 40),
        **{key: {"x": np.arange(40.0), "c": ["a", "b"] * 20} for key in ("x_val", "x_train")},
        **{
            name: {"x": np.arange(at, at + 40.0), "late": [0, 1] * 20}
            for name, at in (("train", 0), ("val", 90))
        },
    }
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)
    health, monitor = names["health"], names["monitor"]
    assert isinstance(health, vedette.Health)
    assert isinstance(monitor, vedette.Monitor)
    assert health.verdict == "UNKNOWN"  # the hour has not ended
    assert (tmp_path / "delays.html").exists()
    assert (tmp_path / "report.html").stat().st_size > 10_000
    monitor.close()


def test_the_two_commands_of_the_readme_are_one_line_each() -> None:
    """Set-up for the demo and for the tests are each one line of pip and one command."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    assert lines == ['pip install ".[demo]" && vedette demo', 'pip install ".[test]" && pytest']


def test_links_of_the_docs_lead_somewhere() -> None:
    """Every relative link in README and docs is a file that is there."""
    missing = []
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", path.read_text("utf-8")):
            if "://" not in link and not (path.parent / link).exists():
                missing.append((path.name, link))
    assert missing == []


def test_every_figure_is_in_the_docs() -> None:
    """Each statistic and each breakdown has its line in docs/statistics.md, and no line is without one."""
    text = (ROOT / "docs" / "statistics.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(\w+)` ", text, re.MULTILINE)) == {*STATISTICS, *BREAKDOWNS}


def test_the_demo_names_both_faults_and_keeps_the_budget(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two months of the demo: both planted faults named with their cause and day, the quiet replay within its budget."""
    pytest.importorskip("sklearn", reason="the demo trains a scikit-learn model")
    from vedette.demo import flights

    flights.main(tmp_path / "lake", quick=True)
    text = " ".join(capsys.readouterr().out.split())
    assert (
        "distance.location since 20 May: unit change: values look multiplied by 1.609 (miles to kilometres)"
        in text
    )
    assert "wind_speed.spread since 17 Jun: stuck at" in text
    alarms = re.search(r"Shuffled, so that nothing changes: (\d+) alarms in 2\.0 months", text)
    assert alarms is not None
    assert int(alarms[1]) <= 2
    assert text.count(", balanced.") == 2
    assert (tmp_path / "lake" / "flights.html").stat().st_size > 20_000
