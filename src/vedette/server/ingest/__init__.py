"""What is sent to a lake: taken in, checked, written to a log, synced, and only then answered for.

``bodies`` takes a request's bytes within limits; ``arrow`` (in ``validator``, a process that may be killed) and ``json_rows``,
``json_runs`` and ``otlp`` check them; ``watermarks`` says how far each producer has come; ``log`` keeps what was taken until the
ingester has brought it into the lake's tables (``vedette.lake.received``). ``desk`` has what these share, ``routes`` joins
them: the other end of ``docs/protocol.md``, and JSON for anyone.
"""

from vedette.server.ingest.limits import Limits
from vedette.server.ingest.routes import ingest_router, ingest_service

__all__ = ["Limits", "ingest_router", "ingest_service"]
