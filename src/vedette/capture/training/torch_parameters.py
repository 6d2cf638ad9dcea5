"""What the gradients and weights of a module's layers look like, from a handful of tensor operations a parameter.

A layer is a module that has parameters of its own; its norm is that of all of them in one vector.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

__all__ = ["ParameterFigures", "layer_of", "named_layers"]

_WRAPPERS = ("module.", "_orig_mod.")  # DataParallel's and torch.compile's names for what is within them


def layer_of(name: str) -> str:
    """A layer's name as its user knows it, whatever wraps the module; that of the module itself is ``module``.

    >>> layer_of("module._orig_mod.encoder.fc1"), layer_of("")
    ('encoder.fc1', 'module')
    """
    changed = True
    while changed:
        changed = False
        for wrapper in _WRAPPERS:
            if name.startswith(wrapper) or name == wrapper[:-1]:
                name, changed = name[len(wrapper) :], True
    return name or "module"


def named_layers(module: Any, patterns: Sequence[str] | None) -> list[tuple[str, Any]]:
    """The parameters that are trained, each once, with the name of their layer, in the order of the module."""
    found = []
    for name, parameter in module.named_parameters():
        layer = layer_of(name.rpartition(".")[0])
        if parameter.requires_grad and wanted(layer, patterns):
            found.append((layer, parameter))
    return found


def wanted(layer: str, patterns: Sequence[str] | None) -> bool:
    """True where a layer's name fits one of the patterns (``encoder.*``), or there are none."""
    return patterns is None or any(fnmatchcase(layer, one) for one in patterns)


