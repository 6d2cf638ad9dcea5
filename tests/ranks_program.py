"""A distributed training of a few steps, one process of it: what a rank does wrong is told by arguments."""

from __future__ import annotations

import os
import signal
import sys
import time

import torch
from torch import distributed, nn

import vedette


def main(lake: str, store: str, rank: int, world: int, faults: str) -> None:
    """Train on one rank, a run for each fault, which the last rank has."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world)
    monitor = vedette.Monitor("net", lake=lake)
    for fault in faults.split(","):
        train(monitor, fault, rank, bad=rank == world - 1)
    monitor.close()
    distributed.destroy_process_group()


def train(monitor: vedette.Monitor, fault: str, rank: int, *, bad: bool) -> None:
    """One run."""
    torch.manual_seed(rank)
    module = nn.parallel.DistributedDataParallel(nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1)))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.02)
    with monitor.run(fault, environment=False, system_s=0.5) as run:
        watch = run.watch(module, optimizer, every=20, timed_every=4, activations=False)
        for step in range(140):
            x = torch.randn(32, 8)
            y = x.sum(dim=1, keepdim=True)
            if bad and fault == "slow":
                time.sleep(0.02)
            if bad and fault == "rows":
                y = y + 3 * torch.randn_like(y)
            if bad and fault == "nan" and step == 90:
                y = y * float("nan")
            if bad and fault == "killed" and step == 40:
                os.kill(os.getpid(), signal.SIGKILL)
            optimizer.zero_grad()
            loss = (module(x) - y).square().mean()
            loss.backward()
            optimizer.step()
            watch.log(loss=loss)
            if bad and fault == "weights" and step == 70:
                with torch.no_grad():
                    next(module.parameters()).mul_(1.01)
        run.event("done", rows=32 * 140)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
