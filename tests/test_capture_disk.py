"""Disks that are full, broken or read-only, and files that go away: rows are kept or counted, and the model runs on."""

from __future__ import annotations

from pathlib import Path

from tests.journals import MODEL, record
from vedette.capture import producers


def test_a_segment_that_cannot_be_opened_now_is_not_given_up(tmp_path: Path) -> None:
    """While a segment cannot be opened, none behind it is read or freed; once it can, no row is torn or counted twice."""
    made = record(tmp_path, segment_bytes=4096)
    for i in range(200):
        made.log({"a": float(i)})
    made.close()
    (folder,) = producers(tmp_path, MODEL)
    first, middle = sorted(tmp_path.rglob("predictions-*.seg"))[:2]
    n_first = int(middle.stem[-16:]) - int(first.stem[-16:])
    aside = middle.with_name("aside")
    middle.rename(aside)
    middle.symlink_to(middle)  # to open it is an OSError, whoever asks
    before = [int(chunk.torn + len(chunk.ids)) for chunk in folder.read("predictions", 0)]
    freed = folder.free("predictions", 200)
    middle.unlink()
    aside.rename(middle)
    after = list(folder.read("predictions", n_first))
    assert (before, freed, len(folder.problems)) == ([n_first], 1, 1)
    assert (sum(len(chunk.ids) for chunk in after), sum(chunk.torn for chunk in after)) == (200 - n_first, 0)
    assert folder.highest("predictions") == 200
