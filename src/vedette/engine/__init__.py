"""Room 6: the loop that joins the rooms on one machine. Journals and tables come in; tables, figures and verdicts go out.

``cycle.py`` is one round (ingest, summarise, judge, ledger) and the loop that follows; ``summarise.py`` turns rows
into summaries, ``reference.py`` a reference into grids and counts, ``judge.py`` summaries into verdicts,
kept between rounds by ``state.py`` and read by ``health.py``, ``figures.py`` reads figures (by segment with
``segments.py``), ``story.py`` gathers what a page tells, ``requests.py`` is how processes ask for a round,
``commands.py`` what the command line calls. Only this room reads the clock.
"""
