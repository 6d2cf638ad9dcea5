"""Fail every system call that the journal makes, in turn: nothing is raised, lost unseen, doubled or out of balance.

A scenario is done in a process of its own, again and again, and each time the next call on the journal's files fails:
with EIO or ENOSPC, once or from then on; or is written to half; or the process is killed before or after it. Then the
fault is over, and the same process (after a kill: another) goes on. Each time, every row that returned must be there once
and as it was given, or be counted as dropped; the ledger's equation must hold; rows of after the fault must all be
there; and nothing may have been raised but what a reader is told.

``fail_calls.c``, which fails the calls, is compiled when it is needed and preloaded into a process of its own, from which
each trial is forked. Whoever else works on the journal's folder adds a line to ``SCENARIOS``.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults_rows import MODEL, Account, Reading, adds, json_batch, kind, perform
from vedette.capture import Recorder, producers
from vedette.capture.format import STREAMS
from vedette.records import Settings

__all__ = ["FAULTS", "SCENARIOS", "Fault", "Result", "compile_library", "run", "unavailable"]

WORKER = "0-0"
RETRY_S = 1.1
"""A recorder tries to open what it could not after a second at most."""

_PARALLEL = 48
_BEFORE, _SCRIPT, _AFTER, _FIRED, _COUNTED = range(
    5
)  # phases, and what else the shared memory holds; two words each
_FREED = 40


class Actor:
    """One process of a trial: a recorder, and memory that shows how far it has come."""

    def __init__(self, root: Path, shared: mmap.mmap, url: str = "") -> None:
        self.root, self.shared, self.url = root, shared, url
        self.recorder = Recorder(root, MODEL, "1", Settings(), segment_bytes=4096)
        self.raised: list[str] = []

    def play(self, script: Sequence[Step], phase: int) -> None:
        """Do the steps of a script; none may raise."""
        for step in script:
            if callable(step):
                self.quietly(lambda step=step: step(self))
                continue
            self.note(2 * phase, 1)
            self.quietly(lambda step=step: perform(self.recorder, WORKER, step, self.batch))
            self.note(2 * phase + 1, 1)

    def batch(self, worker: str, k: int) -> bytes:
        """The bytes of a batch."""
        return _ship().arrow_batch(worker, k) if self.url else json_batch(worker, k)

    def quietly(self, act: Callable[[], Any]) -> None:
        """Do what must not raise."""
        try:
            act()
        except Exception:
            self.raised.append(traceback.format_exc())

    def note(self, word: int, n: int) -> None:
        """Add to a word of the shared memory."""
        at = slice(8 * word, 8 * word + 8)
        self.shared[at] = (int.from_bytes(self.shared[at], "little") + n).to_bytes(8, "little")


Step = int | Callable[[Actor], None]
"""The number of a step of ``faults_rows.perform``, or what else is done."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Which call fails, and how: ``how`` as in ``fail_calls.c``; with ``forever`` all that follow it too."""

    nth: int
    how: int
    forever: bool = False


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is done under faults, after another process had done the steps ``before`` and was killed.

    The first ``freed`` rows of its streams may be gone then. ``kinds`` are keys of ``FAULTS``. Where it is ``shipped``
    there is a server, and what counts is what that has in the end.
    """

    script: Sequence[Step]
    before: Sequence[Step] = ()
    freed: tuple[int, int] = (0, 0)
    kinds: tuple[str, ...] = ("fail", "kill")
    shipped: bool = False


def _close(actor: Actor) -> None:
    actor.recorder.close()


def _killed_between(actor: Actor) -> None:
    """Be killed when a new segment has its name and no row yet: a new column begins one, and its text file is opened next."""
    _arm(actor.root, Fault(nth=2, how=-1), calls=" open ")
    perform(actor.recorder, WORKER, 301)


def _free(actor: Actor) -> None:
    for folder in producers(actor.root, MODEL):
        for stream, upto in zip(STREAMS, (_FREED, 10**6), strict=True):
            try:
                folder.free(stream, upto)
            except OSError:
                pass  # a reader is told, and frees again in its next round


def _read(actor: Actor) -> None:
    """Read with the fault, and again without: in the end all is there, as if it had not been."""
    reading, account = Reading(actor.root, free=False), Account()
    try:
        reading.read(account, done=False)
    except OSError:
        pass  # a reader is told, and reads again in its next round
    _library().fail_disarm()
    reading.read(account)
    missing, wrong = account.misses(WORKER, _numbers(SCENARIOS["read"].before))
    torn = sum(account.counts[stream]["torn"] for stream in STREAMS)
    if missing or wrong or torn or account.doubled:
        actor.raised.append(f"read: {missing=}, {wrong=}, {torn=}, {account.doubled=}, {account.problems=}")


def _ship_under_faults(actor: Actor) -> None:
    actor.raised += _ship().ship(actor.root, actor.url, _library().fail_disarm)


def _ship_the_rest(actor: Actor) -> None:
    actor.raised += _ship().ship_all(actor.root, actor.url)


def _ship() -> Any:
    """What ships; it is loaded where it is needed, and before anything is forked."""
    import faults_ship

    return faults_ship


SCENARIOS: dict[str, Scenario] = {
    "rotate": Scenario(range(1, 90)),
    "close": Scenario((*range(1, 25), _close, *range(25, 40), _close)),
    "adopt": Scenario(range(91, 100), before=range(1, 90)),
    "adopt empty": Scenario(range(91, 95), before=(*range(1, 20), _killed_between)),
    "batch": Scenario((1, 100, 2, 1097, 3)),
    "free": Scenario((_free,), before=range(1, 90), freed=(_FREED, 10**6)),
    "read": Scenario((_read,), before=range(1, 90), kinds=("fail",)),
    "ship": Scenario((_ship_under_faults,), before=(*range(1, 90), 100), shipped=True),
}

AFTER = (*range(200, 216), 2094)
"""What is done once the fault is over; the last of these steps is a batch."""

FAULTS: dict[str, tuple[tuple[int, bool], ...]] = {
    "fail": (*((error, forever) for error in (5, 28) for forever in (False, True)), (0, False)),
    "kill": ((-1, False), (-2, False)),
}
"""How calls fail, and whether those that follow do too."""


@dataclass
class Result:
    """What all trials came to. ``calls`` counts the calls of each scenario; ``faults`` names what must not be."""

    trials: int = 0
    fired: int = 0
    calls: dict[str, int] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def unavailable() -> str | None:
    """Why calls cannot be failed here; None where they can."""
    if not sys.platform.startswith("linux"):
        return "preloading is tried on Linux only"
    return None if shutil.which("cc") else "there is no C compiler"


def compile_library(folder: Path) -> Path:
    """Compile ``fail_calls.c``; what is returned is for ``LD_PRELOAD``. Raises ``CalledProcessError``."""
    library, source = folder / "fail_calls.so", Path(__file__).with_name("fail_calls.c")
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


def run(folder: Path, scenarios: Sequence[str], kinds: Sequence[str], *, every: int = 1) -> Result:
    """Do the trials, in a process that the library is preloaded into; with ``every`` above 1 only a part of them."""
    result = Result()
    if any(SCENARIOS[name].shipped for name in scenarios):
        _ship()
    jobs: list[tuple[str, Fault]] = []
    for name in scenarios:
        ways = [way for kind in kinds if kind in SCENARIOS[name].kinds for way in FAULTS[kind]]
        for index, (how, forever) in enumerate(ways):
            dry = _trial(name, Fault(10**9, how, forever), folder / f"{name} {index}")
            result.faults += [f"{name}, without a fault: {line}" for line in dry["faults"]]
            result.calls[name] = max(result.calls.get(name, 0), dry["counted"])
            # a kill before every other call, and one after the same, are all instants between two calls
            first = 1 + index // 2 % every
            jobs += [(name, Fault(nth, how, forever)) for nth in range(first, dry["counted"] + 1, every)]
    for (name, fault), found in _all(jobs, folder):
        result.trials += 1
        result.fired += found["fired"]
        result.counts.update(found["counts"])
        result.faults += [f"{name}, {fault}: {line}" for line in found["faults"]]
    return result


def _all(
    jobs: Sequence[tuple[str, Fault]], folder: Path
) -> Iterator[tuple[tuple[str, Fault], dict[str, Any]]]:
    """Do trials side by side, each in a process of its own: most of their time they wait."""
    waiting, running = list(enumerate(jobs)), {}
    while waiting or running:
        while waiting and len(running) < _PARALLEL:
            index, job = waiting.pop()

            def act(index: int = index, job: tuple[str, Fault] = job) -> None:
                (folder / f"{index}.json").write_text(json.dumps(_trial(*job, folder / str(index))))

            running[_fork(act)] = index, job
        pid, status = os.wait()
        index, job = running.pop(pid)
        if status:
            raise RuntimeError(f"{job}: the trial itself ended with {os.waitstatus_to_exitcode(status)}")
        yield job, json.loads((folder / f"{index}.json").read_text())
        shutil.rmtree(folder / str(index))


def _trial(name: str, fault: Fault, place: Path) -> dict[str, Any]:
    """Do one trial in ``place`` and say what was found."""
    scenario, root = SCENARIOS[name], place / "journal"
    place.mkdir()
    if not scenario.shipped:
        return _play(scenario, fault, place, "", lambda: _read_all(root, scenario))
    with _ship().serving() as server:
        return _play(scenario, fault, place, server.url, lambda: _ship().account_of(server, root))


def _play(
    scenario: Scenario, fault: Fault, place: Path, url: str, read: Callable[[], Account]
) -> dict[str, Any]:
    """Play the parts of a trial, each in a process of its own; ``read`` says what there is in the end."""
    root, shared = place / "journal", mmap.mmap(-1, mmap.PAGESIZE)
    if scenario.before:
        _wait(_fork(lambda: _play_before(Actor(root, shared, url), scenario)))
    status = _wait(_fork(lambda: _play_script(Actor(root, shared, url), scenario, fault, place)))
    killed = fault.how < 0 and status == -signal.SIGKILL
    if killed:
        status = _wait(_fork(lambda: _play_after(Actor(root, shared, url), place)))
    words = memoryview(shared).cast("Q").tolist()
    counts: Counter[str] = Counter()
    faults = [f"the process ended with {status}"] if status else json.loads((place / "raised").read_text())
    faults += _faults_of(read(), scenario, words, counts)
    return {
        "faults": faults, "fired": int(killed or words[2 * _FIRED] > 0), "counted": words[2 * _COUNTED], "counts": counts
    }  # fmt: skip


def _fork(act: Callable[[], None]) -> int:
    pid = os.fork()
    if not pid:
        try:
            act()
            os._exit(0)
        except BaseException:  # never back into the parent's code
            traceback.print_exc()
            os._exit(1)
    return pid


def _wait(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _play_before(actor: Actor, scenario: Scenario) -> None:
    actor.play(scenario.before, _BEFORE)
    os.kill(os.getpid(), signal.SIGKILL)


def _play_script(actor: Actor, scenario: Scenario, fault: Fault, place: Path) -> None:
    library = _arm(actor.root, fault)
    actor.play(scenario.script, _SCRIPT)
    library.fail_disarm()
    fired = library.fail_fired()
    actor.note(2 * _FIRED, fired)
    actor.note(2 * _COUNTED, library.fail_counted())
    if fired:
        time.sleep(RETRY_S)
    _play_after(actor, place)


def _play_after(actor: Actor, place: Path) -> None:
    actor.play((*AFTER, _close, *((_ship_the_rest,) if actor.url else ())), _AFTER)
    (place / "raised").write_text(json.dumps(actor.raised))


def _numbers(script: Sequence[Step]) -> list[int]:
    return [step for step in script if isinstance(step, int)]


def _arm(root: Path, fault: Fault, calls: str = "") -> Any:
    """Have the next of the calls (all: "") below a folder fail; the library, to be disarmed."""
    library = _library()
    library.fail_arm(os.fsencode(root), calls.encode(), fault.nth, fault.how, fault.forever)
    return library


def _library() -> Any:
    library = ctypes.CDLL(None)
    library.fail_arm.argtypes = [
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_long,
        ctypes.c_int,
        ctypes.c_int,
    ]
    library.fail_counted.restype = library.fail_fired.restype = ctypes.c_long
    return library


def _read_all(root: Path, scenario: Scenario) -> Account:
    """What the journal of a trial holds in the end."""
    names = [folder.name for folder in producers(root, MODEL)]
    gone = {stream: _first(scenario, stream) for stream in STREAMS}
    after = {(names[0], stream): len(steps) for stream, steps in gone.items() if steps}
    account = Account()
    Reading(root, free=False, after=after).read(account)
    return account


def _faults_of(account: Account, scenario: Scenario, words: Sequence[int], counts: Counter[str]) -> list[str]:
    """What is not as it must be at the end of a trial; ``words`` say how many steps were begun and had returned."""
    scripts = _numbers(scenario.before), _numbers(scenario.script), AFTER
    begun, returned = (
        [step for phase, script in enumerate(scripts) for step in script[: words[2 * phase + which]]]
        for which in (0, 1)
    )
    gone = {stream: _first(scenario, stream) for stream in STREAMS}
    kept = [step for step in returned if step not in {*gone["predictions"], *gone["labels"]}]
    missing, faults = account.misses(WORKER, kept)
    n_dropped = sum(account.counts[stream]["dropped"] for stream in STREAMS)
    lost_after, _ = account.misses(WORKER, AFTER)
    faults += [f"doubled {name}" for name in account.doubled]
    faults += [f"lost {missing}, dropped {n_dropped}"] if len(missing) > n_dropped else []
    faults += [f"not recorded after the fault: {lost_after}"] if lost_after else []
    faults += (
        [f"{account.unaccounted} slots are neither row nor void nor torn"] if account.unaccounted else []
    )
    for stream in STREAMS:
        low, high = (
            sum(n for to, n in map(adds, steps) if to == stream) - len(gone[stream])
            for steps in (returned, begun)
        )
        if not low <= account.seen(stream) <= high:
            faults.append(f"{stream}: {low} to {high} were seen, found {dict(account.counts[stream])}")
        counts.update(account.counts[stream])
    return faults


def _first(scenario: Scenario, stream: str) -> list[int]:
    """The steps before whose rows may have been freed: the first of the stream."""
    wanted = {"predictions": "row", "labels": "label"}[stream]
    steps = [step for step in _numbers(scenario.before) if kind(step) == wanted]
    return steps[: scenario.freed[STREAMS.index(stream)]]
