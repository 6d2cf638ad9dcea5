"""Boxes as users have them, checked and in one form."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

__all__ = ["BoxFormat", "Boxes", "boxes_of", "checked_images", "order_key"]

Floats = npt.NDArray[np.float64]
BoxFormat = Literal["xyxy", "xywh", "cxcywh"]

_FOUND = frozenset({"boxes", "scores", "labels"})
_THERE = frozenset({"boxes", "labels", "iscrowd", "ignore", "area"})


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """The boxes of one image: ``boxes`` [N, 4] as left, top, width, height; ``labels`` a name each.

    ``scores`` [N] of those found; ``crowd`` and ``ignored`` [N] of those there. ``area`` [N] in square pixels.
    """

    boxes: Floats
    labels: list[Hashable]
    scores: Floats
    crowd: npt.NDArray[np.bool_]
    ignored: npt.NDArray[np.bool_]
    area: Floats


def order_key(name: Any) -> tuple[bool, Any]:
    """By which names are sorted: numbers first, by value, then texts.

    >>> sorted(["b", 10, 9, "a"], key=order_key)
    [9, 10, 'a', 'b']
    """
    return isinstance(name, str), name


def boxes_of(image: Mapping[str, Any], where: str, box_format: BoxFormat, *, found: bool) -> Boxes:
    """The boxes of an image, or ``ValueError`` naming what is wrong with them."""
    if not isinstance(image, Mapping):
        raise ValueError(
            f"{where}: must be a mapping with 'boxes', 'labels'{', ' * found}{repr('scores') * found}"
        )
    known, needed = (_FOUND, ("boxes", "scores", "labels")) if found else (_THERE, ("boxes", "labels"))
    for key in image:
        if key not in known:
            raise ValueError(f"{where}[{key!r}]: must be one of {', '.join(sorted(known))}")
    for key in needed:
        if key not in image:
            raise ValueError(f"{where}: has no {key!r}")
    corners = np.asarray(image["boxes"], dtype=np.float64)
    corners = corners.reshape(0, 4) if corners.size == 0 else corners
    if corners.ndim != 2 or corners.shape[1] != 4:
        raise ValueError(f"{where}['boxes'] of shape {corners.shape}: must be [boxes, 4]")
    n = len(corners)
    boxes = _as_xywh(corners, box_format)
    if not np.isfinite(boxes).all():
        raise ValueError(f"{where}['boxes']: must be finite")
    if (boxes[:, 2:] < 0).any():
        at = int(np.flatnonzero((boxes[:, 2:] < 0).any(axis=1))[0])
        raise ValueError(
            f"{where}['boxes'][{at}] = {corners[at].tolist()}: has a negative width or height as {box_format}"
        )
    labels = [_name(one, where) for one in np.asarray(image["labels"], dtype=object).reshape(-1).tolist()]
    if len(labels) != n:
        raise ValueError(f"{where}: {n} boxes and {len(labels)} labels: must be as many")
    scores = _numbers(image, "scores", n, where) if found else np.zeros(n)
    crowd = _numbers(image, "iscrowd", n, where) != 0
    area = _numbers(image, "area", n, where) if "area" in image else boxes[:, 2] * boxes[:, 3]
    return Boxes(boxes, labels, scores, crowd, crowd | (_numbers(image, "ignore", n, where) != 0), area)


def _as_xywh(boxes: Floats, box_format: BoxFormat) -> Floats:
    if box_format == "xywh":
        return boxes
    first, second = boxes[:, :2], boxes[:, 2:]
    if box_format == "xyxy":
        return np.concatenate([first, second - first], axis=1)
    if box_format == "cxcywh":
        return np.concatenate([first - second / 2, second], axis=1)
    raise ValueError(f"box_format={box_format!r}: must be 'xyxy', 'xywh' or 'cxcywh'")


def _name(label: Any, where: str) -> Hashable:
    plain = label.item() if isinstance(label, np.generic) else label
    if not isinstance(plain, str | int) or isinstance(plain, bool):
        raise ValueError(f"{where}['labels']: {label!r}: must be a whole number or a text")
    return plain


def _numbers(image: Mapping[str, Any], key: str, n: int, where: str) -> Floats:
    numbers = np.asarray(image.get(key, np.zeros(n)), dtype=np.float64).reshape(-1)
    if len(numbers) != n:
        raise ValueError(f"{where}: {n} boxes and {len(numbers)} {key}: must be as many")
    if np.isnan(numbers).any():
        raise ValueError(f"{where}[{key!r}]: must not be NaN")
    return numbers


def checked_images(images: Sequence[Hashable] | None, n: int) -> tuple[Hashable, ...]:
    """The names of n images: their places where none are given; ``ValueError`` where two are the same."""
    if images is None:
        return tuple(range(n))
    names = tuple(one.item() if isinstance(one, np.generic) else one for one in images)
    if len(names) != n:
        raise ValueError(f"{len(names)} images and {n} predictions: must be as many")
    for one in names:
        if not isinstance(one, str | int) or isinstance(one, bool):
            raise ValueError(f"images: {one!r}: must be whole numbers or texts")
    if len(set(names)) < n:
        twice = next(one for one in names if names.count(one) > 1)
        raise ValueError(f"images: {twice!r} is named twice: each image must be evaluated as a whole")
    return names
