"""The stability of a model out of its lake: what ``strategy.stability`` says of looks, predictions, readings and answers.

``looks`` reads the looks at endpoints, ``objectives`` the events of service-level objectives, ``behaviour`` latencies, loads,
readings of memory and answers of the probe; ``facts`` is what people are told of (burning budgets, crash loops), ``stability``
joins all of it in one record.
"""

from __future__ import annotations
