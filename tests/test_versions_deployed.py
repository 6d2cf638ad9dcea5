"""Which version serves, its part of the rows, and whether it does worse than the one before."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from vedette.engine.health import health
from vedette.engine.versions import newest_version, versions_of
from vedette.engine.versions_against import against
from vedette.lake.tables import Lake
from vedette.records import Status

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
