"""What a training run ran in: the code, the packages, the machine. Environment variables are not kept: secrets are there."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["environment_of", "git_of", "hardware", "seeds"]

_DIFF_BYTES_MAX = 24_576
_PACKAGES_MAX = 600
_GIT_S = 3.0
_SECRET = ("key", "token", "secret", "password", "passwd", "credential", "auth")


def environment_of(*, diff: bool = True, folder: Path | None = None) -> dict[str, Any]:
    """The environment of this process, as JSON has it: ``python, platform, cpus, hardware, argv, folder, git, packages, seeds``.

    ``folder`` is where the code lies, default the working folder. An argument whose name speaks of a secret is kept
    without its value.
    """
    folder = Path.cwd() if folder is None else folder
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "hardware": hardware(),
        "argv": _without_secrets(sys.argv),
        "folder": str(folder),
        "git": git_of(folder, diff=diff),
        "packages": packages(),
        "seeds": seeds(),
    }


def git_of(folder: Path, *, diff: bool) -> dict[str, Any] | None:
    """Commit, branch, whether files were changed, and the changes (24 KiB at most); None where there is no repository.

    >>> import tempfile
    >>> git_of(Path(tempfile.mkdtemp()), diff=True) is None
    True
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    branch = _git(folder, "rev-parse", "--abbrev-ref", "HEAD")
    found: dict[str, Any] = {
        "commit": commit.strip(),
        "branch": None if branch is None else branch.strip(),
        "dirty": None if changed is None else bool(changed.strip()),
    }
    if diff and found["dirty"]:
        text = _git(folder, "diff", "--no-ext-diff", "--no-textconv", "HEAD")
        if text is not None:
            whole = text.encode()
            found["diff"] = whole[:_DIFF_BYTES_MAX].decode("utf-8", "ignore")
            found["diff_bytes"] = len(whole)
    return found


def hardware(root: Path = Path("/")) -> dict[str, Any]:
    """What it is computed on: ``machine``, ``processor``, ``memory_bytes``, and ``gpus``, read off Linux's own files.

    What is not known is not there; a GPU is named as its driver does, without waking it.

    >>> hardware(Path("/nowhere")) == {"machine": platform.machine()}
    True
    """
    found: dict[str, Any] = {"machine": platform.machine()}
    processor = _said(root / "proc/cpuinfo", "model name")
    memory = _said(root / "proc/meminfo", "MemTotal")
    if processor is not None:
        found["processor"] = processor
    if memory is not None and memory.split()[0].isdigit():
        found["memory_bytes"] = int(memory.split()[0]) * 1024
    cards = sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
    gpus = [name for name in (_said(one, "Model") for one in cards) if name is not None]
    return found | ({"gpus": gpus} if gpus else {})


def _said(path: Path, name: str) -> str | None:
    """The first value of a name in a file of lines ``name: value``."""
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:  # another system, or one that hides it
        return None
    split = (line.partition(":") for line in lines)
    return next((value.strip() for key, _, value in split if key.strip() == name and value.strip()), None)


def packages() -> dict[str, str]:
    """The installed packages by name, with their versions; 600 at most."""
    found: dict[str, str] = {}
    for one in metadata.distributions():
        name = one.metadata["Name"] if one.metadata is not None else None
        if name and len(found) < _PACKAGES_MAX:
            found.setdefault(name.lower(), one.version)
    return dict(sorted(found.items()))


def seeds() -> dict[str, Any]:
    """The seeds that can be read without changing anything: of PyTorch, where it is loaded, and of hashing.

    Those of ``random`` and numpy cannot be read back from their state: give them as parameters.
    """
    found: dict[str, Any] = {}
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "initial_seed"):
        found["torch"] = int(torch.initial_seed())
    hashing = os.environ.get("PYTHONHASHSEED")
    if hashing is not None and (hashing == "random" or hashing.isdigit()):
        found["hash"] = hashing
    return found


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says; None where it is missing, slow, or this is no repository."""
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(folder), *arguments],
            capture_output=True,
            timeout=_GIT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def _without_secrets(arguments: Sequence[str]) -> list[str]:
    """Arguments, with the values of those that speak of secrets left out.

    >>> _without_secrets(["train.py", "--lr", "0.1", "--api-key=abc", "--token", "xyz"])
    ['train.py', '--lr', '0.1', '--api-key=...', '--token', '...']
    """
    found: list[str] = []
    hide = False
    for one in arguments:
        name, equals, _ = one.partition("=")
        secret = any(word in name.lower() for word in _SECRET) and name.startswith("-")
        if hide and not one.startswith("-"):
            found.append("...")
            hide = False
            continue
        found.append(f"{name}=..." if secret and equals else one)
        hide = secret and not equals
    return found
