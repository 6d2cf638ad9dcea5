"""Which of the processes of a distributed training this one is."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["Rank", "rank_of"]

_RANKS_MAX = 100_000


class Rank(NamedTuple):
    """The number of a process among ``world`` of them, from 0."""

    rank: int = 0
    world: int = 1


def rank_of(
    rank: int | None = None, world: int | None = None, environ: Mapping[str, str] | None = None
) -> Rank:
    """The rank as given; else that of ``torch.distributed`` where it is initialised; else ``RANK`` and ``WORLD_SIZE``.

    The latter are what torchrun sets. Raises ``ValueError`` for a rank that is none of ``world``.

    >>> rank_of(3, 4), rank_of(environ={"RANK": "1", "WORLD_SIZE": "2"}), rank_of(environ={})
    (Rank(rank=3, world=4), Rank(rank=1, world=2), Rank(rank=0, world=1))
    """
    if rank is None and world is None:
        told = _of_torch() or _of_environment(os.environ if environ is None else environ)
        rank, world = told or (0, 1)
    elif rank is None or world is None:
        raise ValueError(f"rank={rank!r}, world={world!r}: must both be given, or neither")
    for name, value, least in (("rank", rank, 0), ("world", world, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _RANKS_MAX:
            raise ValueError(f"{name}={value!r}: must be a whole number from {least} to {_RANKS_MAX:,}")
    if rank >= world:
        raise ValueError(f"rank={rank}: must be less than world={world}: ranks are counted from 0")
    return Rank(rank, world)


def _of_torch() -> tuple[int, int] | None:
    """What torch.distributed says; it is not loaded for this."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    return distributed.get_rank(), distributed.get_world_size()


def _of_environment(environ: Mapping[str, str]) -> tuple[int, int] | None:
    try:
        return int(environ["RANK"]), int(environ["WORLD_SIZE"])
    except (KeyError, ValueError):  # not set, or set by something that means another thing by it
        return None
