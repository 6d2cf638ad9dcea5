"""Two versions of a model in the lake: promote the challenger, hold, or roll it back?

``evaluate`` reads what both have shown in the windows in which both had rows, and decides by ``strategy.versions``: it may
be asked every minute, for ever. ``counted.py`` reads summaries (different rows), ``rows.py`` rows (the same ones, or a unit
that ties them together), ``estimated.py`` what labels are estimated to be; ``deciding.py`` puts it together, ``when.py``
says how long it will take.
"""

from __future__ import annotations

from vedette.engine.comparing.evaluating import evaluate, unmade

__all__ = ["evaluate", "unmade"]
