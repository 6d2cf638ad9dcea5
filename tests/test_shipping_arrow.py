"""Arrow streams written by the standard library alone are what Arrow's own readers take."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys

import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.capture.shipping.arrow import Column, bitmap, encode, texts

PACKED = {"float64": "d", "float32": "f", "int64": "q", "uint64": "Q", "timestamp": "q"}
ARROW = {
    "float64": pa.float64(),
    "float32": pa.float32(),
    "int64": pa.int64(),
    "uint64": pa.uint64(),
    "bool": pa.bool_(),
    "utf8": pa.string(),
    "binary": pa.binary(),
    "timestamp": pa.timestamp("us", "UTC"),
}
VALUES = {
    "float64": st.floats(),
    "float32": st.floats(width=32),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "bool": st.booleans(),
    "utf8": st.text(),
    "binary": st.binary(),
    "timestamp": st.integers(-(2**62), 2**62),
}


def column(name: str, kind: str, values: list[object]) -> Column:
    """A column of plain values, None for null."""
    nulls = sum(one is None for one in values)
    validity = bitmap(bytes(0x30 if one is None else 0x31 for one in values)) if nulls else None
    if kind in PACKED:
        buffers = (
            struct.pack(f"<{len(values)}{PACKED[kind]}", *(0 if one is None else one for one in values)),
        )
    elif kind == "bool":
        buffers = (bitmap(bytes(0x31 if one else 0x30 for one in values)),)
    else:
        plain = [one.encode() if isinstance(one, str) else one or b"" for one in values]
        buffers = texts(plain)  # type: ignore[assignment, arg-type]
    return Column(name, kind, buffers, nulls, validity)


def read(data: bytes) -> pa.Table:
    table = pa.ipc.open_stream(io.BytesIO(data)).read_all()
    table.validate(full=True)
    return table


def bits(values: list[object]) -> list[object]:
    """The values, floats by their bits: -0.0 is not 0.0, and NaN is NaN."""
    return [
        "nan" if one != one else struct.pack("<d", one) if isinstance(one, float) else one for one in values
    ]


def plain(array: pa.ChunkedArray) -> list[object]:
    """The values, timestamps as integers."""
    return bits((array.cast(pa.int64()) if pa.types.is_timestamp(array.type) else array).to_pylist())


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_values_of_every_type_come_back_to_the_bit(data: st.DataObject) -> None:
    """What goes in as columns of any types, nulls among them, is what pyarrow reads, fully validated."""
    n = data.draw(st.integers(0, 70))
    kinds = data.draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=8))
    values = [data.draw(st.lists(st.none() | VALUES[kind], min_size=n, max_size=n)) for kind in kinds]
    columns = [column(f"c{i}", kind, one) for i, (kind, one) in enumerate(zip(kinds, values, strict=True))]
    table = read(encode(columns, n, {}))
    assert [one.type for one in table.schema] == [ARROW[kind] for kind in kinds]
    assert [plain(table.column(i)) for i in range(len(kinds))] == [bits(many) for many in values]


def test_polars_reads_the_same_as_pyarrow() -> None:
    """A second implementation of Arrow reads the same values."""
    columns = [
        column("f", "float64", [1.5, None, float("inf")]),
        column("i", "int64", [2**63 - 1, None, -(2**63)]),
        column("u", "uint64", [2**64 - 1, 0, None]),
        column("b", "bool", [True, None, False]),
        column("t", "utf8", ["é", "", None]),
        column("y", "binary", [b"\xff\x00", None, b""]),
        column("d", "timestamp", [0, 1, None]),
    ]
    data = encode(columns, 3, {"vedette": "{}"})
    assert pl.read_ipc_stream(io.BytesIO(data)).to_dict(as_series=False) == read(data).to_pydict()


@pytest.mark.parametrize(("kind", "code"), [("float32", "f"), ("float64", "d")])
def test_vectors_are_lists_of_a_fixed_size(kind: str, code: str) -> None:
    """A column with a length holds so many numbers in each row."""
    vectors = Column("v", kind, (struct.pack(f"<6{code}", *range(6)),), 1, bitmap(b"10"), length=3)
    table = read(encode([vectors], 2, {}))
    assert table.column("v").to_pylist() == [[0.0, 1.0, 2.0], None]
    assert table.schema.field("v").type == pa.list_(pa.field("item", ARROW[kind], nullable=False), 3)


def test_metadata_and_names_of_any_text_come_along() -> None:
    """Names beyond ASCII and metadata of schema and columns come back as they were."""
    metadata = {"vedette": json.dumps({"a": "ü" * 5000})}
    made = Column("naïve \N{SNOWMAN}", "int64", (bytes(8),), metadata={"role": "feature", "name": "x"})
    schema = read(encode([made], 1, metadata)).schema
    assert schema.metadata == {b"vedette": metadata["vedette"].encode()}
    assert (schema.names, schema.field(0).metadata) == (
        [made.name],
        {b"role": b"feature", b"name": b"x"},
    )


def test_a_thousand_columns_are_a_stream_too() -> None:
    """A wide table is as good as a narrow one."""
    columns = [column(f"c{i}", "float64", [float(i), None]) for i in range(4096)]
    table = read(encode(columns, 2, {}))
    assert (table.num_columns, table.column(4095).to_pylist()) == (4096, [4095.0, None])


def test_the_encoder_is_the_standard_library_alone() -> None:
    """The sender's process loads nothing that is not Python's own, or vedette's."""
    program = (
        "import sys, vedette.capture.shipping.__main__, vedette.capture.shipping.command\n"
        "names = {n.partition('.')[0] for n in sys.modules} - set(sys.stdlib_module_names) - {'vedette', '__main__'}\n"
        "print(sorted(n for n in names if getattr(sys.modules.get(n), '__file__', None) and not n.startswith('_')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
