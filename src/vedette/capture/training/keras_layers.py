"""The weights of a Keras model's layers, and its gradients where the backend leaves them with the weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from vedette.capture.training.told import Told, need
from vedette.capture.training.torch_parameters import ParameterFigures, wanted
from vedette.capture.training.torch_pending import Pending

__all__ = ["KerasLayers", "architecture"]

_LAYERS_TOLD = 500

Figures = tuple[dict[str, float], dict[str, tuple[float, float]]]


class KerasLayers:
    """Looks at the layers before and after a batch.

    On PyTorch these are the figures of a module, gradients included. On TensorFlow weights and their updates alone: its
    compiled steps keep no gradients. On JAX the weights are current only when an epoch has ended (``live`` is False).
    """

    def __init__(
        self, keras: Any, model: Any, patterns: Sequence[str] | None, updates_bytes_max: int, told: Told
    ) -> None:
        self._keras, self._model, self._patterns = keras, model, patterns
        self._most, self._told = updates_bytes_max, told
        backend = keras.backend.backend()
        self.live = backend in ("torch", "tensorflow")
        self._torch = need("torch") if backend == "torch" else None
        self._pending = None
        if self._torch is not None:
            self._pending = Pending(self._torch, lambda reason: told.say("figures", reason))
        else:
            told.say(
                "gradients", f"a compiled step of Keras on {backend} keeps no gradients; weights are told"
            )
        self._figures: ParameterFigures | None = None
        self._known: list[tuple[str, Any]] | None = None
        self._scale: Any = None
        self._copies: list[Any] | None = None
        self._asked: tuple[Callable[..., None], list[Any]] | None = None

    def _variables(self) -> list[tuple[str, Any]]:
        """The variables that are trained, with their layers: Keras itself fixes them when it begins to train."""
        if self._known is not None:
            return self._known
        found = self._known = []
        for variable in self._model.trainable_variables:
            layer = variable.path.rpartition("/")[0].removeprefix(f"{self._model.name}/").replace("/", ".")
            if wanted(layer, self._patterns):
                found.append((layer or self._model.name, variable))
        return found

    def before(self) -> None:
        """Look at the weights as they are, and keep what the update is measured by."""
        if not self.live:
            return
        if self._torch is not None:
            self._figures = ParameterFigures(self._torch, self._most, self._told.say)
            scale = getattr(self._model.optimizer, "dynamic_scale", None)
            self._scale = None if scale is None else scale.value.detach().clone()
            with self._torch.no_grad():
                self._figures.before([(n, v.value) for n, v in self._variables()], gradients=False)
            return
        variables = [variable for _, variable in self._variables()]
        size = sum(math.prod(one.shape) * 4 for one in variables)
        self._copies = [self._keras.ops.copy(one.value) for one in variables] if size <= self._most else None
        if self._copies is None:
            self._told.say(
                "update_ratio", f"weights of {size:,} bytes: more than updates_bytes_max={self._most:,}"
            )

    def after(self, arrived: Callable[..., None]) -> None:
        """Ask for the figures; ``arrived`` gets them when the device has them."""
        if not self.live:
            return
        if self._torch is not None:
            figures = self._figures
            if figures is None or self._pending is None:
                return
            with self._torch.no_grad():
                figures.gradients(self._scale)
                figures.after()
            self._figures = None
            self._pending.ask(figures.scalars, lambda values: arrived(*figures.read(values)))
            return
        self._hand_over()
        self._asked = arrived, self._numbers()

    def _numbers(self) -> list[Any]:
        """For each variable the norm of its weights, the number that are no numbers, and the norm of the update."""
        ops = self._keras.ops
        found = []
        variables = self._variables()
        for place, (layer, variable) in enumerate(variables):
            flat = ops.reshape(ops.cast(variable.value, "float32"), (-1,))
            moved = None
            if self._copies is not None:
                moved = ops.norm(flat - ops.reshape(ops.cast(self._copies[place], "float32"), (-1,)))
            bad = ops.sum(ops.cast(ops.logical_not(ops.isfinite(flat)), "float32"))
            found.append((layer, math.prod(variable.shape), ops.norm(flat), bad, moved))
        self._copies = None
        return found

    def _hand_over(self) -> None:
        if self._asked is not None:
            arrived, numbers = self._asked
            self._asked = None
            arrived(*self._read(numbers))

    def _read(self, numbers: list[Any]) -> Figures:
        host = self._keras.ops.convert_to_numpy
        rows: dict[str, list[tuple[int, float, float, float | None]]] = {}
        for layer, size, norm, bad, moved in numbers:
            row = size, float(host(norm)), float(host(bad)), None if moved is None else float(host(moved))
            rows.setdefault(layer, []).append(row)
            rows.setdefault("", []).append(row)
        figures: dict[str, float] = {}
        shares: dict[str, tuple[float, float]] = {}
        for layer, found in rows.items():
            end = f"/{layer}" if layer else ""
            norm = math.hypot(*(one[1] for one in found))
            figures[f"weight_norm{end}"] = norm
            moves = [one[3] for one in found if one[3] is not None]
            if len(moves) == len(found):
                figures[f"update_ratio{end}"] = math.hypot(*moves) / norm if norm else math.nan
            if layer:
                share = sum(one[2] for one in found) / max(sum(one[0] for one in found), 1)
                figures[f"nan_share{end}"] = share
                shares[layer] = 0.0, share
        return figures, shares

    def at_rest(self) -> Figures:
        """The figures of the weights as they are between two epochs."""
        self._copies = None
        return self._read(self._numbers())

    def close(self) -> None:
        """Read what is still to come."""
        if self._pending is not None:
            self._pending.read(wait=True)
        self._hand_over()


def architecture(model: Any) -> dict[str, Any]:
    """The layers of a model with their kinds and parameters, and how many parameters there are in all."""
    layers = [
        {
            "layer": one.name,
            "kind": type(one).__name__,
            "parameters": one.count_params() if one.built else None,
        }
        for one in getattr(model, "layers", [])
    ]
    return {
        "framework": "keras",
        "model": type(model).__name__,
        "parameters": model.count_params() if model.built else None,
        "trained_parameters": sum(math.prod(one.shape) for one in model.trainable_variables)
        if model.built
        else None,
        "layers": layers[:_LAYERS_TOLD],
        "layers_left_out": max(len(layers) - _LAYERS_TOLD, 0),
    }
