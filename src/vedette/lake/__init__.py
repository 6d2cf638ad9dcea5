"""Room 2: where it is kept. Journals come in; Delta tables, and frames read from them, go out.

``tables.py`` knows the tables and how one is appended to exactly once, ``ingest.py`` moves the rows of journals
into them, ``rows.py`` reads predictions and labels back (fresh ones from the journals included), ``frames.py``
turns what a user has (pandas, Polars, Arrow, dict, file) into one kind of frame, ``locks.py`` keeps writers apart.

A table is added by a line in ``tables.SCHEMAS``. Nothing here knows of statistics, thresholds or alerts.
"""

from vedette.lake.tables import Lake, ModelTables, Table

__all__ = ["Lake", "ModelTables", "Table"]
