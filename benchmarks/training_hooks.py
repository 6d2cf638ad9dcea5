"""What hooks and callbacks add to a training step.

    python benchmarks/training_hooks.py [--blocks 200] [--steps 50] [--only torch ...] [--json]

The same training goes on with and without hooks, in turn, in blocks of steps. What a step takes longer in the quiet blocks, the
tenth part that went fastest, is what the hooks add: what else the machine does makes blocks slower, never faster. Medians and
quartiles of pairs of blocks are told beside it. The limits are those of a step of a millisecond, which the batch is chosen by:
1 % with stages and metrics, 5 % with gradients, weights and activations looked at every 50 steps. Metrics go into lists: what
the run's own ``log`` costs is measured by itself, and it is called as often as hooks have something to say. ``small`` is a
module whose step takes next to nothing: what is added there, in microseconds, is steadier, and of a millisecond a tenth of a
percent each.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np

from vedette.capture.training.door import TrainingDoor

LIMITS = {"torch stages": 0.01, "torch every 50": 0.05, "torch log": 0.01, "keras every 50": 0.05}


class ListRun(TrainingDoor):
    """A run that keeps rows of metrics in a list."""

    def __init__(self) -> None:
        self.name, self.history = "run", {}
        self.rows: list[Any] = []

    def log(self, step: int | None = None, /, **metrics: Any) -> None:
        self.rows.append((step, metrics))

    def log_many(self, steps: Any, metrics: Any) -> None:
        self.rows.append((steps, metrics))

    def params(self, params: Any, /) -> None:
        """Not measured."""

    def event(self, kind: str, **detail: Any) -> None:
        """Not measured."""

    def alert(self, title: str, text: str = "", level: str = "warn") -> None:
        """Not measured."""


def torch_loop(batch: int, width: int) -> tuple[Callable[[], Any], Any, Any]:
    """One step of a loop, its module and its optimizer."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    layers = [torch.nn.Linear(32, width), torch.nn.ReLU(), torch.nn.Linear(width, width), torch.nn.ReLU()]
    module = torch.nn.Sequential(*layers, torch.nn.Linear(width, 1))
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3)
    x = torch.randn(batch, 32)
    y = x[:, :1].clone()

    def step() -> Any:
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(module(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step, module, optimizer


def rows_of_a_millisecond() -> int:
    """The rows of a batch whose step takes a millisecond on this machine."""
    rows = 256
    for _ in range(4):
        step, _, _ = torch_loop(rows, 160)
        for _ in range(100):
            step()
        begun = time.process_time()
        for _ in range(200):
            step()
        rows = max(32, round(rows * 0.2 / (time.process_time() - begun)))
    return rows


def measure_torch(
    blocks: int,
    steps: int,
    run: TrainingDoor,
    logs: bool,
    size: tuple[int, int] | None = None,
    **arguments: Any,
) -> tuple[list[float], list[float]]:
    """Seconds a step by block, without and with hooks."""
    size = size or (rows_of_a_millisecond(), 160)
    plain, _, _ = torch_loop(*size)
    hooked, module, optimizer = torch_loop(*size)
    for step in (plain, hooked):
        for _ in range(3 * steps):
            step()
    bare, watched = [], []
    with run.watch(module, optimizer, **arguments) as watch:
        for number in range(2 * blocks + 4):
            with_hooks = (number + number // 2) % 2  # 0110: what drifts slowly goes into both alike
            step = hooked if with_hooks else plain
            begun = time.process_time()  # one thread works: what others take of the processor is left out
            if logs and with_hooks:
                for _ in range(steps):
                    watch.log(loss=step())
            elif logs:
                for _ in range(steps):
                    step().item()
            else:
                for _ in range(steps):
                    step()
            (watched if with_hooks else bare).append((time.process_time() - begun) / steps)
    bare, watched = bare[2:], watched[2:]
    return bare, watched


def measure_keras(
    blocks: int, steps: int, run: TrainingDoor, **arguments: Any
) -> tuple[list[float], list[float]]:
    """Seconds a batch by ``fit`` of one epoch, without and with the callback."""
    import keras
    import torch

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(32 * steps, 32)).astype("float32")
    y = x[:, :1].copy()
    models = []
    for _ in range(2):
        layers = [keras.layers.Dense(160, activation="relu"), keras.layers.Dense(160, activation="relu")]
        model = keras.Sequential([keras.layers.Input((32,)), *layers, keras.layers.Dense(1)])
        model.compile(optimizer=keras.optimizers.SGD(1e-3), loss="mse")
        model.fit(x, y, batch_size=32, verbose=0)
        models.append(model)
    call = run.callback("keras", **arguments)
    bare, watched = [], []
    for number in range(2 * blocks):
        with_hooks = (number + number // 2) % 2
        begun = time.process_time()
        models[with_hooks].fit(x, y, batch_size=32, verbose=0, callbacks=[call] if with_hooks else [])
        (watched if with_hooks else bare).append((time.process_time() - begun) / steps)
    return bare, watched


def told(name: str, bare: list[float], watched: list[float]) -> dict[str, Any]:
    """What the hooks add, as microseconds and as a share of the step."""
    ratios = [two / one - 1 for one, two in zip(bare, watched, strict=True)]
    low, _, high = quantiles(ratios, n=4)
    quiet_bare, quiet_watched = (sorted(one)[len(one) // 10] for one in (bare, watched))
    found = {
        "name": name,
        "step_ms": 1e3 * quiet_bare,
        "added_us": 1e6 * (quiet_watched - quiet_bare),
        "added_share": quiet_watched / quiet_bare - 1,
        "paired_share": median(ratios),
        "quartiles": [low, high],
        "limit": LIMITS.get(name),
    }
    print(
        f"{name:<18} step {found['step_ms']:.3f} ms, added {found['added_us']:+.1f} us = {found['added_share']:+.2%} "
        f"(medians of pairs {found['paired_share']:+.2%}, quartiles {low:+.2%} to {high:+.2%})"
        + (f", limit {found['limit']:.0%}" if found["limit"] else ""),
        file=sys.stderr,
    )
    return found


def main() -> None:
    """Measure, and say so."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--blocks", type=int, default=200)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    np.random.seed(0)
    cases: dict[str, Callable[[TrainingDoor], tuple[list[float], list[float]]]] = {
        "torch stages": lambda run: measure_torch(
            arguments.blocks, arguments.steps, run, False, every=10**9, activations=False
        ),
        "torch log": lambda run: measure_torch(
            arguments.blocks, arguments.steps, run, True, every=10**9, activations=False
        ),
        "small torch log": lambda run: measure_torch(
            arguments.blocks, arguments.steps, run, True, (4, 4), every=10**9, activations=False
        ),
        "small torch 50": lambda run: measure_torch(
            arguments.blocks, arguments.steps, run, True, (4, 4), every=50
        ),
        "keras every 50": lambda run: measure_keras(
            arguments.blocks // 4, 4 * arguments.steps, run, every=50
        ),
        "torch every 50": lambda run: measure_torch(arguments.blocks, arguments.steps, run, True, every=50),
    }
    found = []
    for name, case in cases.items():
        if arguments.only and not any(one in name for one in arguments.only):
            continue
        found.append(told(name, *case(ListRun())))
    if arguments.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
