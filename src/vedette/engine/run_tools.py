"""What a training run takes of statistics, judgement and the lake; each is loaded when it is first asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from vedette.records import Settings, class_name, in_order

__all__ = ["RunTools"]

_COLUMNS_BYTES_MAX = (
    16_384  # of the names of columns whose areas under the ROC curve are kept, the greatest first
)
_TYPES_MAX = 1000  # columns whose types are kept
_WORDS_MAX = 40  # findings that are kept with their words


class _Monitor(Protocol):
    """What is needed of a monitor."""

    @property
    def settings(self) -> Settings:
        """What was said of the model."""

    def reference(self, data: Any, columns: Mapping[str, str] | None = None, *, training: Any = None) -> None:
        """Take rows as what is normal."""


class _Run(Protocol):
    """What is needed of a run."""

    @property
    def history(self) -> Any:
        """The values of each metric so far."""


class RunTools:
    """The tools of one run; see ``capture.training.protocol.Tools``."""

    def __init__(self, monitor: _Monitor, run: _Run) -> None:
        self._monitor, self._run = monitor, run

    def should_stop(self, values: Sequence[float], name: str, **arguments: Any) -> Any:
        """Whether a training should stop."""
        from vedette.strategy.training import should_stop

        return should_stop(values, name, **arguments)

    def larger_is_better(self, name: str) -> bool:
        """Whether larger values of a figure of this name are better."""
        from vedette.strategy.training import larger_is_better

        return larger_is_better(name)

    def curve(self, metric: str) -> tuple[list[int], list[float]]:
        """Steps and values of a metric so far; empty where there is none."""
        history = self._run.history
        return (history.steps(metric), history[metric]) if metric in history else ([], [])

    def evaluate(
        self,
        y_true: Any,
        y_pred: Any,
        *,
        metrics: Sequence[str] | None,
        level: float,
        **arguments: Any,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Figures of a data set, and the losses of its rows by group with the shares of its classes."""
        from vedette.statistics.estimates import check_level
        from vedette.statistics.evaluation import figures_of, rows_of
        from vedette.statistics.row_losses import facts_of

        check_level(level)
        rows = rows_of(y_true, y_pred, **arguments)
        facts = facts_of(rows)
        kept = {
            "loss": facts.loss,
            "row_losses": facts.means.tolist(),
            "row_counts": facts.counts.tolist(),
            "rows": facts.rows,
            "label_shares": dict(facts.label_shares),
            "predicted_shares": dict(facts.predicted_shares),
            "n_predicted": facts.n_predicted,
        }
        return figures_of(rows, metrics=metrics, level=level), kept

    def data(
        self, train: Any, *, target: str | None, ignore: Sequence[str], **arguments: Any
    ) -> tuple[Any, dict[str, Any]]:
        """What was found of the sets, and what diagnoses are told of it."""
        from vedette.engine.splits import areas, splits
        from vedette.lake.frames import frame_of

        frame = frame_of(train)
        found = splits(frame, target=target, ignore=ignore, **arguments)
        document = found.document()
        document["findings"] = document["findings"][:_WORDS_MAX]
        left_out = [target, arguments.get("groups"), arguments.get("time"), *ignore]
        apart, positive, negative = areas(frame, target, left_out) if target is not None else ({}, 0, 0)
        kept, left = [], _COLUMNS_BYTES_MAX
        for name in sorted(apart, key=lambda name: -abs(apart[name] - 0.5)):
            left -= len(name.encode()) + 24
            if left < 0:
                break
            kept.append(name)
        shared = next(
            (one for one in found.findings if one.kind == "shared_rows" and one.sets == ("train", "validation")), None
        )  # fmt: skip
        by_chance = shared is not None and not shared.advice
        duplicates = 0 if shared is None or by_chance else round((shared.value or 0.0) * shared.n)
        return found, {
            **document,
            "duplicates": duplicates if "validation" in found.rows else None,
            "n_validation": found.rows.get("validation", 0),
            "feature_auc": {name: apart[name] for name in kept},
            "n_positive": positive,
            "n_negative": negative,
        }

    def reference(
        self,
        x: Any,
        y: Any,
        *,
        prediction: Any,
        probability: Any,
        names: Sequence[str] | None,
        training: Any,
    ) -> dict[str, Any]:
        """Give the monitor its reference; how many rows it has."""
        import numpy as np

        from vedette.statistics.evaluation import on_host

        columns = dict(_table(x, names, "x"))
        n = len(next(iter(columns.values()))) if columns else 0
        outputs: dict[str, Any] = {"label": y, "prediction": prediction, "probability": probability}
        for name, values in outputs.items():
            if values is None:
                continue
            if name in columns:
                raise ValueError(f"{name}: is given, and x has a column of that name: must be one of both")
            found = np.asarray(on_host(values))
            if len(found) != n:
                raise ValueError(f"{name} of {len(found)} rows: must be {n}, as many as x")
            if name == "probability" and found.ndim == 2 and found.shape[1] == 2:
                found = found[:, 1]
            if name == "probability" and found.ndim == 2:
                columns |= self._by_class(found, y)
                continue
            columns[name] = found
        learned = None if training is None else dict(_table(training, names, "training"))
        self._monitor.reference(columns, training=learned)
        n_learned = 0 if learned is None else len(next(iter(learned.values()), ()))
        features = [name for name in columns if name not in outputs and not name.startswith("probability_")]
        types = {name: _type(columns[name]) for name in features[:_TYPES_MAX]}
        return {"rows": n, "training_rows": n_learned, "columns": [*columns][:200], "schema": types}

    def _by_class(self, scores: Any, y: Any) -> dict[str, Any]:
        """A column of probabilities for each class: those that the monitor was told, else those of the labels, in order."""
        import numpy as np

        from vedette.statistics.evaluation import on_host

        classes = list(self._monitor.settings.classes)
        if not classes and y is not None:
            classes = in_order(
                {class_name(one) for one in np.asarray(on_host(y)).tolist() if one is not None}
            )
        if len(classes) != scores.shape[1]:
            raise ValueError(
                f"probability of shape {scores.shape} and {len(classes)} classes: must have a column a class; "
                "Monitor(..., classes=[...]) names them in their order"
            )
        return {f"probability_{name}": scores[:, at] for at, name in enumerate(classes)}


def _type(column: Any) -> str:
    """The type of a column, as tables name it."""
    import numpy as np

    return str(getattr(column, "dtype", None) or np.asarray(column).dtype).lower()


def _table(given: Any, names: Sequence[str] | None, what: str) -> Mapping[str, Any]:
    """A table's columns by name."""
    import numpy as np

    from vedette.lake.frames import frame_of
    from vedette.statistics.evaluation import on_host

    if names is None and (isinstance(given, Mapping) or hasattr(given, "columns")):
        return {one.name: one for one in frame_of(given)}
    found = np.asarray(on_host(given))
    if found.ndim != 2:
        raise ValueError(
            f"{what} of shape {found.shape}: must be a table, or [N, F] with names of its columns"
        )
    if names is None or len(names) != found.shape[1]:
        said = "no names" if names is None else f"{len(names)} names"
        raise ValueError(
            f"{what} of shape {found.shape} and {said}: names must be the {found.shape[1]} columns'"
        )
    return {name: found[:, at] for at, name in enumerate(names)}
