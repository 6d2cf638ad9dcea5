"""A training run as the training's process records it: a row of metrics for each step, and events beside them.

The rows are those of the model ``<model>.run``, whose version is the name of the run, so that the journal, its ledger
and what survives a kill are the same as for predictions; the events are its labels, each a JSON text with the run as
id. The ingester makes tables of both.
"""

from __future__ import annotations

import atexit
import logging
import os
import re
import socket
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from vedette.capture.arguments import check_mapping
from vedette.capture.metrics import Names, number_of
from vedette.capture.mirrors import About
from vedette.capture.mirrors.feed import Mirrors
from vedette.capture.recorder import Recorder
from vedette.capture.rejected import type_name
from vedette.capture.run_events import event_text, text_of
from vedette.capture.run_history import History, Store
from vedette.capture.run_parts import Part
from vedette.capture.training.door import TrainingDoor
from vedette.capture.values import Rejected

__all__ = ["Run", "RunRecorder", "check_params", "check_run_name", "new_name", "process_identity"]

STATUSES = ("finished", "failed", "stopped")
_LOWEST, _HIGHEST = -(2**63), 2**63 - 2
LEVELS = ("info", "warn", "error")
_LEVELS_OF = {"debug": "info", "warning": "warn", "critical": "error", "fatal": "error"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+=-]{0,127}")
_logger = logging.getLogger("vedette")


