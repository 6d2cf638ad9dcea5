"""What a server refused: kept with its reason, so that it can be looked into and is in nobody's way.

A letter is two files in ``<journal>/.sender/aside``: the body of the request as it was (``.arrows``, an Arrow stream, or
``.arrow``, an Arrow file) and a JSON object with what the server said. Both have the name of what they are about, so that the
same refused twice is one letter.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from vedette.capture.folder import create_folder, sync_folder
from vedette.capture.shipping.desk import put

__all__ = ["BYTES_MAX", "LETTERS_MAX", "names", "read", "remove", "write"]

BYTES_MAX = 256 * 2**20
LETTERS_MAX = 10_000
"""So much is kept: of what is refused beyond the bytes, the reason alone, and beyond that number nothing."""


def write(folder: Path, name: str, body: bytes | Path, about: dict[str, Any]) -> bool:
    """Keep a body and what is known about it; False where there is no room for the body. Raises ``OSError``."""
    create_folder(folder)
    path = folder / f"{name}.json"
    kept = folder / f"{name}{'.arrow' if isinstance(body, Path) else '.arrows'}"
    size = body.stat().st_size if isinstance(body, Path) else len(body)
    others = [entry for entry in os.scandir(folder) if entry.name not in (path.name, kept.name)]
    if sum(entry.name.endswith(".json") for entry in others) >= LETTERS_MAX:
        return False
    room = sum(entry.stat().st_size for entry in others) + size <= BYTES_MAX
    if room and isinstance(body, Path):
        kept.unlink(missing_ok=True)
        os.link(body, kept)  # the batch itself: it stays here when the journal is freed
    elif room and isinstance(body, bytes):
        put(kept, body, sync=True)
    put(path, json.dumps({**about, "kept": room}, indent=1).encode(), sync=True)
    sync_folder(folder)
    return room


def remove(folder: Path, name: str) -> None:
    """Take a letter back: it was not refused after all."""
    for end in (".json", ".arrow", ".arrows"):
        (folder / f"{name}{end}").unlink(missing_ok=True)


def names(folder: Path) -> set[str]:
    """The names of the letters in a folder; none where there is no folder."""
    return {path.stem for path in folder.glob("*.json")}


def read(folder: Path, name: str) -> dict[str, Any]:
    """What is known of a letter: which rows of whom, and why; empty where it was taken back."""
    try:
        found = json.loads((folder / f"{name}.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
