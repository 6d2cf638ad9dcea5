"""Images and long texts by what is asked of them: how large, of which content, and an embedding that the user gives.

``image`` and ``text`` measure at the time of the call and return a small frozen object, which ``log`` takes as the value
of a feature and spreads into columns of its own. Their bytes are kept only where the user says so. Neither raises: what
cannot be measured is refused when it is logged, and counted with the reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vedette.capture.image_sizes import image_size
from vedette.capture.rejected import Rejected, type_name
from vedette.capture.values import TEXT_BYTES_MAX, resolve
from vedette.records import Physical

__all__ = ["IMAGE_BYTES_MAX", "TEXT_CHARACTERS_MAX", "Image", "Text", "image", "spread", "text"]

IMAGE_BYTES_MAX = 2**26
"""A larger image is refused: hashing 64 MiB takes a model's process a tenth of a second."""

TEXT_CHARACTERS_MAX = 2**22
"""A longer text is refused: counting the words of 4 million characters takes a tenth of a second."""

_PIECE = 65_536  # characters whose words are held at once

Resolved = tuple[Physical | None, Any]


@dataclass(frozen=True, slots=True)
class Image:
    """What is known of an image; ``vedette.image`` makes it.

    ``width`` and ``height`` are in pixels and ``channels`` are the values a pixel (a palette counts as one), None where
    the format is not known; ``bytes`` is the size as it was given, ``hash`` 64 bits of its content as a signed integer:
    the same for the same content. ``reason`` says why there is nothing, None where there is.
    """

    width: int | None = None
    height: int | None = None
    channels: int | None = None
    bytes: int | None = None
    hash: int | None = None
    embedding: Resolved | None = None
    kept: Resolved | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """What is known of a text; ``vedette.text`` makes it.

    ``characters`` and ``words`` (runs of anything but white space) are counts; the rest as of an :class:`Image`.
    """

    characters: int | None = None
    words: int | None = None
    hash: int | None = None
    embedding: Resolved | None = None
    kept: Resolved | None = None
    reason: str | None = None


_COUNTED = {Image: ("width", "height", "channels", "bytes", "hash"), Text: ("characters", "words", "hash")}


def image(data: Any, *, embedding: Any = None, keep: bool = False) -> Image:
    """Measure an image for ``log``, as the value of a feature: ``log({"photo": vedette.image(data)}, ...)``.

    ``data`` are the bytes of a file (sizes are read from PNG, JPEG, GIF, WebP, BMP and TIFF; of others only the bytes
    and the hash are known), an array of pixels of two or three dimensions, a PIL image, or a torch tensor. Of three
    dimensions the channels are the last, of a tensor the first, unless only the other one is 4 or less. ``embedding``
    is a vector that the user has of it; ``keep`` keeps the bytes as well, at most 65,536.

    The columns are ``photo_width``, ``photo_height``, ``photo_channels``, ``photo_bytes``, ``photo_hash``, and
    ``photo_embedding`` where one is given; ``photo`` itself are the bytes that are kept.

    >>> image(bytes.fromhex("47494638396102000300")).width
    2
    """
    made: Image = _measured(Image, data, embedding, keep, _image)
    return made


def text(value: Any, *, embedding: Any = None, keep: bool = False) -> Text:
    """Measure a text for ``log``, as the value of a feature: ``log({"prompt": vedette.text(prompt)}, ...)``.

    ``embedding`` is a vector that the user has of it; ``keep`` keeps the text as well, at most 65,536 bytes of UTF-8. The
    columns are ``prompt_characters``, ``prompt_words``, ``prompt_hash``, and ``prompt_embedding`` where one is given;
    ``prompt`` itself is the text that is kept.

    >>> text("where is my parcel?").words
    4
    """
    made: Text = _measured(Text, value, embedding, keep, _text)
    return made


def _measured(
    kind: Any, value: Any, embedding: Any, keep: bool, measure: Callable[[Any], tuple[tuple[Any, ...], Any]]
) -> Any:
    try:
        counted, content = measure(value)
        found = {
            "embedding": None if embedding is None else _embedding(embedding),
            "kept": _kept(content) if keep else None,
        }
        return kind(**dict(zip(_COUNTED[kind], counted, strict=True)), **found)
    except Rejected as reason:
        return kind(reason=str(reason))
    except Exception as error:  # noqa: BLE001 - the caller's object raised: its row is refused, the caller is not troubled
        return kind(reason=f"measuring raised {type_name(type(error))}")


def _embedding(given: Any) -> Resolved:
    try:
        physical, plain = resolve(_array_of(given))
    except Rejected as reason:
        raise Rejected(f"embedding: {reason}") from None
    if physical not in (Physical.VECTOR32, Physical.VECTOR64):
        raise Rejected(f"embedding: type {type_name(type(given))}: must be a vector")
    return physical, plain


def _kept(content: Any) -> Resolved:
    if len(content) > TEXT_BYTES_MAX:
        raise Rejected(f"keep: longer than {TEXT_BYTES_MAX} bytes")
    return resolve(content if isinstance(content, str) else bytes(content))


