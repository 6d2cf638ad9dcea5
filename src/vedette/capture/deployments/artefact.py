"""The digest of what is deployed or computed: of a file, of a folder, of code."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["digest_of", "fingerprint", "folder_digest"]

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def digest_of(artefact: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file, or of a folder: of the names and digests of its files, in the order of their names.

    A text ``sha256:`` and 64 hexadecimal digits is a digest already, as registries of containers give it. Of a folder that is the
    digest of lines ``<SHA-256 of the file>  <its path in the folder>\\n``, which ``sha256sum`` writes too. Raises ``ValueError``
    where nothing is there, ``OSError`` where it cannot be read.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "model.bin"
    >>> path.write_bytes(b"abc")     # FIPS 180-2, appendix B.1
    3
    >>> digest_of(path)
    'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    """
    if isinstance(artefact, str) and _DIGEST.fullmatch(artefact):
        return artefact
    path = Path(artefact)
    if path.is_dir():
        return folder_digest(
            {one.relative_to(path).as_posix(): _of_file(one) for one in path.rglob("*") if one.is_file()}
        )
    if not path.exists():
        raise ValueError(f"artefact={str(artefact)!r}: must be a file or a folder, or sha256: and 64 digits")
    return f"sha256:{_of_file(path)}"


def folder_digest(files: Mapping[str, str]) -> str:
    """The digest of a folder, from the SHA-256 of each of its files by path."""
    lines = "".join(f"{files[name]}  {name}\n" for name in sorted(files))
    return f"sha256:{hashlib.sha256(lines.encode('utf-8', 'surrogateescape')).hexdigest()}"


def _of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(thing: Any) -> str:
    """What tells one preprocessing from another: of a function or class its source, of an estimator its parameters too, of a path
    the file or folder, of a mapping, a list or a text what it says.

    Raises ``ValueError`` for what has no source, such as a function that was typed in at a prompt.

    >>> fingerprint({"scale": 2.0}) == fingerprint({"scale": 2.0}), fingerprint({"scale": 2.0}) == fingerprint({"scale": 2.5})
    (True, False)
    """
    if isinstance(thing, os.PathLike):
        return digest_of(thing)
    if isinstance(thing, str):
        return _of_text(thing)
    if isinstance(thing, Mapping | list | tuple):
        return _of_text(json.dumps(thing, sort_keys=True, default=str))
    code = thing if inspect.isroutine(thing) or inspect.isclass(thing) else type(thing)
    try:
        text = inspect.getsource(code)
    except (OSError, TypeError) as error:
        raise ValueError(
            f"preprocessing={type(thing).__name__}: its source cannot be read ({error}); give a path, a text or a mapping"
        ) from error
    if hasattr(thing, "get_params") and not inspect.isclass(thing):
        text += json.dumps(thing.get_params(), sort_keys=True, default=_stable)
    return _of_text(text)


def _stable(value: Any) -> str:
    """A value as a text that is the same in another process: not where it lies in memory."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def _of_text(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"
