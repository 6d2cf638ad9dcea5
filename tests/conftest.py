"""Fixtures that several files of tests use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.dashboard_lake import build
from tests.world import World

os.environ.setdefault("KERAS_BACKEND", "torch")  # before any test imports Keras, which asks once


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A lake with one model, empty as yet."""
    made = World(tmp_path / "lake")
    yield made
    made.monitor.close()


@pytest.fixture(autouse=True, scope="module")
def first_draws(request: pytest.FixtureRequest) -> dict[str, object]:
    """Where the random generators of a module of tests stand before its first test."""
    return {
        name: value.bit_generator.state
        for name, value in vars(request.module).items()
        if isinstance(value, np.random.Generator)
    }


@pytest.fixture(autouse=True)
def same_draws(request: pytest.FixtureRequest, first_draws: dict[str, object]) -> None:
    """Each test draws the same numbers from its module's generators, in whatever order the tests run."""
    for name, state in first_draws.items():
        getattr(request.module, name).bit_generator.state = state


@pytest.fixture(scope="session")
def dashboard_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a lake with all that a dashboard shows; nothing may be written to it."""
    folder = tmp_path_factory.mktemp("dashboard") / "lake"
    build(folder)
    return folder