def _text(value: Any) -> tuple[tuple[int, int, int], str]:
    if not isinstance(value, str):
        raise Rejected(f"type {type_name(type(value))}: must be text")
    plain = str.__str__(value)
    if len(plain) > TEXT_CHARACTERS_MAX:
        raise Rejected(f"text longer than {TEXT_CHARACTERS_MAX} characters")
    try:
        encoded = plain.encode()
    except UnicodeEncodeError:
        raise Rejected("text is not valid Unicode") from None
    return (len(plain), _words(plain), _hash(encoded)), plain


def _words(plain: str) -> int:
    """Runs of anything but white space, a piece at a time: all words at once would take more room than the text."""
    n, inside = 0, False
    for start in range(0, len(plain), _PIECE):
        piece = plain[start : start + _PIECE]
        n += len(piece.split()) - (inside and not piece[0].isspace())
        inside = not piece[-1].isspace()
    return n


def _hash(content: Any, *how: object) -> int:
    """64 bits of the content; what ``how`` says of it, if anything, is part of it."""
    digest = hashlib.blake2b(repr(how).encode() if how else b"", digest_size=8)
    digest.update(content)
    return int.from_bytes(digest.digest(), "little", signed=True)


def _image(data: Any) -> tuple[tuple[int | None, ...], Any]:
    if isinstance(data, bytes | bytearray):
        with memoryview(data) as view:  # by its own bytes, whatever a subclass says of them
            _check_size(view.nbytes)
            plain = view.tobytes()
        return (*image_size(plain), len(plain), _hash(plain)), plain
    if hasattr(data, "tobytes") and hasattr(data, "mode") and hasattr(data, "getbands"):
        return _picture(data)
    first = _is_tensor(data)
    try:
        view = memoryview(_array_of(data))
    except TypeError:
        raise Rejected(
            f"type {type_name(type(data))}: must be the bytes of a file, an array or a PIL image"
        ) from None
    with view:
        shape = view.shape or ()
        if len(shape) not in (2, 3):
            raise Rejected(f"array of {len(shape)} dimensions: an image has 2, or 3 with its channels")
        _check_size(view.nbytes)
        content = view.tobytes()
        return (*_axes(shape, first=first), len(content), _hash(content, view.format, shape)), content


def _picture(data: Any) -> tuple[tuple[int | None, ...], Any]:
    """A PIL image; of one that was not decoded yet this does it."""
    width, height = data.size
    mode, channels = str(data.mode), len(data.getbands())
    _check_size(int(width) * int(height) * channels)
    content = bytes(data.tobytes())
    _check_size(len(content))
    return (int(width), int(height), channels, len(content), _hash(content, mode, (width, height))), content


def _axes(shape: tuple[int, ...], *, first: bool) -> tuple[int, int, int]:
    """Width, height and channels of an array; ``first`` where the channels are rather the first axis than the last."""
    if len(shape) == 2:
        return shape[1], shape[0], 1
    if (first and (shape[0] <= 4 or shape[2] > 4)) or (not first and shape[2] > 4 and shape[0] <= 4):
        return shape[2], shape[1], shape[0]
    return shape[1], shape[0], shape[2]


def _check_size(n_bytes: int) -> None:
    if n_bytes > IMAGE_BYTES_MAX:
        raise Rejected(f"image larger than {IMAGE_BYTES_MAX} bytes")


def _is_tensor(value: Any) -> bool:
    return all(hasattr(value, name) for name in ("detach", "cpu", "numpy"))


def _array_of(value: Any) -> Any:
    """What has the buffer of a tensor of torch, which has none itself; all else as it is."""
    return value.detach().cpu().numpy() if _is_tensor(value) else value


def spread(features: Mapping[Any, Any]) -> Iterator[tuple[Any, Resolved | None, Any]]:
    """The features of a row with those of its images and texts in columns of their own.

    Yields the name, the stored type and value where they are known already, else None, and the caller's value. Raises
    :class:`Rejected` where an image or a text could not be measured, or one of its columns is another feature's.
    """
    for name, value in features.items():
        if type(value) is not Image and type(value) is not Text:
            yield name, None, value
            continue
        if not isinstance(name, str):
            raise Rejected(f"feature name of type {type_name(type(name))}: must be text")
        if value.reason is not None:
            raise Rejected(f"{name}: {value.reason}")
        found: dict[str, Resolved] = {}
        for part in _COUNTED[type(value)]:
            n = getattr(value, part)
            found[f"{name}_{part}"] = (None, None) if n is None else (Physical.INT64, n)
        if value.embedding is not None:
            found[f"{name}_embedding"] = value.embedding
        for column, resolved in found.items():
            if column in features:
                raise Rejected(f"{name}: its column {column!r} is another feature too: rename one")
            yield column, resolved, None
        if value.kept is not None:
            yield name, value.kept, None