class ParameterFigures:
    """The figures of one step: before the optimizer's step gradients and weights, after it how far weights moved.

    ``grad_norm``, ``weight_norm`` (before the step) and ``update_ratio`` (norm of the change over norm of the weights), of all
    watched parameters and by layer; ``grad_zero_share`` and ``nan_share`` by layer: of the elements of gradients those that are
    0, of the elements of gradients and weights those that are NaN or infinite.

    ``updates_bytes_max`` bounds the copy of the weights that ``update_ratio`` needs, on their device, for one step.
    """

    def __init__(self, torch: Any, updates_bytes_max: int, say: Callable[[str, str], None]) -> None:
        self._torch, self._most, self._say = torch, updates_bytes_max, say
        self.scalars: list[Any] = []
        self._layers: list[str] = []
        self._sizes: list[int] = []
        self._graded: list[bool] = []
        self._weights: list[Any] = []
        self._copies: list[Any] | None = None
        self._scale: Any = None
        self._moved = False
        self._gradients: list[Any] = []
        self._counted = True

    def before(self, layers: Iterable[tuple[str, Any]], scale: Any = None, *, gradients: bool = True) -> None:
        """Ask for the figures of weights, and of gradients if they are there; ``scale`` is what AMP multiplied them by."""
        self._layers, self._weights = [], []
        for layer, parameter in layers:
            if type(parameter).__name__ == "DTensor" or parameter.is_meta:
                self._say(
                    "parameters",
                    "sharded parameters (DTensor, FSDP) are not read: it would need the other ranks",
                )
                continue
            self._layers.append(layer)
            self._weights.append(parameter)
        self._counted = any(parameter.device.type != "cpu" for parameter in self._weights)
        self._sizes = [parameter.numel() for parameter in self._weights]
        data = [parameter.detach() for parameter in self._weights]
        self.scalars = [*_norms(self._torch, data), *self._bad(data)]
        size = sum(one.numel() * one.element_size() for one in data)
        self._copies = None
        if 0 < size <= self._most:
            self._copies = [one.clone() for one in data]
        elif size:
            self._say(
                "update_ratio",
                f"weights of {size:,} bytes: more than updates_bytes_max={self._most:,}, of which a copy is kept",
            )
        if gradients:
            self.gradients(scale)

    def gradients(self, scale: Any = None) -> None:
        """Ask for the figures of the gradients as they are now."""
        torch, found = self._torch, []
        self._graded = []
        for parameter in self._weights:
            gradient = parameter.grad
            self._graded.append(gradient is not None)
            if gradient is not None:
                gradient = gradient.detach()
                found.append(gradient.coalesce().values() if gradient.is_sparse else gradient)
        norms = _norms(torch, found)
        if scale is not None:
            norms = [norm / scale.to(norm.device) for norm in norms]
        self.scalars += norms
        self.scalars += [torch.count_nonzero(one) for one in found]
        self.scalars += self._bad(found)
        self._gradients = found

    def after(self) -> None:
        """Ask how far the weights have moved."""
        self._moved = self._copies is not None
        if self._copies is not None:
            now = [parameter.detach() for parameter in self._weights]
            moved = self._torch._foreach_sub(now, self._copies)
            self.scalars += _norms(self._torch, moved)
            self._copies = None

    def _bad(self, tensors: list[Any]) -> list[Any]:
        """How many elements of each are no numbers; on a CPU only asked for, in ``read``, where a norm is none."""
        return [_bad(self._torch, one) for one in tensors] if self._counted else []

    def read(self, values: Sequence[float]) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
        """The figures by name, and for each layer the shares of its gradients and weights that are NaN or infinite."""
        n, k = len(self._layers), sum(self._graded)
        take = iter(values)
        weights = [parameter.detach() for parameter in self._weights]

        def part(size: int) -> list[float]:
            return [next(take) for _ in range(size)]

        def bad_of(norms: list[float], tensors: list[Any]) -> list[float]:
            if self._counted:
                return part(len(norms))
            pairs = zip(norms, tensors, strict=True)
            return [0.0 if math.isfinite(norm) else float(_bad(self._torch, one)) for norm, one in pairs]

        weight = part(n)
        weight_bad = bad_of(weight, weights)
        some = [place for place, graded in enumerate(self._graded) if graded]
        norms, nonzero = part(k), part(k)
        found_bad = bad_of(norms, self._gradients)
        grad, filled, grad_bad = (dict(zip(some, one, strict=True)) for one in (norms, nonzero, found_bad))
        moved = part(n) if self._moved else None
        figures: dict[str, float] = {}
        bad: dict[str, tuple[float, float]] = {}
        by_layer: dict[str, list[int]] = {}
        for place, layer in enumerate(self._layers):
            by_layer.setdefault(layer, []).append(place)
        for layer, places in [("", list(range(n))), *by_layer.items()]:
            end = f"/{layer}" if layer else ""
            graded = [place for place in places if place in grad]
            norm = math.hypot(*(weight[place] for place in places))
            figures[f"weight_norm{end}"] = norm
            if graded:
                figures[f"grad_norm{end}"] = math.hypot(*(grad[place] for place in graded))
            if moved is not None and graded:
                length = math.hypot(*(moved[place] for place in places))
                figures[f"update_ratio{end}"] = length / norm if norm else math.nan
            size, grad_size = (sum(self._sizes[one] for one in chosen) for chosen in (places, graded))
            if layer:
                of_gradients = sum(grad_bad[place] for place in graded)
                of_weights = sum(weight_bad[place] for place in places)
                if grad_size:
                    figures[f"grad_zero_share{end}"] = 1 - sum(filled[one] for one in graded) / grad_size
                if size:
                    figures[f"nan_share{end}"] = (of_gradients + of_weights) / (size + grad_size)
                bad[layer] = (
                    of_gradients / grad_size if grad_size else 0.0,
                    of_weights / size if size else 0.0,
                )
        if not n:
            figures.clear()
        return figures, bad


def _norms(torch: Any, tensors: list[Any]) -> list[Any]:
    """The Euclidean norm of each tensor, halves added up as float32."""
    found: list[Any] = [None] * len(tensors)
    groups: dict[Any, list[int]] = {}
    for place, one in enumerate(tensors):
        groups.setdefault((one.device, one.dtype), []).append(place)
    for (_, dtype), places in groups.items():
        some = [tensors[place] for place in places]
        if dtype in (torch.float16, torch.bfloat16):
            # one by one: the call for all of them takes no type before PyTorch 2.5
            norms = [torch.linalg.vector_norm(one, dtype=torch.float32) for one in some]
        else:
            norms = torch._foreach_norm(some, 2)
        for place, norm in zip(places, norms, strict=True):
            found[place] = norm
    return found


def _bad(torch: Any, tensor: Any) -> Any:
    """How many elements are NaN or infinite."""
    return torch.count_nonzero(~torch.isfinite(tensor))
