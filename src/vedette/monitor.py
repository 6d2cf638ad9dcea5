"""``Monitor``, the one object that a user holds. It joins the rooms and has no logic of its own.

Only the recorder is loaded with it; Polars and the lake come with the first call that reads or writes tables.
"""

from __future__ import annotations

import inspect
import os
import time as time_module
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from vedette import config
from vedette.capture.footprint import footprint
from vedette.capture.private import Private
from vedette.capture.probe import Probe, rows_to_probe
from vedette.capture.recorder import Recorder
from vedette.capture.resources import EVERY_S, Resources, check_every
from vedette.capture.sampling import sampler_of
from vedette.errors import DataError, IngestError, LakeError
from vedette.records import (
    DEPLOYMENT,
    ENDPOINT,
    FUTURE_S,
    PROBE,
    PROCESS,
    RUN,
    STRUCTURED,
    Health,
    Labels,
    Ledger,
    Life,
    Settings,
    check_journal_bytes_max,
    check_model_name,
    check_sync_s,
    is_runs,
    is_storable,
)

if TYPE_CHECKING:
    import polars as pl

    from vedette.capture.deployments import Deploying
    from vedette.capture.runs import Run, RunRecorder
    from vedette.capture.shipping.shipping import Shipping
    from vedette.engine.endpoints.poller import Poller
    from vedette.engine.forget import Forgotten
    from vedette.engine.releasing import Question, Released
    from vedette.engine.rules_replay import Replayed
    from vedette.lake.frames import Rows
    from vedette.lake.tables import Lake
    from vedette.output.explanation import Explanation
    from vedette.privacy import Plain
    from vedette.records.comparing import Evaluated
    from vedette.records.stability import Stability
    from vedette.strategy.advice import Advised
    from vedette.strategy.training import Finding

__all__ = ["Monitor"]

_NAME_MAX = 63  # characters of a model's name
_KIN_NAME_MAX = 55  # characters of a model's name to which ".process" can be added
_LABELS_MAX = 4096
_SHIPPED_ROWS_MAX = 50_000  # of a batch that is shipped
_SHIPPED_BYTES_MAX = 2**23  # and its bytes in memory; a server need take no larger request


def _check_task(settings: Settings) -> None:
    """Raise ``ValueError`` for settings that do not go with what a prediction is."""
    task, n = settings.task, len(settings.classes)
    if task == "multilabel" and not 0 < n <= _LABELS_MAX:
        given = None if not n else f"{n:,} names"
        raise ValueError(
            f"classes={given}: must be the names of the labels for task 'multilabel', {_LABELS_MAX:,} at most"
        )
    if task in STRUCTURED and "prediction" in settings.segments:
        raise ValueError(
            f"segments={list(settings.segments)!r}: 'prediction' is no single value for task {task!r}"
        )


