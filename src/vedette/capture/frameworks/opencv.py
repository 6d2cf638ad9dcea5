"""OpenCV's DNN module, which runs Caffe, ONNX and other models: ``setInput`` and ``forward``."""

from __future__ import annotations

from typing import Any

from vedette.capture.frameworks.calls import Calls
from vedette.capture.frameworks.inputs import rows_of
from vedette.capture.frameworks.proxy import proxy

__all__ = ["watch"]


def watch(net: Any, calls: Calls) -> Any:
    """A net whose ``forward`` is recorded, with what ``setInput`` was given last."""
    given: list[Any] = []

    def set_input(blob: Any, *args: Any, **kwargs: Any) -> Any:
        given[:] = [blob]
        return net.setInput(blob, *args, **kwargs)

    def forward(*args: Any, **kwargs: Any) -> Any:
        return calls.run(
            lambda: net.forward(*args, **kwargs),
            lambda: rows_of(given[0], calls.names) if given else [{}],
            tuple(given),
            {},
        )

    return proxy(net, {"setInput": set_input, "forward": forward})
