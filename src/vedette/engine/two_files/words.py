"""What changed in a column, and how much, in words and in the column's own unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vedette.engine.two_files.described import Compared
from vedette.output.comparison import Side, Together
from vedette.output.numbers import estimate, number, percent, values
from vedette.strategy import two_samples

__all__ = ["matters", "said", "told_together"]

CLEAR = 0.01

SD_MIN = 0.05
"""Numbers that moved by less than a twentieth of the reference's standard deviation are taken as not to matter,"""

NORMAL_QUARTILES = 1.349
"""Standard deviations between the quartiles of normal values: where far values make the deviation greater than that,
the quartiles decide,"""

SAME_MEAN = 0.1
"""Of the reference's standard deviation: a mean that moved by less, and within both intervals, is not said to be what
changed where the surest test was not one of the mean."""

VARIANCE_MIN = 0.1
"""so are vectors whose variances changed by less than a tenth: of a deviation that is a twentieth,"""

SHARE_MIN = 0.01
"""and so are shares of rows (missing, infinite, of another level) that changed by less than one in a hundred,"""

PSI_MIN = 0.02
"""unless PSI is above this: a fifth of what is usually called a small change."""


AUC_MIN = 0.514
"""Rows that a classifier tells apart less well are taken as not to matter: it is the AUC of one normal column that moved by
a twentieth of its standard deviation, Phi(0.05 / sqrt 2)."""

COLUMNS_NAMED = 3


def told_together(found: Together, named: bool | None) -> Together:
    """All columns together with what was decided, and what was found in words."""
    if not named:
        return replace(found, changed=named)
    matters = found.auc.high is None or found.auc.high >= AUC_MIN
    most = [
        f"{name} ({percent(one.value)})"
        for name, one in [*found.shares.items()][:COLUMNS_NAMED]
        if one.value is not None and one.value >= 0.1
    ]
    by = f", most by {', '.join(most)}" if most else ""
    told = f"rows of the two files can be told apart with AUC {' '.join(estimate(found.auc))}{by}"
    return replace(
        found, changed=True, matters=matters, words=told if matters else f"too small to matter: {told}"
    )


def said(found: Compared) -> str:
    """What differs, the surest first; further parts only where they are less likely than one in a hundred."""
    if len(found.sides) < 2:
        return ""
    known = sorted((p, part) for part, p in found.parts.items() if p is not None)
    clear = [one for place, one in enumerate(known) if place == 0 or one[0] < CLEAR]
    tell = {
        "values": _values,
        "missing": _missing,
        "infinite": _infinite,
        "length": _length,
        "directions": _directions,
        "ngrams": _ngrams,
    }
    return "; ".join(dict.fromkeys(text for _, part in clear if (text := tell[part](found))))


def _values(found: Compared) -> str:
    return {"numeric": _numbers, "text": _unseen, "vector": _norms}.get(found.kind, _levels)(found)


def _norms(found: Compared) -> str:
    told = _numbers(found)
    return f"norms: {told}" if told else ""


def _directions(found: Compared) -> str:
    """How far vectors lie apart, in standard deviations; what surely is not 0 first."""
    told = []
    for name, word in (("mean_shift_sd", "mean moved by"), ("mmd_sd", "MMD as of a shift by")):
        one = found.distances.get(name)
        if one is not None and one.value is not None and one.low:
            told.append(f"{word} {' '.join(estimate(one))} standard deviations")
    one = found.distances.get("covariance_change")
    if one is not None and one.value is not None and one.low:
        told.append(f"variances along axes changed by {' '.join(estimate(one, '%'))}")
    return f"directions: {', '.join(told) or 'another distribution'}"


def _ngrams(found: Compared) -> str:
    one = found.distances.get("ngram_shift_sd")
    if one is None or one.value is None:
        return "texts are made of other pieces"
    moved = " ".join(estimate(one))
    return f"texts are made of other pieces: shares of n-grams moved by {moved} standard deviations between texts"


