"""The parts of a training run: each process of it, and the machine beside each, records rows under a name of its own.

Rank 0 has the name of the run itself, so that its curves are the run's; rank 3 of ``nightly`` records as ``nightly/rank3``,
and what the machine did beside them lies in ``nightly/machine`` and ``nightly/rank3/machine``. A run's own name has no ``/``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["MACHINE", "Part", "metric_by_rank", "of_rank", "part_of"]

MACHINE = "/machine"
_PART = re.compile(r"(?P<run>[^/]*)(?:/rank(?P<rank>\d+))?(?P<machine>/machine)?")
_METRIC = re.compile(r"rank(\d+)/(.+)", re.DOTALL)


class Part(NamedTuple):
    """Which run a part belongs to, and which of its processes; ``machine`` where it is what lies beside that."""

    run: str
    rank: int = 0
    machine: bool = False

    @property
    def name(self) -> str:
        """Under which name its rows are recorded.

        >>> Part("nightly").name, Part("nightly", 3, machine=True).name
        ('nightly', 'nightly/rank3/machine')
        """
        rank = f"/rank{self.rank}" if self.rank else ""
        return f"{self.run}{rank}{MACHINE if self.machine else ''}"


def part_of(name: str) -> Part:
    """The part that a name stands for.

    >>> part_of("nightly/rank3"), part_of("nightly/machine").machine
    (Part(run='nightly', rank=3, machine=False), True)
    """
    found = _PART.fullmatch(name)
    if found is None:
        return Part(name)
    return Part(found["run"], int(found["rank"] or 0), found["machine"] is not None)


def of_rank(rank: int, metric: str) -> str:
    """A metric's name among those of all ranks: rank 0 has the plain one.

    >>> of_rank(0, "loss"), of_rank(3, "loss")
    ('loss', 'rank3/loss')
    """
    return f"rank{rank}/{metric}" if rank else metric


def metric_by_rank(metric: str) -> tuple[int, str]:
    """The rank that a metric's name speaks of, 0 where it names none, and the metric itself.

    >>> metric_by_rank("rank3/grad_norm/fc1"), metric_by_rank("loss")
    ((3, 'grad_norm/fc1'), (0, 'loss'))
    """
    found = _METRIC.fullmatch(metric)
    return (int(found[1]), found[2]) if found else (0, metric)
