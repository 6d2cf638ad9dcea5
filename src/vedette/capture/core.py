"""The compiled core, where it was built and is not switched off; ``core`` is None elsewhere.

What it does, ``compiled.py``, ``crc32c.py``, ``guard.py`` and ``checks.py`` do too, slower and with the same bytes.
``VEDETTE_CORE=off`` in the environment leaves it out.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

__all__ = ["core"]

_REVISION = 17  # as in src/core/module.c


def _load() -> Any:
    if os.environ.get("VEDETTE_CORE", "").lower() in ("off", "0", "no", "false"):
        return None
    try:
        found = importlib.import_module("vedette.capture._core")
    except ImportError:  # not built here, or not for this interpreter (a subinterpreter, one without a GIL)
        return None
    return found if found.REVISION == _REVISION else None


core: Any = _load()
