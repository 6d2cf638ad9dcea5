"""Tells Prometheus: what was read of the models comes in (``facts.py``), and the text of ``/metrics`` goes out.

``families.py`` says which metrics there are and what each means, ``chosen.py`` which figures are told where there are more
than a scrape should have, ``collector.py`` hands them to ``prometheus_client``, ``own.py`` has the metrics of the server
itself, ``text.py`` the text in the format that was asked for, and ``textfile.py`` writes it for node_exporter.
``scrape_config.py``, ``alert_rules.py`` and ``dashboard.py`` (with ``panels.py``) write what Prometheus and Grafana read.

To add a metric: a row in ``families.py``. What is not known is absent and counted, never 0.
Needs the extra ``prometheus`` where text is made; importing these modules does not.
"""
