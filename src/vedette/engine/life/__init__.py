"""The life of a version: what comes in are the tables of a lake, what goes out is one ``Life`` of named sections.

``trained.py`` has code, data, runs and validation, ``served.py`` deployments, traffic, quality, drift and labels, ``told.py``
alerts and actions, ``whole.py`` joins them. A new section is a function that returns a ``Section``, and its line in
``whole.py``. ``engine/story.py`` is another thing: what the page of a model tells of its verdicts.
"""

from __future__ import annotations

from vedette.engine.life.whole import life_of

__all__ = ["life_of"]
