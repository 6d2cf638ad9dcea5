"""Kill logging processes with ``kill -9`` at random instants: nothing that had returned is lost, doubled or wrong.

In each round four producers log at once, each from several threads; some fork children that log too. Each thread does
the steps of ``faults_rows.py`` and says before and after each, in memory that it shares with the parent, how far it has
come. Each producer is killed after a random time, alone or with its children, or ends in order. The journal is read
when all are dead, and in some rounds while they live. Then every row, label and batch that had returned must be there
once and as it was given, and the ledger's equation must hold for each stream: seen = rows + torn + void + dropped +
rejected + sampled out. A step that was cut off in the middle may be counted or not. Most journals are unbounded; in one
round of ten a bound makes rows be dropped, which must be counted.

The rounds share one journal, so that producers adopt the folders of those that were killed; small segments and changing
types make them open and seal files all the time.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import random
import signal
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults_rows import MODEL, Account, Reading, json_batch, perform, total
from vedette.capture import Recorder
from vedette.capture.format import STREAMS
from vedette.records import Settings

__all__ = ["Producers", "Result", "become_reaper", "check", "run"]

N_PRODUCERS = 4
N_CHILDREN = 2  # of a producer, at most
_BOUND_BYTES = 900_000
_PAUSE_STEPS, _ORPHAN_STEPS = 20, 1000
_FORK_AT = 60  # steps, and once more at twice as many

Stand = tuple[int, int]
"""How many steps a worker has begun, and how many of them have returned."""


@dataclass
class Result:
    """What all rounds together came to; ``lost``, ``doubled``, ``wrong`` and ``unbalanced`` name what they count."""

    rounds: int = 0
    killed: int = 0
    steps: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """True where nothing was lost, doubled, wrong or out of balance."""
        return not (self.lost or self.doubled or self.wrong or self.unbalanced or self.problems)


class Producers:
    """The processes of one round: started, killed, waited for.

    ``record`` makes the recorder of each producer, and ``batch`` gives the bytes of a worker's batch. Workers rest for
    ``pause_s`` after every so many steps.
    """

    def __init__(
        self,
        number: int,
        record: Callable[[], Recorder],
        chance: random.Random,
        *,
        n_threads: int,
        batch: Callable[[str, int], bytes] = json_batch,
        pause_s: float = 0.0,
    ) -> None:
        self._number, self._record, self._n_threads, self._chance = number, record, n_threads, chance
        self._batch, self._pause_s = batch, pause_s
        self._n_workers = n_threads * (1 + N_CHILDREN)  # of one producer and its children
        self._shared = mmap.mmap(-1, mmap.PAGESIZE)
        self._stop_at = 16 * self._n_workers * N_PRODUCERS
        assert self._stop_at + N_PRODUCERS <= mmap.PAGESIZE
        self._pids = [self._start(producer) for producer in range(N_PRODUCERS)]

    def wait_until_all_log(self) -> None:
        """Until each producer has had a row; on a busy machine that takes a while."""
        first = [16 * self._n_workers * producer + 8 for producer in range(N_PRODUCERS)]
        while not all(any(self._shared[at : at + 8]) for at in first):
            time.sleep(0.0005)

    def end(self, seconds: float, *, during: Callable[[], None]) -> int:
        """End all at random instants of the seconds to come, and call ``during`` in between; return how many were killed."""
        ends = sorted((self._chance.uniform(0.0, seconds), producer) for producer in range(N_PRODUCERS))
        start, killed = time.monotonic(), 0
        for index, (at, producer) in enumerate(ends):
            if index == N_PRODUCERS // 2:
                during()
            time.sleep(max(0.0, start + at - time.monotonic()))
            pid, way = self._pids[producer], self._chance.random()
            if way < 0.1:
                self._shared[self._stop_at + producer] = 1  # it ends in order
                continue
            if way < 0.4:
                os.kill(pid, signal.SIGKILL)  # its children live on for a while
                time.sleep(self._chance.uniform(0.0, 0.01))
            os.killpg(pid, signal.SIGKILL)
            killed += 1
        self._wait()
        return killed

    def __enter__(self) -> Producers:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:  # a fault of the trial's own must not leave them behind
            for pid in self._pids:
                os.killpg(pid, signal.SIGKILL)

    @property
    def stands(self) -> dict[str, Stand]:
        """How far each worker came, by its name; those that have begun nothing are left out."""
        words = memoryview(self._shared)[: self._stop_at].cast("Q").tolist()
        pairs = zip(words[::2], words[1::2], strict=True)
        return {f"{self._number}-{worker}": pair for worker, pair in enumerate(pairs) if pair[0]}

    def _start(self, producer: int) -> int:
        pid = os.fork()
        if pid:
            os.setpgid(pid, pid)
            return pid
        try:
            os.setpgid(0, 0)
            threading.excepthook = self._raised
            self._log(self._record(), producer, process=0)
        except BaseException:  # ours or the recorder's: never back into the parent's code
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    @staticmethod
    def _raised(what: Any) -> None:
        traceback.print_exception(what.exc_type, what.exc_value, what.exc_traceback)
        os._exit(1)

    def _log(self, recorder: Recorder, producer: int, process: int) -> None:
        """All that one process does; ``process`` is 0 for the producer itself, then counts its children."""
        first = producer * self._n_workers + process * self._n_threads
        threads = [
            threading.Thread(target=self._work, args=(recorder, producer, first + n), daemon=True)
            for n in range(1, self._n_threads)
        ]
        for thread in threads:
            thread.start()
        forks = range(_FORK_AT, _FORK_AT * (1 + N_CHILDREN), _FORK_AT) if producer % 2 == process == 0 else ()
        children = self._work(recorder, producer, first, forks)
        for thread in threads:
            thread.join()
        recorder.close()
        for child in children:
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    def _work(
        self, recorder: Recorder, producer: int, worker: int, forks: range | tuple[()] = ()
    ) -> list[int]:
        name, at, stop_at = f"{self._number}-{worker}", 16 * worker, self._stop_at + producer
        shared, k, children = self._shared, 0, []
        while not shared[stop_at]:
            if k % _ORPHAN_STEPS == 0 and os.getppid() == 1:
                os._exit(1)  # the trial itself was ended
            k += 1
            word = k.to_bytes(8, "little")
            shared[at : at + 8] = word  # one store: a kill leaves the old number or the new one
            perform(recorder, name, k, self._batch)
            shared[at + 8 : at + 16] = word
            if self._pause_s and k % _PAUSE_STEPS == 0:
                time.sleep(self._pause_s)
            if k in forks:
                child = os.fork()
                if not child:
                    self._log(recorder, producer, process=k // _FORK_AT)
                    os._exit(0)
                children.append(child)
        return children

    @staticmethod
    def _wait() -> None:
        """Until no process of the round lives, the children of those that were killed included."""
        while True:
            try:
                pid, status = os.waitpid(-1, 0)
            except ChildProcessError:
                return
            if os.waitstatus_to_exitcode(status) not in (0, -signal.SIGKILL):
                raise RuntimeError(f"process {pid} ended with status {status}: neither killed nor in order")


def become_reaper() -> None:
    """Have the children of killed children handed to this process, so that it can wait for them (Linux)."""
    if ctypes.CDLL(None).prctl(36, 1, 0, 0, 0):  # PR_SET_CHILD_SUBREAPER
        raise OSError("prctl(PR_SET_CHILD_SUBREAPER) failed")


def check(account: Account, stands: dict[str, Stand], result: Result, where: str) -> None:
    """Compare what was found with what had returned."""
    missing: list[str] = []
    for worker, (_, returned) in stands.items():
        lost, wrong = account.misses(worker, range(1, returned + 1))
        missing += lost
        result.wrong += wrong
        result.steps += returned
    for stream in STREAMS:
        low = sum(total(stream, returned) for _, returned in stands.values())
        high = sum(total(stream, begun) for begun, _ in stands.values())
        if not low <= account.seen(stream) <= high:
            found = dict(account.counts[stream])
            result.unbalanced.append(f"{where}: {stream}: {low} to {high} were seen, found {found}")
        result.counts.update(account.counts[stream])
    n_dropped = sum(account.counts[stream]["dropped"] for stream in STREAMS)
    if len(missing) > n_dropped:
        result.lost += [f"{where}: {name} of {len(missing)}, {n_dropped} dropped" for name in missing]
    result.doubled += account.doubled
    result.problems += account.problems
    if account.unaccounted:
        result.unbalanced.append(f"{where}: {account.unaccounted} slots are neither row nor void nor torn")


def run(root: Path, n_rounds: int, *, n_threads: int = 3, seed: int = 0, seconds: float = 0.03) -> Result:
    """Kill the producers of ``n_rounds`` rounds in one journal, and read and free it after each."""
    chance = random.Random(seed)
    result, reading = Result(), Reading(root)
    for number in range(n_rounds):
        bound = _BOUND_BYTES if chance.random() < 0.1 else 2**30

        def record(number: int = number, bound: int = bound) -> Recorder:
            return Recorder(
                root, MODEL, str(number), Settings(), segment_bytes=(8192, 65_536), journal_bytes_max=bound
            )

        account = Account()

        def during(account: Account = account, alive: bool = chance.random() < 0.3) -> None:
            if alive:
                reading.read(account, done=False)

        with Producers(number, record, chance, n_threads=n_threads) as made:
            if chance.random() < 0.8:  # in the others they are killed while they begin
                made.wait_until_all_log()
            result.killed += made.end(seconds, during=during)
        reading.read(account)
        check(account, made.stands, result, f"round {number}")
        result.rounds += 1
    return result
