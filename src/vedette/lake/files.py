"""Tables in files, read a few columns at a time: Parquet, CSV, Arrow, and Delta tables.

What is opened is checked at once: a file that is not there, empty, truncated, of another format or with two columns
of one name is a ``DataError`` or ``SchemaError`` that names the file and what would be right.
"""

from __future__ import annotations

import csv
import logging
import re
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from deltalake.exceptions import DeltaError

from vedette.errors import DataError, SchemaError
from vedette.lake.arrow_stream import STREAM_START, parts

log = logging.getLogger("vedette")

__all__ = ["ENDINGS", "INDEX", "MISSING", "TableFile", "is_index", "open_frame", "open_table"]

ENDINGS = (".parquet", ".pq", ".csv", ".tsv", ".arrow", ".feather", ".ipc")

_HELD_BYTES_MAX = 64_000_000
"""A greater CSV file or Arrow stream is brought into columns on disk first, a piece at a time; in memory it would take
up to several times its size."""

INDEX = "Unnamed: 0"
"""What pandas calls the first column of a CSV file that it wrote with its index."""

_PARQUET_INDEX = re.compile(r"__index_level_\d+__")

MISSING = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None", "none", "NaT", "-")
"""How CSV files spell that a number or a time is missing."""

_WORDS = ("None", "none", "-")
"""Those of them that a column of nothing else means as a word: a category whose only level is ``none``."""

_ZONE = r" ?(Z|UTC|[+-]\d{2}:?\d{2})$"
_DAY = r"^\d{4}-\d{2}-\d{2}$"
_DECIMAL = r"^([+-]?\d*),(\d+(?:[eE][+-]?\d+)?)$"
_NO_THOUSANDS = r"^[+-]?(\d*,(\d{1,2}|\d{4,})|0\d*,\d+|\d{4,},\d+|\d*,\d+[eE][+-]?\d+)$"
_LEADING_ZERO = re.compile(r"0\d+$")  # 01234 is a code: as a number it would lose its zero
_SNIFFED = 10_000  # rows from which the types of a CSV file are told; all of them where that goes wrong
_SEPARATORS = ",;\t|"
_LINES = 50  # by which a separator is told
_TAIL_BYTES, _CHUNK_BYTES = 1_000_000, 16_000_000


@dataclass(frozen=True, slots=True)
class TableFile:
    """An open table: its columns and their types, its number of rows, and a way to read some of them."""

    path: str
    schema: dict[str, pl.DataType]
    rows: int
    _scan: Callable[[], pl.LazyFrame]
    _whole: Callable[[list[str]], pl.DataFrame] | None = None
    _held: Any = field(default=None, repr=False)  # what must live as long as the table: a folder of its own

    def read(self, names: Sequence[str], start: int = 0, stop: int | None = None) -> pl.DataFrame:
        """Some columns of the rows from ``start`` up to ``stop``; ``DataError`` where the file turns out to be broken."""
        if not names:
            return pl.DataFrame()  # what Polars before 2 refuses to select
        with _reading(self.path):
            if self._whole is not None and start == 0 and (stop is None or stop >= self.rows):
                return self._whole(list(names))
            length = None if stop is None else max(stop - start, 0)
            return self._scan().select(list(names)).slice(start, length).collect()

    def mapped(self, columns: Mapping[str, pl.Expr]) -> TableFile:
        """The table with some columns computed from themselves."""
        if not columns:
            return self
        scan, whole = self._scan, self._whole
        every = list(columns.values())

        def read(names: list[str]) -> pl.DataFrame:
            assert whole is not None
            return whole(names).with_columns(columns[name] for name in names if name in columns)

        kinds = scan().select(every).collect_schema()
        return replace(
            self,
            schema={name: kinds.get(name, kind) for name, kind in self.schema.items()},
            _scan=lambda: scan().with_columns(every),
            _whole=None if whole is None else read,
        )

    def nulls(self, name: str) -> int:
        """The number of nulls of a column, whose values are not kept."""
        with _reading(self.path):
            return int(self._scan().select(pl.col(name).null_count()).collect().item())

    def renamed(self, columns: Mapping[str, str]) -> TableFile:
        """The table with other names: ``columns`` maps new names to its own.

        Raises ``SchemaError`` where it has no such column, or a new name is that of another one.
        """
        if not columns:
            return self
        unknown = sorted(set(columns.values()) - set(self.schema))
        if unknown:
            raise SchemaError(
                f"columns={dict(columns)!r}: {self.path} has no column {unknown[0]!r}; it has "
                f"{', '.join(list(self.schema)[:20])}"
            )
        theirs = {theirs: ours for ours, theirs in columns.items()}
        schema = {theirs.get(name, name): kind for name, kind in self.schema.items()}
        if len(schema) < len(self.schema):
            taken = sorted(set(columns) & (set(self.schema) - set(columns.values())))
            raise SchemaError(f"columns={dict(columns)!r}: {self.path} has a column {taken[0]!r} already")
        scan, whole = self._scan, self._whole

        def read(names: list[str]) -> pl.DataFrame:
            assert whole is not None
            return whole([columns.get(name, name) for name in names]).rename(theirs, strict=False)

        return replace(
            self,
            schema=schema,
            _scan=lambda: scan().rename(theirs),
            _whole=None if whole is None else read,
        )


