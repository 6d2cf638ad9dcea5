"""A report of one file, or of one against another. Paths come in; an ``output.comparison.Comparison`` goes out.

``compare.py`` goes through the columns and judges them together; ``source.py`` reads a column a slice at a time;
``numbers.py``, ``levels.py``, ``texts.py`` and ``vectors.py`` count and compare a column of their kind; ``described.py``
reads the figures and the picture off the counts; ``notes.py`` says how far columns could be compared;
``quality.py`` compares how good the predictions are: ``quality_rows.py`` reads their
rows, ``quality_dependence.py`` tells how far these depend on each other, ``quality_tests.py`` judges the figures;
``words.py`` says what changed. Columns are taken one after another, so that memory holds a slice of a few of them at any
number of rows.
"""