class Monitor:
    """Watches one version of one model.

    Parameters
    ----------
    model:
        Name of the model: ``[a-z0-9][a-z0-9._-]{0,62}``.
    version:
        Which version of it this process runs.
    lake:
        Folder where everything is kept, or the URL of a server (``https://host:8470``) to which what is recorded is
        shipped; default ``$VEDETTE_LAKE``, else what ``vedette.toml`` says, else ``./vedette-lake``.
    window:
        Length of a window (``"15m"``, ``"1h"``, ``"1d"`` or seconds; default one hour). Figures and verdicts are by
        window; windows are half-open, in UTC, aligned to 1970-01-01.
    task:
        ``"classification"`` or ``"regression"``, which are told from the predictions where it is not given; or
        ``"detection"``, ``"ranking"`` or ``"multilabel"``: predictions and labels are then boxes, lists of items or sets of
        labels (``docs/tasks.md``), in each process that records them.
    classes:
        Names of the classes, in order; the second of two is the positive one.
    timezone:
        Whose days and weeks a person means (a name such as ``Europe/Vienna``).
    budget_per_month:
        False alarms a month that the owner will stand, over everything that is watched; default one.
    segments:
        Columns whose values are watched as segments, each with all of its figures, under the same budget.
    journal:
        With a server alone: the folder, on a disk of this machine, for what the server has not taken yet; each server has
        its own below. Default ``$VEDETTE_JOURNAL``, else what ``vedette.toml`` says, else ``~/.local/state/vedette``.
    journal_bytes_max:
        The room in bytes that the journal of this lake or server may take, of all its models and processes together;
        what does not fit is dropped and counted. Default 1 GiB, at least 16 MiB.
    sync_s:
        After how many seconds what was recorded is put on disk, so that a power loss takes no more (a kill takes nothing);
        0 leaves that to the system. Default 0.2.
    sampler:
        Which rows are kept: a rate (``0.01``), a name (``"auto"``), or one of ``vedette.sampling`` such as
        ``Stratified("region", rate=0.01)``; default what ``vedette.toml`` says, else all. What is left out is counted,
        each row that is kept carries the probability that it had, and figures are weighted by it (``docs/sampling.md``).
    resources:
        How often what the process takes is read once a model is watched: after so many seconds, ``True`` for 10, ``False`` for
        never; see :meth:`resources`.
    private:
        Columns that must not leave the process in the clear, such as ``{"email": "hash", "notes": "encrypt", "phone": "drop",
        "key_env": "PRIVATE_KEY"}``; ``id`` may be hashed (``docs/privacy.md``). Default what ``vedette.toml`` says.
    clock:
        Seconds since 1970 as a callable; for tests and replays.

    Raises
    ------
    ValueError, ConfigError, LakeError, PrivacyError
        Where an argument is impossible, ``vedette.toml`` is wrong, the lake or the journal cannot be a folder, or a key
        of private columns cannot be had.

    Examples
    --------
    >>> import tempfile
    >>> monitor = Monitor("delays", version="3", lake=tempfile.mkdtemp())
    >>> monitor.log({"distance": 733.0, "carrier": "UA"}, 1, probability=0.93, id="a1", latency_s=0.004)
    >>> monitor.label("a1", 1)
    >>> monitor.ledger().balanced
    True
    >>> monitor.close()
    """

    log: Callable[..., None]
    """``log(features, prediction, *, probability=None, id=None, latency_s=None, time=None, error=None, inclusion=None)``:
    record one prediction.

    ``features`` maps names to values: numbers, booleans, texts, times, vectors (arrays, lists), ``vedette.image(...)`` and
    ``vedette.text(...)``; ``probability`` is that of the positive class, a mapping from class to probability, or a list
    in the order of ``classes``; ``id`` is what a label will name it by; ``time`` is when it was made (default now; a
    datetime without a zone is UTC); ``error``, of a call that failed and has no prediction, is the exception or a text that
    names it: its type is kept, not its message; ``inclusion`` is the probability with which a sampler of your own kept the
    row. Boxes, rankings and several labels (``task=``, ``docs/tasks.md``) are lists, and take some microseconds for each.
    Any other row takes about a microsecond. It writes to a memory-mapped file, never blocks
    and never raises: what cannot be kept is counted, with its reason, in the ledger. A row whose ``log`` has returned
    survives ``kill -9``.
    """

    _version_max = 128  # characters
    _segment_bytes: tuple[int, int] | None = None  # of the journal's files, the first and the largest

    label: Callable[..., None]
    """``label(id, label, *, time=None)``: record the truth of a prediction, whenever it comes; ``time`` is when it was known."""

    def __init__(
        self,
        model: str,
        version: str = "1",
        lake: str | Path | None = None,
        *,
        window: str | float | None = None,
        task: str | None = None,
        classes: Sequence[Any] | None = None,
        timezone: str | None = None,
        budget_per_month: float | None = None,
        segments: Sequence[str] | None = None,
        journal: str | Path | None = None,
        journal_bytes_max: int | None = None,
        sync_s: float | None = None,
        sampler: Any = None,
        resources: bool | float = True,
        private: Mapping[str, Any] | None = None,
        clock: Callable[[], float] = time_module.time,
    ) -> None:
        self.model = check_model_name(model)
        if is_runs(model) and not isinstance(self, _Beside):
            raise ValueError(
                f"model={model!r}: training runs of a model are kept under such a name: take another"
            )
        if (
            not isinstance(version, str)
            or not 0 < len(version) <= self._version_max
            or not is_storable(version)
        ):
            raise ValueError(
                f"version={version!r}: must be text of 1 to {self._version_max} characters, without NUL or half of a "
                "surrogate pair"
            )
        if not callable(clock):
            raise ValueError(f"clock={clock!r}: must be callable and return seconds since 1970")
        self.version = version
        self._clock = clock
        self._every_s = check_every(resources, "resources")
        self._staged = False
        self._kin: dict[str, Monitor] = {}
        self._tied: list[Resources | Probe | Poller] = []
        self._model_bytes = 0
        written = config.read()
        base = config.settings(written.models.get(model, {}))
        self.settings: Settings = config.settings(
            {
                "window": window,
                "task": task,
                "classes": classes,
                "timezone": timezone,
                "budget_per_month": budget_per_month,
                "segments": segments,
            },
            base,
        )
        _check_task(self.settings)
        self._private = _private(model, private, self.settings, written)
        sampler = written.models.get(model, {}).get("sampler") if sampler is None else sampler
        chosen = None if sampler is None else sampler_of(sampler)
        recording = {
            **written.recording,
            **(
                {}
                if journal_bytes_max is None
                else {"journal_bytes_max": check_journal_bytes_max(journal_bytes_max)}
            ),
            **({} if sync_s is None else {"sync_s": check_sync_s(sync_s)}),
        }
        location = (
            lake
            if lake is not None
            else os.environ.get("VEDETTE_LAKE") or written.lake or config.DEFAULT_LAKE
        )
        url = config.server_url(location)
        self._shipping: Shipping | None = None
        if url is None:
            if journal is not None:
                raise ValueError(
                    f"journal={str(journal)!r}: is for a lake behind a server; that of a folder lies in the lake"
                )
            self._location: str | Path = config.lake_folder(location)
            folder = self._location / ".journal"
            _writable(folder, f"lake={str(self._location)!r}", 0o777)
        else:
            self._location, folder = url, config.journal_folder(url, journal, written.journal)
            _writable(folder, f"journal={str(folder)!r}", 0o700)
            self._shipping = _shipping(model, folder, url, written)
        self._given = {"journal": journal, **recording}  # as those beside this one are made
        self._recorder = self._records_with()(
            folder, model, version, self.settings, clock=clock, segment_bytes=self._segment_bytes, **recording
        )
        if self._private is not None:
            self._recorder.protect(self._private)
        if chosen is not None:
            self._recorder.sample(chosen)
        self.log = self._recorder.log
        self.label = self._recorder.label

    def _records_with(self) -> type[Recorder]:
        return Recorder

    # --- what goes in -------------------------------------------------------------------------------------------

    def reference(self, data: Any, columns: Mapping[str, str] | None = None, *, training: Any = None) -> None:
        """Say what normal looks like: rows with features, and predictions, probabilities and labels where there are any.

        ``data`` is a pandas, Polars or Arrow table, a mapping from names to arrays, or the path of a Parquet, CSV,
        Arrow or Delta file, in order of time. ``columns`` maps vedette's names (``prediction``, ``probability``,
        ``label`` ...) to the data's own. The first rows (a fifth, 1,000 at most) cut the grids that everything is
        counted on and are not counted themselves. A new reference replaces the old one and starts the judging anew.

        ``training`` are rows that the model was trained on, of the same columns: nothing is judged by them, and
        ``figures(..., against="training")`` measures from them how far what is served is from what was learned.
        """
        from vedette.lake.classes import check_classes
        from vedette.lake.frames import OF_TRAINING, fields_of, prediction_rows, training_rows

        self._check_renamed(columns)

        def read(table: Any) -> Rows:
            found = prediction_rows(
                table,
                now_s=self._clock(),
                future_s=FUTURE_S,
                columns=columns,
                classes=self.settings.classes,
                task=self.settings.task,
            )
            return replace(found, frame=self._protected(found.frame))

        rows = read(data)
        if self.settings.task not in ("regression", *STRUCTURED):
            check_classes(rows.frame, self.settings.classes)
        if rows.frame.height < 2:
            raise DataError(
                f"the reference has {rows.frame.height} usable rows (rejected: {dict(rows.rejected)}): give hundreds"
            )
        self._recorder.declare([one for one in fields_of(rows.frame) if one.role != "label"])
        frame = rows.frame
        if training is not None:
            import polars as pl

            learned = training_rows(read(training).frame, frame)
            own = [
                one.with_columns(pl.lit(at == 1).alias(OF_TRAINING))
                for at, one in enumerate((frame, learned))
            ]
            frame = pl.concat(own, how="diagonal")
        self._write("reference", frame)

    def log_many(self, data: Any, columns: Mapping[str, str] | None = None) -> int:
        """Record many predictions at once; returns the number of rows that were taken.

        ``data`` is anything that ``reference`` takes, with a column a feature and ``id``, ``time``, ``prediction``,
        ``probability`` (or ``probability_<class>``, or one list for all classes), ``latency_s``; a column ``label`` is
        taken as labels known now.
        Rows that cannot be taken (from the future, say) are counted in the ledger. Raises ``DataError`` or
        ``SchemaError`` where the data as a whole cannot be used.
        """
        import uuid

        import polars as pl

        from vedette.lake.frames import drawn_rows, prediction_rows

        self._check_renamed(columns)

        rows = prediction_rows(
            data,
            now_s=self._clock(),
            future_s=FUTURE_S,
            columns=columns,
            classes=self.settings.classes,
            task=self.settings.task,
        )
        frame = rows.frame
        for reason, times in rows.lost.items():
            self._reject("predictions", reason, times)
        if self._recorder.drawn is not None:
            frame = drawn_rows(frame, self._recorder.drawn.many)
        frame = self._protected(frame)
        if frame.is_empty():
            return 0
        if "label" in frame.columns:
            if frame["id"].null_count():
                stem = uuid.uuid4().hex[:12]
                made = pl.format("{}-{}", pl.lit(stem), pl.int_range(pl.len()))
                frame = frame.with_columns(pl.coalesce("id", made).alias("id"))
            labels = frame.filter(pl.col("label").is_not_null()).select("id", "time", "label", "received")
            frame = frame.drop("label")
            taken = self._write("predictions", frame)
            if labels.height:
                self._write(
                    "labels", labels.with_columns(pl.max_horizontal("time", "received").alias("time"))
                )
        else:
            taken = self._write("predictions", frame)
        return taken

    def label_many(self, data: Any, columns: Mapping[str, str] | None = None) -> int:
        """Record the truth of many predictions: columns ``id``, ``label`` and, where it is not now, ``time``."""
        from vedette.lake.frames import label_rows

        self._check_renamed(columns)

        rows = label_rows(
            data,
            now_s=self._clock(),
            future_s=FUTURE_S,
            columns=columns,
            classes=self.settings.classes,
            task=self.settings.task,
        )
        for reason, times in rows.lost.items():
            self._reject("labels", reason, times)
        return self._write("labels", self._protected(rows.frame)) if rows.frame.height else 0

    def watch(
        self,
        thing: Any = None,
        *,
        features: Callable[..., Any] | Sequence[str] | None = None,
        output: Callable[[Any], Any] | None = None,
        id: str | None = None,  # noqa: A002 - the name of the column
    ) -> Any:
        """Return the same function or model, whose calls are recorded: inputs, outputs, latency, errors.

        ``thing`` is any callable, or a model of scikit-learn, PyTorch, Keras, XGBoost, LightGBM, CatBoost, ONNX Runtime,
        OpenCV's DNN module, Hugging Face's pipelines or MLflow; what it is decides how its calls are read (``docs/watch.md``).
        ``features`` says it otherwise: a function of the call's arguments that returns a mapping, or one for each row, or the
        names of a matrix's columns; ``output`` is a function of what was returned that gives a prediction, a tuple
        ``(prediction, probability)``, or a list of such tuples; ``id`` is the name of the feature that is the id. Nothing
        that goes wrong in here reaches the caller: it is counted, with its reason, in the ledger. What the model raises is
        recorded and raised. Without a thing a decorator is returned. Raises ``TypeError`` for what is no model.

        >>> import tempfile
        >>> monitor = Monitor("delays", lake=tempfile.mkdtemp())
        >>> @monitor.watch(id="flight")
        ... def late(flight: str, distance: float) -> bool:
        ...     return distance > 500.0
        >>> late("UA1", 733.0)
        True
        >>> monitor.ledger().total("seen")
        1
        """
        from vedette.capture.frameworks import Calls, watch

        self._check_renamed({} if id is None else {"id": id})

        if thing is None:
            return lambda one: self.watch(one, features=features, output=output, id=id)
        calls = Calls(
            self._recorder.log,
            self._recorder.reject,
            features=features,
            output=output,
            id=id,
            stages=self._recorder.stages,
            load=self._recorder.load,
        )
        watched = watch(thing, calls)
        self._model_bytes += 0 if inspect.isroutine(thing) else footprint(thing)
        if self._every_s and len(self.model) <= _KIN_NAME_MAX:
            self.resources()
            calls.beside = self  # whoever keeps the watched model alone has its process read all the same
        return watched

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Measure a named part of a call: ``with monitor.stage("preprocess"):``.

        Its wall time goes with the next row that is recorded in this thread or task, or with those of the watched call that it
        is part of, as the column ``stage_preprocess_s``; ``figures("p95", feature="stage_preprocess_s")`` reads it. A stage
        that comes several times in a call counts together. A ``monitor.log`` that was taken before the first stage knows of
        none: take it after. Raises ``ValueError`` for a name that is not letters, digits and ``_``.

        >>> import tempfile
        >>> monitor = Monitor("delays", lake=tempfile.mkdtemp())
        >>> with monitor.stage("preprocess"):
        ...     row = {"distance": 733.0}
        >>> monitor.log(row, 1)
        """
        stages = self._recorder.stages
        found = stages.stage(name)
        if not self._staged:
            self._staged, self.log = True, stages.before(self.log)
        return found

    def resources(self, every_s: float | None = None) -> Monitor:
        """Read what this process takes every so many seconds (default 10), in a thread of its own; :meth:`watch` calls it.

        Each reading is a row of another model, ``<model>.process``, whose monitor is returned: memory in use and the most
        there was (``rss_bytes``, ``rss_peak_bytes``), processor (``cpu``, cores in use), ``threads``, ``open_files``, of each
        GPU its use, memory, power and temperature (through NVML, with the extra ``gpu``), the calls that were watched
        (``calls``, ``concurrency``, ``concurrency_peak``, ``batch_size``, ``batch_size_peak``), and the memory that the
        watched models take by themselves (``model_bytes``). Its figures, rules and alerts are those of any model; what
        it says is in this model's :meth:`check` too.
        """
        seconds = check_every(every_s, "every_s") or self._every_s or EVERY_S
        process = self._beside(PROCESS, None)
        before = [one for one in self._tied if isinstance(one, Resources)]
        if before and (every_s is None or before[0].every_s == seconds):
            return process
        for one in before:
            one.close()
            self._tied.remove(one)
        self._tied.append(Resources(process.log, self._reading, seconds))
        return process

    def probe(
        self,
        predict: Callable[[Any], Any],
        inputs: Any,
        *,
        expected: Sequence[Any] | None = None,
        every_s: float = 60.0,
        tolerance: float = 0.0,
        name: str = "probe",
    ) -> Probe:
        """Run a model on the same inputs every so often, and hold its answers against those expected.

        ``predict`` is a function of one of ``inputs`` (a sequence; of a table each row as a mapping), ``expected`` the
        answers in their order; without them those of the first run are expected from then on. Numbers may differ by
        ``tolerance``, absolute or relative to what was expected; ``name`` tells several probes apart. Every answer is a row
        of the model ``<model>.probe``, with its latency and memory; one that is not as expected is an alarm there (the rule
        ``changed``), and in this model's :meth:`check`. Returns the probe, whose ``run()`` runs it now. Raises ``ValueError``
        or ``TypeError`` for what cannot be.
        """
        window = max(60.0, 60.0 * -(-every_s // 60.0)) if isinstance(every_s, int | float) else None
        made = Probe(
            predict,
            rows_to_probe(inputs),
            self._beside(PROBE, window).log,
            expected=expected,
            every_s=every_s,
            tolerance=tolerance,
            name=name,
        )
        self._tied.append(made)
        return made

    def endpoint(
        self,
        url: str,
        *,
        kind: str = "http",
        name: str = "endpoint",
        every_s: float = 15.0,
        timeout_s: float = 5.0,
        version: str | None = None,
        stage: str = "",
        **more: Any,
    ) -> Poller:
        """Look at an endpoint where this model is served, every so often, in a thread of its own (``docs/stability.md``).

        ``kind`` is ``http`` (up with any answer of 200 to 299), ``open_inference`` (``/v2/health/live``, ``/v2/health/ready``
        and, with ``model=``, ``/v2/models/<model>/ready``) or ``prometheus`` (``metrics={"requests": "http_requests_total"}``
        are taken of its text). An address of this machine or of a private network is reached with ``network="own"`` alone,
        ``allow=[...]`` names the only ones that are; ``token_env`` is the variable that holds a bearer token. Every look is a
        row of the model ``<model>.endpoint``, one that got no answer too. Returns what looks, whose ``look()`` looks now.
        Raises ``ValueError`` for what cannot be, ``MissingExtraError`` where Prometheus text cannot be read.

        >>> import tempfile
        >>> monitor = Monitor("delays", lake=tempfile.mkdtemp())
        >>> poller = monitor.endpoint("http://127.0.0.1:9/", network="own", every_s=3600.0)     # nothing is there
        >>> poller.look().answer
        'connection refused'
        >>> poller.close()
        """
        from vedette.engine.endpoints.poller import Poller, settings_for, window_for

        said = settings_for(
            name, url=url, kind=kind, every=every_s, timeout=timeout_s, version=version, stage=stage, **more
        )
        beside = self._beside(ENDPOINT, window_for([said]), version)
        made = Poller(said, beside.log, beside.recorder.reject, clock=self._clock)
        self._tied.append(made)
        return made

    def run(
        self,
        name: str | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        resume: bool = False,
        environment: bool = True,
        diff: bool = True,
        synchronise: bool = False,
        also: Sequence[str] = (),
        system_s: float | None = EVERY_S,
        rank: int | None = None,
        world: int | None = None,
    ) -> Run:
        """Begin a training run: ``with monitor.run("2026-11-22") as run: run.log(step, loss=0.3)`` (``docs/training.md``).

        Without a name it gets one of the time, unlike any other. ``params`` are those it trains with. ``resume`` goes on with
        a run of that name that was cut off (without a name: with the last one that was), and begins a new one where there
        is none. ``environment`` keeps the git commit, the packages and the machine with it, ``diff`` what was changed since
        the commit. ``synchronise`` lets ``run.log`` wait for tensors on a device; without it they are refused and counted.
        ``also`` names other systems that get all of it as well, while it trains: ``tensorboard:FOLDER``,
        ``mlflow:URI#EXPERIMENT`` (``docs/exchange.md``). Every ``system_s`` seconds (0.1 to 3,600; more often at the start;
        None or 0: never) the memory and the processor time that the process takes are kept beside it, by a thread of its own.
        ``rank`` of ``world`` processes records into the same run as the others; by default they are those of
        ``torch.distributed``, or of torchrun's environment.

        Raises ``ValueError`` for a name that is taken, a run that cannot go on, parameters that are no mapping, numbers that
        cannot be, or an address that ``also`` cannot have; ``MissingExtraError`` where the package of one is not installed.

        >>> import tempfile
        >>> monitor = Monitor("delays", lake=tempfile.mkdtemp())
        >>> with monitor.run("first", params={"lr": 0.001}, environment=False) as run:
        ...     run.log(loss=0.5)
        ...     run.log(loss=0.25)
        >>> run.history["loss"], run.history.steps("loss"), monitor.runs()["status"].to_list()
        ([0.5, 0.25], [0, 1], ['finished'])
        """
        from vedette.capture.environment import environment_of
        from vedette.capture.mirrors.feed import Mirrors
        from vedette.capture.ranks import Rank, rank_of
        from vedette.capture.run_parts import MACHINE, Part
        from vedette.capture.runs import Run, check_params, check_run_name, new_name
        from vedette.capture.training.machine import Machine

        Mirrors.check(also)  # before there is a run
        if params is not None:
            check_params(params)
        last, resumed = -1, False
        system_s = check_every(system_s or None, "system_s")
        one = rank_of(rank, world)
        if name is not None:
            check_run_name(name)
        elif one.rank == 0 and rank is None:
            one = Rank()  # a training of which rank 0 alone is recorded needs no name
        elif one.world > 1:
            raise ValueError(
                f"run=None: the {one.world} ranks of a distributed training need one name, which each of them gives"
            )
        if self._shipping is None and (name is not None or resume):
            from vedette.engine.runs import begin

            begun, last, resumed = begin(self._lake(), self.model, name, resume=resume, rank=one.rank)
            name = begun
        name = name or new_name(self._clock())
        part = Part(name, one.rank)
        recording = self._beside_run(RUN, part.name)
        made = Run(
            cast("RunRecorder", recording.recorder),
            name,
            self.version,
            _RunStore(self),
            clock=self._clock,
            last_step=last,
            resumed=resumed,
            params=params,
            environment=environment_of(diff=diff) if environment else None,
            synchronise=synchronise,
            batch=recording._rows,
            also=also,
            model=self.model,
            rank=one.rank,
            world=one.world,
        )
        from vedette.engine.run_tools import RunTools

        made.tools = RunTools(self, made)
        if system_s:
            beside = self._beside_run(f"{RUN}{MACHINE}", part._replace(machine=True).name)
            made.attach(Machine(beside.log, lambda: made.step, system_s, beside.close))
        return made

    def fit(
        self,
        model: Any,
        x: Any = None,
        y: Any = None,
        *,
        validation_data: tuple[Any, Any] | None = None,
        run: str | None = None,
        also: Sequence[str] = (),
        **arguments: Any,
    ) -> Run:
        """Train a model by its own ``fit``, watched, as a run that ends with it; ``run.fitted`` is what its ``fit`` returned.

        Models of Keras, PyTorch, Lightning, transformers, scikit-learn, XGBoost, LightGBM and CatBoost; ``arguments`` are those
        of the framework (``docs/frameworks_training.md``); ``early_stopping="val_loss"`` ends it where that surely got worse or
        is NaN, and ``checkpoints=folder`` beside it puts the best weights back. ``run`` is the name of the run, ``also``
        names its mirrors (see :meth:`run`). What the training raises is raised here, and the run has failed by it.

        >>> import tempfile
        >>> from sklearn.neural_network import MLPClassifier
        >>> monitor = Monitor("digits", lake=tempfile.mkdtemp())
        >>> x, y = [[0.0], [1.0]] * 20, [0, 1] * 20
        >>> run = monitor.fit(MLPClassifier(tol=1.0, n_iter_no_change=4, random_state=0), x, y)
        >>> run.status, len(run.history["loss"]) > 4
        ('finished', True)
        """
        with self.run(run, also=also) as made:
            made.fitted = made.fit(model, x, y, validation_data=validation_data, **arguments)
        return made

    def deploy(
        self,
        version: str | None = None,
        *,
        stage: str = "production",
        status: str = "requested",
        id: str | None = None,  # noqa: A002 - the name of the column
        by: str | None = None,
        host: str | None = None,
        container: str | None = None,
        cluster: str | None = None,
        artefact: str | os.PathLike[str] | None = None,
        run: str | None = None,
        environment: bool | Mapping[str, Any] = True,
        schema: Any = None,
        preprocessing: Any = None,
        note: str | None = None,
        time: Any = None,
    ) -> Deploying:
        """Tell that a version (default: this monitor's) is deployed; the handle tells the next statuses (``docs/deployment.md``).

        ``stage`` is any name, usually ``shadow``, ``canary``, ``staging`` or ``production``. ``status`` is requested, building,
        starting, healthy, serving, draining, retired or failed; ``requested`` begins a deployment, with ``id`` one of your own
        or one that is made of model, version, stage and time. Any other status without an ``id`` is that of the newest
        deployment of this version and stage that was not retired, and begins one where there is none.

        ``by`` is who deploys, default the user of this process; ``host``, ``container`` and ``cluster`` are found from the
        machine where they are not given. ``artefact`` is a file or folder, whose SHA-256 is kept, or a digest; ``run`` the
        training run that the version came from, default the one of whose checkpoint that is the digest. With the first of
        starting, healthy and serving the packages, Python and hardware of this process are kept, to be held against those of
        the run: ``environment=False`` for a script that tells them of another machine, a mapping for what is known of that.
        ``schema`` (a table, types by column, or names) and ``preprocessing`` (a function, an estimator, a path, a text or a
        mapping) are held against what the run said of its own. ``time`` is when it happened, default now.

        What was told is in the journal when the call returns, and goes the way of all rows. Raises ``ValueError`` for what
        cannot be, ``OSError`` where the artefact cannot be read.

        >>> import tempfile
        >>> monitor = Monitor("delays", lake=tempfile.mkdtemp())
        >>> deployment = monitor.deploy("4", stage="canary", environment=False)
        >>> deployment.starting()
        >>> deployment.healthy()
        >>> monitor.deployments().select("version", "stage", "status").row(0)
        ('4', 'canary', 'healthy')
        """
        from vedette.capture.deployments import Deploying

        return Deploying(
            (self._kin.get(DEPLOYMENT) or self._beside_run(DEPLOYMENT, DEPLOYMENT)).label,
            self.model, self.version if version is None else version, stage, status=status, id=id, by=by, host=host,
            container=container, cluster=cluster, artefact=artefact, run=run, environment=environment, schema=schema,
            preprocessing=preprocessing, note=note, time=time, clock=self._clock,
        )  # fmt: skip

    def _beside_run(self, kind: str, name: str) -> Monitor:
        """The monitor that records a run: rows of the model ``<model>.run``, with the name of the run's part as version."""
        if len(self.model) > _KIN_NAME_MAX:
            raise ValueError(
                f"model={self.model!r}: has over {_KIN_NAME_MAX} characters: no room for {self.model}.{RUN} beside it"
            )
        made = (_BesideRun if kind == RUN else _Beside)(
            f"{self.model}.{RUN}", name, self._location, resources=False, clock=self._clock, **self._given
        )
        self._kin[kind] = made
        return made

    def _rows(self, steps: Any, metrics: Mapping[str, Any], now_s: float) -> int:
        """Write rows of a run as one batch."""
        import polars as pl

        now = pl.lit(round(now_s * 1e6), pl.Int64).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        frame = pl.DataFrame({**metrics, "prediction": steps})
        none = pl.lit(None, pl.String).alias("id")
        return self._write("predictions", frame.with_columns(now.alias("time"), now.alias("received"), none))

    def _beside(self, kind: str, window_s: float | None, version: str | None = None) -> Monitor:
        """The monitor of what is recorded beside this model: of its process, its probe, or its endpoints (of a version)."""
        most = _NAME_MAX - len(kind) - 1
        if len(self.model) > most:
            raise ValueError(
                f"model={self.model!r}: has over {most} characters: no room for {self.model}.{kind} beside it"
            )
        own = kind if version in (None, self.version) else f"{kind} {version}"
        if own not in self._kin:
            self._kin[own] = _Beside(
                f"{self.model}.{kind}",
                version or self.version,
                self._location,
                window=window_s or self.settings.window_s,
                resources=False,
                clock=self._clock,
                **self._given,
            )
        return self._kin[own]

    def _reading(self) -> dict[str, float]:
        """What a reading of the process has besides."""
        own = {"model_bytes": float(self._model_bytes)} if self._model_bytes else {}
        return {**self._recorder.load.reading(), **own}

    def _protected(self, frame: pl.DataFrame) -> pl.DataFrame:
        """A frame as it may be recorded."""
        if self._private is None:
            return frame
        from vedette.lake.private import private_rows

        return private_rows(frame, self._private)

    def _check_renamed(self, columns: Mapping[str, str] | None) -> None:
        """Raise ``ValueError`` where a private column would be recorded under another name that is not private."""
        for name, own in (columns or {}).items():
            if self._private is None or not isinstance(own, str) or self._private.treatment(own) is None:
                continue
            if own != name and self._private.treatment(name) is None:
                raise ValueError(
                    f"{name}={own!r}: is private, and {name!r} is not: make {name!r} private too"
                )

    @property
    def recorder(self) -> Recorder:
        """What records; for adapters of one's own."""
        return self._recorder

    def _write(self, stream: str, frame: pl.DataFrame) -> int:
        """Write a batch; its rows, less those for which there was no room: they are counted as dropped."""
        import polars as pl

        from vedette.lake.events import settings_json

        said = pl.lit(settings_json(self.settings))
        whole = frame.with_columns(pl.lit(self.version).alias("version"), said.alias("_settings"))
        if self._shipping is None:
            return self._batch(stream, whole)
        # a reference is one; of others a server need not take more at a time than it would of single rows
        row_bytes = int(whole.estimated_size()) / whole.height + 1
        n_rows = max(1, min(_SHIPPED_ROWS_MAX, int(_SHIPPED_BYTES_MAX / row_bytes)))
        parts = [whole] if stream == "reference" else whole.iter_slices(n_rows)
        taken = sum(self._batch(stream, part) for part in parts)
        self._shipping.recorded()
        return taken

    def _batch(self, stream: str, frame: pl.DataFrame) -> int:
        from vedette.lake.outcomes import by_window

        number = self._recorder.write_batch(
            stream,
            frame.height,
            lambda path: frame.write_ipc(path, compression="zstd"),
            lambda: by_window(frame["time"], self.settings.window_s),
        )
        return frame.height if number else 0

    def _reject(self, stream: str, reason: str, times: pl.Series) -> None:
        """Count rows of a frame that were not taken, by their event times (null: unknown)."""
        from vedette.lake.outcomes import by_window

        for when, n in by_window(times, self.settings.window_s).items():
            self._recorder.reject(stream, reason, n, time=when)

    def flush(self, timeout_s: float = 120.0) -> None:
        """Return once all that was recorded is in the lake, or acknowledged by the server.

        The lake's ingester, or the journal's sender, does the work, in a process of its own, which is started if none
        runs. Raises ``IngestError`` where it fails or does not answer; what was recorded then stays in the journal.
        """
        if self._shipping is not None:
            self._shipping.flush(self.model, timeout_s)
        else:
            from vedette.engine import requests

            requests.ask(self._lake(), self.model, timeout_s=timeout_s)
        for one in {kin.model: kin for kin in reversed(self._kin.values())}.values():
            one.flush(timeout_s)
        lost = self._recorder.in_memory()
        if lost:
            raise IngestError(
                f"{lost:,} rows were not kept, and are counted in this process alone: no folder for the journal of "
                f"{self.model} can be made in {self._recorder.root}"
            )

    def close(self) -> None:
        """Stop recording. Nothing is lost: what was recorded is in the journal until an ingester takes it."""
        for tied in self._tied:
            tied.close()
        for kin in self._kin.values():
            kin.close()
        self._recorder.close()

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- what comes out -----------------------------------------------------------------------------------------

    def _lake(self) -> Lake:
        from vedette.lake.tables import Lake

        self._recorder.settle()
        return Lake.at(self._location)

    def figures(
        self,
        metric: str | Sequence[str] | None = None,
        *,
        feature: str | Sequence[str] | None = None,
        by: str | Sequence[str] | None = None,
        version: str | None = None,
        window: str | float | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        as_of: datetime | str | Sequence[datetime | str] | None = None,
        estimate: bool = False,
        iou: float | None = None,
        score: float | None = None,
        against: str = "reference",
    ) -> pl.DataFrame:
        """Figures with their intervals, one row for each metric, column, segment and window.

        ``metric`` is one name or several (default all), ``feature`` a column or several; only what is asked for is
        read. ``by`` is a column whose values become segments, ``a=x``, or a pair of columns, ``a=x, b=y``;
        ``version`` a version (default all together), ``window`` a multiple of the model's window or ``"all"`` for one,
        ``since`` and ``until`` bound the start of the windows that are returned (half-open, by segment too: each
        window is there whole or not at all, and with ``"all"`` the model's own windows are what is bounded),
        ``as_of`` gives the figures as they were known at the last start of a window before then; of a list of moments as
        at each of them, told apart by the column ``as_of``.

        Columns: ``metric, segment, start, end, value, low, high, n, completeness, labelled, kind, reason, feature,
        part, sampled, as_of, note``; ``value`` is null where ``reason`` says why. A metric that tells of each class has a row
        for each ``part``, and is given where it is asked for by name. ``sampled`` is null where every row was kept,
        ``weighted`` or ``conservative`` where a sampler left rows out (``docs/sampling.md``). Rows that are still in the
        journals are counted too, each once.

        ``completeness`` is the share of the predictions seen in a figure's window that are kept: neither dropped, rejected,
        sampled out nor torn (see ``ledger``). What segment or version a lost row had is not known, so that figures by
        segment or version have that of the window. Figures of labels have ``labelled`` beside it. ``note`` says in words
        what else is to be known of an interval: where late labels differ from early ones it bounds what the labels can
        make of the figure that have not come. Where they differ by score and prediction alone, the figure is weighted to those
        of all rows in place of that, and its ``kind`` is ``weighted`` (``docs/labels.md``).

        ``estimate=True`` has ``accuracy``, ``precision``, ``recall``, ``f1`` and ``roc_auc`` of two classes (of more
        ``balanced_accuracy`` in place of the last), and ``mae``, ``rmse`` and ``mse``, also of windows whose labels are not all
        there, where a reference has labels and, of two classes, probabilities: their rows have the ``kind``
        ``estimated`` (no labels) or ``blended`` (some) in place of ``measured``, an interval about what the labels will say,
        and as ``note`` the estimator and how it has done so far (``docs/unlabelled.md``). With ``by`` each segment is told
        by the record of its own windows, or, with fewer than ten that have their labels, by that of all segments.

        ``against="training"`` has what is measured from the reference (``psi``, ``mean_shift_sd`` ...) measured from the rows
        that the model was trained on, which came with it: the skew between training and serving.

        Of boxes ``iou`` is how much two must overlap to be the same (default 0.5), and ``score`` from which score on one is
        found (default 0.5): ``precision``, ``recall``, ``f1``, numbers and sizes (``docs/tasks.md``).
        """
        from vedette.engine.figures import figures

        length = None if window is None else 0.0 if window == "all" else config.duration_s(window)
        return figures(
            self._lake(), self.model, metric, feature=feature, by=by, version=version, window_s=length,
            since=since, until=until, as_of=as_of, estimate=estimate, iou=iou, score=score, against=against,
        )  # fmt: skip

    def runs(self) -> pl.DataFrame:
        """The training runs of this model, the newest first, with what is still in the journals.

        Columns: ``name, version, started, ended, status, reason, resumed, steps, last_step``, and ``params.<name>``,
        ``last.<metric>`` and ``summary.<name>`` of all runs together. ``status`` is running, finished, failed, stopped, killed
        (its process is gone and said nothing) or unknown (it is on another machine, and nothing came for ten minutes).
        """
        from vedette.engine.runs import runs

        return runs(self._lake(), self.model)

    def deployments(self, version: str | None = None) -> pl.DataFrame:
        """The deployments of this model (or of one version), the newest first, with what is still in the journals.

        Columns: ``id, version, stage, status, began, changed, ended, by, host, container, cluster, artefact, run, run_by,
        start_up_s, roll_out_s, first_prediction, warm_up, warm_up_low, warm_up_high, differences, problems, notes``.
        ``start_up_s`` is from starting to healthy (or serving), ``roll_out_s`` from requested; ``warm_up`` is how many times as
        long the first 20 predictions took as the next ones, with its 95 % interval; ``differences`` is null where the
        environment of the deployment or of its run is not known; ``problems`` is what was told in an order that cannot be.
        """
        from vedette.engine.deployments import deployments_frame, deployments_of

        return deployments_frame(deployments_of(self._lake(), self.model, version))

    def story(
        self,
        version: str | None = None,
        *,
        markdown: str | Path | None = None,
        html: str | Path | None = None,
    ) -> Life:
        """The life of a version (default: this monitor's): code, data, runs, validation, deployments, traffic, quality, drift,
        labels, alerts, actions (``docs/deployment.md``); written as a model card to the files that are named.

        Each section has facts, figures with their intervals, what happened, and what is not known with the reason. Raises
        ``NotThereError`` for a version that no run, deployment or row tells of.

        >>> import tempfile
        >>> monitor = Monitor("delays", version="4", lake=tempfile.mkdtemp())
        >>> monitor.deploy(environment=False).serving()
        >>> life = monitor.story()
        >>> life.section("deployments").happened[-1].words, life.section("traffic").unknown
        ('production: serving', ('no prediction of it came yet',))
        """
        from vedette.engine import commands_life

        wanted = self.version if version is None else version
        return commands_life.story(self._lake().path, self.model, wanted, markdown=markdown, html=html)

    def points(self, run: str, metric: str, n: int = 2000) -> pl.DataFrame:
        """A curve of a training run in at most ``n`` buckets of equal numbers of steps, those that have any point.

        Columns: ``step`` and ``end`` (half-open), ``first, last, min, max, mean`` (the last three of finite values; NaN where
        there is none), ``count``, and of these ``nan`` and ``inf``. Raises ``DataError`` where there is no such run or metric.
        """
        from vedette.engine.runs import points

        return points(self._lake(), self.model, run, metric, n)

    def diagnose(self, run: str) -> tuple[Finding, ...]:
        """What is wrong with a training run, the gravest first: a finding for each diagnosis (``docs/diagnosis.md``).

        Each has ``verdict`` (OK, WARN, ALARM, or UNKNOWN with a reason), ``evidence`` with an interval, the step since which,
        the layer where there is one, and ``advice``. Of healthy trainings at most 2 % are to be named by any.

        Raises ``DataError`` where there is no such run.
        """
        from vedette.engine.run_diagnosis import diagnose_run

        return diagnose_run(self._lake(), self.model, run)

    def labels(self) -> Labels:
        """What became of the labels: how many count, repeat, correct or contradict others, wait for their prediction; how
        long they take; and whether late ones differ from early ones. Those in the journals are counted too.
        """
        from vedette.engine.labels import labels_of

        return labels_of(self._lake(), self.model)

    def label_delay(
        self,
        *,
        by: str | Sequence[str] | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        as_of: datetime | str | None = None,
    ) -> pl.DataFrame:
        """The share of predictions whose label has come within each delay, with its interval (Kaplan and Meier).

        ``by`` is a column whose values become segments, or a pair; ``since`` and ``until`` bound the event time of the
        predictions, ``as_of`` gives what was known then. Columns: ``segment, delay_s, share, low, high, n, reason``;
        ``delay_s`` in whole windows, 0 for a label known in the window of its prediction; ``n`` are the predictions that
        were watched for so long.
        """
        from vedette.engine.labels import label_delay_of

        return label_delay_of(self._lake(), self.model, by=by, since=since, until=until, as_of=as_of)

    def fairness(
        self,
        by: str,
        metric: str | Sequence[str] | None = None,
        *,
        against: str | None = None,
        version: str | None = None,
        window: str | float | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        as_of: datetime | str | None = None,
    ) -> pl.DataFrame:
        """How far the rates of a classifier, or the errors of a regression, lie apart between groups of rows, with intervals
        (``docs/tasks.md``).

        The groups are the values of the column ``by``; ``metric`` is one name or several of ``demographic_parity``,
        ``equal_opportunity``, ``equalised_odds``, ``predictive_parity``, ``false_positive_rate``, ``false_negative_rate`` and
        ``accuracy``, of a regression of ``mean_error``, ``mae`` and ``rmse``, each with ``_difference`` or ``_ratio`` (default
        all). Each group is compared with ``against``, or the
        one with the most labelled rows of the window; a row with ``group`` null is the widest gap over all of them.
        ``version``, ``window``, ``since``, ``until`` and ``as_of`` are those of ``figures``.

        Columns: ``metric, part, group, other, start, end, value, low, high, n, note, reason``; ``value`` is null where
        ``reason`` says why. ``part`` is the class told against the rest where there are more than two. ``note`` says where an
        interval is conservative, and which groups were too small to be among the widest gap.
        """
        from vedette.engine.fairness import fairness

        length = None if window is None else 0.0 if window == "all" else config.duration_s(window)
        return fairness(
            self._lake(), self.model, by, metric, against=against, version=version, window_s=length,
            since=since, until=until, as_of=as_of,
        )  # fmt: skip

    def domain(
        self,
        *,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        against: str | Sequence[datetime | str] | None = None,
    ) -> pl.DataFrame:
        """How well a classifier over all columns tells rows of one span of time from those of another (``docs/drift.md``).

        The rows of ``since`` to ``until`` are compared with those of ``against``, two moments or ``"2026-05-01/2026-05-08"``,
        all half-open. By default the last seven days with rows are compared with the first seven (of under two weeks the
        later half of the windows with the earlier one): rows of a reference are not kept, and those just after it are like it.
        At most 4,096 rows of either side are drawn from all over it.

        Columns: ``metric, feature, start, end, against_start, against_end, value, low, high, n, against_n, p_value, note,
        reason``. The first row, ``domain_auc``, is the chance that a row of the span scores higher than one of ``against``, 0.5
        where nothing tells them apart; ``p_value`` is that of so high a one without change. A row ``domain_share`` for each
        of up to eight columns is the part it has in what tells them apart, the largest first.
        """
        from vedette.engine.domain import domain

        return domain(self._lake(), self.model, since=since, until=until, against=against)

    def check(self, timeout_s: float = 120.0) -> Health:
        """Bring in what was recorded, judge it, and return a verdict for each thing watched."""
        from vedette.engine.health import health_with_kin
        from vedette.engine.run_alerts import with_last_run
        from vedette.lake.ingest import now_of

        lake = self._lake()
        self.flush(timeout_s)
        now = now_of(time_module.time())
        return with_last_run(health_with_kin(lake, self.model, now), lake, now)

    def stability(
        self,
        *,
        version: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        tolerance: float = 0.0,
    ) -> Stability:
        """How stable this model is, of the last 30 days by default (``docs/stability.md``): ``figures`` and ``slos``.

        Availability of each endpoint and its restarts, error budgets of the objectives of ``vedette.toml``, latency against the
        version before by stage, the load at which it rises, growth of memory and when it is full, and whether equal inputs have
        equal answers (within ``tolerance``). Each has an interval, or is UNKNOWN and says why. What was recorded is brought in.

        >>> import tempfile
        >>> monitor = Monitor("delays", lake=tempfile.mkdtemp())
        >>> monitor.log({"distance": 733.0}, 1, latency_s=0.004)
        >>> monitor.stability().figure("slower_s").reason
        "no version came before '1' in this span"
        """
        from vedette.engine.stability.stability import stability
        from vedette.lake.ingest import now_of

        lake = self._lake()
        self.flush()
        return stability(
            lake,
            self.model,
            now_of(self._clock()),
            version=version,
            since=since,
            until=until,
            tolerance=tolerance,
        )

    def alerts(self) -> pl.DataFrame:
        """The alerts of this model and its runs, the newest first, as the last round left them: one row for each alarm.

        Columns: ``id, watch, segment, state, opened, closed, evidence, incident, by, reason, until, changed,
        false``. ``state``
        is firing, acknowledged, silenced or resolved; ``opened`` is the start of the window that told, ``closed`` the end
        of the window that closed it; alerts that opened together have one ``incident``; ``by`` and ``reason`` are those
        of the last step; ``false`` is true where somebody marked it as a false alarm.
        """
        from vedette.engine.alerts import alerts, frame_of_alerts
        from vedette.lake.ingest import now_of

        lake, now = self._lake(), now_of(time_module.time())
        names = [name for name in (self.model, f"{self.model}.{RUN}") if name in lake.models()]
        found = [one for name in names for one in alerts(lake.model(name), now)]
        return frame_of_alerts(sorted(found, key=lambda one: (one.opened, one.id), reverse=True))

    def explain(self, watch: str | None = None) -> Explanation | None:
        """Why something fired, as the last round left it; None where no watch is named and nothing alarms.

        ``watch`` is the name of a watch (``x.location``, ``x.location [region=north]``) or the id of an alert, default the
        alarm with the most evidence. The result has the parts as data (segments, mix and within, covariate and concept,
        inputs in nats, faults of the pipeline, the windows in which it may have begun, what else happened then); ``str()``
        gives one paragraph in plain words (``docs/causes.md``). Raises ``ValueError`` where there is no such watch.
        """
        from vedette.engine.explain import explain

        return explain(self._lake(), self.model, watch)

    def advise(self, seconds: float = 60.0) -> Advised:
        """Which strategy should watch this model, and what it can and cannot see: a race on its own clean history.

        Windows that were judged without an open alarm (those of alerts marked as false too) are replayed, calm and with
        faults, for ``seconds`` at most; ``print`` says the advice in words, ``advice`` has all of it. Nothing is written.
        Raises ``ValueError`` for an impossible number of seconds, ``DataError`` with fewer than 14 clean windows.
        """
        from vedette.engine.advise import advise_model

        return advise_model(self._lake().model(self.model), seconds=seconds)

    def replay_rules(
        self,
        rules: Sequence[str] = (),
        *,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        incidents: Sequence[str] = (),
    ) -> Replayed:
        """A dry run of plain rules over the history: when each would have fired, which incidents caught, how late.

        ``rules`` are names of rules of ``vedette.toml`` or conditions (``"accuracy < 0.9 for 3 windows"``), default all that
        are written; ``incidents`` spans ``"START..END"``, default the alerts that nobody marked as false.
        """
        from vedette.engine.rules_replay import replay_model

        return replay_model(
            self._lake().model(self.model), rules, since=since, until=until, incidents=incidents
        )

    def compare(
        self,
        name: str | None = None,
        *,
        champion: str | None = None,
        challenger: str | None = None,
        mode: str | None = None,
        goals: Sequence[str] = (),
        guard_rails: Mapping[str, float] | None = None,
        shown: Sequence[str] = (),
        smallest: Mapping[str, float] | None = None,
        lower_is_better: Sequence[str] = (),
        higher_is_better: Sequence[str] = (),
        shares: Mapping[str, float] | None = None,
        unit: str | None = None,
        since: datetime | str | None = None,
        alpha: float | None = None,
        same_inputs: bool | None = None,
        no_leak: bool | None = None,
    ) -> Evaluated:
        """Two versions side by side: promote the challenger, hold, or roll it back; ask as often as you like.

        ``name`` is a comparison of ``vedette.toml``; what is said besides wins over it. ``champion`` and ``challenger`` are by
        default the newest version against the one before; figures among ``goals`` must be better, those of ``guard_rails`` not
        worse by more than a margin in their own unit. All keys are those of ``docs/comparison.md``. Raises ``ValueError`` for a
        figure that the model has not, and where nothing says what to compare by.

        >>> import tempfile
        >>> lake = tempfile.mkdtemp()
        >>> monitors = [Monitor("delays", version=version, lake=lake, classes=["0", "1"]) for version in ("3", "4")]
        >>> for number in range(600):
        ...     for monitor in monitors:
        ...         monitor.log({"x": 1.0}, number % 2, id=f"{monitor.version}-{number}")
        >>> monitors[1].compare(champion="3", challenger="4", guard_rails={"error_rate": 0.05}).decision
        'promote'
        """
        from vedette.engine.commands_comparing import asked_of
        from vedette.engine.comparing import evaluate

        lake = self._lake()
        said = {
            "champion": champion, "challenger": challenger, "mode": mode, "goals": goals, "guard_rails": guard_rails,
            "shown": shown, "smallest": smallest, "lower_is_better": lower_is_better, "higher_is_better": higher_is_better,
            "shares": shares, "unit": unit, "since": since, "alpha": alpha, "same_inputs": same_inputs, "no_leak": no_leak,
        }  # fmt: skip
        return evaluate(lake, self.model, asked_of(lake, self.model, name, said)[0])

    def ledger(self) -> Ledger:
        """The equation of the rows: seen = in journal + in lake + sampled out + dropped + rejected + torn.

        ``producers`` has it for each producer and stream, with reasons, ``windows`` for each window of them, and ``gaps``
        all that is missing or not known, in words (``said``).
        """
        from vedette.lake.ledger import ledger

        return ledger(self._lake(), self.model)

    def forget(
        self, subject: Mapping[str, Plain], *, by: str | None = None, wait_s: float = 0.0
    ) -> Forgotten:
        """Delete all rows of a subject for good, with their labels: ``{"customer": "ann"}``, one column, in the clear.

        Reaches what waits in journals and what servers received, the tables and their old files, references that come, and
        names of levels, segments and alerts; a search of all files at the end says what is left. Late rows of the subject are
        deleted as they come. Only with a lake in a folder; a server's lake is cleared where it lies.

        Raises ``ValueError`` for more than one column, ``LakeError`` for a column that the model does not have.
        """
        if len(subject) != 1:
            raise ValueError(
                f"subject: has {len(subject)} columns: must have one, such as {{'customer': 'ann'}}"
            )
        from vedette.engine.forget import forget

        self.flush()
        [(column, value)] = subject.items()
        private = self._private
        return forget(
            self._lake(), self.model, column, value, by=by, private=private, wait_s=wait_s, clock=self._clock
        )

    def release(
        self, question: Question, *, subject: str, epsilon: float, rows_each: int = 1, by: str | None = None
    ) -> list[Released]:
        """Release figures with differential privacy for a ``subject`` column, of the budget that ``[privacy]`` gives.

        ``question`` is a :class:`~vedette.engine.releasing.Question`, ``rows_each`` the rows of each subject that count. What
        is spent stays spent, whatever becomes of the release. Raises ``PrivacyError`` where it would be more than the budget.
        """
        from vedette.engine import commands_privacy

        self.flush()
        location = self._lake().path
        return commands_privacy.release(
            str(location), self.model, question, subject=subject, epsilon=epsilon, rows_each=rows_each, by=by
        )

    def report(self, path: str | Path) -> Path:
        """Write an HTML page with the verdicts and a picture for each; returns its path."""
        from vedette.engine.story import write_page

        return write_page(self._lake(), self.model, Path(path))


class _Beside(Monitor):
    """The monitor of what is recorded beside a model: a row every few seconds needs little room, and takes none from it."""

    _version_max = 160  # of a run: its name, and which part of it
    _segment_bytes = (2**16, 2**20)


class _BesideRun(_Beside):
    """The monitor of a training run, which may log as often as a model predicts."""

    _segment_bytes = (2**18, 2**25)

    def _records_with(self) -> type[Recorder]:
        from vedette.capture.runs import RunRecorder

        return RunRecorder


class _RunStore:
    """Reads the points of a monitor's runs back."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    def points(self, run: str, metric: str) -> tuple[Sequence[int], Sequence[float]]:
        """Steps and values of one metric."""
        from vedette.engine.runs import RunStore

        return RunStore(self._monitor._lake(), self._monitor.model).points(run, metric)

    def metrics(self, run: str) -> Sequence[str]:
        """The metrics that a run has."""
        from vedette.engine.runs import RunStore

        return RunStore(self._monitor._lake(), self._monitor.model).metrics(run)


def _private(
    model: str, given: Mapping[str, Any] | None, settings: Settings, written: config.Config
) -> Private | None:
    """What is done to the private columns of a model, None where it has none."""
    table = written.models.get(model, {}).get("private", {}) if given is None else given
    folder = written.path.parent if given is None and written.path is not None else None
    said = config.private_of(table, settings, folder)
    return Private(model, said.columns, said.keys()) if said.columns else None


def _writable(folder: Path, said: str, mode: int) -> None:
    """Make the journal's folder, or raise ``LakeError`` saying why it cannot be."""
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        raise LakeError(f"{said}: cannot be written: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise LakeError(f"{said}: cannot be written: no permission for {folder}")


def _shipping(model: str, folder: Path, url: str, written: config.Config) -> Shipping:
    """What ships a journal to a server, with what ``vedette.toml`` says now, whenever that is."""
    from vedette.capture.shipping.shipping import Shipping

    path = None if written.path is None else written.path.absolute()
    return Shipping.of(model, folder, url, lambda: config.read(path).server, path)