def is_index(name: str) -> bool:
    """True for what pandas calls its own index in a CSV or a Parquet file.

    >>> is_index("Unnamed: 0"), is_index("__index_level_0__"), is_index("index")
    (True, True, False)
    """
    return name == INDEX or _PARQUET_INDEX.fullmatch(name) is not None


def open_frame(frame: pl.DataFrame, name: str) -> TableFile:
    """A frame in memory as a table, under a name to call it by."""
    return TableFile(name, dict(frame.schema), frame.height, frame.lazy, frame.select)


def open_table(
    path: str | Path,
    *,
    separator: str | None = None,
    text_columns: Sequence[str] = (),
    exported: bool = False,
) -> TableFile:
    """Open a Parquet, CSV, Arrow or Delta table.

    ``separator`` is that of a CSV file, a comma by default (in .tsv files a tab); of a CSV file the ``text_columns``
    are read as text, for an id such as 007 is no number. Numbers beside spellings of what is missing (NA, NULL, nan ...)
    are numbers. Of a CSV file that was ``exported`` for people to read, a first column without a name is pandas' index,
    and ISO dates and times are times.
    """
    where = Path(path)
    told = _told(where)
    with _reading(told):
        if where.is_dir():
            return _delta(where, told)
        if not where.exists():
            raise DataError(f"{told}: no such file")
        if told != str(where):
            raise DataError(f"{told}: the path is not UTF-8, in which tables are opened; rename it")
        size = where.stat().st_size
    ending = where.suffix.lower()
    if ending not in ENDINGS:
        raise DataError(
            f"{told}: the ending {where.suffix!r} is not known; must be one of {', '.join(ENDINGS)} or a Delta table"
        )
    if size == 0:
        raise DataError(f"{told}: the file is empty")
    with _reading(told):
        if ending in (".parquet", ".pq"):
            return _parquet(where, told)
        if ending in (".csv", ".tsv"):
            usual = "\t" if ending == ".tsv" else ","
            separator = usual if separator is None else separator
            table, texts = _csv(where, told, separator, text_columns, exported)
            return _spelled(table, texts, times=exported, comma=separator != ",")
        return _arrow(where, told)


def _told(path: Path) -> str:
    """The path as text that can be written anywhere, also where its bytes are no UTF-8."""
    return str(path).encode("utf-8", "backslashreplace").decode()


@contextmanager
def _reading(path: str) -> Iterator[None]:
    try:
        yield
    except pl.exceptions.DuplicateError as error:
        raise SchemaError(f"{path}: two columns have one name ({_first(error)}); rename one") from error
    except pl.exceptions.ColumnNotFoundError as error:
        raise SchemaError(f"{path}: has no column {_first(error)}") from error
    except (pl.exceptions.PolarsError, DeltaError, OSError, UnicodeError) as error:
        kind = Path(path).suffix[1:] or "a Delta table"
        if isinstance(error, UnicodeError) or "invalid utf-8" in str(error):
            raise DataError(
                f"{path}: cannot be read as {kind}: is not UTF-8 ({_first(error)}); save it as UTF-8"
            ) from error
        raise DataError(
            f"{path}: cannot be read as {kind} (truncated, or something else?): {_first(error)}"
        ) from error


