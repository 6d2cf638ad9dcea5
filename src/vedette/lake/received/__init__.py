"""What a server was sent and has promised to keep, until it is in the lake's tables.

A server appends each request to a log in ``<lake>/.received``, syncs it, and only then answers. The ingester reads these
logs as it reads the journals of this machine's producers: ``folders`` gives, for a model, one folder a producer with the
same face as ``capture.journal.ProducerFolder``. What lies in the tables is deleted with ``tidy``, a log at a time.
``records`` has the bytes, ``index`` finds what there is, ``chunks`` makes rows of it. What
was refused since its numbers had been taken by other rows lies in ``conflicts``.
"""

from vedette.lake.received.folder import ReceivedFolder, folders, tidy

__all__ = ["ReceivedFolder", "folders", "tidy"]
