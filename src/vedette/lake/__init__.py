"""Room 2: where it is kept. Journals come in; Delta tables, and frames read from them, go out.

``tables.py`` knows the tables and how one is appended to exactly once, ``arrivals.py`` reads what the journals hold
beyond given watermarks, ``ingest.py`` moves it into the tables, ``rows.py`` puts predictions and labels together,
``ledger.py`` balances what became of every row (``outcomes.py`` has it as counts, ``books.py`` reads it, ``gaps.py`` names
what is missing, ``kept.py`` says what share of a window is there), ``events.py`` keeps settings, references and schema changes,
``frames.py`` turns what a user has (pandas, Polars, Arrow, dict, file) into one kind of frame, ``files.py`` opens
files and reads them a few columns at a time, ``locks.py`` keeps writers apart.

A table is added by a line in ``tables.SCHEMAS``. Nothing here knows of statistics, thresholds or alerts.
"""
