"""The gaps of a ledger in words: what was lost after it was taken, and what nothing explains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from vedette.lake.books import Books
from vedette.lake.outcomes import ROW_BITS
from vedette.lake.windows import window_of
from vedette.records import Gap

__all__ = ["not_as_stored", "torn", "undecided"]


def torn(said: pl.DataFrame) -> Iterator[Gap]:
    """Slots without a row, from outcomes with their blocks: each range of sequences is a gap.

    The time of such rows is lost with them; the window is the one that they are counted to.
    """
    order = ["producer", "stream", "first"]
    fields = [*order, "last", "begin", "end", "reason", "n"]
    rows = said.filter(pl.col("part") == "torn").sort(order).select(fields)
    for producer, stream, first, last, begin, end, reason, n in rows.iter_rows():
        window = window_of(begin, end)
        text = (
            f"{stream}: {_place(first, last, n)} of {producer}: {_rows(n)} torn, {reason} "
            f"(counted to the window of {window.start:%Y-%m-%d %H:%M})"
        )
        yield Gap(producer, stream, n, first, last, window, reason, True, text)


def not_as_stored(missing: Mapping[tuple[str, str, int], tuple[int | None, int]]) -> Iterator[Gap]:
    """Rows that the ledger said were stored and that the table does not hold, or holds beyond that, by window.

    ``missing`` are, by producer, stream and begin of the window, its end and the number; negative: too many.
    """
    for (producer, stream, begin), (end, n) in sorted(missing.items()):
        if n and end is not None:
            window = window_of(begin, end)
            verb = "is" if abs(n) == 1 else "are"
            reason = (
                f"{verb} no longer in the table" if n > 0 else f"{verb} in the table beyond what was stored"
            )
            text = (
                f"{stream}: {_rows(abs(n))} of {producer}, window of {window.start:%Y-%m-%d %H:%M}, {reason}"
            )
            yield Gap(producer, stream, n, None, None, window, reason, False, text)


def undecided(found: Books, there: pl.DataFrame) -> Iterator[Gap]:
    """What no counter explains, and what cannot be read.

    ``there`` are the rows of the tables, of which those that are not ``decided`` must be in a journal.
    """
    for (producer, stream), n in sorted(found.unexplained.items()):
        last = found.through[producer, stream]
        reason = "no count in the ledger explains them" if n > 0 else "the ledger counts them twice"
        text = f"{stream}: {_rows(abs(n))} of {producer}, up to sequence {last:,}: {reason}"
        yield Gap(producer, stream, n, None, last, None, reason, False, text)
    for (producer, stream), reason in sorted(found.problems.items()):
        text = f"{stream or 'all'} of {producer}: {reason}"
        yield Gap(producer, stream, None, None, None, None, reason, False, text)
    plain = pl.col("stream").str.strip_prefix("batch/")
    waiting = found.outcomes.filter(pl.col("part").is_in(["in_journal", "waiting"])).group_by(
        "producer", plain
    )
    in_journal = {(a, b): n for a, b, n in waiting.agg(pl.col("n").sum()).iter_rows()}
    beyond = there.filter(~pl.col("decided")).group_by("producer", "stream").agg(pl.col("n").sum())
    for producer, stream, n in beyond.sort("producer", "stream").iter_rows():
        more = n - in_journal.get((producer, stream), 0)
        if more > 0:
            name = producer or "no producer"
            reason = "no producer's ledger or journal explains them"
            text = f"{stream}: {_rows(more)} in the table, of {name}: {reason}"
            yield Gap(name, stream, -more, None, None, None, reason, False, text)


def _rows(n: int) -> str:
    return "1 row" if n == 1 else f"{n:,} rows"


def _place(first: int, last: int, n: int) -> str:
    """Where lost slots lie, by their sequences; rows of a batch by its number."""
    number = first >> ROW_BITS
    if number:
        return f"batch {number:,}"
    if first == last:
        return f"sequence {first:,}"
    if n == last - first + 1:
        return f"sequences {first:,} to {last:,}"
    return f"sequences between {first:,} and {last:,}"
