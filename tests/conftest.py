"""Fixtures that several files of tests use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A lake with one model, empty as yet."""
    made = World(tmp_path / "lake")
    yield made
    made.monitor.close()
