"""What a version is served in beside what it was trained in: packages, Python, hardware, schema, preprocessing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from vedette.records import Difference

__all__ = ["differences"]

_COMPUTES = (
    *(
        "numpy",
        "scipy",
        "scikit-learn",
        "pandas",
        "polars",
        "pyarrow",
        "torch",
        "torchvision",
        "tensorflow",
        "keras",
        "jax",
    ),
    *(
        "jaxlib",
        "lightning",
        "transformers",
        "tokenizers",
        "xgboost",
        "lightgbm",
        "catboost",
        "onnx",
        "onnxruntime",
        "opencv-python",
    ),
    *("pillow", "joblib", "vedette"),
)
"""Packages that make numbers of inputs: of these one that is not there is told, of others only another version."""

_TYPES = {
    "str": "text",
    "string": "text",
    "object": "text",
    "utf8": "text",
    "large_string": "text",
    "boolean": "bool",
}


def differences(trained: Mapping[str, Any], served: Mapping[str, Any]) -> tuple[Difference, ...]:
    """What two environments do not share, what changes numbers first; what one of them does not tell of is no difference.

    An environment has ``python``, ``platform``, ``packages`` (versions by name), ``hardware`` (``machine``, ``processor``,
    ``memory_bytes``, ``gpus``), ``schema`` (types by column) and ``preprocessing`` (a fingerprint), as ``capture.environment``
    and ``capture.deployments`` record them. A package that does no computing is told only where both have it.

    >>> [one.words for one in differences({"python": "3.11.2", "packages": {"numpy": "1.26.4", "pytest": "8"}},
    ...                                   {"python": "3.11.9", "packages": {"numpy": "2.1.0"}})]
    ['package numpy: trained with 1.26.4, served with 2.1.0', 'python: trained with 3.11.2, served with 3.11.9']
    """
    found = [
        *_preprocessing(trained, served),
        *_schema(trained.get("schema"), served.get("schema")),
        *_packages(trained.get("packages"), served.get("packages")),
        *_plain("python", trained, served),
        *_hardware(trained.get("hardware"), served.get("hardware")),
        *_plain("platform", trained, served),
    ]
    return tuple(found)


def _plain(what: str, trained: Mapping[str, Any], served: Mapping[str, Any]) -> Iterator[Difference]:
    one, other = trained.get(what), served.get(what)
    if one and other and one != other:
        yield Difference(what, what, str(one), str(other))


def _preprocessing(trained: Mapping[str, Any], served: Mapping[str, Any]) -> Iterator[Difference]:
    for one in _plain("preprocessing", trained, served):
        yield Difference(one.what, one.name, _short(one.trained), _short(one.served))


def _short(digest: str | None) -> str | None:
    """A digest as a person compares it."""
    return digest if digest is None else digest[:19]


def _packages(trained: Any, served: Any) -> Iterator[Difference]:
    if not isinstance(trained, Mapping) or not isinstance(served, Mapping):
        return
    names = [name for name in {**trained, **served} if trained.get(name) != served.get(name)]
    told = [name for name in names if name in _COMPUTES or (name in trained and name in served)]
    order = {name: rank for rank, name in enumerate(_COMPUTES)}
    for name in sorted(told, key=lambda one: (order.get(one, len(order)), one)):
        yield Difference("package", name, trained.get(name), served.get(name))


def _hardware(trained: Any, served: Any) -> Iterator[Difference]:
    if not isinstance(trained, Mapping) or not isinstance(served, Mapping):
        return
    for name in ("machine", "processor"):
        one, other = trained.get(name), served.get(name)
        if one and other and one != other:
            yield Difference("hardware", name, str(one), str(other))
    gpus = [", ".join(map(str, side.get("gpus") or ())) or "no GPU" for side in (trained, served)]
    if gpus[0] != gpus[1]:
        yield Difference("hardware", "gpus", *gpus)
    memory = [float(side.get("memory_bytes") or 0.0) for side in (trained, served)]
    if all(memory) and not 0.9 < memory[1] / memory[0] < 1.1:  # a kernel more or less is no other machine
        yield Difference("hardware", "memory", *(f"{one / 2**30:.1f} GiB" for one in memory))


def _schema(trained: Any, served: Any) -> Iterator[Difference]:
    if not isinstance(trained, Mapping) or not isinstance(served, Mapping):
        return
    for name in {**trained, **served}:
        there = [None if name not in side else _type(side[name]) for side in (trained, served)]
        if there[0] is None or there[1] is None or (all(there) and there[0] != there[1]):
            one, other = (None if kind is None else kind or "a column" for kind in there)
            yield Difference("schema", str(name), one, other)


def _type(given: Any) -> str:
    """A type as all tables have it; empty where only the name is known."""
    plain = re.sub(r"\W.*", "", str(given or "").lower())
    return _TYPES.get(plain, plain)
