"""Room 5: tell people. Verdicts and figures come in; text, JSON and pages go out.

``console.py`` writes to a terminal, ``report.py`` an HTML page; ``comparison_console.py`` and ``comparison_page.py``
do so for a report of two files, whose records are in ``comparison.py``. ``channels/`` tells of alerts, one way a
file. Nothing here reads the lake; the clock is read to sign what is sent. A way to tell is added as a file of its own.
"""
