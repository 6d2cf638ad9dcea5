"""Images and texts are kept by what is asked of them: sizes, a hash, an embedding; their bytes only where that is said."""

from __future__ import annotations

import io
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

import vedette
from tests.journals import read, record
from vedette.capture import media
from vedette.capture.image_sizes import image_size
from vedette.capture.media import Image, Text


def encoded(mode: str, kind: str, size: tuple[int, int] = (7, 5), **options: Any) -> bytes:
    """A file of one colour, as Pillow writes it."""
    into = io.BytesIO()
    Pillow.new(mode, size).save(into, kind, **options)
    return into.getvalue()


FILES = {
    f"{kind} {mode} {options}": (mode, kind, options)
    for mode, kind, options in (
        *((mode, "PNG", {}) for mode in ("1", "L", "P", "RGB", "RGBA", "LA", "I;16")),
        *((mode, "JPEG", {}) for mode in ("L", "RGB", "CMYK")),
        ("RGB", "JPEG", {"progressive": True, "exif": b"Exif\0\0" + bytes(900), "comment": b"x" * 300}),
        *((mode, "GIF", {}) for mode in ("L", "P", "RGB")),
        *((mode, "WEBP", {"lossless": lossless}) for mode in ("RGB", "RGBA") for lossless in (False, True)),
        ("RGB", "WEBP", {"exif": b"Exif\0\0" + bytes(90)}),
        *((mode, "BMP", {}) for mode in ("1", "L", "P", "RGB", "RGBA")),
        *((mode, "TIFF", {}) for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK")),
        ("RGB", "TIFF", {"compression": "tiff_lzw"}),
    )
}


@pytest.mark.parametrize("name", FILES)
def test_the_size_of_a_file_is_what_pillow_says(name: str) -> None:
    """Width, height and channels of each format are those that Pillow finds by decoding the file."""
    mode, kind, options = FILES[name]
    data = encoded(mode, kind, **options)
    seen = Pillow.open(io.BytesIO(data))
    assert image_size(data) == (*seen.size, len(seen.getbands()))


def test_a_bitmap_of_the_fifth_version_may_have_alpha() -> None:
    """32 bits are four channels where the header has a mask for alpha, which Pillow reads and does not write."""
    head = struct.pack("<IiiHHIIiiII", 124, 2, -3, 1, 32, 3, 24, 0, 0, 0, 0)
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    body = (head + masks).ljust(124, b"\0") + bytes(24)
    data = b"BM" + struct.pack("<IHHI", 14 + len(body), 0, 0, 14 + 124) + body
    assert image_size(data) == (2, 3, 4)
    assert Pillow.open(io.BytesIO(data)).mode == "RGBA"


@pytest.mark.parametrize("name", ["PNG RGB {}", "JPEG RGB {}", "TIFF L {}", "GIF P {}", "BMP RGB {}"])
def test_a_file_that_is_cut_off_never_raises(name: str) -> None:
    """Of any beginning of a file the size is the right one or unknown; it never raises."""
    mode, kind, options = FILES[name]
    data = encoded(mode, kind, **options)
    whole = image_size(data)
    assert {image_size(data[:n]) for n in range(len(data) + 1)} <= {whole, (None, None, None)}


@given(
    st.sampled_from(
        [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF", b"BM", b"II*\0", b"MM\0*", b""]
    ),
    st.binary(max_size=200),
)
def test_any_bytes_have_a_size_or_none(start: bytes, rest: bytes) -> None:
    """Whatever follows the first bytes of a format, there are three whole numbers or three times None."""
    found = image_size(start + rest)
    assert found == (None, None, None) or all(type(one) is int and one >= 0 for one in found)


def test_a_jpeg_of_nothing_but_padding_ends() -> None:
    """Sixty megabytes of padding are given up after so many markers."""
    assert image_size(b"\xff\xd8" + b"\xff" * 60_000_000) == (None, None, None)


def test_an_image_of_unknown_format_has_its_bytes_and_hash() -> None:
    """Of what no reader knows the size in bytes and the hash are there."""
    found = vedette.image(b"%PDF-1.4")
    assert (found.width, found.height, found.channels, found.bytes) == (None, None, None, 8)
    assert found.hash == vedette.image(bytearray(b"%PDF-1.4")).hash != vedette.image(b"%PDF-1.5").hash


class Tensor:
    """What torch's tensors have in common with this: no buffer, and these three methods (torch is no test dependency)."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def detach(self) -> Tensor:
        return self

    cpu = detach

    def numpy(self) -> Any:
        return self.values


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (np.zeros((5, 7), np.uint8), (7, 5, 1)),
        (np.zeros((5, 7, 3), np.uint8), (7, 5, 3)),
        (np.zeros((3, 5, 7), np.float32), (7, 5, 3)),
        (np.zeros((3, 5, 4), np.float32), (5, 3, 4)),
        (np.zeros((50, 70, 12)), (70, 50, 12)),
        (np.zeros((5, 7, 6), np.uint8)[:, ::-1, ::2], (7, 5, 3)),
        (Tensor(np.zeros((3, 5, 4), np.float32)), (4, 5, 3)),
        (Tensor(np.zeros((50, 70, 3), np.float32)), (70, 50, 3)),
        (Pillow.new("RGB", (7, 5)), (7, 5, 3)),
        (Pillow.new("P", (7, 5)), (7, 5, 1)),
        (Pillow.open(io.BytesIO(encoded("RGBA", "PNG"))), (7, 5, 4)),
    ],
    ids=lambda one: str(one).replace(" ", "") if isinstance(one, tuple) else type(one).__name__,
)
def test_pixels_have_the_size_of_their_array(data: Any, size: tuple[int, int, int]) -> None:
    """Of arrays, tensors and PIL images: width, height, and the channels wherever they are."""
    found = vedette.image(data)
    assert (found.width, found.height, found.channels, found.reason) == (*size, None)


def test_the_hash_is_of_the_content_at_the_time_of_the_call() -> None:
    """Equal pixels in equal shape have one hash, another pixel or shape another; later changes change nothing."""
    pixels = np.zeros((4, 6), np.uint8)
    before = vedette.image(pixels)
    assert before == vedette.image(pixels.copy())
    pixels[0, 0] = 1
    others = {
        vedette.image(one).hash for one in (pixels, np.zeros((6, 4), np.uint8), np.zeros((4, 6), np.int8))
    }
    assert len({before.hash, *others}) == 4
    assert -(2**63) <= (before.hash or 0) < 2**63


class Hostile:
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError


class BadBytes(bytes):
    def __len__(self) -> int:
        raise RuntimeError

    __getitem__ = __iter__ = __bytes__ = startswith = __len__  # type: ignore[assignment]


def test_bytes_cannot_answer_for_their_content() -> None:
    """A subclass of bytes is measured by its own bytes."""
    data = encoded("RGB", "PNG")
    assert vedette.image(BadBytes(data)) == vedette.image(data)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (
            lambda: vedette.image("photo.png"),
            "type str: must be the bytes of a file, an array or a PIL image",
        ),
        (lambda: vedette.image(None), "type NoneType: must be the bytes of a file, an array or a PIL image"),
        (lambda: vedette.image(Hostile()), "measuring raised RuntimeError"),
        (lambda: vedette.image(np.zeros(5)), "array of 1 dimensions: an image has 2, or 3 with its channels"),
        (
            lambda: vedette.image(np.zeros((1, 2, 3, 4))),
            "array of 4 dimensions: an image has 2, or 3 with its channels",
        ),
        (
            lambda: vedette.image(np.broadcast_to(np.float64(0), (10**6, 10**6))),
            "image larger than 67108864 bytes",
        ),
        (
            lambda: vedette.image(Pillow.new("1", (1, 1)), keep=True, embedding=[]),
            "embedding: vector without elements",
        ),
        (lambda: vedette.image(b"x", embedding=[None]), "embedding: vector holds a value of type NoneType"),
        (lambda: vedette.image(b"x", embedding=0.5), "embedding: type float: must be a vector"),
        (lambda: vedette.image(b"x" * 65_537, keep=True), "keep: longer than 65536 bytes"),
        (lambda: vedette.text(b"x"), "type bytes: must be text"),
        (lambda: vedette.text(None), "type NoneType: must be text"),
        (lambda: vedette.text("\ud800"), "text is not valid Unicode"),
        (lambda: vedette.text("x" * (2**22 + 1)), "text longer than 4194304 characters"),
        (lambda: vedette.text("é" * 40_000, keep=True), "text longer than 65536 bytes"),
    ],
)
def test_what_cannot_be_measured_is_refused_when_it_is_logged(tmp_path: Path, found: Any, why: str) -> None:
    """Neither raises: the row is counted as rejected, with the feature and the reason; the next is kept."""
    made = record(tmp_path)
    made.log({"x": found()}, 1)
    made.log({"x": 1.0}, 1)
    made.close()
    back = read(tmp_path)
    assert (back.rejected, len(back.rows)) == ({f"x: {why}": 1}, 1)


def test_an_image_becomes_columns(tmp_path: Path) -> None:
    """Sizes, hash and embedding are columns of the feature's name; the bytes are not kept."""
    data = encoded("RGB", "PNG", (640, 480))
    photo = vedette.image(data, embedding=np.array([0.5, 1.5], np.float32))
    made = record(tmp_path)
    for _ in range(3):
        made.log({"x": 1.0, "photo": photo}, 1, id="a")
    made.close()
    kept = {name: value for name, value in read(tmp_path).rows[2].items() if not name.startswith("_")}
    assert kept == {
        "x": 1.0,
        "photo_width": 640,
        "photo_height": 480,
        "photo_channels": 3,
        "photo_bytes": len(data),
        "photo_hash": photo.hash,
        "photo_embedding": [0.5, 1.5],
        "prediction": 1,
    }


def test_a_text_becomes_columns(tmp_path: Path) -> None:
    """Characters, words, hash and embedding are columns of the feature's name; the text is not kept."""
    made = record(tmp_path)
    made.log({"prompt": vedette.text("  where is\nmy parcel? ", embedding=[1.0])}, 1)
    made.close()
    kept = {name: value for name, value in read(tmp_path).rows[0].items() if not name.startswith("_")}
    assert kept.pop("prompt_hash") == vedette.text("  where is\nmy parcel? ").hash
    assert kept == {"prompt_characters": 22, "prompt_words": 4, "prompt_embedding": [1.0], "prediction": 1}


def test_bytes_and_text_are_kept_where_that_is_said(tmp_path: Path) -> None:
    """With ``keep`` the column of the feature's own name has them as they were given, at most 65,536 bytes."""
    data, pixels = encoded("L", "PNG"), np.arange(6, dtype=np.uint8).reshape(2, 3)
    made = record(tmp_path, segment_bytes=2**20)
    for _ in range(2):
        made.log(
            {
                "photo": vedette.image(data, keep=True),
                "pixels": vedette.image(pixels, keep=True),
                "prompt": vedette.text("é" * 32_768, keep=True),
            },
            1,
        )
    made.close()
    assert [(row["photo"], row["pixels"], row["prompt"]) for row in read(tmp_path).rows] == [
        (data, bytes(range(6)), "é" * 32_768)
    ] * 2


def test_what_is_unknown_is_missing(tmp_path: Path) -> None:
    """A file of unknown format among others has no width; a None in an image's place has nothing at all."""
    made = record(tmp_path)
    for photo in (vedette.image(encoded("L", "PNG")), vedette.image(b"?"), None):
        made.log({"photo": photo}, 1)
    made.close()
    assert [(row.get("photo_width"), row.get("photo_bytes")) for row in read(tmp_path).rows][1:] == [
        (None, 1),
        (None, None),
    ]


@pytest.mark.parametrize(
    ("features", "why"),
    [
        (
            {"p": Image(1, 1, 1, 1, 1), "p_width": 3},
            "p: its column 'p_width' is another feature too: rename one",
        ),
        ({"p_hash": 3, "p": Text(1, 1, 1)}, "p: its column 'p_hash' is another feature too: rename one"),
        ({5: Text(1, 1, 1)}, "feature name of type int: must be text"),
        ({"p": Text(1, 1, 1), "P_WORDS": 1}, "feature names 'p_words' and 'P_WORDS' differ only by case"),
    ],
)
def test_columns_that_collide_are_refused(tmp_path: Path, features: dict[Any, Any], why: str) -> None:
    """Another feature with the name of an image's or a text's column is refused, and both are named."""
    made = record(tmp_path)
    made.log(features, 1)
    made.close()
    (reason,) = read(tmp_path).rejected
    assert why in reason


def test_an_image_is_no_prediction(tmp_path: Path) -> None:
    """Only features are spread into columns."""
    made = record(tmp_path)
    made.log({}, vedette.text("x"))
    made.close()
    assert read(tmp_path).rejected == {"prediction: type Text": 1}


@given(st.text(alphabet=st.sampled_from("ab \n\u2003"), max_size=60))
def test_words_are_counted_whole_whatever_the_pieces(value: str) -> None:
    """Counting a piece at a time gives what splitting the whole text does."""
    whole, media._PIECE = media._PIECE, 3
    try:
        assert media._words(value) == len(value.split())
    finally:
        media._PIECE = whole


def test_a_longest_text_and_image_take_no_more_than_they_must() -> None:
    """What is as long as can be is measured, and its words and bytes are all counted."""
    assert vedette.text("a " * 2**21).words == 2**21
    assert vedette.image(bytes(2**26)).bytes == 2**26


def test_a_picture_too_large_is_refused_before_it_is_decoded() -> None:
    """Of a PIL image the size is known before its pixels are; those of a giant are never asked for."""

    class Giant:
        mode, size = "RGB", (10**6, 10**6)

        def getbands(self) -> tuple[str, ...]:
            return ("R", "G", "B")

        def tobytes(self) -> bytes:
            raise AssertionError("decoded")

    assert vedette.image(Giant()).reason == "image larger than 67108864 bytes"


def test_nan_in_an_embedding_is_kept(tmp_path: Path) -> None:
    """An embedding with NaN is a fault of the model, to be seen."""
    made = record(tmp_path)
    made.log({"t": vedette.text("x", embedding=[math.nan, 1.0])}, 1)
    made.close()
    assert math.isnan(read(tmp_path).rows[0]["t_embedding"][0])


def test_every_column_is_in_the_docs() -> None:
    """docs/capture.md names each column that an image or a text makes, and the bounds of both."""
    told = (Path(__file__).parent.parent / "docs" / "capture.md").read_text("utf-8")
    parts = [
        (name, part) for kind, name in ((Image, "photo"), (Text, "prompt")) for part in media._COUNTED[kind]
    ]
    assert [f"`{name}_{part}`" for name, part in parts if f"`{name}_{part}`" not in told] == []
    assert f"{media.TEXT_CHARACTERS_MAX:,} characters" in told
    assert f"{media.IMAGE_BYTES_MAX // 2**20} MiB" in told
