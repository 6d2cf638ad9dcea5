"""Which version answers a request: a policy in a file that every worker has mapped, and who reads it.

``write`` puts a ``Policy`` into the file; each ``Router`` that reads it, in whatever process of the machine, follows from its
next request on, and goes on without whoever wrote it. ``RoutedApp`` is the same for ASGI. It stands in the model's process, so
nothing of it raises there, waits, or opens a connection.
"""

from __future__ import annotations

from vedette.capture.routing.asgi import RoutedApp
from vedette.capture.routing.policy import Policy
from vedette.capture.routing.router import Router
from vedette.capture.routing.safe import SafeAnswer
from vedette.capture.routing.table import read, write

__all__ = ["Policy", "RoutedApp", "Router", "SafeAnswer", "read", "write"]
