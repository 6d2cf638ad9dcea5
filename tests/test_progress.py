"""The bar of what takes more than a second, seen through a terminal of its own."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

JOB = """
import sys, time
from vedette.output.progress import told
with told("reading") as tell:
    if tell is not None and len(sys.argv) > 2:
        tell(3, 10, "age[red]\\x1b[31m")
    time.sleep(float(sys.argv[1]))
print("done", tell is not None)
"""


def seen(*arguments: str) -> tuple[str, str]:
    """What a job prints on a terminal as its standard error, and on standard output."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "80"}
    job = subprocess.Popen(
        [sys.executable, "-c", JOB, *arguments], stdout=subprocess.PIPE, stderr=theirs, env=environment
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            more = os.read(ours, 65536)
        except OSError:  # Linux's way to say that the other side is closed
            break
        if not more:
            break
        shown += more
    os.close(ours)
    out, _ = job.communicate()
    assert job.returncode == 0
    return shown.decode(), out.decode()


def test_what_takes_under_a_second_shows_no_bar() -> None:
    """Nothing flickers where nothing takes long."""
    assert seen("0.1") == ("", "done True\n")


def test_what_takes_longer_shows_a_bar_without_being_called() -> None:
    """Reading a large file is one call that tells nothing on the way."""
    shown, out = seen("4")
    assert ("reading" in shown, out) == (True, "done True\n")


def test_a_name_is_shown_as_it_is() -> None:
    """Neither marks of rich nor escapes of a column's own reach the terminal."""
    shown, _ = seen("4", "told")
    assert "age(red)?(31m" in shown
    assert "30%" in shown


def test_nobody_who_looks_means_no_bar() -> None:
    """A pipe gets nothing."""
    job = subprocess.run([sys.executable, "-c", JOB, "1.5"], capture_output=True, text=True, check=True)
    assert (job.stdout, job.stderr) == ("done False\n", "")


def test_a_report_tells_each_column_and_then_the_model() -> None:
    """The caller of ``report`` hears of every column, and once more when all are done."""
    import vedette

    heard: list[tuple[int, int, str]] = []
    vedette.report({"a": [1, 2], "b": [1, 2]}, progress=lambda *told: heard.append(told))
    assert heard == [(0, 2, "a"), (1, 2, "b"), (2, 2, "figures of the model")]
