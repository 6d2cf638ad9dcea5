"""Training: what a framework says while it trains comes in, metrics and events of a run go out.

A callback is given to the framework's own ``fit`` or trainer (``CALLBACKS``), hooks are put on a PyTorch module
(``torch.TorchWatch``), and ``fit.fit`` does the one or the other by what the model is. All stand on ``protocol.TrainingRun``.
Nothing here raises into a training: what cannot be watched is told once, as an event ``not_watched`` with the reason.

To add a framework, write a file with ``callback(run, **arguments)`` that imports it when it is called, and put its name into
``CALLBACKS``; for ``fit`` put its classes and a function ``fit`` into ``fit.FITS``.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from vedette.capture.training.protocol import TrainingRun

__all__ = ["CALLBACKS", "TrainingRun", "callback"]

CALLBACKS: dict[str, str] = {
    name: f"vedette.capture.training.{name}"
    for name in ("keras", "lightning", "transformers", "xgboost", "lightgbm", "catboost")
}
"""The frameworks that take callbacks, and the module that makes each."""

_OTHERWISE = {
    "torch": "a loop of one's own has no callbacks: run.watch(module, optimizer)",
    "sklearn": "scikit-learn has no callbacks: run.fit(estimator, x, y)",
    "tensorflow": "TensorFlow trains by Keras: run.callback('keras')",
}


def callback(run: TrainingRun, framework: str, **arguments: Any) -> Any:
    """The callback of a framework, which is imported by it; ``ValueError`` where there is none of that name."""
    if framework in _OTHERWISE:
        raise ValueError(f"callback {framework!r}: {_OTHERWISE[framework]}")
    if framework not in CALLBACKS:
        raise ValueError(f"callback {framework!r}: must be one of {', '.join(CALLBACKS)}")
    return import_module(CALLBACKS[framework]).callback(run, **arguments)
