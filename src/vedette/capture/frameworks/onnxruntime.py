"""ONNX Runtime sessions: ``run(outputs, inputs)``, with the inputs by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vedette.capture.frameworks.calls import Calls
from vedette.capture.frameworks.inputs import Rows, rows_of
from vedette.capture.frameworks.outputs import Outputs, outputs_of, predictions, probabilities
from vedette.capture.frameworks.proxy import proxy
from vedette.capture.rejected import Rejected

__all__ = ["watch"]


def watch(session: Any, calls: Calls) -> Any:
    """A session whose ``run`` is recorded.

    Of one input the columns are features, of several each is one. A first output of labels and a second of probabilities, as
    converters of classifiers make them, are read so; else the first output is.
    """

    def run(output_names: Any, input_feed: Mapping[str, Any], run_options: Any = None) -> Any:
        return calls.run(
            lambda: session.run(output_names, input_feed, run_options),
            lambda: _rows(input_feed, calls.names),
            (output_names, input_feed),
            {},
            _read,
        )

    return proxy(session, {"run": run})


def _rows(feed: Mapping[str, Any], names: Sequence[str] | None) -> Rows:
    if len(feed) == 1:
        return rows_of(next(iter(feed.values())), names)
    return rows_of({name: value[:, 0] if getattr(value, "ndim", 0) == 2 and value.shape[1] == 1 else value
                    for name, value in feed.items()})  # fmt: skip


def _read(outputs: Sequence[Any], n_rows: int) -> Outputs:
    if not outputs:
        raise Rejected("watch: no output: give output=")
    first, *others = outputs
    if others and getattr(first, "ndim", 0) == 1:
        found = predictions(first, n_rows)
        chances = others[0]
        if isinstance(chances, list) and chances and isinstance(chances[0], Mapping):
            classes = list(chances[0])
            table = [[one[name] for name in classes] for one in chances]
            return _beside(found, probabilities(table, classes, n_rows))
        if getattr(chances, "ndim", 0) == 2:
            return _beside(found, probabilities(chances, range(chances.shape[1]), n_rows))
        return found
    return outputs_of(first, n_rows)


def _beside(labels: Outputs, chances: Outputs) -> Outputs:
    return [(label, chance) for (label, _), (_, chance) in zip(labels, chances, strict=True)]
