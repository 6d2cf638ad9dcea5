"""The core and the fallback pass the same tests: those of the recorder and of its files are run again without the core."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vedette.capture.core import core

SAME = ("recorder", "values", "journal", "counters", "vectors", "media", "structured")


@pytest.mark.skipif(
    core is None, reason="the C core is not built, or switched off: the tests run without it as they are"
)
@pytest.mark.parametrize("name", SAME)
def test_the_fallback_passes_the_same_tests(name: str) -> None:
    """Each of these files passes with ``VEDETTE_CORE=off`` as it does with the core."""
    path = Path(__file__).with_name(f"test_{name}.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n=0", "-p", "no:cacheprovider", str(path)],
        env={**os.environ, "VEDETTE_CORE": "off"},
        cwd=path.parents[1],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
