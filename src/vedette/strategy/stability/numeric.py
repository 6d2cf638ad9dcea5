"""The same input and the same output? Of rows that have equal inputs, how many have answers that differ, and where.

Rows are grouped by their inputs. A group whose answers all come from one place (a host and version) tells of the model
itself; one with several versions, or several hosts of one version, tells whether they agree. The unit is the group: its
answers hang together. Sources of inputs that repeat are the probe, which is asked the same every minute, and whatever else comes
twice.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.statistics.intervals import share
from vedette.statistics.measured import Measured, unknown

__all__ = ["Sameness", "sameness"]


@dataclass(frozen=True, slots=True)
class Sameness:
    """The share of inputs asked twice whose answers differ: at one place, over the hosts of a version, and over versions.

    ``farthest`` is the greatest difference of numbers among the answers to one input, None where no answers are numbers.
    """

    within: Measured
    hosts: Measured
    versions: Measured
    farthest: float | None


def sameness(
    inputs: Sequence[Hashable],
    answers: Sequence[float | str],
    hosts: Sequence[str],
    versions: Sequence[str],
    *,
    tolerance: float = 0.0,
    level: float = 0.95,
) -> Sameness:
    """How many inputs that came twice have answers that differ.

    Numbers differ beyond ``tolerance``, absolute or relative to the larger, whichever is more (NaN equals NaN); texts where
    they are not equal. Each share counts the inputs that were asked at least twice in its way: within one host and version;
    by two hosts of one version; by two versions. Over hosts and versions the first answer of each place counts, so that what
    differs within is not counted again. UNKNOWN where there is none.

    >>> found = sameness(["a", "a", "b", "b"], [0.1, 0.1, 0.2, 0.3], ["h1"] * 4, ["1", "1", "1", "2"])
    >>> found.within.value, found.versions.value, found.hosts.reason, round(found.farthest, 3)
    (0.0, 1.0, 'no input was asked of two hosts of one version', 0.1)
    """
    if not len(inputs) == len(answers) == len(hosts) == len(versions):
        raise ValueError(
            f"{len(inputs)} inputs, {len(answers)} answers, {len(hosts)} hosts, {len(versions)} versions: must be as many"
        )
    if not 0 <= tolerance < float("inf"):
        raise ValueError(f"tolerance={tolerance!r}: must be a number of 0 or more")
    groups: dict[Hashable, dict[tuple[str, str], list[float | str]]] = {}
    for one, answer, host, version in zip(inputs, answers, hosts, versions, strict=True):
        groups.setdefault(one, {}).setdefault((version, host), []).append(answer)
    counts = {"within": [0, 0], "hosts": [0, 0], "versions": [0, 0]}
    farthest: float | None = None
    for places in groups.values():
        again = [some for some in places.values() if len(some) > 1]
        first = {place: some[0] for place, some in places.items()}
        by_version: dict[str, list[float | str]] = {}
        for (version, _), answer in first.items():
            by_version.setdefault(version, []).append(answer)
        several = [some for some in by_version.values() if len(some) > 1]
        kinds = {
            "within": again,
            "hosts": several,
            "versions": [[some[0] for some in by_version.values()]] if len(by_version) > 1 else [],
        }
        for kind, lists in kinds.items():
            if lists:
                counts[kind][0] += any(_differ(some, tolerance) for some in lists)
                counts[kind][1] += 1
        apart = _apart([answer for some in places.values() for answer in some])
        if apart is not None:
            farthest = apart if farthest is None else max(farthest, apart)
    reasons = {
        "within": "no input was asked twice of one host and version",
        "hosts": "no input was asked of two hosts of one version",
        "versions": "no input was asked of two versions",
    }
    made = {kind: _share(pair[0], pair[1], reasons[kind], level) for kind, pair in counts.items()}
    return Sameness(made["within"], made["hosts"], made["versions"], farthest)


def _share(k: int, n: int, reason: str, level: float) -> Measured:
    if not n:
        return unknown(reason)
    low, high = share(k, n, level)
    return Measured.of(k / n, float(low), float(high), n)


def _numbers(answers: Sequence[float | str]) -> npt.NDArray[np.float64] | None:
    if any(isinstance(one, str) for one in answers):
        return None
    return np.asarray(answers, dtype=np.float64)


def _differ(answers: Sequence[float | str], tolerance: float) -> bool:
    numbers = _numbers(answers)
    if numbers is None:
        return len({str(one) for one in answers}) > 1
    missing = np.isnan(numbers)
    if missing.any():
        return not bool(missing.all())
    low, high = float(numbers.min()), float(numbers.max())
    return not (low == high or high - low <= tolerance * max(1.0, abs(low), abs(high)))


def _apart(answers: Sequence[float | str]) -> float | None:
    numbers = _numbers(answers)
    if numbers is None or len(numbers) < 2:
        return None
    finite = numbers[np.isfinite(numbers)]
    return float(finite.max() - finite.min()) if len(finite) > 1 else None
