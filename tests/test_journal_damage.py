"""Damage to a journal's files: what is whole is read, what is not is counted, nothing is read wrong (faults 28 to 31)."""

from __future__ import annotations

from pathlib import Path

from tests.journals import MODEL, read, record
from vedette.capture import producers


def test_a_folder_that_was_only_begun_is_no_problem(tmp_path: Path) -> None:
    """A process that is killed while it makes its folder leaves one with a lock and no counters: nothing was lost."""
    begun = tmp_path / MODEL / "0001-0123abcd"
    begun.mkdir(parents=True)
    (begun / "lock").write_bytes(b"")
    made = record(tmp_path)
    made.log({"a": 1.0})
    made.close()
    back = read(tmp_path)
    assert (len(back.rows), back.problems, len(producers(tmp_path, MODEL))) == (1, [], 2)
