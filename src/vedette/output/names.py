"""Names that came from outside, made safe to show: whatever cannot be seen, or turns what is beside it, is shown."""

from __future__ import annotations

import unicodedata
from html import escape

__all__ = ["bidi", "html", "visible"]

JOINERS = "\u200c\u200d"  # parts of words and of emoji: without them names are torn apart
LONGEST_TITLE = 600


def visible(text: str, length: int | None = None) -> str:
    """The text with control, format and surrogate characters shown as marks, cut to ``length`` characters.

    What is left encodes as UTF-8, does nothing to a terminal, and turns no text beside it around.

    >>> visible("a\\x1b[31mb\\u202ec\\ud800"), visible("abcdef", 4)
    ('a⟨U+001B⟩[31mb⟨U+202E⟩c⟨U+D800⟩', 'abc…')
    """
    if length is not None and len(text) > length:
        text = f"{text[: length - 1]}…"
    return text if text.isprintable() else "".join(map(_mark, text))


def _mark(one: str) -> str:
    if one.isprintable() or one in JOINERS:
        return one
    shown = unicodedata.category(one) in ("Zs", "Co", "Cn")
    return one if shown else f"⟨U+{ord(one):04X}⟩"


def html(text: str, length: int | None = 2000) -> str:
    """A sentence as HTML: visible, cut and escaped; a percent sign stays with its number."""
    return _escaped(text, length).replace(" %", "\u00a0%")


def _escaped(text: str, length: int | None) -> str:
    return escape(visible(text, length), quote=True)


def _title(name: str, full: int) -> str:
    size = len(_escaped(name, full).encode())  # a page of names that are long once escaped must stay small
    return _escaped(name, full if size <= full else full * full // size)


def bidi(name: str, length: int = 64, full: int = LONGEST_TITLE) -> str:
    """A name as HTML, set apart from the direction of the text around it; a cut one has the full name as its title.

    The title holds ``full`` characters at most, and about as many bytes.
    """
    title = f' title="{_title(name, full)}"' if len(name) > length and full else ""
    return f"<bdi{title}>{_escaped(name, length) or '(no name)'}</bdi>"
