"""Deployments read back: what comes in are the model's events, what goes out are ``Deployment`` records, the newest first.

``told.py`` makes records of what was told, ``trained.py`` finds the run that each came from and what its environment does not
share with it (``differences.py``), ``rows.py`` reads the first predictions off the version's rows, ``shown.py`` is the
frame and the document of them. To tell a deployment is ``capture/deployments``'s.
"""

from __future__ import annotations

from vedette.engine.deployments.shown import deployments_frame, deployments_json
from vedette.engine.deployments.told import deployments, open_of
from vedette.engine.deployments.whole import deployments_of

__all__ = ["deployments", "deployments_frame", "deployments_json", "deployments_of", "open_of"]
