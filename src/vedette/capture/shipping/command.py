"""What ``vedette ship`` does: the journal of a server, shipped at once or from now on."""

from __future__ import annotations

import signal
import sys
import time

from vedette import config
from vedette.capture.shipping.delivery import Shipped
from vedette.capture.shipping.desk import Desk
from vedette.capture.shipping.follow import End, follow, once
from vedette.errors import IngestError, LakeError, LockedError

__all__ = ["ship"]

_WAIT_S = 600.0
_POLL_S = 0.02


def ship(location: str, journal: str | None, *, go_on: bool = False) -> Shipped | None:
    """Ship what the journal of a server holds and say what went out; with ``go_on`` until SIGTERM or SIGINT.

    Where another process ships the journal its work is waited for, and the answer is None. Raises ``IngestError`` where
    not all is acknowledged then, ``LockedError`` where two would go on.
    """
    written, url = config.read(), config.server_url(location)
    if url is None:
        raise ValueError(
            f"lake={location!r}: must be the URL of a server; the journals of a folder are ingested"
        )
    folder = config.journal_folder(url, journal, written.journal)
    if not folder.is_dir():
        raise LakeError(f"journal={str(folder)!r}: no such folder: nothing was recorded for {url} there")
    if not go_on:
        found = once(folder, url, lambda: config.read().server)
        if found is None:
            _wait(Desk(folder), url)
        return found
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    if follow(folder, url, lambda: config.read().server) is End.BUSY:
        raise LockedError(f"journal {folder}: another process ships it")
    return None


def _wait(desk: Desk, url: str) -> None:
    """Wait for the sender that is at work."""
    requests = [desk.ask(model) for model in desk.models]
    deadline = time.monotonic() + _WAIT_S
    try:
        while any(desk.waits(one) for one in requests):
            status = desk.status()
            if time.monotonic() > deadline or (status is not None and status.state != "working"):
                why = status.why if status is not None else f"no answer within {_WAIT_S:g} s"
                raise IngestError(f"{url}: another process ships {desk.journal}, and: {why}")
            time.sleep(_POLL_S)
    finally:
        for one in requests:
            desk.withdraw(one)
    refusals = [refusal for one in requests if (refusal := desk.answer(one)) is not None]
    if refusals:
        raise IngestError(f"{url}: {refusals[0]}; what is not acknowledged is still in {desk.journal}")