def _first(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _parquet(file: Path, told: str, held: Any = None) -> TableFile:
    def scan() -> pl.LazyFrame:
        return pl.scan_parquet(file)

    several = "*" in file.name and held is not None  # Polars before 2 reads the schema of one file alone
    schema = dict(scan().collect_schema() if several else pl.read_parquet_schema(file))

    def whole(names: list[str]) -> pl.DataFrame:
        return pl.read_parquet(file, columns=names).select(names)

    return TableFile(told, _typed(schema), _rows(scan()), scan, whole, held)


def _delta(folder: Path, told: str) -> TableFile:
    if not (folder / "_delta_log").is_dir():
        raise DataError(
            f"{told}: is a folder, but not a Delta table; must be a Parquet, CSV or Arrow file or a Delta table"
        )

    from deltalake import DeltaTable  # 60 ms that other files need not pay

    version = DeltaTable(str(folder)).version()  # what is appended while it is read is another table
    frame = pl.scan_delta(
        str(folder), version=version
    )  # once: reading the log again for each slice costs more than the rows
    return TableFile(told, _typed(dict(frame.collect_schema())), _rows(frame), frame.lazy)


def _arrow(file: Path, told: str) -> TableFile:
    with file.open("rb") as opened:
        stream = opened.read(4) == STREAM_START
    if stream:
        return _arrow_stream(file, told)

    def scan() -> pl.LazyFrame:
        return pl.scan_ipc(file)

    return TableFile(told, _typed(dict(scan().collect_schema())), _rows(scan()), scan)


def _arrow_stream(file: Path, told: str) -> TableFile:
    frames = (
        pl.read_ipc_stream(part).with_columns(pl.selectors.by_dtype(pl.Categorical, pl.Enum).cast(pl.String))
        for part in parts(file, _HELD_BYTES_MAX)
    )
    if file.stat().st_size <= _HELD_BYTES_MAX:
        return open_frame(pl.concat(frames), told)
    folder = _Folder()
    for number, frame in enumerate(frames):
        frame.write_parquet(folder.path / f"{number:06}.parquet", compression="zstd", compression_level=1)
    return _parquet(folder.path / "*.parquet", told, folder)


def _csv(
    file: Path, told: str, separator: str, text_columns: Sequence[str], indexed: bool
) -> tuple[TableFile, list[str]]:
    """The table, and the columns that stay text whatever they hold."""
    header, first = _header(file, told, separator, indexed)
    texts = {
        name: pl.String()
        for at, name in enumerate(header)
        if name in text_columns or any(len(row) > at and _LEADING_ZERO.match(row[at]) for row in first)
    }

    def scan(sniffed: int | None) -> pl.LazyFrame:
        return pl.scan_csv(
            file,
            separator=separator,
            infer_schema_length=sniffed,
            schema_overrides=texts,
            with_column_names=lambda names: [INDEX, *names[1:]] if header[0] == INDEX else names,
        )

    def columns(sniffed: int | None) -> TableFile:
        if file.stat().st_size <= _HELD_BYTES_MAX:
            return open_frame(scan(sniffed).collect(), told)
        folder = _Folder()
        target = folder.path / "columns.parquet"
        scan(sniffed).sink_parquet(target, compression="zstd", compression_level=1)
        return _parquet(target, told, folder)

    _check_end(file, told, separator, len(header))
    try:
        table = columns(_SNIFFED)
    except pl.exceptions.ComputeError as error:
        ragged = _ragged(file, separator, len(header)) if "found more fields" in str(error) else None
        if ragged is not None:
            raise DataError(f"{told}: {ragged}") from error
        table = columns(None)  # a later row has another type than the first ones: look at all of them
    if list(table.schema) != header:
        raise DataError(
            f"{told}: the header is {', '.join(map(repr, header[:8]))}, but as columns it reads "
            f"{', '.join(map(repr, list(table.schema)[:8]))}: lines must end in \\n or \\r\\n"
        )
    return _without_blank_lines(file, told, separator, table), list(texts)


def _without_blank_lines(file: Path, told: str, separator: str, table: TableFile) -> TableFile:
    """The table without the rows that were lines of nothing; ``DataError`` where a line has too few fields.

    Polars makes nulls of both without a word. Fields are counted by their separators, which only files without quoted
    fields allow; a file of one column has no lines of nothing, only values that are missing.
    """
    separators = blank = 0
    ended = False
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK_BYTES):
            if b'"' in chunk:
                return table
            separators += chunk.count(separator.encode())
            ends = np.frombuffer(chunk.replace(b"\r", b""), dtype=np.uint8) == ord("\n")
            blank += int((ends[1:] & ends[:-1]).sum()) + bool(ended and ends[:1].any())
            ended = bool(ends[-1:].any())
    width = len(table.schema)
    if width < 2:
        return table
    if blank:
        nothing = pl.all_horizontal(pl.col(name).is_null() for name in table.schema)
        scan = table._scan
        if int(scan().select(nothing.sum()).collect().item()) != blank:
            return table  # rows of nothing but separators among them: which are which is not known
        table = replace(table, rows=table.rows - blank, _scan=lambda: scan().filter(~nothing), _whole=None)
    if separators < (table.rows + 1) * (width - 1):
        raise DataError(f"{told}: {_short(file, separator, width)}")
    return table


