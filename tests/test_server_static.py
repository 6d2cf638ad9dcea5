"""What is served as others published it is what they published."""

from __future__ import annotations

import hashlib
import re
from importlib import resources


def test_files_of_others_are_those_that_are_named() -> None:
    """Each pinned file has the hash that its line in the README says, and its licence beside it."""
    folder = resources.files("vedette.server").joinpath("pages/static")
    readme = folder.joinpath("README.md").read_text("utf-8")
    rows = re.findall(
        r"^\| `([\w.]+)` \|.*`([\w.]+\.LICENSE\.txt)` \| `([0-9a-f]{64})` \|$", readme, re.MULTILINE
    )
    assert {name for name, _, _ in rows} == {"htmx.min.js", "uplot.min.js", "uplot.min.css"}
    for name, licence, digest in rows:
        assert hashlib.sha256(folder.joinpath(name).read_bytes()).hexdigest() == digest
        assert len(folder.joinpath(licence).read_text("utf-8")) > 300
