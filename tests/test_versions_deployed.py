"""Which version serves, its part of the rows, and whether it does worse than the one before."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from vedette.engine.health import health
from vedette.engine.versions import newest_version, versions_of
from vedette.engine.versions_against import against
from vedette.lake.tables import Lake
from vedette.records import Status
from vedette.statistics.difference import difference
from vedette.statistics.intervals import wilson

NOW = datetime(2027, 1, 1, tzinfo=UTC)


def test_the_newest_version_is_that_of_the_last_predictions(dashboard_lake: Path) -> None:
    """Labels of an older version that come after the newer one began to serve do not bring the older one back."""
    lake = Lake.at(dashboard_lake)
    served = versions_of(lake.model("flights"))
    assert [(one.version, one.rows) for one in served] == [("2", 3000), ("1", 6600)]
    assert newest_version(lake.model("flights")) == health(lake, "flights", NOW).version == "2"


def test_a_model_without_a_reference_says_its_version(dashboard_lake: Path) -> None:
    """It is that of its rows."""
    assert health(Lake.at(dashboard_lake), "quiet", NOW).version == "1"


def test_a_version_that_does_worse_is_told_with_the_difference(dashboard_lake: Path) -> None:
    """Version 2 of the lake errs more often by far more than chance; without labels it is not known."""
    lake = Lake.at(dashboard_lake)
    found = against(lake, "flights", "2", "1")
    assert (found.verdict, found.metric) == (Status.WARN, "accuracy")
    assert found.between is not None
    assert found.between[2] < 0
    unlabelled = against(lake, "quiet", "1", "1")
    assert (unlabelled.verdict, unlabelled.words != "") == (Status.UNKNOWN, True)


@pytest.mark.parametrize(("n", "m", "p", "q"), [(400, 300, 0.9, 0.9), (80, 1000, 0.5, 0.4)])
def test_the_interval_of_a_difference_covers_it(n: int, m: int, p: float, q: float) -> None:
    """In 20,000 draws the true difference of two shares lies in its 95 % interval about as often as that says."""
    random = np.random.default_rng(11)
    k, j = random.binomial(n, p, 20_000), random.binomial(m, q, 20_000)
    (low, high), (other_low, other_high) = wilson(k, n, 0.95), wilson(j, m, 0.95)
    hits = 0
    for each in range(20_000):
        _, least, most = difference(
            k[each] / n, low[each], high[each], j[each] / m, other_low[each], other_high[each]
        )
        hits += least <= p - q <= most
    assert math.isclose(hits / 20_000, 0.95, abs_tol=0.008)
