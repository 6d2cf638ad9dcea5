"""Power losses: what was on disk by the last sync is there, and nothing is read wrong, whatever else the disk holds."""

from __future__ import annotations

import random
import shutil
import sys
from pathlib import Path

import pytest

from tests.hosts import BOTH_CORES, Host
from tests.journals import MODEL, read
from tests.power import LOOK, Disk, compile_recorder, environment
from vedette.capture import producers

N_IMAGES = 40

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or shutil.which("cc") is None, reason="needs a C compiler"
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_recorder(tmp_path_factory.mktemp("library"))


@pytest.fixture(params=BOTH_CORES)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    return Host(tmp_path / "journal", request.param)


WRITE = (
    "def write(begin, end):\n"
    "    for i in range(begin, end):\n"
    "        r.log({'a': float(i), 'b': f'text {i}', **({'c': i} if i > 150 else {})}, 1, id=f'{i}'.ljust(60 * (i % 9 == 0)))\n"
    "        r.label(f'{i}', f'label {i}')\n"
    "        if i % 40 == 0: look()\n"
)
BEFORE = {
    "closed": "r = record(segment_bytes=8192, sync_s=0)\nlook(); write(0, 200); r.close()\n",
    "in the background": "r = record(segment_bytes=8192, sync_s=0.05)\nlook(); write(0, 200); time.sleep(0.5)\n",
}


@pytest.mark.parametrize("before", BEFORE)
def test_what_was_synced_survives_a_power_loss(
    host: Host, tmp_path: Path, library: Path, before: str
) -> None:
    """Rows and labels of before the last sync are in every state that the disk may be in; later ones are right, or not there."""
    into = tmp_path / "into"
    into.mkdir()
    host.root.mkdir()
    program = LOOK + WRITE + BEFORE[before] + "look(); write(200, 300); power_loss()\n"
    host.run(program, extra=environment(library, host.root, into))
    disk, chance = Disk.recorded(host.root, into), random.Random(0)
    assert disk.syncs > 0
    for number in range(N_IMAGES):
        image = disk.image(tmp_path / "image", chance)
        rows, labels = read(image), read(image, "labels")
        found = {row["a"] for row in rows.rows}
        assert found >= set(map(float, range(200))), (number, sorted(set(map(float, range(200))) - found)[:5])
        assert {name for name in labels.ids if int(name or -1) < 200} == {f"{i}" for i in range(200)}, number
        for name, row in zip(rows.ids, rows.rows, strict=True):
            i = int(row["a"])
            assert (name or "").strip() == f"{i}"
            assert (row["b"], row.get("c"), row["prediction"]) == (f"text {i}", i if i > 150 else None, 1)
        assert all(row["label"] == f"label {name}" for name, row in zip(labels.ids, labels.rows, strict=True))
        assert len(rows.ids) == len(set(rows.ids))


def test_a_batch_that_was_returned_survives_a_power_loss(host: Host, tmp_path: Path, library: Path) -> None:
    """A batch whose call has returned is in every state that the disk may be in, as it was written."""
    into = tmp_path / "into"
    into.mkdir()
    host.root.mkdir()
    program = LOOK + (
        "r = record(sync_s=0); look()\n"
        "for n in range(3): r.write_batch('predictions', 5, lambda path: path.write_bytes(bytes([n]) * 9000) and None); look()\n"
        "power_loss()\n"
    )
    host.run(program, extra=environment(library, host.root, into))
    disk, chance = Disk.recorded(host.root, into), random.Random(0)
    for _ in range(N_IMAGES):
        image = disk.image(tmp_path / "image", chance)
        found = [batch.read()[:1] for folder in producers(image, MODEL) for batch in folder.batches(0)]
        assert found == [b"\0", b"\1", b"\2"]
