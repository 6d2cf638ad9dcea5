"""The examples that stand alone do what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "examples"


def run(name: str, folder: Path) -> str:
    """What an example prints; it must end by itself, and well."""
    done = subprocess.run(
        [sys.executable, str(FOLDER / name)],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_canary_is_rolled_back_by_itself(tmp_path: Path) -> None:
    """A real service, real requests: in the end version 3 answers everything, and the action says why."""
    for needed in ("fastapi", "uvicorn", "sklearn"):
        pytest.importorskip(needed, reason=f"the example needs {needed}")
    told = run("deployment/canary.py", tmp_path)
    assert told.startswith("all traffic is back at version 3")
    assert "roll back canary: 4 against 3: accuracy is worse" in told


def test_the_precision_of_a_detector_is_watched(tmp_path: Path) -> None:
    """Fourteen days of figures, and the alert of the tenth."""
    told = run("deployment/detector.py", tmp_path)
    assert "rule:beside" in told
    assert "firing" in told
    assert "2026-03-10" in told


def test_a_classifier_goes_from_training_through_shadow_to_live(tmp_path: Path) -> None:
    """Two trainings, a day in shadow, an approval: in the end version 2 answers."""
    for needed in ("torch", "sklearn"):
        pytest.importorskip(needed, reason=f"the example needs {needed}")
    told = run("deployment/digits.py", tmp_path)
    assert told.startswith("promote: accuracy is better")
    assert "2 answers now: {'2': 1.0}" in told
