"""The chain from a verdict to what is done about it: policies of ``vedette.toml``, acted on once an occasion.

After each round ``act`` looks whether a policy is set off (``triggers.py``), and does what it says (``acting.py``). What it
is about to do is in the lake before it is done, and what came of it after (``told.py``), as events of the kind ``action``:
a crash in between is seen, and nothing is done twice that must not be. ``deciding.py`` is for people: approve, refuse, undo.
"""

from __future__ import annotations

from vedette.engine.chain.acting import act
from vedette.engine.chain.deciding import approve, refuse, undo
from vedette.engine.chain.told import actions

__all__ = ["act", "actions", "approve", "refuse", "undo"]
