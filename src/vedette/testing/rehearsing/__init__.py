"""Rehearsals: what policies would do, before they do it.

Recorded rows are replayed into a lake of their own, in a folder that is deleted after, with a clock that is moved; rounds judge,
comparisons decide and policies plan as ever, and no action is done. ``rehearse`` replays what was recorded as it was, or makes
a challenger of a part of it into which a fault is planted (``faults.py``).
"""

from __future__ import annotations

from vedette.testing.rehearsing.faults import FAULTS
from vedette.testing.rehearsing.replay import rehearse, rehearse_all

__all__ = ["FAULTS", "rehearse", "rehearse_all"]