def _numbers(found: Compared) -> str:
    now, before = found.sides
    mean, was, sd, sd_was = (
        one.figures[name].value if name in one.figures else None
        for name in ("mean", "sd")
        for one in (now, before)
    )
    every = now.rows - now.missing - now.nan - now.inf
    stuck = now.minimum is not None and now.minimum == now.maximum and before.minimum != before.maximum
    if stuck and not now.inf and 2 * every >= now.rows:
        held = f"; in the reference the mean is {number(was, found.unit)}" if was is not None else ""
        return f"stuck: every value is {number(now.minimum, found.unit)}{held}"
    moved, wider = "", ""
    if mean is not None and was is not None:
        moved = f"mean {_pair(was, mean, found.unit)}"
    if _ratio(sd, sd_was) > 1.05 and sd is not None and sd_was is not None:
        wider = f"standard deviation {_pair(sd_was, sd, found.unit)}"
    parts = [moved or _latency(now, before), wider, _moved_by(found)]
    if mean is not None and found.surest not in ("", "location") and not _means_apart(now, before):
        # a mean that hardly moved is not what was seen
        ends = _ends(now, before, found.unit) if found.surest == "tails" else ""
        shape = {
            "shape": "another shape about the same mean",
            "spread": "another spread about the same mean",
        }.get(found.surest, "")
        other = [one for one in (wider, ends, shape if not wider else "") if one]
        parts = [*(other or [moved]), _moved_by(found)]
    return ", ".join(part for part in parts if part)


def _means_apart(now: Side, before: Side) -> bool:
    """True where two means differ by more than a tenth of a deviation, or by more than both intervals allow."""
    mean, was, sd = now.figures.get("mean"), before.figures.get("mean"), before.figures.get("sd")
    if mean is None or was is None or mean.value is None or was.value is None:
        return False
    if abs(mean.value - was.value) >= SAME_MEAN * (sd.value if sd is not None and sd.value else 0.0):
        return True
    known = mean.low is not None and mean.high is not None and was.low is not None and was.high is not None
    return known and (mean.low > was.high or mean.high < was.low)  # type: ignore[operator]


def _latency(now: Side, before: Side) -> str:
    """The median and the slowest hundredth of latencies, of which there is no mean."""
    told = []
    for name, word in (("latency_p50_s", "median"), ("latency_p99_s", "p99")):
        one, other = (side.figures[name].value if name in side.figures else None for side in (now, before))
        if one is not None and other is not None:
            told.append(f"{word} {_pair(other, one, 's')}")
    return ", ".join(told)


def _ends(now: Side, before: Side, unit: str) -> str:
    """The least and the greatest value where they are others, else the utmost hundredths."""
    told = []
    for word, ours, theirs in (
        ("least value", now.minimum, before.minimum),
        ("greatest value", now.maximum, before.maximum),
    ):
        if ours is not None and theirs is not None and ours != theirs:
            told.append(f"{word} {_pair(theirs, ours, unit)}")
    for name in ("p01", "p99") if not told else ():
        one, other = (side.figures[name].value if name in side.figures else None for side in (now, before))
        if one is not None and other is not None and one != other:
            told.append(f"{name} {_pair(other, one, unit)}")
    return ", ".join(told)


def _moved_by(found: Compared) -> str:
    moved, apart = found.distances.get("wasserstein"), found.distances.get("wasserstein_sd")
    if moved is None or moved.value is None:
        return ""
    how = (
        f", {number(apart.value)} standard deviations"
        if apart is not None and apart.value is not None
        else ""
    )
    return f"values moved by {' '.join(estimate(moved, found.unit))} on average{how}"


def _pair(before: float, now: float, unit: str = "") -> str:
    """Two numbers, each to its own digits, or to as many as tell them apart; else the one and the difference."""
    one, other = number(before, unit), number(now, unit)
    if one == other or ("e" in one) != ("e" in other):
        one, other = values((before, now), unit)
    if one == other:
        return f"{one} and {number(abs(now - before), unit)} {'more' if now > before else 'less'}"
    return f"{one} to {other}"


