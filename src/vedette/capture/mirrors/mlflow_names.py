"""Names as MLflow takes them, and the way back.

Every version of MLflow takes letters, digits and ``_ - . /`` and spaces, up to 250 characters, in metrics, parameters and
tags, and no name that as a path would be another one (``a//b``, ``../x``); a colon only newer ones, and not on Windows. In
others each character that is not taken becomes ``_``, they are cut, and ``-`` with eight hexadecimal digits of the SHA-256 of the
original is added, so that no two become one; the original is kept in the run's tag ``vedette.name.<new name>``.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from hashlib import sha256

__all__ = ["NAME_TAG", "mlflow_name", "original_name"]

NAME_TAG = "vedette.name."

_TAKEN = re.compile(r"[/\w.\- ]+")
_OTHER = re.compile(r"[^/\w.\- ]")
_NAME_MAX, _CUT = 250, 200


def mlflow_name(name: str) -> str:
    """The name under which MLflow keeps a metric, a parameter or a tag.

    >>> mlflow_name("val/loss"), mlflow_name("recall@5"), mlflow_name("../x")
    ('val/loss', 'recall_5-80191039', '___x-d6b96a97')
    """
    path = posixpath.normpath(name)
    unique = path == name and path != "." and not path.startswith(("..", "/"))
    if len(name) <= _NAME_MAX and _TAKEN.fullmatch(name) and unique:
        return name
    plain = _OTHER.sub("_", name)[:_CUT].replace("/", "_").replace("..", "__")
    return f"{plain}-{sha256(name.encode()).hexdigest()[:8]}"


def original_name(name: str, tags: Mapping[str, str]) -> str:
    """The name that a metric or parameter had before MLflow's rule, by the tags of its run."""
    return tags.get(f"{NAME_TAG}{name}", name)
