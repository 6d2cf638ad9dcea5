"""A level that goes by another name: it vanished, and one that was never seen came in its place."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np

__all__ = ["renamed"]

_ROWS_MIN = 50  # as for the other causes
_SHARE_MIN = 0.02  # of a level that is worth a name
_COUNT_MIN = 20.0  # rows that should have come: by chance none of 20 come once in 5e8
_LEFT_MAX = 0.05  # of these rows, where it vanished
_DEVIATIONS = 3.0
_SHOWN = 3


def renamed(before: Mapping[str, int], now: Mapping[str, int]) -> tuple[str, ...]:
    """Which levels of a category came under another name, as words; none where nothing fits.

    ``before`` and ``now`` are rows by level. A level *vanished* where it had 2 % of the rows and 20 rows, as many were to
    be expected now, and 5 % of them came at most; a level *appeared* where it was never seen, though 20 rows of it were
    to be expected, and has 1 % of the rows now, 20 at least.
    What appeared is taken for what vanished where they are written alike but for case, spaces, underscores, hyphens or
    the form of their Unicode, else where their shares are the same within three standard deviations and within a
    quarter; of several that fit nothing is made but the remark that some of them are. Levels that come in two ways of
    writing now, of which one was never seen, are told as such. Says nothing with fewer than 50 rows on a side.

    >>> renamed({"north": 300, "south": 700}, {"North": 290, "south": 710})
    ("category renamed: 'north' comes as 'North' (case or spaces)",)
    >>> renamed({"a": 300, "b": 600, "c": 100}, {"x": 310, "b": 590, "c": 100})
    ("category renamed: 'a' vanished and 'x' came with its share (30 %, now 31 %)",)
    """
    n_before, n = sum(before.values()), sum(now.values())
    if min(n_before, n) < _ROWS_MIN:
        return ()
    share = {level: count / n_before for level, count in before.items() if count > 0}
    share_now = {level: count / n for level, count in now.items() if count > 0}
    expected = {
        level: one * n
        for level, one in share.items()
        if one >= _SHARE_MIN and min(one * n, before[level]) >= _COUNT_MIN
    }
    vanished = [one for one, rows in expected.items() if now.get(one, 0) <= _LEFT_MAX * rows]
    appeared = [
        one
        for one, part in share_now.items()
        if one not in share and part >= _SHARE_MIN / 2 and min(part * n_before, now[one]) >= _COUNT_MIN
    ]
    found, taken = [], set()
    spelled = {_plain(one): one for one in appeared}
    for old in expected:
        new = spelled.get(_plain(old))
        if new is None or new in taken:
            continue
        taken.add(new)
        if old in vanished:
            found.append(f"category renamed: {old!r} comes as {new!r} (case or spaces)")
            vanished.remove(old)
        else:
            part = f"{100 * share_now[new]:.3g} % of the rows"
            found.append(
                f"category renamed in part: {old!r} comes as {new!r} too, in {part} (case or spaces)"
            )
    rest = [one for one in appeared if one not in taken]
    fits = {old: [new for new in rest if _same(share[old], n_before, share_now[new], n)] for old in vanished}
    doubtful: dict[str, None] = {}
    for old, news in fits.items():
        others = [one for one, theirs in fits.items() if one != old and set(theirs) & set(news)]
        if len(news) == 1 and not others:
            shares = f"{100 * share[old]:.3g} %, now {100 * share_now[news[0]]:.3g} %"
            found.append(f"category renamed: {old!r} vanished and {news[0]!r} came with its share ({shares})")
        elif news:
            doubtful[old] = None
    if doubtful:
        came_new = dict.fromkeys(one for old in doubtful for one in fits[old])
        came = f"{_some(list(came_new))} came with their shares"
        found.append(f"categories renamed: {_some(list(doubtful))} vanished and {came}")
    return tuple(found)


def _plain(level: str) -> str:
    """A level without what people write now this way, now that: case, spaces and their like, Unicode's forms."""
    folded = unicodedata.normalize("NFKC", level).casefold()
    return " ".join("".join(" " if c in "_-" else c for c in folded).split())


def _same(share: float, n: int, share_now: float, n_now: int) -> bool:
    pooled = (share * n + share_now * n_now) / (n + n_now)
    noise = float(np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / n_now)))
    return abs(share_now - share) <= _DEVIATIONS * noise and abs(share_now - share) <= 0.25 * share


def _some(levels: Sequence[str]) -> str:
    shown = ", ".join(repr(one) for one in levels[:_SHOWN])
    return f"{shown} and {len(levels) - _SHOWN} more" if len(levels) > _SHOWN else shown
