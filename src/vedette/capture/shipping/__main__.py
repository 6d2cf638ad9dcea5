"""The sender as a process of its own: ``python -m vedette.capture.shipping JOURNAL URL IDLE_EXIT_S``.

Recorders start it (``starter.py``); people use ``vedette ship``. Exit codes: 0 there is nothing more to do, or another one
does it; 77 the server takes nothing until somebody changes something.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path

from vedette import config
from vedette.capture.shipping.follow import End, follow
from vedette.capture.shipping.starter import EXIT_STOPPED

_NICE = 5  # the model's own work comes first


def main(journal: str, url: str, idle_exit_s: str) -> int:
    """Ship a journal until nobody needs it any more."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # the Ctrl-C of the model's terminal is not meant for this process
    os.nice(_NICE)
    end = follow(Path(journal), url, lambda: config.read().server, idle_exit_s=float(idle_exit_s))
    return EXIT_STOPPED if end is End.STOPPED else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
