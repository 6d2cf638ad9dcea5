"""What a model's differentially private releases have spent: claimed, and synced, before anything is computed.

One JSON document a line in ``<lake>/.released/<model>.jsonl``, written under a lock of its own. A claim counts whatever became of
the release: a crash spends, and two processes can never both have the last of the budget.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from vedette.errors import LakeError, PrivacyError
from vedette.lake.lines import append, whole
from vedette.lake.locks import lock
from vedette.lake.tables import Lake
from vedette.records import check_model_name

__all__ = ["Claim", "claim", "claims", "spent"]

LOCK_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Claim:
    """One release: when, by whom, what, and the epsilon of its pure differential privacy for a ``subject`` column."""

    time: str
    by: str
    what: str
    subject: str
    epsilon: float


def spent(epsilons: Iterable[float], delta: float) -> float:
    """The epsilon of several releases together, at ``delta``: the tighter of two compositions, both of which hold.

    Basic composition: their sum. Zero-concentrated: each is epsilon^2 / 2 of rho, which adds up, and rho is
    rho + 2 sqrt(rho ln(1 / delta)) of epsilon. The choice may look at the epsilons, which are no secret.
    Source: M. Bun, T. Steinke (2016), TCC, propositions 1.3 and 1.4, lemma 1.7.

    >>> spent([0.1] * 4, 1e-6), round(spent([0.01] * 10_000, 1e-6), 3)     # the second by hand: 0.5 + 2 sqrt(0.5 ln 1e6)
    (0.4, 5.757)
    """
    held = list(epsilons)
    basic = math.fsum(held)
    rho = math.fsum(one * one for one in held) / 2
    if delta <= 0 or rho == 0:
        return basic
    return min(basic, rho + 2 * math.sqrt(rho * math.log(1 / delta)))


def _path(lake: Lake, model: str) -> Path:
    return lake.path / ".released" / f"{check_model_name(model)}.jsonl"


def claims(lake: Lake, model: str) -> list[Claim]:
    """All claims of a model, the oldest first. Raises ``LakeError`` where they cannot be read: then nothing may be spent."""
    path = _path(lake, model)
    try:
        return [Claim(**json.loads(line)) for line in whole(path)]
    except (ValueError, TypeError) as error:
        raise LakeError(f"releases {path}: a line is none: {error}; restore the file") from error


def claim(
    lake: Lake,
    model: str,
    *,
    by: str,
    what: str,
    subject: str,
    epsilon: float,
    budget: float,
    delta: float,
    now: datetime,
) -> float:
    """Claim a part of the budget; returns what is spent with it. Raises ``PrivacyError`` where that would be too much."""
    if not (math.isfinite(epsilon) and epsilon > 0):
        raise ValueError(f"epsilon={epsilon}: must be above 0")
    path = _path(lake, model)
    with lock(path.with_suffix(".lock"), wait_s=LOCK_WAIT_S):
        before = [one.epsilon for one in claims(lake, model)]
        total = spent([*before, epsilon], delta)
        if total > budget * (1 + 1e-12):
            raise PrivacyError(
                f"epsilon={epsilon:g}: with {spent(before, delta):.4g} spent it would be {total:.4g} of a budget of {budget:g} "
                f"for {model!r}: must be less, or [privacy] epsilon more"
            )
        line = json.dumps(asdict(Claim(now.isoformat(), by, what, subject, epsilon)), sort_keys=True)
        append(path, [line.encode()])  # half a line is a claim whose release was never computed
        return total
