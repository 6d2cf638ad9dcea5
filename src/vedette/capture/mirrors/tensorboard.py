"""A run as TensorBoard's event files: a folder of the run's name, a scalar a metric, an event as text, parameters as hparams.

Written by TensorBoard's own record writer and protocol buffers; neither TensorFlow nor PyTorch is loaded. TensorBoard keeps a
scalar as a 32-bit float. A run that is over is told apart by the session's end in the plugin of hyperparameters.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from vedette.capture.mirrors.rows import About, Event, Row

__all__ = [
    "EVENT_TAG", "HPARAMS_END", "HPARAMS_START", "TensorBoardMirror", "losses", "open_mirror", "protos", "stored",
]  # fmt: skip

EVENT_TAG = "vedette/"
"""What the tags of a run's events begin with; the rest is their kind, and the text is one JSON document in a fence."""
HPARAMS_START, HPARAMS_END = "_hparams_/session_start_info", "_hparams_/session_end_info"

_STATUS = {"finished": "STATUS_SUCCESS", "failed": "STATUS_FAILURE", "running": "STATUS_RUNNING"}


@functools.cache
def protos() -> SimpleNamespace:
    """TensorBoard's protocol buffers and its record writer: loaded when first asked for, since the package is an extra."""
    from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2
    from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2
    from tensorboard.plugins.text import plugin_data_pb2 as text_pb2
    from tensorboard.summary.writer.record_writer import RecordWriter

    return SimpleNamespace(
        Event=event_pb2.Event, Summary=summary_pb2.Summary, SummaryMetadata=summary_pb2.SummaryMetadata,
        Tensor=tensor_pb2.TensorProto, Shape=tensor_shape_pb2.TensorShapeProto,
        DT_STRING=types_pb2.DT_STRING, DT_FLOAT=types_pb2.DT_FLOAT, hparams=plugin_data_pb2, api=api_pb2,
        Text=text_pb2.TextPluginData, RecordWriter=RecordWriter,
    )  # fmt: skip


_numbers = itertools.count()  # of the files of this process: two may be begun within a second


def open_mirror(place: str, about: About) -> TensorBoardMirror:
    """Begin an event file in the folder ``place/<run>``; raises ``OSError`` where that cannot be."""
    if "://" in place:
        raise ValueError(f"tensorboard:{place}: must be a folder of this machine")
    return TensorBoardMirror(Path(place) / about.run, about)


class TensorBoardMirror:
    """The event file of one run in ``folder``; a run that goes on adds a file, which TensorBoard reads after the others."""

    def __init__(self, folder: Path, about: About) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{about.started_s:010.0f}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}"
        self._about, self._session = about, False
        self._out = protos().RecordWriter((folder / f"{name}.vedette").open("xb"))
        version = protos().Event(wall_time=about.started_s, file_version="brain.Event:2")
        self._out.write(version.SerializeToString())
        self._out.flush()

    def write(self, rows: Sequence[Row | Event]) -> None:
        """Append to the file, and give it to the system."""
        pb = protos()
        for row in rows:
            values = self._told(row) if isinstance(row, Event) else _scalars(row.values)
            event = pb.Event(wall_time=row.time_s, step=row.step, summary=pb.Summary(value=values))
            self._out.write(event.SerializeToString())
        self._out.flush()

    def close(self) -> None:
        """Close the file."""
        self._out.close()

    def _told(self, event: Event) -> list[Any]:
        """The values of an event's summary: its text, and what the plugin of hyperparameters knows of it."""
        about = self._about
        document: dict[str, Any] = {
            "kind": event.kind,
            "version": about.version,
            "run": about.run,
            "model": about.model,
        }
        document |= {"step": event.step, "time": event.time_s, "detail": event.detail}
        values = [_text(f"{EVENT_TAG}{event.kind}", f"```json\n{json.dumps(document)}\n```")]
        if event.kind == "run_params" and not self._session:  # it reads the first one alone
            values.append(_session_start(about.run, event))
            self._session = True
        elif event.kind == "run_ended":
            status = getattr(protos().api, _STATUS.get(str(event.detail.get("status")), "STATUS_UNKNOWN"))
            end = protos().hparams.SessionEndInfo(status=status, end_time_secs=event.time_s)
            values.append(_hparams(HPARAMS_END, protos().hparams.HParamsPluginData(session_end_info=end)))
        return values


def _scalars(values: Mapping[str, float]) -> list[Any]:
    value_of = protos().Summary.Value
    return [value_of(tag=name, simple_value=value) for name, value in values.items()]


def _metadata(plugin: str, content: bytes) -> Any:
    data = protos().SummaryMetadata.PluginData(plugin_name=plugin, content=content)
    return protos().SummaryMetadata(plugin_data=data)


def _text(tag: str, text: str) -> Any:
    shape = protos().Shape(dim=[protos().Shape.Dim(size=1)])
    tensor = protos().Tensor(dtype=protos().DT_STRING, tensor_shape=shape, string_val=[text.encode()])
    metadata = _metadata("text", protos().Text(version=0).SerializeToString())
    return protos().Summary.Value(tag=tag, metadata=metadata, tensor=tensor)


def _session_start(run: str, event: Event) -> Any:
    start = protos().hparams.SessionStartInfo(group_name=run, start_time_secs=event.time_s)
    for name, value in event.detail.items():
        if isinstance(value, bool):
            start.hparams[name].bool_value = value
        elif isinstance(value, float) or (isinstance(value, int) and abs(value) <= 2**53):  # it is a double
            start.hparams[name].number_value = value
        else:
            start.hparams[name].string_value = value if isinstance(value, str) else json.dumps(value)
    return _hparams(HPARAMS_START, protos().hparams.HParamsPluginData(session_start_info=start))


def _hparams(tag: str, data: Any) -> Any:
    data.version = 0
    none = protos().Tensor(
        dtype=protos().DT_FLOAT,
        tensor_shape=protos().Shape(dim=[protos().Shape.Dim(size=0)]),
    )
    return protos().Summary.Value(
        tag=tag, metadata=_metadata("hparams", data.SerializeToString()), tensor=none
    )


def stored(values: np.ndarray[Any, Any], times_us: np.ndarray[Any, Any]) -> tuple[Any, Any]:
    """Values and times in microseconds as an event file keeps them.

    >>> stored(np.array([0.1]), np.array([1500]))
    (array([0.1]), array([1500]))
    """
    with np.errstate(over="ignore", under="ignore"):
        return values.astype(np.float32).astype(np.float64), times_us


def losses(values: np.ndarray[Any, Any]) -> dict[str, int]:
    """How many values are not kept as they are, in words.

    >>> losses(np.array([0.5, 0.1, 1e300]))
    {'values rounded to 32-bit floats': 1, 'values beyond 32-bit floats, which became infinite or 0': 1}
    """
    narrow, _ = stored(values, values)
    lost = np.isfinite(values) & (values != narrow)
    gone = lost & (~np.isfinite(narrow) | (narrow == 0))
    return {
        "values rounded to 32-bit floats": int((lost & ~gone).sum()),
        "values beyond 32-bit floats, which became infinite or 0": int(gone.sum()),
    }
