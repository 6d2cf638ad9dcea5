"""What ``vedette story`` and ``Monitor.story`` do: read the life of a version, and write its card where files are named."""

from __future__ import annotations

import time
from pathlib import Path

from vedette.engine.commands import open_lake
from vedette.engine.life import life_of
from vedette.errors import LakeError
from vedette.lake.ingest import now_of
from vedette.output import model_card, model_card_page
from vedette.records import Life

__all__ = ["story"]


def story(
    location: str | Path,
    model: str,
    version: str,
    *,
    markdown: str | Path | None = None,
    html: str | Path | None = None,
) -> Life:
    """The life of a version, written to the files that are named. ``NotThereError`` for a version that nothing tells of."""
    life = life_of(open_lake(location, model), model, version, now_of(time.time()))
    for path, text_of in ((markdown, model_card.card_markdown), (html, model_card_page.page)):
        if path is not None:
            _write(Path(path), text_of(life))
    return life


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise LakeError(f"model card {path}: cannot be written: {error.strerror}") from error
