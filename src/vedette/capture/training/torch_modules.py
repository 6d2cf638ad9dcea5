"""What has to be known of PyTorch's modules and optimizers: layers, wrappers, rates, and hooks that do not get copied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vedette.capture.arguments import check_mapping
from vedette.capture.training.torch_parameters import layer_of

__all__ = [
    "Hook",
    "architecture",
    "check_watch",
    "is_compiled",
    "is_compiled_in_place",
    "is_sharded",
    "learning_rates",
    "own_optimizer",
    "rows_in",
    "within_copies",
]

_LAYERS_TOLD = 500  # of an architecture; a list of more is nothing that anybody reads


class Hook:
    """A hook that stays behind where its module is pickled or copied."""

    def __init__(self, call: Callable[..., None]) -> None:
        self._call = call

    def __call__(self, *args: Any) -> None:
        self._call(*args)

    def __reduce__(self) -> tuple[Any, ...]:
        return _no_hook, ()


def _no_hook() -> Callable[..., None]:
    return _nothing


def _nothing(*_: Any) -> None:
    """Does nothing."""


def architecture(module: Any, *, replicated: bool = False) -> dict[str, Any]:
    """The layers of a module with their kinds and parameters, and how many parameters there are in all.

    The first 500 layers are told; ``layers_left_out`` is the number of the others. ``replicated`` is told where each rank of a
    distributed training has a copy of it.
    """
    layers = []
    for path, layer in module.named_modules():
        own = list(layer.parameters(recurse=False))
        if own or next(layer.children(), None) is None:
            layers.append(
                {
                    "layer": layer_of(path),
                    "kind": type(layer).__name__,
                    "parameters": sum(one.numel() for one in own),
                }
            )
    every = list(module.parameters())
    return {
        "framework": "torch",
        "model": type(module).__name__,
        "parameters": sum(one.numel() for one in every),
        "trained_parameters": sum(one.numel() for one in every if one.requires_grad),
        **({"replicated": True} if replicated else {}),
        "layers": layers[:_LAYERS_TOLD],
        "layers_left_out": max(len(layers) - _LAYERS_TOLD, 0),
    }


def check_watch(every: Any, timed_every: Any, activations: Any, step: Any = 0) -> None:
    """Raise ``ValueError`` for arguments of a watch that cannot be; a callback asks when it is made, before it is called."""
    for label, value, least in (("every", every, 1), ("timed_every", timed_every, 1), ("step", step, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{label}={value!r}: must be a whole number, {least} or more")
    if not isinstance(activations, bool):
        check_mapping("activations", activations, "{'fc1': 'relu'} (or True, or False)")


def own_optimizer(torch: Any, optimizer: Any) -> Any:
    """The optimizer that takes the steps, within what Accelerate or Lightning put around it."""
    for _ in range(3):
        inner = getattr(optimizer, "optimizer", None)
        if isinstance(inner, torch.optim.Optimizer):
            optimizer = inner
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(
            f"watch: optimizer of type {type(optimizer).__name__}: must be a torch.optim.Optimizer"
        )
    return optimizer


def is_compiled(module: Any) -> bool:
    """True where the module, or one within it, is compiled."""
    return any(
        type(one).__name__ == "OptimizedModule" or is_compiled_in_place(one) for one in module.modules()
    )


def is_compiled_in_place(module: Any) -> bool:
    """True after ``module.compile()``, which compiles its hooks too."""
    return getattr(module, "_compiled_call_impl", None) is not None


def is_sharded(module: Any) -> bool:
    """True where FSDP has given each rank a part of the weights."""
    return any(type(one).__name__ == "FullyShardedDataParallel" for one in module.modules())


def within_copies(module: Any) -> Any:
    """The module within DistributedDataParallel, of which each rank has a copy; None where it is not wrapped so."""
    for one in module.modules():
        if type(one).__name__ == "DistributedDataParallel":
            return one.module
    return None


def learning_rates(optimizer: Any) -> dict[str, float]:
    """The rates of the groups of parameters, ``lr`` where there is one; tensors on a device are not waited for."""
    rates = [group.get("lr") for group in optimizer.param_groups]
    found = [
        float(one) if getattr(getattr(one, "device", None), "type", "cpu") == "cpu" else None for one in rates
    ]
    names = ["lr"] if len(found) == 1 else ["lr", *(f"lr/{place}" for place in range(1, len(found)))]
    return {name: one for name, one in zip(names, found, strict=True) if one is not None}


def rows_in(torch: Any, args: Any, kwargs: Any) -> int:
    """How many rows a forward pass was given: the length of the first tensor."""
    for one in (*args, *kwargs.values()):
        if isinstance(one, torch.Tensor) and one.ndim:
            return int(one.shape[0])
        if isinstance(one, Mapping):
            return rows_in(torch, (), one)
        if isinstance(one, tuple | list) and one:
            return rows_in(torch, one, {})
    return 0
