"""Curves of training runs as dots of braille: the band from minimum to maximum of each bucket, means joined by lines."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from rich.text import Text

from vedette.output.names import visible
from vedette.output.numbers import number

__all__ = ["COLOURS", "Panel", "drawn", "extent", "limited_by", "panels", "weight_of"]

COLOURS = ("bright_blue", "yellow", "bright_green", "magenta", "cyan", "red")
_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of a braille cell, by row and column
_SETS = ("train", "val", "valid", "validation", "test", "eval")
_NAME = 40
_LIMITS = ("_low", "_high")
_ASIDE = (
    "_s",
    "_bytes",
    "_share",
    "_per_s",
    "_norm",
    "_ratio",
)  # how units of what is beside the results end
_BESIDE = ("lr", "epoch", "grad_norm", "weight_norm", "update_ratio")


@dataclass(frozen=True, slots=True)
class Panel:
    """Curves that share an axis: those of one metric, by run and by the set of rows they were measured on."""

    title: str
    curves: Mapping[str, pl.DataFrame]

    @property
    def moves(self) -> bool:
        """True where any of them has more than one point: a single value is no curve, and stands among the results."""
        return any(int(one["count"].sum()) > 1 for one in self.curves.values())


def panels(curves: Mapping[str, Mapping[str, pl.DataFrame]]) -> list[Panel]:
    """Curves by metric and run, with those of training and validation laid over each other.

    >>> one = pl.DataFrame({"step": [0]})
    >>> [(p.title, list(p.curves)) for p in panels({"loss": {"a": one}, "val_loss": {"a": one}, "lr": {"a": one}})]
    [('loss', ['train', 'val']), ('lr', ['a'])]
    """
    found: dict[str, dict[tuple[str, str], pl.DataFrame]] = {}
    for metric, by_run in curves.items():
        base, part = _parted(metric)
        for run, frame in by_run.items():
            found.setdefault(base, {})[run, part] = frame
    found = {name: one for name, one in found.items() if limited_by(name, found) is None}
    n_runs = len({run for by_run in curves.values() for run in by_run})
    made = []
    for base, of in found.items():
        parts = {part for _, part in of}
        named = {}
        for (run, part), frame in of.items():
            words = [run] if n_runs > 1 or len(parts) == 1 else []
            named[" ".join([*words, *([part or "train"] if len(parts) > 1 else [])])] = frame
        title = base if len(parts) > 1 or parts == {""} else f"{base} ({next(iter(parts))})"
        heavy = 1 if parts & set(_SETS) and base != "loss" else weight_of(base)
        made.append((heavy, Panel(title, named)))
    return [one for _, one in sorted(made, key=lambda pair: pair[0])]


def weight_of(metric: str) -> int:
    """How soon a metric is shown, 0 first: losses, what was measured on other rows, other metrics, batches, the rest by layer.

    >>> [weight_of(one) for one in ("loss", "val_loss", "val_f1", "accuracy", "batch/loss", "step_s", "grad_norm/fc1")]
    [0, 0, 1, 2, 3, 4, 5]
    """
    base, part = _parted(metric)
    if base == "loss":
        return 0
    if part:
        return 1
    if "/" in metric:
        return 3 if metric.startswith("batch/") else 5
    return 4 if metric in _BESIDE or metric.endswith(_ASIDE) else 2


def limited_by(name: str, columns: Collection[str]) -> str | None:
    """The figure whose limit a column is; None where it is none."""
    for end in _LIMITS:
        base = name.removesuffix(end)
        if base != name and {base, *(base + one for one in _LIMITS)} <= set(columns):
            return base
    return None


def _parted(metric: str) -> tuple[str, str]:
    """A metric without the set it was measured on, and that set."""
    for part in _SETS:
        for separator in "_/":
            if metric.startswith(part + separator) and len(metric) > len(part) + 1:
                return metric[len(part) + 1 :], part
            if metric.endswith(separator + part) and len(metric) > len(part) + 1:
                return metric[: -len(part) - 1], part
    return metric, ""


def extent(curves: Mapping[str, pl.DataFrame]) -> tuple[float, float, int, int]:
    """Lowest and highest finite value, first and last step over all curves; (0, 1) where no value is finite."""
    lows, highs = (
        np.concatenate([frame[name].to_numpy() for frame in curves.values()]) for name in ("min", "max")
    )
    finite = np.isfinite(lows) & np.isfinite(highs)
    low, high = (float(lows[finite].min()), float(highs[finite].max())) if finite.any() else (0.0, 1.0)
    if low == high:
        low, high = low - (abs(low) * 0.1 or 1.0), high + (abs(high) * 0.1 or 1.0)
    steps = [(int(frame["step"].min()), int(frame["end"].max()) - 1) for frame in curves.values()]  # type: ignore[arg-type]
    return low, high, min(a for a, _ in steps), max(b for _, b in steps)


def drawn(panel: Panel, width: int = 80, height: int = 10) -> list[Text]:
    """A panel as lines of text ``width`` characters wide: a title with what the colours are, the curves, the steps."""
    low, high, first, last = extent(panel.curves)
    top, bottom = number(high), number(low)
    margin = max(len(top), len(bottom)) + 1
    cells = max(10, width - margin)
    canvas = np.zeros((height, cells), dtype=np.int64)
    owner = np.full((height, cells), -1)
    for at, frame in enumerate(panel.curves.values()):
        _draw(canvas, owner, at, frame, (low, high, first, last))
    lines = [_title(panel)]
    for row in range(height):
        scale = top if row == 0 else bottom if row == height - 1 else ""
        line = Text(scale.rjust(margin - 1) + " ", "dim")
        for mask, whose in zip(canvas[row], owner[row], strict=True):
            line.append(chr(0x2800 + int(mask)), COLOURS[int(whose) % len(COLOURS)] if whose >= 0 else "")
        lines.append(line)
    left, right = f"{first:,}", f"{last:,}"
    gap = max(1, cells - len(left) - len(right))
    lines.append(Text(" " * margin + left + " " * gap + right, "dim"))
    return lines


def _title(panel: Panel) -> Text:
    line = Text(visible(panel.title, _NAME), "bold")
    for at, (label, frame) in enumerate(panel.curves.items()):
        line.append("  ")
        line.append("● ", COLOURS[at % len(COLOURS)])
        line.append(f"{visible(label, _NAME)} {number_or_word(frame['last'][-1])}")
        odd = [f"{n:,} {word}" for n, word in ((frame["nan"].sum(), "NaN"), (frame["inf"].sum(), "inf")) if n]
        if odd:
            line.append(f" ({', '.join(odd)})", "bold red")
    return line


def number_or_word(value: float) -> str:
    """A value as text, whatever it is.

    >>> number_or_word(0.25), number_or_word(float("nan"))
    ('0.25', 'nan')
    """
    return number(value) if math.isfinite(value) else str(value)


def _draw(
    canvas: np.ndarray,
    owner: np.ndarray,
    whose: int,
    frame: pl.DataFrame,
    box: tuple[float, float, int, int],
) -> None:
    """Set the dots of one curve."""
    low, high, first, last = box
    rows, columns = canvas.shape[0] * 4, canvas.shape[1] * 2
    starts, ends = frame["step"].to_numpy(), frame["end"].to_numpy()
    middle = np.clip((starts + ends - 1) / 2, first, last)
    x = np.round((middle - first) / max(last - first, 1) * (columns - 1)).astype(int)

    def place(values: np.ndarray) -> np.ndarray:
        # halves, since the span of two floats may be beyond them
        share = (values / 2 - low / 2) / (high / 2 - low / 2)
        return np.asarray(np.round((1 - np.clip(share, 0, 1)) * (rows - 1)))

    y_mean, y_low, y_high = (place(frame[name].to_numpy()) for name in ("mean", "min", "max"))
    before: tuple[int, int] | None = None
    for k, column in enumerate(x.tolist()):
        if not (math.isfinite(y_low[k]) and math.isfinite(y_high[k]) and math.isfinite(y_mean[k])):
            before = None  # a gap where there is no finite value
            continue
        _dots(canvas, owner, whose, [column], [range(int(y_high[k]), int(y_low[k]) + 1)])
        here = column, int(y_mean[k])
        if before is not None:
            n = max(abs(here[0] - before[0]), abs(here[1] - before[1]), 1)
            across = np.round(np.linspace(before[0], here[0], n + 1)).astype(int).tolist()
            down = np.round(np.linspace(before[1], here[1], n + 1)).astype(int).tolist()
            _dots(canvas, owner, whose, across, [range(one, one + 1) for one in down])
        before = here


def _dots(
    canvas: np.ndarray, owner: np.ndarray, whose: int, columns: Sequence[int], spans: Sequence[range]
) -> None:
    for column, span in zip(columns, spans, strict=True):
        for row in span:
            canvas[row // 4, column // 2] |= _BITS[row % 4][column % 2]
            owner[row // 4, column // 2] = whose
