"""Processes that log, as a model's own would: what the tests of faults share.

A test that takes a :class:`Host` runs twice: on the compiled core, where it is built, and on the fallback in Python.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.journals import Read, read

ROOT = Path(__file__).parent.parent

BOTH_CORES = (
    pytest.param(
        "core",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("vedette.capture._core") is None, reason="the C core is not built"
        ),
    ),
    "fallback",
)

PRELUDE = """
import gc, logging, os, signal, sys, threading, time
from pathlib import Path
from vedette.capture import Recorder, producers
from vedette.records import Settings
logging.getLogger("vedette").addHandler(logging.NullHandler())
root = Path(sys.argv[1])
def record(**options):
    return Recorder(root, "delays", "1", Settings(), **{"segment_bytes": 65_536, **options})
"""


@dataclass(frozen=True)
class Host:
    """Runs programs that log below ``root``, each in a process of its own, on one of the two cores."""

    root: Path
    core: str

    @property
    def environment(self) -> dict[str, str]:
        """What is set for the core, and for the modules of the tests to be found."""
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        core = {"VEDETTE_CORE": "off"} if self.core == "fallback" else {}
        return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **core}

    def start(
        self,
        program: str,
        *arguments: object,
        wrapper: tuple[str, ...] = (),
        extra: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[str]:
        """Start a program, after the prelude; its arguments are the root and what is given, ``extra`` is set beside."""
        command = [*wrapper, sys.executable, "-c", PRELUDE + program, str(self.root), *map(str, arguments)]
        return subprocess.Popen(
            command,
            env={**self.environment, **(extra or {})},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(
        self,
        program: str,
        *arguments: object,
        wrapper: tuple[str, ...] = (),
        extra: Mapping[str, str] | None = None,
        code: int | None = 0,
    ) -> str:
        """Run a program to its end and return what it printed; it must end with ``code`` (None: with any)."""
        with self.start(program, *arguments, wrapper=wrapper, extra=extra) as process:
            output, errors = process.communicate(timeout=120)
        assert code is None or process.returncode == code, f"ended with {process.returncode}: {errors}"
        return output.strip()

    def read(self, stream: str = "predictions") -> Read:
        """All that the journal gives of a stream."""
        return read(self.root, stream)

    def seen(self, stream: str = "predictions") -> int:
        """The right side of the ledger's equation: rows, torn, void, dropped, rejected and sampled out."""
        back = self.read(stream)
        return (
            len(back.rows)
            + back.torn
            + sum(back.void.values())
            + back.dropped
            + sum(back.rejected.values())
            + back.sampled_out
        )


def can_mount() -> bool:
    """True where a file system of the test's own can be mounted."""
    if shutil.which("unshare") is None:
        return False
    mount = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(mount, capture_output=True, check=False).returncode == 0
