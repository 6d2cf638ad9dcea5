"""vedette.toml says what it means, or is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from vedette import config
from vedette.errors import ConfigError
from vedette.records import Settings


def write(folder: Path, text: str) -> Path:
    path = folder / "vedette.toml"
    path.write_text(text)
    return path


def test_a_file_gives_the_settings_of_a_model(tmp_path: Path) -> None:
    """What the table of a model says becomes its settings."""
    read = config.read(
        write(tmp_path, 'lake = "x"\n[models.m]\nwindow = "1d"\nclasses = [0, 1]\nbudget_per_month = 2\n')
    )
    assert read.lake == "x"
    given = ("budget_per_month", "classes", "window_s")
    expected = Settings(window_s=86400.0, classes=("0", "1"), budget_per_month=2.0, given=given)
    assert config.settings(read.models["m"]) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lak = 'x'", "unknown key 'lak': must be one of lake, journal, recording, server, models"),
        ("[models.m]\nwindows = '1h'", "unknown key 'windows'"),
        ("[models.m]\nwindow = 'soon'", "window='soon': must be"),
        ("[models.M]\nwindow = '1h'", "model='M': must be"),
        ("[models.m]\nbudget_per_month = 0", "budget_per_month=0: must be above 0"),
        ("[models.m]\nclasses = ['a']", "two names or more"),
        ("[models.m]\nclasses = [1, true]", "the same class twice"),
        ("[models.m]\ntimezone = 'Moon/Base'", "timezone='Moon/Base'"),
        ("[models.m]\ntask = 'guess'", "must be one of classification, regression"),
        (
            "[models.m.rules]\nlow = { when = 2026-01-01 }",
            "rules.low: when=datetime.date\\(2026, 1, 1\\): must be text",
        ),
        (
            "[models.m.rules]\nlow = { when = 'rows < 1', severity = 2 }",
            "rules.low: severity=2: must be text",
        ),
        (
            "[models.m.rules]\nlow = { when = 'rows < 1', min_rows = nan }",
            "rules.low: min_rows=nan: must be a whole number",
        ),
        (
            "[models.m.rules]\nlow = { when = 'rows < 1', min_rows = true }",
            "rules.low: min_rows=True: must be a whole number",
        ),
        (
            "[models.m.rules]\nlow = { when = 'rows < 1', clear_after = 1.5 }",
            "rules.low: clear_after=1.5: must be a whole number",
        ),
        (
            "[models.m.rules]\nlow = { when = 'rows < 1', clear_after = 12:00:00 }",
            "rules.low: clear_after=datetime.time\\(12, 0\\): must be a whole",
        ),
        (
            "[models.m.rules]\nlow = { severity = 'warn' }",
            "rules.low=.*: must be text, or a table with the key 'when'",
        ),
        ("[models.m.rules]\nlow = { when = 'rows < 1', pages = true }", "rules.low: unknown key 'pages'"),
        ("[models.m]\nsampler = 2", "sampler=2: must be a rate above 0 and at most 1, or the name"),
        ("[models.m]\nsampler = true", "sampler=True: must be a rate"),
        (
            "[models.m]\ndetectors_share = 0",
            "detectors_share=0: must be above 0 and at most 1, a share of the budget",
        ),
        ("[models.m]\ndetectors_share = true", "detectors_share=True: must be above 0"),
        ("[models.m]\ndetectors_share = 1.5", "detectors_share=1.5: must be above 0"),
        ("lake = 3", "lake=3: must be text"),
        ("recording = 3", "recording=3: must be a table"),
        (
            "[recording]\nsync = 1",
            "\\[recording\\]: unknown key 'sync': must be one of sync_s, journal_bytes_max",
        ),
        ("[recording]\nsync_s = '200ms'", "sync_s='200ms': must be 0 \\(never\\) to 3,600 seconds"),
        ("[recording]\nsync_s = nan", "sync_s=nan: must be 0"),
        ("[recording]\njournal_bytes_max = 1_000_000", "journal_bytes_max=1000000: must be .* 16 MiB"),
        ("[recording]\njournal_bytes_max = true", "journal_bytes_max=True: must be"),
        ("lake = ", "cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """Unknown keys and impossible values are refused, named with what would be right."""
    with pytest.raises(ConfigError, match=said):
        config.read(write(tmp_path, text))


def test_no_file_is_no_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file everything is at its default; a file that is named must be there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VEDETTE_CONFIG", raising=False)
    assert config.read() == config.Config()
    monkeypatch.setenv("VEDETTE_CONFIG", "none.toml")
    with pytest.raises(ConfigError, match="no such file"):
        config.read()


@pytest.mark.parametrize(
    ("text", "seconds"), [("1h", 3600), ("15m", 900), ("1.5d", 129600), ("2w", 1209600), (60, 60)]
)
def test_durations(text: str | int, seconds: int) -> None:
    """A duration is a number and a unit, or seconds."""
    assert config.duration_s(text) == seconds


@pytest.mark.parametrize("value", ["0s", "-1h", "1y", "", None, True, 0, 1e12])
def test_durations_that_are_none(value: object) -> None:
    """What is no duration is refused with what would be right."""
    with pytest.raises(ValueError, match="must"):
        config.duration_s(value)  # type: ignore[arg-type]