def check_run_name(name: str) -> str:
    """The name of a run, or ``ValueError`` saying what it may be."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"run={name!r}: must be 1 to 128 letters, digits and any of . _ : @ + = -, and start with a letter or digit"
        )
    return name


def check_params(params: Any) -> Mapping[Any, Any]:
    """The parameters of a run, or ``ValueError`` saying what they may be."""
    return check_mapping("params", params, "{'lr': 0.001}, or vars(arguments) of a namespace")


def new_name(now_s: float) -> str:
    """A name for a run that starts now, unlike any other.

    >>> new_name(0.0)[:16]
    '19700101-000000-'
    """
    return f"{datetime.fromtimestamp(now_s, UTC):%Y%m%d-%H%M%S}-{os.urandom(3).hex()}"


def process_identity(pid: int | None = None) -> dict[str, Any]:
    """What tells a process from all others, those that get its number later too: host, boot, pid and start.

    ``start`` is in the system's own unit since ``boot``; empty where the system does not tell, or there is no such process.
    """
    pid = os.getpid() if pid is None else pid
    found = {"host": socket.gethostname(), "pid": pid, "boot": "", "start": ""}
    try:
        found["boot"] = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        found["start"] = (
            "" if state[0] in (b"Z", b"X") else state[19].decode()
        )  # a dead one waits for its parent
    except (OSError, IndexError):
        pass
    return found


class RunRecorder(Recorder):
    """The recorder of one training run: what is not usual in a row of metrics is made so first, or counted."""

    tidy: Callable[[Any, Any], tuple[dict[str, float], int] | None] | None = None
    """What makes a row of floats, and its step, of what a call gave; None where nothing of it can be kept."""

    def _general(self, features: Any, prediction: Any, *rest: Any) -> None:
        try:
            row = (features, prediction) if self.tidy is None else self.tidy(features, prediction)
        except Exception as error:  # noqa: BLE001 - the edge: the training must not feel our faults or the caller's
            self.reject("predictions", f"recording raised {type(error).__name__}")
            return
        if row is not None:
            super()._general(*row, *rest)


class Run(TrainingDoor):
    """One training run. :meth:`vedette.Monitor.run` makes it; use it in a ``with`` statement, or call :meth:`end`.

    What :meth:`log` was given is kept once it has returned, also where the process is killed. Leaving the ``with``
    statement by an exception makes the run failed, with its type and message; by ``KeyboardInterrupt`` stopped.

    Its curves are closed with its end: what :meth:`log` and :meth:`log_many` are given later is counted as rejected, with that
    reason. What is learned of it afterwards is kept: :meth:`evaluate` (at its last step), :meth:`params`, events and alerts.
    """

    log: Callable[..., None]
    """``run.log(step, loss=0.3)``, ``run.log(loss=0.3)`` or ``run.log(step, {"val/loss": 0.4})`` records metrics of one step.

    Without a step it is that of the last call and one more, from 0. Never raises and never waits: what is no number is
    counted in the ledger, with the reason, and the other metrics of the call are kept. None is no value."""

    def __init__(
        self,
        recorder: RunRecorder,
        name: str,
        version: str,
        store: Store,
        *,
        clock: Callable[[], float] = time.time,
        last_step: int = -1,
        resumed: bool = False,
        params: Mapping[str, Any] | None = None,
        environment: Mapping[str, Any] | None = None,
        synchronise: bool = False,
        batch: Callable[[Any, Mapping[str, Any], float], int] | None = None,
        also: Sequence[str] = (),
        model: str = "",
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.name, self.version, self.status = name, version, "running"
        self.rank, self.world = rank, world
        self._part = Part(name, rank).name
        self.history = History(self._part, store)
        self.steps_behind = max(last_step, 0) if resumed else 0
        self._summary: Mapping[str, Any] = {}
        self._over = False  # whether its curves are closed, which they are a little after its status says so
        self.fitted: Any = None
        self._params: dict[str, Any] = {}
        self._recorder, self._clock, self._batch = recorder, clock, batch
        self._names, self._synchronise = Names(), synchronise
        recorder.tidy = self._tidy
        self._mirrors: Mirrors | None = None
        put = recorder.log
        if also:
            about = About(model, version, name, clock(), resumed)
            self._mirrors = Mirrors(also, about, self.event, synchronise=synchronise)
            put = self._mirrors.through(put, clock, lambda: self._at())
        self.log, self._at, self._divert = _log_of(put, last_step)
        if self._mirrors is not None:
            self._mirrors.start()
        self._pid = os.getpid()
        ranks = {"rank": rank, "ranks": world} if world > 1 else {}
        self.event("run_resumed" if resumed else "run_started", **process_identity(), **ranks)
        if environment is not None:
            self.event("environment", **environment)
        if params:
            self.params(params)
        atexit.register(self._left)

    @property
    def step(self) -> int:
        """The step of the last call of ``log``; -1 before the first."""
        return self._at()

    @property
    def summary(self) -> Any:
        """What is to be known of the whole run, a mapping from names to values; it is kept with the run's end."""
        return self._summary

    @summary.setter
    def summary(self, given: Mapping[str, Any]) -> None:
        self._summary = check_mapping("summary", given, "{'best': 0.9}")

    def log_many(self, steps: Any, metrics: Mapping[str, Any]) -> int:
        """Record many steps at once: ``steps`` are whole numbers, ``metrics`` arrays or lists of as many numbers.

        Returns the number of rows that were taken: 0 where there was no room, or after the run's end (counted). Raises
        ``ValueError`` where the lengths differ or it is no array of numbers.
        """
        import numpy as np

        at = np.asarray(steps)
        if at.ndim != 1 or (at.size and at.dtype.kind not in "iu"):
            raise ValueError(f"steps: must be one row of whole numbers, got shape {at.shape} of {at.dtype}")
        if at.size and not (int(at.min()) >= _LOWEST and int(at.max()) <= _HIGHEST):
            raise ValueError(
                f"steps: lie in {at.min()} to {at.max()}: must lie in 64 bits, {_LOWEST} to {_HIGHEST}"
            )
        columns: dict[str, Any] = {}
        for metric, given in check_mapping("metrics", metrics, "{'loss': [0.5, 0.25]}").items():
            values = np.asarray(given)
            if values.shape != at.shape or values.dtype.kind not in "biuf":
                raise ValueError(
                    f"metrics[{metric!r}]: must be {at.size} numbers, got shape {values.shape} of {values.dtype}"
                )
            try:
                columns[self._names.column(metric)] = values.astype(np.float64)
            except Rejected as reason:
                raise ValueError(f"metrics[{metric!r}]: {reason}") from None
        if not at.size or not columns:
            return 0
        if self._batch is None:
            raise ValueError("log_many: this run has no way to take batches")
        if self._over:
            self._recorder.reject("predictions", self._ended(), at.size)
            return 0
        self._at(int(at[-1]))
        now, whole = self._clock(), at.astype(np.int64)
        if self._mirrors is not None:
            self._mirrors.many(now, whole, dict(zip(metrics, columns.values(), strict=True)))
        return self._batch(whole, columns, now)

    def params(self, params: Mapping[str, Any]) -> None:
        """Say with which parameters it trains; those said later are added to those said before.

        Raises ``ValueError`` where it is no mapping, before anything is kept.
        """
        self._params |= {text_of(name): value for name, value in check_params(params).items()}
        self.event("run_params", **self._params)

    def event(self, kind: str, /, **detail: Any) -> None:
        """Record something that happened, with any details that JSON can say (others as text). Never raises."""
        try:
            now = self._clock()
            text = event_text(kind, self.version, self._at(), detail)
            self._recorder.label(self._part, text, time=now)
            if self._mirrors is not None:
                self._mirrors.event(now, text)
        except Exception as error:  # noqa: BLE001 - as above
            self._refuse(f"an event raised {type(error).__name__}", "labels")

    def alert(self, title: str, text: str = "", level: str = "warn") -> None:
        """Tell people something about the run; ``level`` is info, warn or error. It is an event ``run_alert``.

        Never raises: Python's words for levels are taken too, and of another level it is a warning that says which was given.
        """
        said = str(level).lower()
        known = said if said in LEVELS else _LEVELS_OF.get(said)
        more = "" if known else f" (level {text_of(level)[:40]})"
        self.event("run_alert", title=text_of(title) + more, text=text_of(text), level=known or "warn")

    def stop(self, reason: str = "") -> None:
        """End the run before it was through, as early stopping does; ``reason`` says why."""
        self.end("stopped", reason=reason)

    def end(self, status: str = "finished", **detail: Any) -> None:
        """End the run: finished, failed or stopped. What is in :attr:`summary` is kept with it. Only the first end counts.

        In a forked child nothing ends: the run is that of the process which began it.
        """
        if status not in STATUSES:
            raise ValueError(f"status={status!r}: must be {', '.join(STATUSES)}")
        if self.status != "running":
            return
        if (
            os.getpid() != self._pid
        ):  # a forked child, such as a loader's worker: the run goes on in its parent
            self._recorder.close()
            return
        self.status = status
        early = self._stopping
        if early is not None:
            early.over()
        if status == "finished" and early is not None and early.stopped and "reason" not in detail:
            self.status = status = "stopped" if early.broken else status
            detail["reason"] = early.reason
        atexit.unregister(self._left)
        self.close_callbacks()
        self.event("run_ended", status=status, summary=dict(self.summary), **detail)
        if self._mirrors is not None:
            self._mirrors.close()
        self._over = True
        last = self._at()

        def refuse(*_: Any) -> None:
            self._at(last)  # it has counted on
            self._refuse(self._ended())

        self._divert(refuse)
        self._recorder.close()

    def _ended(self) -> str:
        """Why a row of a curve is refused."""
        return f"the run has ended ({self.status})"

    def keep_figures(self, step: int | None, figures: Mapping[str, float]) -> None:
        """Keep the figures of a data set; of a run that has ended at its last step, since that is the model they are of."""
        if not self._over:
            self.log(step, figures)
        else:
            self._recorder.log(figures, max(self.step, 0) if step is None else step)

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or error is None:
            self.end()
        elif issubclass(kind, (KeyboardInterrupt, SystemExit, GeneratorExit)):
            self.end("stopped", reason=kind.__name__)
        else:
            last = "".join(traceback.format_tb(trace, limit=-8))
            self.end("failed", type=kind.__name__, message=text_of(error)[:2000], trace=last[-8000:])

    def _left(self) -> None:
        """The interpreter ends, and nobody has said that the run does."""
        if os.getpid() == self._pid:
            self.end("stopped", reason="the process ended without run.end()")

    def _tidy(self, given: Any, step: Any) -> tuple[dict[str, float], int] | None:
        """Values of any kind as a row: what can be kept of a call is."""
        at = self._step(step)
        if at is None:
            return None
        if isinstance(given, tuple):  # metrics, and further ones by name
            for part in given:
                if not isinstance(part, Mapping):
                    self._refuse(
                        f"metrics of type {type_name(type(part))}: must be a mapping from names to numbers"
                    )
            given = {
                name: value for part in given if isinstance(part, Mapping) for name, value in part.items()
            }
        self._at(at)
        row: dict[str, float] = {}
        for metric, value in given.items():
            if value is None:
                continue
            try:
                column = self._names.column(metric)
            except Rejected as reason:
                self._refuse(str(reason))
                continue
            try:
                row[column] = (
                    value if value.__class__ is float else number_of(value, synchronise=self._synchronise)
                )
            except Rejected as reason:
                self._refuse(f"{metric[:80]}: {reason}")
            except Exception as error:  # noqa: BLE001 - a value of the user's that raises
                self._refuse(f"{metric[:80]}: reading it raised {type(error).__name__}")
        return (row, at) if row else None

    def _step(self, step: Any) -> int | None:
        if step is None:
            return self._at() + 1
        if isinstance(step, bool) or not hasattr(step, "__index__"):
            self._refuse(f"step of type {type(step).__name__}: must be a whole number")
            return None
        at = step.__index__()
        if not _LOWEST <= at <= _HIGHEST:
            self._refuse("step: must lie in 64 bits")
            return None
        return int(at)

    def _refuse(self, reason: str, stream: str = "predictions") -> None:
        try:
            self._recorder.reject(stream, reason)
        except Exception:  # noqa: BLE001 - there is nobody left to tell but the log
            _logger.debug("run %s: %s", self.name, reason)


def _log_of(
    put: Callable[..., None], last_step: int
) -> tuple[Callable[..., None], Callable[..., int], Callable[[Callable[..., None]], None]]:
    """A run's ``log``, what tells (or sets) its last step, and what lets ``log`` end elsewhere from then on.

    A closure, since a method would cost half as much again.
    """
    last = last_step

    def log(step: Any = None, metrics: Any = None, **values: Any) -> None:
        """Record metrics of one step."""
        nonlocal last
        if metrics is None and (step is None or (step.__class__ is int and _LOWEST <= step <= _HIGHEST)):
            last = step = last + 1 if step is None else step
            put(values, step)
        elif isinstance(step, Mapping):
            put((step, metrics or {}, values), None)
        else:
            put((metrics or {}, values), step)

    def at(step: int | None = None) -> int:
        nonlocal last
        if step is not None:
            last = step
        return last

    def divert(other: Callable[..., None]) -> None:
        nonlocal put
        put = other

    return log, at, divert
