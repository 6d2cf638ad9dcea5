"""The colours of the pages, light and dark, as the declarations of a stylesheet.

``dim`` to ``UNKNOWN`` are read as text and keep a contrast of 4.5 to 1 on ``bg`` and ``card``; ``ref`` and ``mark``
are drawn and keep 3 to 1.
"""

from __future__ import annotations

__all__ = ["DARK", "LIGHT"]

LIGHT = """--bg:#fbfbfa;--fg:#1c1f23;--dim:#646b74;--line:#dcdfe3;--card:#fff;--mark:#1f6feb;
--band:#1f6feb2b;--ref:#8a919a;--refband:#8a919a26;--OK:#1a7f4b;--WARN:#9a6700;--ALARM:#c62828;--UNKNOWN:#7a3fb0"""

DARK = """--bg:#14171b;--fg:#e7e9ec;--dim:#9aa2ac;--line:#2d333b;--card:#1b1f25;
--mark:#6ea8fe;--band:#6ea8fe33;--ref:#7c848e;--refband:#7c848e2e;--OK:#56c98a;--WARN:#e3b341;--ALARM:#ff7b72;
--UNKNOWN:#c69bf0"""
