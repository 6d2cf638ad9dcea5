"""What ranks of one PyTorch training agree on: a rank that stopped alone would leave the others waiting for ever."""

from __future__ import annotations

from typing import Any

from vedette.capture.training.told import need

__all__ = ["any_rank", "same_on_all_ranks", "trains_with_others"]


def trains_with_others(module: Any) -> bool:
    """Whether a module is trained by several ranks together; a group of processes alone does not say that they all do."""
    torch = need("torch")
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return False
    together = isinstance(module, torch.nn.parallel.DistributedDataParallel)
    return together and torch.distributed.get_world_size() > 1


def any_rank(flag: bool, module: Any) -> bool:
    """Whether any rank says so; each of them has to ask."""
    torch = need("torch")
    home = next((one.device for one in module.parameters()), torch.device("cpu"))
    found = torch.tensor([float(flag)], device=home)
    torch.distributed.all_reduce(found, op=torch.distributed.ReduceOp.MAX)
    return bool(found.item())


def same_on_all_ranks(module: Any) -> None:
    """Give all ranks the weights of the first; each of them has to ask."""
    torch = need("torch")
    with torch.no_grad():
        for one in module.state_dict().values():
            torch.distributed.broadcast(one, 0)