class _Folder:
    """A folder of its own that goes when nothing holds it any more, with the process at the latest."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="vedette-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def _spelled(table: TableFile, kept: Sequence[str], *, times: bool, comma: bool) -> TableFile:
    """Text columns of a CSV file as what they hold: numbers or (where asked) times, or nothing at all.

    Where ``comma``, it may stand for the decimal point; not where each could as well part thousands (1,234).
    """
    names = [name for name, kind in table.schema.items() if kind == pl.String and name not in kept]
    if not names:
        return table
    plain = {name: pl.col(name).str.strip_chars() for name in names}
    value = {name: pl.when(one.is_in(MISSING)).then(None).otherwise(one) for name, one in plain.items()}
    number = {name: one.cast(pl.Float64, strict=False) for name, one in value.items()}
    decimal = {}
    if comma:
        decimal = {
            name: pl.when(
                one.str.contains(".", literal=True)
            )  # beside decimal commas a point parts thousands
            .then(None)
            .otherwise(one.str.replace(_DECIMAL, "${1}.${2}"))
            .cast(pl.Float64, strict=False)
            for name, one in value.items()
        }
    moment = {}
    for name, one in value.items():
        whole = one.str.replace(_ZONE, "").str.replace("T", " ").str.replace(_DAY, "${0} 00:00:00")
        moment[name] = whole.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False)
    found = (
        table._scan()
        .select(
            *(one.is_in(_WORDS).sum().alias(f"word {at}") for at, one in enumerate(plain.values())),
            *(one.count().alias(f"{at}") for at, one in enumerate(value.values())),
            *(one.count().alias(f"number {at}") for at, one in enumerate(number.values())),
            *(one.count().alias(f"moment {at}") for at, one in enumerate(moment.values())),
            *(one.count().alias(f"decimal {at}") for at, one in enumerate(decimal.values())),
            *(
                one.str.contains(_NO_THOUSANDS).sum().alias(f"sure {at}")
                for at, one in enumerate(value.values() if comma else ())
            ),
        )
        .collect()
        .row(0, named=True)
    )
    told: dict[str, pl.Expr] = {}
    for at, name in enumerate(names):
        if not found[f"{at}"]:
            if not found[f"word {at}"]:
                told[name] = pl.lit(None)
        elif found[f"number {at}"] == found[f"{at}"]:
            told[name] = number[name]
        elif comma and found[f"sure {at}"] and found[f"decimal {at}"] == found[f"{at}"]:
            told[name] = decimal[name]
        elif times and found[f"moment {at}"] == found[f"{at}"]:
            told[name] = moment[name]
    return table.mapped({name: one.alias(name) for name, one in told.items()})


def _header(file: Path, told: str, separator: str, indexed: bool) -> tuple[list[str], list[list[str]]]:
    """The names of a CSV file's columns, and the fields of its first lines; an error where they cannot be what was meant."""
    if len(separator) != 1 or not separator.isascii() or separator in '"\r\n':
        raise ValueError(f"separator={separator!r}: must be one character, such as ';'")
    counts = {one: _first_lines(file, one) for one in dict.fromkeys([separator, *_SEPARATORS])}
    lines = counts[separator]
    names, ours = (lines[0] if lines else []), [len(fields) for fields in lines]
    if not names and file.stat().st_size > csv.field_size_limit():
        raise DataError(
            f"{told}: read with the separator {separator!r} the first line has a field of more than "
            f"{csv.field_size_limit():,} characters: is it another separator?"
        )
    if len(names) == 2 and names[0] == "sep=":
        raise DataError(f"{told}: the first line, 'sep={separator}', is a word to Excel: take it out")
    fits = {
        one: len(rows[0])
        for one, rows in counts.items()
        if rows and len(rows[0]) > 1 and len({len(row) for row in rows}) == 1
    }
    if len(names) == 1 and not fits:  # some line is ragged: the header alone tells
        fits = {one: names[0].count(one) + 1 for one in _SEPARATORS if one != separator and one in names[0]}
    if names and separator not in fits and fits:
        other = max(fits, key=lambda one: fits[one])
        some = "one column" if set(ours) == {1} else f"{min(ours)} to {max(ours)} columns a line"
        raise DataError(
            f"{told}: read with the separator {separator!r} it has {some}, the first {names[0][:60]!r}; its separator "
            f"seems to be {other!r}: say so with --separator, or read it yourself and give the table"
        )
    if indexed and len(names) > 1 and not names[0].strip():
        names[0] = INDEX
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SchemaError(f"{told}: two columns have one name: {twice}; rename one")
    if any(not name.strip() for name in names):
        raise SchemaError(
            f"{told}: column {[not name.strip() for name in names].index(True) + 1} has no name in the header"
        )
    return names, lines[1:]


