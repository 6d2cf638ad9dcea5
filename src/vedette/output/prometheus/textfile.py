"""The text of the metrics as a file, for node_exporter's textfile collector: whole or not there, never half."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["write_atomically"]


def write_atomically(path: Path, content: bytes) -> Path:
    """Write a file beside its place and rename it there, so that a reader sees the old or the new one.

    The name must end in ``.prom``, which the textfile collector reads alone. Raises ``ValueError`` for another, and
    ``OSError``, with the path, where the file cannot be written.
    """
    if path.suffix != ".prom":
        raise ValueError(f"output={str(path)!r}: must end in .prom: node_exporter reads no other file")
    made = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
            made = Path(file.name)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        made.chmod(0o644)  # node_exporter runs as another user
        made.replace(path)
    except OSError as error:
        if made is not None:
            made.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error
    return path
