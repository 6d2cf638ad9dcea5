"""Looks at all endpoints that ``vedette.toml`` names, for a lake: what ``vedette endpoints`` and ``vedette serve`` do."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from vedette import config
from vedette.capture.recorder import Recorder
from vedette.config.endpoints import EndpointSettings
from vedette.engine.endpoints.look import Look
from vedette.engine.endpoints.poller import Poller, window_for
from vedette.engine.versions import newest_version
from vedette.errors import ConfigError, LockedError, NotAllowedError
from vedette.lake.locks import lock
from vedette.lake.tables import Lake
from vedette.records import ENDPOINT, Settings, check_model_name

__all__ = ["Looked", "follow", "in_thread", "look_once", "named"]

_LOOK_EVERY_S = 5.0  # at what vedette.toml says
_SEGMENT_BYTES = (2**16, 2**20)
_VERSION = "unknown"  # of an endpoint that says none, where no prediction came yet
log = logging.getLogger("vedette")


@dataclass(frozen=True, slots=True)
class Looked:
    """An endpoint as it was last looked at; ``refused`` says why it could not be, None where it was."""

    model: str
    endpoint: EndpointSettings
    look: Look | None
    refused: str | None = None


def named(written: config.Config, model: str | None = None) -> dict[str, Mapping[str, EndpointSettings]]:
    """The endpoints of a model, or of all, by the model's name; ``ConfigError`` where a model has none."""
    if model is not None:
        found = written.endpoints_of(check_model_name(model))
        if not found:
            raise ConfigError(
                f"model={model!r}: has no endpoint: give it a table [models.{model}.endpoint.NAME]"
            )
        return {model: found}
    every = {name: written.endpoints_of(name) for name in written.models}
    return {name: one for name, one in every.items() if one}


def look_once(lake: Lake, model: str) -> list[Looked]:
    """Look at each endpoint of a model once, and record it."""
    with ExitStack() as stack:
        return [_once(model, one) for one in _pollers(lake, named(config.read(), model), stack, follow=False)]


def _once(model: str, one: Poller) -> Looked:
    try:
        return Looked(model, one.settings, one.look())
    except (NotAllowedError, ConfigError) as error:
        return Looked(model, one.settings, None, str(error))


def _pollers(
    lake: Lake, endpoints: Mapping[str, Mapping[str, EndpointSettings]], stack: ExitStack, *, follow: bool
) -> list[Poller]:
    """A poller for each endpoint, and a recorder for each model and version, which end with the stack."""
    made: list[Poller] = []
    lake.journal.mkdir(parents=True, exist_ok=True)
    for model, own in endpoints.items():
        settings = config.settings(
            config.read().models.get(f"{model}.{ENDPOINT}", {}), Settings(window_s=window_for(own.values()))
        )
        newest = newest_version(lake.model(model)) if lake.has(model) else None
        recorders: dict[str, Recorder] = {}
        for one in own.values():
            version = one.version or newest or _VERSION
            if version not in recorders:
                recorders[version] = Recorder(
                    lake.journal, f"{model}.{ENDPOINT}", version, settings, segment_bytes=_SEGMENT_BYTES
                )
                stack.callback(recorders[version].close)
            recorder = recorders[version]
            made.append(Poller(one, recorder.log, recorder.reject, follow=follow))
    for poller in made:  # after the recorders, so that they end before them
        stack.callback(poller.close)
    return made


def follow(
    lake: Lake,
    stop: Callable[[], bool],
    *,
    model: str | None = None,
    tell: Callable[[Looked], None] | None = None,
    wait_s: float | None = 0.2,
) -> None:
    """Look at the endpoints of a model, or of all, until ``stop`` says so; what ``vedette.toml`` says is read anew.

    One process looks for a lake at a time: ``LockedError`` where another does, or it is waited for without ``wait_s``.
    ``tell`` is given each new look.
    """
    with ExitStack() as held:
        path = lake.journal / ".endpoints.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        while not stop():
            try:
                held.enter_context(lock(path, wait_s=0.2 if wait_s is None else wait_s))
                break
            except LockedError:
                if wait_s is not None:
                    raise
                time.sleep(1.0)
        before, running = None, ExitStack()
        pollers: list[tuple[str, Poller]] = []
        told: dict[int, Look | None] = {}
        held.callback(lambda: running.close())
        due, said = 0.0, ""
        while not stop():
            if time.monotonic() >= due:
                due = time.monotonic() + _LOOK_EVERY_S
                try:
                    now, said = named(config.read(), model), ""
                except ConfigError as error:  # what it said before holds until it is mended
                    if before is None and model is not None:
                        raise
                    now = before or {}
                    if str(error) != said:
                        said = str(error)
                        log.error("endpoints: %s", said)
                if now != before:
                    running.close()
                    running, before = ExitStack(), now
                    pollers = [
                        (name, one)
                        for name, own in now.items()
                        for one in _pollers(lake, {name: own}, running, follow=True)
                    ]
            for name, one in pollers:
                if tell is not None and one.last is not None and told.get(id(one)) is not one.last:
                    told[id(one)] = one.last
                    tell(Looked(name, one.settings, one.last))
            time.sleep(0.05 if tell is not None else 0.2)


def in_thread(lake: Lake) -> Callable[[], None]:
    """Follow in a thread; returns what ends it."""
    stopping = threading.Event()
    thread = threading.Thread(target=_guarded, args=(lake, stopping), name="vedette-endpoints", daemon=True)
    thread.start()

    def end() -> None:
        stopping.set()
        thread.join(5.0)

    return end


def _guarded(lake: Lake, stopping: threading.Event) -> None:
    """Follow, again after what went wrong, which is in the log."""
    while not stopping.is_set():
        try:
            follow(lake, stopping.is_set, wait_s=None)
        except Exception:
            log.exception("endpoints: cannot be looked at; tried again")
            stopping.wait(10.0)
