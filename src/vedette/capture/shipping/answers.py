"""What each answer of a server means to who ships: the table of ``docs/protocol.md``, and how long to wait."""

from __future__ import annotations

import email.utils
import math
import random
import time
from enum import Enum

from vedette.capture.shipping.transport import Answer

__all__ = ["Meaning", "delay_s", "meaning", "retry_after_s"]

BASE_S, CAP_S = 0.5, 60.0
_RETRY_AFTER_S_MAX = 3600.0  # a server that asks for more is asked again after an hour


class Meaning(Enum):
    """What is to be done after an answer."""

    TAKEN = "it is stored: go on"
    BEHIND = "the server lacks what comes before: go back to what it has"
    SMALLER = "too large: send less at a time"
    ASIDE = "it will never be taken: set it aside, with the reason"
    AGAIN = "not now: wait, and send the same again"
    STOPPED = "nothing will be taken, by this server, or of this token: keep all, and ask again now and then"


_MEANINGS = {
    400: Meaning.ASIDE,
    408: Meaning.AGAIN,
    409: Meaning.ASIDE,
    412: Meaning.BEHIND,
    413: Meaning.SMALLER,
    422: Meaning.ASIDE,
    425: Meaning.AGAIN,
    429: Meaning.AGAIN,
    501: Meaning.STOPPED,
    505: Meaning.STOPPED,
}


def meaning(answer: Answer) -> Meaning:
    """What an answer means.

    >>> meaning(Answer(302)), meaning(Answer(503))
    (<Meaning.STOPPED: ...>, <Meaning.AGAIN: ...>)
    """
    if 200 <= answer.status < 300:
        return Meaning.TAKEN
    return _MEANINGS.get(answer.status) or (Meaning.AGAIN if answer.status >= 500 else Meaning.STOPPED)


def retry_after_s(said: str | None, now: float) -> float:
    """Seconds that a ``Retry-After`` asks for: a number, or a date; 0 where it says neither. At most an hour.

    >>> retry_after_s("7", 0.0), retry_after_s("Thu, 01 Jan 1970 00:00:09 GMT", 4.0), retry_after_s("soon", 0.0)
    (7.0, 5.0, 0.0)
    """
    if said is None:
        return 0.0
    try:
        seconds = float(said)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(said).timestamp() - now
        except (ValueError, TypeError, OverflowError):
            return 0.0
    return min(max(seconds, 0.0), _RETRY_AFTER_S_MAX) if math.isfinite(seconds) else 0.0


def delay_s(tries: int, said: str | None, rng: random.Random) -> float:
    """How long to wait after so many failures in a row: evenly drawn up to a bound that doubles with each.

    What a server asks for in ``Retry-After`` is waited too, and up to a second more, so that not all come back at once.

    Source: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog (2015), "full jitter".
    """
    drawn = rng.uniform(0.0, min(CAP_S, BASE_S * 2.0 ** min(tries, 20)))
    asked = retry_after_s(said, time.time())
    return max(drawn, asked + rng.uniform(0.0, 1.0)) if asked else drawn
