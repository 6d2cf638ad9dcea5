"""What changed in a column, and how much, in words and in the column's own unit."""

from __future__ import annotations

from collections.abc import Mapping

from vedette.engine.two_files.described import Compared
from vedette.output.comparison import Estimate, Side
from vedette.output.numbers import estimate, number, percent, values
from vedette.strategy import two_samples

__all__ = ["matters", "said"]

CLEAR = 0.01

SD_MIN = 0.05
"""Numbers that moved by less than a twentieth of the reference's standard deviation are taken as not to matter,"""

SHARE_MIN = 0.01
"""and so are shares of rows (missing, infinite, of another level) that changed by less than one in a hundred,"""

PSI_MIN = 0.02
"""unless PSI is above this: a fifth of what is usually called a small change."""


def said(found: Compared) -> str:
    """What differs, the surest first; further parts only where they are less likely than one in a hundred."""
    if len(found.sides) < 2:
        return ""
    known = sorted((p, part) for part, p in found.parts.items() if p is not None)
    clear = [one for place, one in enumerate(known) if place == 0 or one[0] < CLEAR]
    tell = {"values": _values, "missing": _missing, "infinite": _infinite, "length": _length}
    return "; ".join(dict.fromkeys(text for _, part in clear if (text := tell[part](found))))


def _values(found: Compared) -> str:
    return {"numeric": _numbers, "text": _unseen}.get(found.kind, _levels)(found)


def _numbers(found: Compared) -> str:
    now, before = (side.figures for side in found.sides)
    moved, apart = found.distances.get("wasserstein"), found.distances.get("wasserstein_sd")
    mean, was = now.get("mean"), before.get("mean")
    parts = []
    if mean is not None and was is not None and mean.value is not None and was.value is not None:
        parts.append(f"mean {_pair(was.value, mean.value)}")
    sd, sd_was = now.get("sd"), before.get("sd")
    if _ratio(sd, sd_was) > 1.05 and sd is not None and sd_was is not None:
        parts.append(f"standard deviation {_pair(sd_was.value or 0.0, sd.value or 0.0)}")
    if moved is not None and moved.value is not None:
        far = " ".join(estimate(moved))
        how = (
            f", {number(apart.value)} standard deviations"
            if apart is not None and apart.value is not None
            else ""
        )
        parts.append(f"values moved by {far} on average{how}")
    return ", ".join(parts)


def _pair(before: float, now: float) -> str:
    """Two numbers, each to its own digits, or to as many as tell them apart."""
    apart = number(before), number(now)
    return " to ".join(values((before, now)) if apart[0] == apart[1] else apart)


def _ratio(one: Estimate | None, other: Estimate | None) -> float:
    """How many times the greater is the smaller; 1 where that cannot be told."""
    if one is None or other is None or not one.value or not other.value:
        return 1.0
    return max(one.value / other.value, other.value / one.value)


def _levels(found: Compared) -> str:
    n = max(sum(now for now, _ in found.levels.values()), 1)
    m = max(sum(before for _, before in found.levels.values()), 1)
    fresh = {level: now for level, (now, before) in found.levels.items() if now and not before}
    gone = {level: before for level, (now, before) in found.levels.items() if before and not now}
    both = {level: (now, before) for level, (now, before) in found.levels.items() if now and before}
    parts = [_some("new", fresh, n), _some("gone", gone, m)]
    if both:
        level = max(both, key=lambda one: (abs(both[one][0] / n - both[one][1] / m), one))
        now, before = both[level]
        likely = two_samples.share(now, n, before, m)  # beside new levels only what is no noise is told
        if now / n != before / m and (not any(parts) or likely is None or likely < CLEAR):
            parts.append(f"{_quoted(level)} {_from_to(before / m, now / n)} of rows")
    return ", ".join(part for part in parts if part)


def _some(word: str, levels: Mapping[str, int], rows: int) -> str:
    """The new levels, or those that are gone, with their share of rows where that is a thousandth or more."""
    if not levels or sum(levels.values()) < 0.001 * rows:
        return ""
    first = sorted(levels, key=lambda level: (-levels[level], level))[:3]
    names = ", ".join(_quoted(level) for level in first)
    more = f" and {len(levels) - 3:,} more" if len(levels) > 3 else ""
    return f"{word}: {names}{more} ({percent(sum(levels.values()) / rows)} of rows)"


def _quoted(level: str) -> str:
    return f"'{level[:40]}{'…' if len(level) > 40 else ''}'"


def _unseen(found: Compared) -> str:
    unseen = found.distances.get("unseen_share")
    if unseen is None or unseen.value is None:
        return ""
    return f"{percent(unseen.value)} of rows have a value that the reference does not have"


def _missing(found: Compared) -> str:
    now, before = (_share(side, side.missing + side.nan) for side in found.sides)
    return "all values are missing" if now == 1.0 else f"missing {_from_to(before, now)}"


def _infinite(found: Compared) -> str:
    now, before = (_share(side, side.inf) for side in found.sides)
    return f"infinite {_from_to(before, now)}"


def _from_to(before: float, now: float) -> str:
    """Two shares; what is not quite none or all is never said to be."""
    told = values((before, now), "%")
    plain = [
        percent(share) if text in ("0 %", "100 %") else text
        for share, text in zip((before, now), told, strict=True)
    ]
    return " to ".join(plain)


def _length(found: Compared) -> str:
    now, before = (side.figures.get("length_mean") for side in found.sides)
    if now is None or before is None:
        return ""
    if now.value is None or before.value is None:
        return ""
    return f"length {_pair(before.value, now.value)} bytes on average"


def _share(side: Side, part: int) -> float:
    return part / side.rows if side.rows else 0.0


def matters(found: Compared) -> bool:
    """False where the whole interval of each distance says that the change is too small to matter."""
    if len(found.sides) < 2:
        return True
    one, other = found.sides
    empty = abs(_share(one, one.missing + one.nan) - _share(other, other.missing + other.nan))
    if max(empty, abs(_share(one, one.inf) - _share(other, other.inf))) >= SHARE_MIN:
        return True
    limits = {"wasserstein_sd": SD_MIN, "total_variation": 2 * SHARE_MIN, "psi": PSI_MIN}
    known = {name: found.distances[name].high for name in limits if name in found.distances}
    if found.kind == "text":
        now, before = (side.figures["length_mean"].value for side in found.sides)
        unlike = found.parts.get("values")
        return (
            unlike is None
            or unlike < SHARE_MIN
            or now is None
            or not before
            or abs(now / before - 1) >= SD_MIN
        )
    return any(high is None or high >= limits[name] for name, high in known.items())
