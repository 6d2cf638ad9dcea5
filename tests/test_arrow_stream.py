"""Arrow streams cut into streams of a few batches: pyarrow writes them, and what was written comes back."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from vedette.errors import DataError
from vedette.lake import files
from vedette.lake.files import open_table

WORDS = ["north", "south", None, "east"]


def written(path: Path, batches: list[pa.RecordBatch], **options: object) -> Path:
    """A stream of these batches."""
    with (
        pa.OSFile(str(path), "wb") as out,
        pa.ipc.new_stream(out, batches[0].schema, options=pa.ipc.IpcWriteOptions(**options)) as stream,
    ):
        for batch in batches:
            stream.write_batch(batch)
    return path


def numbered(count: int, words: pa.Array | None = None) -> list[pa.RecordBatch]:
    """Batches of 4 rows, numbered through."""
    return [
        pa.RecordBatch.from_pydict({"x": pa.array(range(4 * k, 4 * k + 4)), "s": words or pa.array(WORDS)})
        for k in range(count)
    ]


@pytest.fixture(params=[10, 10**9], ids=["on disk", "in memory"])
def held(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of keeping a stream."""
    monkeypatch.setattr(files, "_HELD_BYTES_MAX", request.param)


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_every_row_comes_back_in_order(tmp_path: Path, compression: str | None) -> None:
    """Whatever the compression, and however the batches are put together."""
    table = open_table(written(tmp_path / "a.arrow", numbered(25), compression=compression))
    assert table.read(["x", "s"]).to_dict(as_series=False) == {"x": list(range(100)), "s": WORDS * 25}


@pytest.mark.usefixtures("held")
def test_rows_keep_the_dictionary_that_they_were_written_with(tmp_path: Path) -> None:
    """A dictionary that is replaced half way names the codes of later rows only."""
    old = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 0], pa.int8()), pa.array(["a", "b"]))
    new = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 0], pa.int8()), pa.array(["c", "d"]))
    batches = [pa.RecordBatch.from_pydict({"s": one}) for one in (old, old, new, new)]
    table = open_table(written(tmp_path / "a.arrow", batches))
    assert table.read(["s"])["s"].to_list() == ["a", "b", None, "a"] * 2 + ["c", "d", None, "c"] * 2


@pytest.mark.usefixtures("held")
def test_a_dictionary_that_grows_is_refused_with_words(tmp_path: Path) -> None:
    """Polars cannot read delta dictionaries: an error, not other names."""
    one = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), pa.array(["a", "b"]))
    two = pa.DictionaryArray.from_arrays(pa.array([2, 0], pa.int8()), pa.array(["a", "b", "c"]))
    batches = [pa.RecordBatch.from_pydict({"s": column}) for column in (one, two)]
    with pytest.raises(DataError, match=r"a\.arrow: cannot be read as arrow .*delta dictionary"):
        open_table(written(tmp_path / "a.arrow", batches, emit_dictionary_deltas=True))


@pytest.mark.usefixtures("held")
def test_a_stream_without_rows_has_its_columns(tmp_path: Path) -> None:
    """The schema is there all the same."""
    table = open_table(written(tmp_path / "a.arrow", [numbered(1)[0].slice(0, 0)]))
    assert (table.rows, list(table.schema)) == (0, ["x", "s"])


@pytest.mark.usefixtures("held")
def test_a_truncated_stream_is_said_to_be_one(tmp_path: Path) -> None:
    """At whatever byte it ends within a message: an error, never fewer rows in silence."""
    whole, cut = written(tmp_path / "a.arrow", numbered(3)).read_bytes(), tmp_path / "b.arrow"
    message = (len(whole) - 8 - len(written(tmp_path / "c.arrow", numbered(1)).read_bytes()) + 8) // 2
    for missing in (9, 60, message - 1, message + 1, 2 * message - 8, 2 * message + 30, 3 * message + 20):
        cut.write_bytes(whole[:-missing])
        with pytest.raises(DataError, match=r"b\.arrow: cannot be read as arrow"):
            open_table(cut)
