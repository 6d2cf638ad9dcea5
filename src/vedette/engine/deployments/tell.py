"""Telling a deployment from a process that holds no monitor: the command line, and what acts by itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vedette import config
from vedette.capture.deployments import Deploying
from vedette.capture.recorder import Recorder
from vedette.capture.shipping.shipping import Shipping
from vedette.engine import requests
from vedette.engine.runs import runs_of
from vedette.errors import IngestError, LakeError
from vedette.lake.tables import Lake
from vedette.records import DEPLOYMENT, Settings, check_model_name

__all__ = ["Told", "deploy"]


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a status that was told: the id under which, and whether it is in the lake, or acknowledged by the server.

    Where it is not, it is kept in the journal ``journal``, and ``why`` says what holds it up.
    """

    id: str
    taken: bool
    journal: str
    why: str | None = None


def deploy(
    location: str, model: str, version: str, *, journal: str | None = None, wait_s: float = 20.0, **said: Any
) -> Told:
    """Tell a status of a deployment; ``said`` are the arguments of ``Monitor.deploy``.

    It is kept once it is in the journal; ``wait_s`` is how long the lake or the server is waited for after that. Raises
    ``LakeError`` for a folder that is no lake, ``ValueError`` for what cannot be.
    """
    written, url = config.read(), config.server_url(location)
    runs = check_model_name(runs_of(check_model_name(model)))
    if url is None:
        folder = config.lake_folder(location)
        if not folder.is_dir():
            raise LakeError(f"lake={location!r}: no such folder")
        root = folder / ".journal"
    else:
        root = config.journal_folder(url, journal, written.journal)
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    recorder = Recorder(root, runs, DEPLOYMENT, Settings(), segment_bytes=(2**16, 2**20), **written.recording)
    path = None if written.path is None else written.path.absolute()
    ships = None if url is None else Shipping.of(runs, root, url, lambda: config.read(path).server, path)
    made = Deploying(recorder.label, model, version, **said)
    recorder.close()
    _check_kept(recorder, made.id)
    try:
        _hand_over(ships, Path(location), runs, wait_s)
    except (IngestError, LakeError) as error:
        return Told(made.id, False, str(root), str(error))
    return Told(made.id, True, str(root))


def _hand_over(ships: Shipping | None, location: Path, runs: str, wait_s: float) -> None:
    if ships is None:
        requests.ask(Lake.at(location), runs, timeout_s=wait_s)
    else:
        ships.flush(runs, wait_s)


def _check_kept(recorder: Recorder, name: str) -> None:
    """Raise ``LakeError`` where there was no room for it."""
    if recorder.position()["labels"] == 0 or recorder.in_memory():
        raise LakeError(
            f"deployment {name}: was not kept: there is no room in the journal {recorder.root}, or it cannot be written"
        )