def _first_lines(file: Path, separator: str) -> list[list[str]]:
    """The fields of the first lines; empty lines do not count."""
    with file.open(newline="", encoding="utf-8-sig") as opened:
        reader = csv.reader(opened, delimiter=separator)
        lines: list[list[str]] = []
        try:
            lines.extend(fields for fields in islice(reader, _LINES) if fields)
        except csv.Error:  # a field of more than 131,072 characters: the lines before it tell as much
            log.debug("%s: separators are told by its first %d lines", file, len(lines))
    return lines


def _ragged(file: Path, separator: str, fields: int) -> str | None:
    """The first line with more fields than the header, in words."""
    with file.open(newline="", encoding="utf-8-sig") as opened:
        reader = csv.reader(opened, delimiter=separator)
        try:
            for line in reader:
                if len(line) > fields:
                    return f"line {reader.line_num} has {len(line)} fields, the header {fields}"
        except csv.Error as error:  # a field of more than 131,072 characters: Polars' own words have to do
            log.debug("%s: lines cannot be told apart: %s", file, error)
    return None


def _short(file: Path, separator: str, fields: int) -> str:
    """The first line with fewer fields than the header, in words."""
    with file.open(newline="", encoding="utf-8-sig") as opened:
        reader = csv.reader(opened, delimiter=separator)
        try:
            for line in reader:
                if line and len(line) < fields:
                    return f"line {reader.line_num} has {len(line)} fields, the header {fields}"
        except csv.Error as error:
            log.debug("%s: lines cannot be told apart: %s", file, error)
    return f"some line has fewer than {fields} fields"


def _check_end(file: Path, told: str, separator: str, fields: int) -> None:
    """``DataError`` where the file ends in the middle of a line: as columns, the rest of it would be missing."""
    with file.open("rb") as opened:
        opened.seek(max(file.stat().st_size - _TAIL_BYTES, 0))
        tail = opened.read()
    if tail.endswith((b"\n", b"\r")) or b"\n" not in tail:
        return
    last = tail.rpartition(b"\n")[2].decode("utf-8", "replace").strip(" \x1a\r")  # \x1a ends files of DOS
    found = last.count(separator) + 1
    if last and '"' not in last and found < fields:
        raise DataError(
            f"{told}: the last line has {found} of {fields} fields and no end: the file was cut off (truncated?)"
        )


def _typed(schema: dict[str, Any]) -> dict[str, pl.DataType]:
    return {name: kind if isinstance(kind, pl.DataType) else kind() for name, kind in schema.items()}


def _rows(scan: pl.LazyFrame) -> int:
    return int(scan.select(pl.len()).collect().item())
