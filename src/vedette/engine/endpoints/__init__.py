"""Looks at the endpoints of a served model: health and metrics, recorded as rows of ``<model>.endpoint``.

``look`` asks once and says what came back, ``exposition`` reads Prometheus text, ``row`` makes a row of a look (rates of
counters, restarts), ``poller`` looks again and again, ``watching`` does so for all endpoints of ``vedette.toml``. The rows go the
way of all rows, so that ledger, windows, figures, rules, detectors and alerts are those of any model.
"""

from __future__ import annotations
