"""A plain training loop for a PyTorch module, for whoever has none of their own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from vedette.capture.arguments import check_mapping
from vedette.capture.training.agreed import any_rank, trains_with_others
from vedette.capture.training.checkpoints import Checkpoints
from vedette.capture.training.protocol import TrainingRun
from vedette.capture.training.stopping import EarlyStopping
from vedette.capture.training.told import Told, need
from vedette.capture.training.torch import TorchWatch

__all__ = ["fit"]


def fit(
    run: TrainingRun,
    module: Any,
    x: Any,
    y: Any = None,
    *,
    validation_data: tuple[Any, Any] | None = None,
    loss: Callable[[Any, Any], Any] | None = None,
    optimizer: Any = None,
    epochs: int = 1,
    batch_size: int = 32,
    shuffle: bool = True,
    seed: int = 0,
    scheduler: Any = None,
    metrics: dict[str, Callable[[Any, Any], Any]] | None = None,
    checkpoints: Checkpoints | None = None,
    early_stopping: EarlyStopping | None = None,
    **watched: Any,
) -> Any:
    """Train a module and return it.

    ``x`` and ``y`` are tensors or arrays, or ``x`` alone a loader of batches ``(x, y)``. ``loss`` is a function of the module's
    output and the targets: without it mean squared error for targets that are fractions, cross-entropy for whole numbers.
    ``optimizer`` is one of ``torch.optim``, Adam at 1e-3 by default; ``scheduler`` takes a step after each epoch; ``metrics``
    are functions like ``loss``. What is logged: ``batch/loss`` by step, ``loss``, ``val_loss`` and the metrics by epoch, and
    what a watch sees (``watched`` are its arguments). ``checkpoints`` are saved after each epoch, and end the training where a
    number is none; ``early_stopping`` ends it within the epoch then, and where it is over. Raises ``ValueError`` for numbers
    under 1 and lengths that differ.
    """
    torch = need("torch")
    for name, value in (("epochs", epochs), ("batch_size", batch_size)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name}={value!r}: must be a whole number, 1 or more")
    if metrics is not None:
        check_mapping("metrics", metrics, "{'accuracy': function}")
    home = next((one.device for one in module.parameters()), torch.device("cpu"))
    data = _Data(torch, x, y, batch_size, shuffle, seed, home)
    held = None if validation_data is None else _Data(torch, *validation_data, batch_size, False, seed, home)
    optimizer = optimizer if optimizer is not None else torch.optim.Adam(module.parameters(), lr=1e-3)
    loss = loss if loss is not None else _loss_for(torch, data)
    judged = {"loss": loss, **(metrics or {})}
    ranks = trains_with_others(module)
    told = Told(run, "fit")
    with TorchWatch(run, module, optimizer, **watched) as watching:
        for epoch in range(1, epochs + 1):
            module.train()
            begun, n, sums = time.perf_counter(), 0, dict.fromkeys(judged, 0.0)
            for inputs, targets in data:
                optimizer.zero_grad()
                output = module(inputs)
                value = loss(output, targets)
                value.backward()
                optimizer.step()
                watching.log(**{"batch/loss": value})
                if watching.broken and early_stopping is not None and not ranks:
                    early_stopping.breaks(
                        watching.step, "the loss of a batch, or a layer, is NaN or infinite"
                    )
                    early_stopping.ends(module)
                    return module
                rows = len(targets)
                n += rows
                with torch.no_grad():
                    for name, function in judged.items():
                        one = value if name == "loss" else function(output, targets)
                        sums[name] = sums[name] + rows * (one.detach() if hasattr(one, "detach") else one)
            if scheduler is not None:
                scheduler.step()
            row = {name: one / max(n, 1) for name, one in sums.items()}
            row.update(epoch=epoch, epoch_s=time.perf_counter() - begun)
            if held is not None:
                row.update({f"val_{name}": one for name, one in _judged(torch, module, held, judged).items()})
            watching.log(**row)
            if checkpoints is not None and _first(torch, ranks):
                figures = {name: float(one) for name, one in row.items()}
                told.guarded(
                    "checkpoints", checkpoints.save, module, watching.step, figures, optimizer=optimizer
                )
            over = checkpoints is not None and checkpoints.stop
            if early_stopping is not None:
                seen = {name: float(one) for name, one in row.items()}
                over |= early_stopping.see(
                    watching.step, seen, module if _first(torch, ranks) else None, optimizer=optimizer
                )
            if any_rank(over, module) if ranks else over:
                break
    if early_stopping is not None:
        early_stopping.ends(module, together=ranks)
    return module


def _first(torch: Any, ranks: bool) -> bool:
    """Whether this process keeps the checkpoints."""
    return not ranks or bool(torch.distributed.get_rank() == 0)


class _Data:
    """Batches of tensors on the module's device, in a new order each time they are gone through."""

    def __init__(
        self, torch: Any, x: Any, y: Any, batch_size: int, shuffle: bool, seed: int, home: Any
    ) -> None:
        self._torch, self._home, self._size, self._shuffle = torch, home, batch_size, shuffle
        self._loader = x if y is None else None
        self._generator = torch.Generator().manual_seed(seed)
        if y is None:
            if isinstance(x, torch.Tensor) or not hasattr(x, "__iter__"):
                raise ValueError(
                    f"x of type {type(x).__name__} without y: must be a loader of batches (x, y)"
                )
            return
        self._x, self._y = _tensor(torch, x), _tensor(torch, y)
        if len(self._x) != len(self._y):
            raise ValueError(f"x of {len(self._x)} rows and y of {len(self._y)}: must be as many")

    @property
    def targets(self) -> Any:
        """Some targets, for their type."""
        return self._y if self._loader is None else next(iter(self._loader))[1]

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        if self._loader is not None:
            for x, y in self._loader:
                yield x.to(self._home), y.to(self._home)
            return
        n = len(self._x)
        order = self._torch.randperm(n, generator=self._generator) if self._shuffle else self._torch.arange(n)
        for rows in order.split(self._size):
            yield self._x[rows].to(self._home), self._y[rows].to(self._home)


def _tensor(torch: Any, value: Any) -> Any:
    found = value if isinstance(value, torch.Tensor) else torch.as_tensor(getattr(value, "values", value))
    return found.float() if found.dtype == torch.float64 else found


def _loss_for(torch: Any, data: _Data) -> Callable[[Any, Any], Any]:
    if not data.targets.is_floating_point():
        found: Callable[[Any, Any], Any] = torch.nn.functional.cross_entropy
        return found

    def squares(output: Any, targets: Any) -> Any:
        # [N, 1] less [N] would be [N, N]
        same = targets.reshape(output.shape) if targets.numel() == output.numel() else targets
        return torch.nn.functional.mse_loss(output, same)

    return squares


def _judged(torch: Any, module: Any, data: _Data, judged: dict[str, Any]) -> dict[str, Any]:
    """The means of the loss and the metrics over a data set; the module is left as it was, training or not."""
    was = module.training
    module.eval()
    n, sums = 0, dict.fromkeys(judged, 0.0)
    with torch.no_grad():
        for inputs, targets in data:
            output = module(inputs)
            n += len(targets)
            for name, function in judged.items():
                sums[name] = sums[name] + len(targets) * function(output, targets)
    module.train(was)
    return {name: one / max(n, 1) for name, one in sums.items()}
