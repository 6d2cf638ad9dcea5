"""What comes out of a module's layers: dead units, saturated outputs, and the first layer whose output is no number."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vedette.capture.training.torch_parameters import layer_of, wanted

__all__ = ["KINDS", "Activations"]

KINDS: dict[str, tuple[float, float] | None] = {"relu": None, "sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}
"""Kinds of activations: of a ReLU units can be dead, of the others outputs saturated near these bounds."""

_KIND_OF = {
    "ReLU": "relu", "ReLU6": "relu", "Sigmoid": "sigmoid", "Hardsigmoid": "sigmoid", "Tanh": "tanh", "Hardtanh": "tanh",
}  # fmt: skip
_NEAR = 0.01  # of the range of an activation: nearer to a bound its slope is under 4 % of the steepest (sigmoid), 2 % (tanh)


class Activations:
    """Hooks on the layers of a module for one forward pass, and what they saw.

    ``dead_share``: of the units of a ReLU those that were 0 for every row of the batch; a unit is a channel of an image or a
    feature of a vector. ``saturated_share``: of the outputs of a sigmoid or tanh those within 1 % of its range of either end.
    ``kinds`` names layers whose activation is a function and no module (``{"fc1": "relu"}``): what such a layer gives is taken
    as what goes into a ReLU (dead where it is never positive), or comes out of another.
    """

    def __init__(
        self,
        torch: Any,
        module: Any,
        kinds: Mapping[str, str],
        patterns: Sequence[str] | None,
        failed: Callable[[str, BaseException], None],
    ) -> None:
        self._torch, self._failed = torch, failed
        self._nothing = torch.zeros((), dtype=torch.int64)
        self._layers: list[tuple[str, Any, str | None, bool]] = []
        channels_first = False
        named = set()
        for path, layer in module.named_modules():
            if next(layer.children(), None) is not None:
                continue
            name, kind = layer_of(path), type(layer).__name__
            named.add(name)
            if "Conv" in kind:
                channels_first = True
            elif next(layer.parameters(recurse=False), None) is not None and "Norm" not in kind:
                channels_first = False
            if wanted(name, patterns):
                self._layers.append((name, layer, kinds.get(name, _KIND_OF.get(kind)), channels_first))
        for name, kind in kinds.items():
            if kind not in KINDS or name not in named:
                raise ValueError(
                    f"activations[{name!r}]={kind!r}: must name a layer without layers of its own, "
                    f"and one of {', '.join(KINDS)}"
                )
        self._handles: list[Any] = []
        self._seen: dict[str, list[tuple[str, Any, float]]] = {}

    def attach(self, hook: Callable[[Callable[..., None]], Any], home: Any) -> None:
        """Put hooks on the layers; ``hook`` wraps them, ``home`` is the device of the copy that is looked at."""
        self._seen.clear()
        for name, layer, kind, first in self._layers:
            bounds = (layer.min_val, layer.max_val) if type(layer).__name__ == "Hardtanh" else None
            self._handles.append(
                layer.register_forward_hook(hook(self._looks(name, kind, bounds, first, home)))
            )

    def detach(self) -> None:
        """Take the hooks off."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _looks(
        self, name: str, kind: str | None, bounds: tuple[float, float] | None, first: bool, home: Any
    ) -> Callable[..., None]:
        def look(module: Any, _: Any, output: Any) -> None:
            if self._torch.compiler.is_compiling() or not self._torch.is_grad_enabled():
                return
            try:
                one = output[0] if isinstance(output, tuple | list) and output else output
                if not isinstance(one, self._torch.Tensor) or not one.is_floating_point() or not one.numel():
                    return
                if getattr(module, "_is_replica", False) and one.device != home:
                    return
                self._seen[name] = self._figures(one.detach(), name, kind, bounds, first)
            except Exception as error:  # noqa: BLE001 - the training must not feel it
                self._failed("activations", error)

        return look

    def _figures(
        self, out: Any, name: str, kind: str | None, bounds: tuple[float, float] | None, first: bool
    ) -> list[tuple[str, Any, float]]:
        count = self._torch.count_nonzero
        if out.is_cpu and math.isfinite(out.sum().item()):  # a sum is finite only where all of it is
            bad = self._nothing
        else:
            bad = count(~self._torch.isfinite(out))
        found = [("", bad, float(out.numel()))]
        if kind == "relu" and out.ndim > 1:
            unit = 1 if first or out.ndim != 3 else 2
            rest = [one for one in range(out.ndim) if one != unit]
            found.append((f"dead_share/{name}", count(out.amax(rest) <= 0), float(out.shape[unit])))
        elif kind in ("sigmoid", "tanh"):
            low, high = bounds or KINDS[kind] or (0.0, 1.0)
            near = _NEAR * (high - low)
            found.append(
                (
                    f"saturated_share/{name}",
                    count((out < low + near) | (out > high - near)),
                    float(out.numel()),
                )
            )
        return found

    def taken(
        self,
    ) -> tuple[list[Any], Callable[[Sequence[float]], tuple[dict[str, float], dict[str, float]]]]:
        """The scalars that were asked for, and what makes of their values the shares, and by layer, in the order of the
        forward pass, the share of outputs that are no numbers."""
        names = [(layer, name, size) for layer, parts in self._seen.items() for name, _, size in parts]
        scalars = [scalar for parts in self._seen.values() for _, scalar, _ in parts]
        self._seen = {}

        def read(values: Sequence[float]) -> tuple[dict[str, float], dict[str, float]]:
            figures, bad = {}, {}
            for (layer, name, size), value in zip(names, values, strict=True):
                if name:
                    figures[name] = value / size
                else:
                    bad[layer] = value / size
            return figures, bad

        return scalars, read
