"""The size of an image from the first bytes of its file, by the standard library alone."""

from __future__ import annotations

import struct
from collections.abc import Callable

__all__ = ["image_size"]

_Size = tuple[int, int, int]
_Unknown = tuple[None, None, None]

_MARKERS_MAX = 4096  # of a JPEG before its frame; a file of more is not one that anybody made
_FRAMES = frozenset(range(0xC0, 0xD0)) - {
    0xC4,
    0xC8,
    0xCC,
}  # markers that begin a frame; the three are tables
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_CHANNELS = 256, 257, 277
_TIFF_ENTRIES_MAX = 4096


def image_size(data: bytes) -> _Size | _Unknown:
    """Width and height in pixels and the values a pixel; None for each where the format is not known or the head is cut.

    Knows PNG, JPEG, GIF, WebP, BMP and TIFF (not BigTIFF). A palette counts as one value a pixel.

    >>> image_size(b"GIF89a" + bytes([2, 0, 3, 0])), image_size(b"%PDF")
    ((2, 3, 1), (None, None, None))
    """
    for starts, read in _FORMATS.items():
        if data.startswith(starts):
            try:
                found = read(data)
            except (struct.error, IndexError):
                found = None
            return (None, None, None) if found is None else found
    return None, None, None


def _png(data: bytes) -> _Size | None:
    if data[12:16] != b"IHDR":
        return None
    width, height, _, colours = struct.unpack_from(">IIBB", data, 16)
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colours)
    return None if channels is None else (width, height, channels)


def _gif(data: bytes) -> _Size:
    width, height = struct.unpack_from("<HH", data, 6)
    return width, height, 1


def _bmp(data: bytes) -> _Size | None:
    (size,) = struct.unpack_from("<I", data, 14)
    if size == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
    elif size >= 16:
        width, height, _, bits = struct.unpack_from("<iiHH", data, 18)
    else:
        return None
    # the alpha of 32 bits counts only where the header, from its fourth version on, has a mask for it
    alpha = 3 + (bits == 32 and size >= 56 and any(data[66:70]))
    channels = {1: 1, 2: 1, 4: 1, 8: 1, 16: 3, 24: 3, 32: alpha}.get(bits)
    return None if channels is None else (abs(width), abs(height), channels)  # a height below 0 is top down


def _jpeg(data: bytes) -> _Size | None:
    at = 2
    for _ in range(_MARKERS_MAX):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
        elif marker in _FRAMES:
            height, width, channels = struct.unpack_from(">HHB", data, at + 5)
            return width, height, channels
        elif marker in _ALONE:
            at += 2
        else:
            (length,) = struct.unpack_from(">H", data, at + 2)
            at += 2 + max(length, 2)
    return None


def _webp(data: bytes) -> _Size | None:
    if data[8:12] != b"WEBP":
        return None
    kind = data[12:16]
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF, 3  # the two highest bits say how it is to be scaled
    if kind == b"VP8L" and data[20] == 0x2F:
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, 4 if bits >> 28 & 1 else 3
    if kind == b"VP8X" and len(data) >= 30:
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
        return width, height, 4 if data[20] & 0x10 else 3
    return None


def _tiff(data: bytes) -> _Size | None:
    order = "<" if data.startswith(b"II") else ">"
    (at,) = struct.unpack_from(f"{order}I", data, 4)
    (n,) = struct.unpack_from(f"{order}H", data, at)
    found = {_TIFF_CHANNELS: 1}
    for place in range(min(n, _TIFF_ENTRIES_MAX)):
        tag, kind, count = struct.unpack_from(f"{order}HHI", data, at + 2 + 12 * place)
        code = {3: "H", 4: "I"}.get(kind)
        if code is not None and count == 1 and tag in (_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_CHANNELS):
            (found[tag],) = struct.unpack_from(order + code, data, at + 10 + 12 * place)
    if _TIFF_WIDTH not in found or _TIFF_HEIGHT not in found:
        return None
    return found[_TIFF_WIDTH], found[_TIFF_HEIGHT], found[_TIFF_CHANNELS]


_FORMATS: dict[bytes, Callable[[bytes], _Size | None]] = {
    b"\x89PNG\r\n\x1a\n": _png,
    b"\xff\xd8\xff": _jpeg,
    b"GIF87a": _gif,
    b"GIF89a": _gif,
    b"RIFF": _webp,
    b"BM": _bmp,
    b"II*\0": _tiff,
    b"MM\0*": _tiff,
}
"""How the files of each format begin, and what reads their size."""
