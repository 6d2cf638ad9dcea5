"""What a training run may record: names of metrics as columns of the journal, and their values as floats."""

from __future__ import annotations

import unicodedata
from typing import Any

from vedette.capture.format import FIELDS_MAX
from vedette.capture.values import Rejected
from vedette.records import RESERVED, Physical, is_storable

__all__ = ["LAYERS_MAX", "METRICS_MAX", "NAME_MAX", "Names", "column_of", "metric_of", "number_of"]

NAME_MAX = 240  # characters of a metric
METRICS_MAX = FIELDS_MAX - 16  # of a run; a row has fields of its own beside them
LAYERS_MAX = METRICS_MAX - 80
"""Of these so many may be of layers: a large network has thousands, and must not keep the loss out."""
_OF_LAYERS = tuple(
    f"{one}/"
    for one in (
        *("grad_norm", "grad_zero_share", "weight_norm", "update_ratio", "nan_share"),
        *("dead_share", "saturated_share"),
    )
)
_OWN = RESERVED | {"run", "step"}
_PREFIX, _SUFFIX = "metric:", ":"
_ENDS = tuple(f"__{one.value}" for one in Physical)


def column_of(metric: str) -> str:
    """The column in which a metric is kept: its own name, but for those that vedette's tables have.

    >>> column_of("val/loss"), column_of("error"), metric_of(column_of("error"))
    ('val/loss', 'metric:error:', 'error')
    """
    own = metric in _OWN or metric.startswith(("_", "probability_", _PREFIX)) or metric.endswith(_ENDS)
    return f"{_PREFIX}{metric}{_SUFFIX}" if own else metric


def metric_of(column: str) -> str:
    """The metric that a column holds."""
    return column[len(_PREFIX) : -len(_SUFFIX)] if column.startswith(_PREFIX) else column


class Names:
    """The metrics that one run has recorded so far: no two that people and file systems would mix up.

    ``plain`` are those that are their own column.
    """

    def __init__(self) -> None:
        self.plain: set[str] = set()
        self._columns: dict[str, str] = {}
        self._folded: dict[str, str] = {}

    def column(self, metric: Any) -> str:
        """The column of a metric. Raises :class:`Rejected` for what is no name, or too much like another."""
        if type(metric) is str and metric in self._columns:
            return self._columns[metric]
        if not isinstance(metric, str) or not metric or not is_storable(metric) or len(metric) > NAME_MAX:
            raise Rejected(f"a metric's name must be text of 1 to {NAME_MAX} characters")
        metric = str(metric)
        most = LAYERS_MAX if metric.startswith(_OF_LAYERS) else METRICS_MAX
        if len(self._columns) >= most:
            what = "metrics, among them those of layers," if most == LAYERS_MAX else "metrics"
            raise Rejected(f"more than {most:,} {what} in one run")
        folded = unicodedata.normalize("NFC", metric).casefold()
        other = self._folded.setdefault(folded, metric)
        if other != metric:
            raise Rejected(f"{metric[:80]}: differs from {other[:80]} only by case or normalisation")
        column = self._columns[metric] = column_of(metric)
        if column == metric:
            self.plain.add(metric)
        return column


def number_of(value: Any, *, synchronise: bool = False) -> float:
    """A metric's value as a float; NaN and inf stay what they are. Raises :class:`Rejected` for what is no number.

    Taken are numbers of Python and numpy, and arrays and tensors of one element. A tensor on a device has to be waited
    for, which stalls a training that would run ahead: it is rejected, unless ``synchronise`` says that it may.
    """
    if isinstance(value, (bool, int, float)):
        return _float(value)
    if value is None or isinstance(value, (str, bytes, bytearray, complex)):
        raise Rejected(f"a value of type {type(value).__name__}: must be a number")
    if not synchronise and (where := _device(value)) is not None:
        raise Rejected(
            f"a tensor on {where}: give value.item(), or monitor.run(synchronise=True) to wait for it"
        )
    if hasattr(value, "item"):
        size = getattr(value, "size", 1)
        n = value.numel() if hasattr(value, "numel") else size() if callable(size) else size
        if n != 1:
            raise Rejected(f"an array of {n} values: must be one number")
        value = value.detach() if hasattr(value, "detach") else value
        value = value.item()
        if isinstance(value, (bool, int, float)):
            return _float(value)
    elif hasattr(value, "numpy") or hasattr(value, "__float__"):
        return _float(value)
    raise Rejected(f"a value of type {type(value).__name__}: must be a number")


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        raise Rejected("an integer beyond what a float holds") from None
    except (TypeError, ValueError):
        raise Rejected(f"a value of type {type(value).__name__}: must be a number") from None


def _device(value: Any) -> str | None:
    """The device on which a tensor lies, None for the processor's own memory (and for what is no tensor)."""
    device = getattr(value, "device", None)
    if device is None:
        return None
    device = device() if callable(device) else device  # JAX, of old
    kind = getattr(device, "type", None) or getattr(device, "platform", None) or str(device)
    kind = str(kind)
    return None if kind.lower().rpartition("/device:")[2].startswith("cpu") else kind[:40]
