"""What the events of TensorBoard's files say: scalars, hyperparameters, vedette's own events, and counts of the rest."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from typing import Any

import numpy as np
import polars as pl

from vedette.capture.mirrors import Event
from vedette.capture.mirrors.tensorboard import EVENT_TAG, protos
from vedette.engine.exchange.found import POINTS, is_time

__all__ = ["Summaries"]

_STATUS = {"STATUS_SUCCESS": "finished", "STATUS_FAILURE": "failed"}
_QUIET = ("file_version", "session_log", None)  # of an event that has nothing to keep


class Summaries:
    """Takes a run's events one by one; ``events`` are those that vedette wrote, ``left_out`` counts what is no scalar."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.params: dict[str, Any] = {}
        self.status, self.version = "", ""
        self.started_s = self.ended_s = 0.0
        self.mirror_of: tuple[str, str] | None = None
        self.left_out: Counter[str] = Counter()
        self._plugins: dict[str, str] = {}
        self._tags: dict[str, int] = {}
        # 28 bytes a point, where lists would take over a hundred
        self._points = array("I"), array("q"), array("q"), array("d")

    def add(self, record: bytes) -> bool:
        """Take a record; False where it is no event."""
        try:
            event = protos().Event.FromString(record)
        except Exception:  # noqa: BLE001 - protobuf's DecodeError, whose package is not ours to import
            return False
        what = event.WhichOneof("what")
        if what == "summary":
            for value in event.summary.value:
                self._value(value, event.wall_time, event.step)
        elif what not in _QUIET:
            self.left_out[what] += 1
        if not self.started_s and is_time(event.wall_time):
            self.started_s = event.wall_time
        return True

    def points(self) -> pl.DataFrame:
        """The scalars, in order of time."""
        names = pl.Series("metric", list(self._tags), dtype=pl.String)
        tags, steps, times, values = self._points
        frame = pl.DataFrame(
            {
                "metric": names.gather(pl.Series(np.array(tags, np.uint32))),
                "step": pl.Series(np.array(steps)),
                "time": pl.Series(np.array(times)),
                "value": pl.Series(np.array(values)),
            },
            schema=POINTS,
        )
        return frame.sort("time", maintain_order=True)

    def _value(self, value: Any, time_s: float, step: int) -> None:
        tag, form = value.tag, value.WhichOneof("value")
        if value.HasField("metadata") and value.metadata.plugin_data.plugin_name:
            self._plugins[tag] = value.metadata.plugin_data.plugin_name  # only the first of a tag may have it
        if form == "simple_value":
            self._point(tag, time_s, step, value.simple_value)
            return
        plugin = self._plugins.get(tag, "")
        if plugin == "scalars" and form == "tensor":
            array = _array(value.tensor)
            if array is not None and array.size == 1 and array.dtype.kind in "biuf":
                self._point(tag, time_s, step, float(array.item()))
            else:
                self.left_out["scalars that are no number"] += 1
        elif plugin == "hparams":
            self._hparams(value.metadata.plugin_data.content)
        elif plugin == "text" and form == "tensor" and tag.startswith(EVENT_TAG) and self._own(value.tensor):
            pass
        else:
            self.left_out[_words(plugin, form)] += 1

    def _point(self, tag: str, time_s: float, step: int, value: float) -> None:
        if not is_time(time_s):
            self.left_out["points whose time is none"] += 1
            return
        tags, steps, times, values = self._points
        tags.append(self._tags.setdefault(tag, len(self._tags)))
        steps.append(step)
        times.append(round(time_s * 1e6))
        values.append(value)

    def _hparams(self, content: bytes) -> None:
        """Parameters of the session, and how it ended."""
        try:
            data = protos().hparams.HParamsPluginData.FromString(content)
        except Exception:  # noqa: BLE001 - as above
            self.left_out["hparams"] += 1
            return
        which = data.WhichOneof("data")
        if which == "session_start_info":
            for name, value in data.session_start_info.hparams.items():
                kind = value.WhichOneof("kind")
                self.params[name] = getattr(value, kind) if kind and kind != "null_value" else None
        elif which == "session_end_info":
            status = protos().api.Status.Name(data.session_end_info.status)
            self.status = _STATUS.get(status, self.status)
            self.ended_s = data.session_end_info.end_time_secs

    def _own(self, tensor: Any) -> bool:
        """Take an event that vedette wrote; False where it is none."""
        try:
            text = tensor.string_val[0].decode().removeprefix("```json\n").removesuffix("\n```")
            said = json.loads(text)
            event = Event(float(said["time"]), int(said["step"]), str(said["kind"]), dict(said["detail"]))
            self.version, self.mirror_of = str(said["version"]), (str(said["model"]), str(said["run"]))
        except (IndexError, KeyError, TypeError, ValueError):
            return False
        self.events.append(event)
        return True


def _array(tensor: Any) -> np.ndarray[Any, Any] | None:
    from tensorboard.util import tensor_util

    try:
        return np.asarray(tensor_util.make_ndarray(tensor))
    except (TypeError, ValueError):
        return None


def _words(plugin: str, form: str | None) -> str:
    """What a value is that is no scalar: its plugin's name, or its form's."""
    of_form = {"histo": "histograms", "image": "images", "audio": "audio", "tensor": "tensors"}
    return plugin or of_form.get(form or "", form or "values without a form")
