"""What is told of a deployment, in words."""

from __future__ import annotations

from vedette.records import WarmUp

__all__ = ["duration", "warm_up_words"]


def duration(seconds: float | None) -> str:
    """A length of time as a person says it.

    >>> duration(0.4), duration(75.0), duration(8000.0), duration(None)
    ('0.4 s', '1 min 15 s', '2 h 13 min', 'not known')
    """
    if seconds is None:
        return "not known"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, left = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {left} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} days"


def warm_up_words(found: WarmUp) -> str:
    """The warm-up in one line.

    >>> warm_up_words(WarmUp(3.4, 1.9, 6.2, 20, 180, 0.05))
    'the first 20 predictions took 3.4 times as long as the next 180 (1.9 to 6.2); the very first 0.05 s'
    """
    return (
        f"the first {found.n_first} predictions took {found.ratio:.3g} times as long as the next {found.n_later:,} "
        f"({found.low:.3g} to {found.high:.3g}); the very first {found.first_s:.3g} s"
    )
