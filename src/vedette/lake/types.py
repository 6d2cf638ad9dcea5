"""The type of every moment in the lake."""

from __future__ import annotations

import polars as pl

__all__ = ["UTC"]

UTC = pl.Datetime("us", "UTC")
