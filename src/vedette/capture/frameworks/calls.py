"""One call of a model: its rows, what came out, how long it took, what went wrong. Nothing of ours reaches the caller."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vedette.capture.concurrency import Load
from vedette.capture.frameworks.inputs import Rows, plain, rows_of
from vedette.capture.frameworks.outputs import Outputs, outputs_of
from vedette.capture.rejected import Rejected, type_name
from vedette.capture.stages import Stages

__all__ = ["Calls", "Reader", "reason_of"]

Reader = Callable[[Any, int], Outputs]
"""Reads what a model returned for so many rows."""


class Calls:
    """Records the calls of one model.

    ``log`` and ``reject`` are a recorder's. ``features`` is a function of the call's arguments that returns a mapping, or a
    list of them, or the names of a matrix's columns; ``output`` is a function of what was returned that gives a prediction, or
    ``(prediction, probability)``, or a list with one of these a row; ``id`` is the feature that is the rows' id. ``stages``
    are what was measured in a call, ``load`` counts the calls.
    """

    def __init__(
        self,
        log: Callable[..., None],
        reject: Callable[..., None],
        *,
        features: Callable[..., Any] | Sequence[str] | None = None,
        output: Callable[[Any], Any] | None = None,
        id: str | None = None,  # noqa: A002 - as the public name is
        stages: Stages | None = None,
        load: Load | None = None,
    ) -> None:
        if isinstance(features, str) or not (
            features is None or callable(features) or isinstance(features, Sequence)
        ):
            raise TypeError(
                f"features={features!r}: must be a function of the call's arguments, or a list of names"
            )
        if output is not None and not callable(output):
            raise TypeError(f"output={output!r}: must be a function of what the model returns")
        if id is not None and not isinstance(id, str):
            raise TypeError(f"id={id!r}: must be the name of a feature")
        self._log, self._reject = log, reject
        self._features = features if callable(features) else None
        self.names = None if features is None or callable(features) else [str(one) for one in features]
        self._output, self._id = output, id
        self._stages, self._load = stages or Stages(), load or Load()
        self.beside: object = None  # what is to live as long as the watched model

    def run(
        self,
        call: Callable[[], Any],
        rows: Callable[[], Rows],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        read: Reader = outputs_of,
    ) -> Any:
        """Make a call and record it; ``rows`` says what was asked, where the user did not."""
        asked = self.ask(rows, args, kwargs)
        start = time.perf_counter()
        try:
            result = call()
        except Exception as error:
            self.failed(asked, time.perf_counter() - start, error)
            raise
        except BaseException:  # an interruption: nothing that the model answered, nor an error of its own
            self.finish(0)
            raise
        self.answered(asked, time.perf_counter() - start, result, read)
        return result

    def begin(self) -> None:
        """A call begins."""
        self._load.begin()
        self._stages.begin()

    def finish(self, n_rows: int) -> dict[str, float]:
        """A call of so many rows has ended; returns what its stages took."""
        self._load.end(n_rows)
        return self._stages.take()

    def ask(self, rows: Callable[[], Rows], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Rows | str:
        """A call begins: its rows, as they are before it; where they cannot be told, the reason."""
        self.begin()
        return self.read(rows, args, kwargs)

    def read(self, rows: Callable[[], Rows], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Rows | str:
        """The rows that were asked."""
        try:
            if self._features is None:
                found = rows()
            else:
                given = self._features(*args, **kwargs)
                found = [dict(given)] if isinstance(given, Mapping) else rows_of(given, self.names)
            for row in found:
                for name, value in row.items():
                    if type(value) is list or type(value).__name__ == "ndarray":
                        row[name] = value.copy()  # the model may write into it
            return found
        except Exception as error:  # noqa: BLE001 - the model's caller must not feel it
            return reason_of(error, "features")

    def answered(
        self,
        asked: Rows | str,
        seconds: float,
        result: Any,
        read: Reader = outputs_of,
        held: Mapping[str, float] | None = None,
    ) -> None:
        """Record a call that returned; ``held`` are its stages where it has been finished already."""
        if held is None:
            held = self.finish(1 if isinstance(asked, str) else len(asked))
        if isinstance(asked, str):
            self._reject("predictions", asked)
            return
        try:
            outputs = read(result, len(asked)) if self._output is None else self._given(result, len(asked))
        except Exception as error:  # noqa: BLE001 - as above
            self._reject("predictions", reason_of(error, "output"), max(1, len(asked)))
            return
        for row, (prediction, probability) in zip(asked, outputs, strict=True):
            key = row.pop(self._id, None) if self._id is not None else None
            if held:
                row.update(held)
            self._log(row, prediction, probability=probability, id=plain(key), latency_s=seconds)

    def failed(self, asked: Rows | str, seconds: float, error: BaseException) -> None:
        """Record a call that raised: each of its rows failed."""
        if isinstance(asked, str):
            asked = [{}]
        held = self.finish(len(asked))
        for row in asked:
            key = row.pop(self._id, None) if self._id is not None else None
            if held:
                row.update(held)
            self._log(row, None, id=plain(key), latency_s=seconds, error=error)

    def _given(self, result: Any, n_rows: int) -> Outputs:
        """What the user's function makes of a result."""
        assert self._output is not None
        found = self._output(result)
        if isinstance(found, tuple) and len(found) == 2 and n_rows == 1:
            return [(plain(found[0]), plain(found[1]))]
        if isinstance(found, list) and all(isinstance(one, tuple) and len(one) == 2 for one in found):
            if len(found) != n_rows:
                raise Rejected("watch: another number of outputs than of rows")
            return [(plain(one), plain(chance)) for one, chance in found]
        return outputs_of(found, n_rows)


def reason_of(error: Exception, what: str) -> str:
    """Why a call cannot be read, for the ledger."""
    return str(error) if isinstance(error, Rejected) else f"watch: {what}: raised {type_name(type(error))}"
