"""The model's process, treated badly: it runs on, and no row is lost unseen (faults 6 to 27 of docs/faults.md)."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.journals import MODEL, record
from vedette.capture import producers


def test_a_batch_that_takes_long_is_not_overtaken(tmp_path: Path) -> None:
    """Batches get their numbers as they are done: a reader that has taken the quick one is still given the slow one."""
    made = record(tmp_path)
    begun, go_on = threading.Event(), threading.Event()

    def slowly(path: Path) -> None:
        begun.set()
        go_on.wait(20)
        path.write_bytes(b"slow")

    slow = threading.Thread(target=made.write_batch, args=("predictions", 1, slowly))
    slow.start()
    begun.wait(20)
    made.write_batch("predictions", 1, lambda path: path.write_bytes(b"quick") and None)
    (folder,) = producers(tmp_path, MODEL)
    taken = folder.batches(0)
    contents = [batch.path.read_bytes() for batch in taken]
    go_on.set()
    slow.join()
    later = [batch.path.read_bytes() for batch in folder.batches(taken[-1].number)]
    made.close()
    assert (contents, later) == ([b"quick"], [b"slow"])