def _ratio(one: float | None, other: float | None) -> float:
    """How many times the greater is the smaller; 1 where that cannot be told."""
    return max(one / other, other / one) if one and other else 1.0


def _levels(found: Compared) -> str:
    n = max(sum(now for now, _ in found.levels.values()), 1)
    m = max(sum(before for _, before in found.levels.values()), 1)
    fresh = {level: now for level, (now, before) in found.levels.items() if now and not before}
    gone = {level: before for level, (now, before) in found.levels.items() if before and not now}
    both = {level: (now, before) for level, (now, before) in found.levels.items() if now and before}
    parts = [_some("new", fresh, n), _some("gone", gone, m)]
    if both:
        level = max(both, key=lambda one: (round(abs(both[one][0] / n - both[one][1] / m), 9), one))
        now, before = both[level]
        likely = two_samples.share(now, n, before, m)  # beside new levels only what is no noise is told
        if now / n != before / m and (not any(parts) or likely is None or likely < CLEAR):
            parts.append(f"{_quoted(level)} {_from_to(before / m, now / n)} of values")
    return ", ".join(part for part in parts if part)


def _some(word: str, levels: Mapping[str, int], rows: int) -> str:
    """The new levels, or those that are gone, with their share of the values where that is a thousandth or more."""
    if not levels or sum(levels.values()) < 0.001 * rows:
        return ""
    first = sorted(levels, key=lambda level: (-levels[level], level))[:3]
    names = ", ".join(_quoted(level) for level in first)
    more = f" and {len(levels) - 3:,} more" if len(levels) > 3 else ""
    return f"{word}: {names}{more} ({percent(sum(levels.values()) / rows)} of values)"


def _quoted(level: str) -> str:
    return f"'{level[:40]}{'…' if len(level) > 40 else ''}'"


def _unseen(found: Compared) -> str:
    unseen = found.distances.get("unseen_share")
    if unseen is None or unseen.value is None:
        return ""
    return f"{percent(unseen.value)} of values do not occur in the reference"


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
    if now.value == before.value:
        return f"other lengths, {number(now.value)} bytes on average in both"
    return f"length {_pair(before.value, now.value)} bytes on average"


def _share(side: Side, part: int) -> float:
    return part / side.rows if side.rows else 0.0


def _scale(reference: Side) -> float:
    """How far values lie apart: the standard deviation, or what the middle half says where far values make that large."""
    sd, lower, upper = (
        reference.figures[name].value if name in reference.figures else None for name in ("sd", "p25", "p75")
    )
    middle = (upper - lower) / NORMAL_QUARTILES if upper is not None and lower is not None else 0.0
    return min(sd or 0.0, middle) if middle > 0 else sd or 0.0


def matters(found: Compared) -> bool:
    """False where the whole interval of each distance says that the change is too small to matter."""
    if len(found.sides) < 2:
        return True
    one, other = found.sides
    empty = abs(_share(one, one.missing + one.nan) - _share(other, other.missing + other.nan))
    if max(empty, abs(_share(one, one.inf) - _share(other, other.inf))) >= SHARE_MIN:
        return True
    scale = _scale(other)
    limits = {"total_variation": SHARE_MIN, "psi": PSI_MIN}
    limits |= {"wasserstein": SD_MIN * scale} if scale else {"wasserstein_sd": SD_MIN}
    limits |= {"mmd_sd": SD_MIN, "mean_shift_sd": SD_MIN, "covariance_change": VARIANCE_MIN}
    known = {name: found.distances[name].high for name in limits if name in found.distances}
    if found.kind == "text":
        now, before = (side.figures["length_mean"].value for side in found.sides)
        unlike, pieces = found.parts.get("values"), found.distances.get("ngram_shift_sd")
        if found.parts.get("ngrams") is not None and pieces is not None and (pieces.high or 0.0) >= SD_MIN:
            return True
        return (
            unlike is None
            or unlike < SHARE_MIN
            or now is None
            or not before
            or abs(now / before - 1) >= SD_MIN
        )
    return any(high is None or high >= limits[name] for name, high in known.items())
