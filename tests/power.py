"""What a disk may hold after a power loss, told from what was synced and what the system had in memory.

As strict as the standard is: a file has, page by page, what was last synced or anything that was written since; a name
is where its folder was last synced, or where it is now, or nowhere if its folder never was. Nothing is assumed of the
order in which a system writes. ``record_syncs.c`` notes what is synced; the program calls :func:`look` now and then.
"""

from __future__ import annotations

import os
import pickle
import random
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PAGE = 4096

LOOK = """
import pickle
looks = []
def look():
    log = Path(os.environ['RECORD_INTO'], 'log')
    n_syncs = log.read_text().count('\\n') if log.exists() else 0
    files, folders = {}, {}
    for folder, _, names in os.walk(root):
        folders[os.path.relpath(folder, root)] = {e.name: e.inode() for e in os.scandir(folder)}
        for name in names:
            path = os.path.join(folder, name)
            try: files[os.stat(path).st_ino] = Path(path).read_bytes()
            except FileNotFoundError: pass
    looks.append((n_syncs, files, folders))
def power_loss():
    look()
    Path(os.environ['RECORD_INTO'], 'looks').write_bytes(pickle.dumps(looks))
    os._exit(0)
"""
"""Put before a program that logs: what it calls to be looked at, and to end."""


def compile_recorder(folder: Path) -> Path:
    """Compile ``record_syncs.c`` for ``LD_PRELOAD``."""
    library, source = folder / "record_syncs.so", Path(__file__).with_name("record_syncs.c")
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


@dataclass
class Disk:
    """The versions that each file and folder may be in, the synced one first. ``syncs`` counts what was put on disk."""

    files: dict[int, list[bytes]] = field(default_factory=dict)
    synced_files: set[int] = field(default_factory=set)
    synced_folders: dict[str, dict[str, int]] = field(default_factory=dict)
    folders: dict[str, dict[str, int]] = field(default_factory=dict)
    syncs: int = 0

    @classmethod
    def recorded(cls, root: Path, into: Path) -> Disk:
        """From what a program left."""
        disk, last = cls(), {}
        lines = (into / "log").read_text().splitlines() if (into / "log").exists() else []
        for line in lines:
            number, kind, inode, path = line.split(" ", 3)
            if kind == "file":
                last[int(inode)] = int(number)
                disk.files[int(inode)] = [(into / number).read_bytes()]
                disk.synced_files.add(int(inode))
            else:
                entries = (entry.split(" ", 1) for entry in (into / number).read_text().splitlines())
                disk.synced_folders[os.path.relpath(path, root)] = {name: int(n) for n, name in entries}
        for n_syncs, files, folders in pickle.loads((into / "looks").read_bytes()):
            for inode, data in files.items():
                if n_syncs >= last.get(inode, 0):
                    disk.files.setdefault(inode, []).append(data)
            disk.folders = folders
        disk.syncs = len(lines)
        return disk

    def image(self, place: Path, chance: random.Random) -> Path:
        """One of the states that the disk may be in, made below ``place``."""
        shutil.rmtree(place, ignore_errors=True)
        self._make(".", place, chance)
        return place

    def _make(self, folder: str, place: Path, chance: random.Random) -> None:
        place.mkdir()
        before, now = self.synced_folders.get(folder, {}), self.folders.get(folder, {})
        for inode in {*before.values(), *now.values()}:
            names = chance.choice(
                (before, now)
            )  # a name that changed is the old one or the new one, never both
            for name in [name for name, one in names.items() if one == inode]:
                inner = os.path.normpath(os.path.join(folder, name))
                if inner in self.folders:
                    self._make(inner, place / name, chance)
                elif inode in self.files:
                    (place / name).write_bytes(self._content(inode, chance))

    def _content(self, inode: int, chance: random.Random) -> bytes:
        versions = self.files[inode]
        if inode not in self.synced_files:
            versions = [b"", *versions]
        mode = chance.random()
        if mode < 0.2:
            return versions[0]
        if mode < 0.3:
            return versions[-1]
        size = len(chance.choice(versions))
        pages = []
        for at in range(0, size, PAGE):
            pages.append(chance.choice(versions)[at : at + PAGE].ljust(PAGE, b"\0"))
        return b"".join(pages)[:size]


def environment(library: Path, root: Path, into: Path) -> dict[str, Any]:
    """What the program is started with."""
    return {"LD_PRELOAD": str(library), "RECORD_BELOW": str(root), "RECORD_INTO": str(into)}
