"""For tests of users' own: a clock that a test moves, series from text, and cases of rules and alarms as text.

A case is a series and the alerts expected of it at a time, in lines of text::

    case accuracy falls for three hours
    window 1h
    rule low = accuracy < 0.9 for 3 windows
    series accuracy = 0.95x3 0.85x4 _ 0.95x2
    rows 400x3 20 400x6
    at 3h firing nothing
    at 4h pending low
    at 7h firing low

``series`` gives a figure window by window: ``0.95x3`` three times, ``0.9-0.01x5`` falling by 0.01, ``_`` a window without
one; ``rows`` how many rows are behind each window (1,000 where it is not said; the last holds on). ``at 4h`` looks when
all windows that end by then are judged: exactly the rules named are ``firing``, ``warning`` (it is so, and the rule's
severity pages nobody), ``pending``, ``resolved`` (they fired before) or ``unknown`` (no figure for more than three
windows, or twice the usual gap, as in the engine); ``...`` after the names allows others beside them. A window with
``rows 0`` is judged with the first rows after it. Rules can also be those of a model in ``vedette.toml``: ``rules delays``.

Our own alarms are tried by rows instead of figures, drawn from a law with a seed::

    case a shift of half a standard deviation
    window 1d
    seed 7
    reference 5000
    rows 2000
    data x = normal(0, 1)x10 normal(0.5, 1)x4
    at 10d firing nothing
    at 12d firing x.location

Laws: ``normal(mean, sd)``, ``uniform(low, high)``, ``choice(a=0.7, b=0.3)`` and, for ``data accuracy``, ``share(0.95)``; the
first is the reference's. ``vedette rules test FILE`` runs the cases of a file.
"""

from __future__ import annotations

from vedette.testing.cases import Case, CaseResult, read_cases, run_case, run_file, values
from vedette.testing.clock import Clock

__all__ = ["Case", "CaseResult", "Clock", "read_cases", "run_case", "run_file", "values"]
