"""vedette watches a machine-learning model from its first training step to its last prediction.

It samples what the model does, folds it into statistics, judges them by a strategy, and tells people::

    import vedette

    monitor = vedette.Monitor("delays", version="3")
    monitor.reference(frame)
    monitor.log({"distance": 733.0}, 1, probability=0.93, id="a1", latency_s=0.004)
    monitor.label("a1", 1)
    monitor.check()

    vedette.report("now.parquet", "before.parquet", html="report.html")

Importing this module loads nothing else: each name comes when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vedette.capture import sampling as sampling
    from vedette.capture.frameworks.asgi import ASGIMiddleware as ASGIMiddleware
    from vedette.capture.frameworks.wsgi import WSGIMiddleware as WSGIMiddleware
    from vedette.capture.media import image as image
    from vedette.capture.media import text as text
    from vedette.engine.splits import splits as splits
    from vedette.engine.two_files.run import report as report
    from vedette.errors import VedetteError as VedetteError
    from vedette.monitor import Monitor as Monitor
    from vedette.records import Figure as Figure
    from vedette.records import Health as Health
    from vedette.records import Ledger as Ledger
    from vedette.records import Status as Status
    from vedette.records import Verdict as Verdict
    from vedette.records import Window as Window
    from vedette.strategy.series.change_points import change_points as change_points
    from vedette.strategy.series.watch import watch_series as watch_series

__all__ = [
    "ASGIMiddleware",
    "Figure",
    "Health",
    "Ledger",
    "Monitor",
    "Status",
    "VedetteError",
    "Verdict",
    "WSGIMiddleware",
    "Window",
    "__version__",
    "change_points",
    "image",
    "report",
    "sampling",
    "splits",
    "text",
    "watch_series",
]

__version__ = "0.1.0.dev0"

_HOME = {
    "ASGIMiddleware": "vedette.capture.frameworks.asgi",
    "WSGIMiddleware": "vedette.capture.frameworks.wsgi",
    "Monitor": "vedette.monitor",
    "VedetteError": "vedette.errors",
    "change_points": "vedette.strategy.series.change_points",
    "image": "vedette.capture.media",
    "report": "vedette.engine.two_files.run",
    "sampling": "vedette.capture",
    "splits": "vedette.engine.splits",
    "text": "vedette.capture.media",
    "watch_series": "vedette.strategy.series.watch",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'vedette' has no attribute {name!r}")
    home = _HOME.get(name, "vedette.records")
    value = import_module(f"{home}.{name}") if name == "sampling" else getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
