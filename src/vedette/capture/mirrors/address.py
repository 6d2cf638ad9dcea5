"""Where a mirror is: ``tensorboard:FOLDER`` or ``mlflow:URI#EXPERIMENT``, and how that is shown without its password."""

from __future__ import annotations

import re

__all__ = ["hide", "shown", "split"]

_PASSWORD = re.compile(r"(://[^/@:\s]*):([^/@\s]*)@")  # of scheme://user:password@host


def split(address: str) -> tuple[str, str]:
    """Kind and place of an address; ``ValueError`` where it is none.

    >>> split("mlflow:sqlite:///runs.db#delays")
    ('mlflow', 'sqlite:///runs.db#delays')
    """
    kind, colon, place = address.partition(":") if isinstance(address, str) else ("", "", "")
    if not (kind and colon and place):
        raise ValueError(
            f"{address!r}: must be KIND:PLACE, such as tensorboard:./tb or mlflow:sqlite:///runs.db#experiment"
        )
    return kind, place


def shown(address: str) -> str:
    """An address without the password in it.

    >>> shown("mlflow:postgresql://ann:secret@db/runs")
    'mlflow:postgresql://ann:...@db/runs'
    """
    return _PASSWORD.sub(r"\1:...@", address)


def hide(text: str, address: str) -> str:
    """A text, such as an error's, without the password that an address has.

    >>> hide("secret was refused", "mlflow:postgresql://ann:secret@db/runs")
    '... was refused'
    """
    for found in _PASSWORD.finditer(address):
        if found[2]:
            text = text.replace(found[2], "...")
    return shown(text)
