"""Damage to a journal's files: what is whole is read, what is not is counted, nothing is read wrong (faults 28 to 31)."""

from __future__ import annotations

from pathlib import Path

from tests.journals import MODEL, read, record
from vedette.capture import ProducerFolder, Recorder, producers


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


def test_a_folder_that_is_taken_over_while_it_is_read_loses_nothing(tmp_path: Path) -> None:
    """A process that adopts the folder, just after a reader has found its owner dead, has its unwritten rows waited for."""
    made = record(tmp_path)
    made.log({"a": 1.0})
    made.close()
    successors: list[Recorder] = []

    class Raced(ProducerFolder):
        @property
        def alive(self) -> bool:
            found = super().alive
            if not successors:  # now another process begins: one row written, one slot taken, one row written
                successors.append(record(tmp_path))
                successors[0].log({"a": 2.0})
                segment = successors[0]._predictions.segment
                assert segment is not None
                next(segment.slots)
                successors[0].log({"a": 4.0})
            return found

    folder = Raced(producers(tmp_path, MODEL)[0].path)
    chunks = list(folder.read("predictions", 0))
    successors[0].close()
    assert (sum(chunk.torn for chunk in chunks), chunks[-1].next <= 3) == (0, True)
