"""The job that ``vedette demo`` runs: the flights of 2013 (``data.py``), and a model that predicts them (``flights.py``)."""
