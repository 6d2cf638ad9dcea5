"""Telling of deployments: what comes in are statuses, and what goes out are texts in the journal of the model's runs.

They are kept beside the training runs, as labels of ``<model>.run`` (``told.py``), so that what survives a kill, and the way
to a server, is what it is for runs; the ingester makes events of the model of them. ``place.py`` finds where a process
runs, ``artefact.py`` gives what is deployed a digest, ``handle.py`` is what a script holds.
"""

from __future__ import annotations

from vedette.capture.deployments.handle import Deploying

__all__ = ["Deploying"]
