"""What the middleware for ASGI and WSGI have in common: where in a request and its response the parts of a prediction lie."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING, Any

from vedette.capture.frameworks.inputs import Rows, rows_of
from vedette.capture.rejected import Rejected, type_name

if TYPE_CHECKING:
    from vedette.capture.recorder import Recorder

__all__ = ["BODY_BYTES_MAX", "Exchange", "Route", "Watcher", "pick"]

BODY_BYTES_MAX = 2**23
"""Of a larger request or response nothing is read; it is counted as rejected."""

_decode = json.JSONDecoder().decode
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\*|\d+)\]")


@dataclass(frozen=True, slots=True)
class Route:
    """Where the parts of a prediction lie: paths such as ``input.customer``, ``instances[*]``, ``predictions[*].label``.

    ``features`` is in the request, ``prediction`` and ``probability`` are in the response, ``id`` is in the request, or in the
    response where it begins with ``response.``. ``[*]`` is each element of a list, ``[0]`` the first; an empty path is the
    whole. ``methods`` are those of HTTP that predict.
    """

    features: str
    prediction: str
    probability: str | None = None
    id: str | None = None
    methods: tuple[str, ...] = ("POST",)

    def __post_init__(self) -> None:
        for name in ("features", "prediction", "probability", "id"):
            path = getattr(self, name)
            if path is not None and (not isinstance(path, str) or _STEP.sub("", path)):
                raise ValueError(f"{name}={path!r}: must be a path such as 'input.rows[*]'")


@cache
def _steps(path: str) -> tuple[tuple[str, str], ...]:
    return tuple(_STEP.findall(path))


def pick(document: Any, path: str) -> Any:
    """What lies at a path in a JSON document. Raises :class:`Rejected` where nothing does.

    >>> pick({"rows": [{"a": 1}, {"a": 2}]}, "rows[*].a")
    [1, 2]
    """
    found, many = [document], False
    for name, index in _steps(path):
        if index == "*":
            if not all(isinstance(one, list) for one in found):
                raise Rejected(f"watch: {path}: no list")
            found, many = [inner for one in found for inner in one], True
            continue
        try:
            found = [one[int(index)] if index else one[name] for one in found]
        except (KeyError, IndexError, TypeError):
            raise Rejected(f"watch: {path}: not there") from None
    return found if many else found[0]


class Watcher:
    """Records what passes through a server. ``routes`` are by path, in which ``*`` stands for anything."""

    def __init__(self, recorder: Recorder, routes: Mapping[str, Route | Mapping[str, Any]]) -> None:
        if not routes:
            raise ValueError(
                "routes={}: must name a path, such as {'/predict': {'features': 'input', 'prediction': 'label'}}"
            )
        self._log, self._reject = recorder.log, recorder.reject
        self._stages, self._load = recorder.stages, recorder.load
        self._routes = {
            path: route if isinstance(route, Route) else _route(path, route) for path, route in routes.items()
        }

        self._patterns = {path: route for path, route in self._routes.items() if set(path) & set("*?[")}

    def route(self, method: str, path: str) -> Route | None:
        """The route of a request, None for one that predicts nothing."""
        exact = self._routes.get(path)
        if exact is not None and method in exact.methods:
            return exact
        for pattern, route in self._patterns.items():
            if fnmatchcase(path, pattern) and method in route.methods:
                return route
        return None

    def begin(self, route: Route) -> Exchange:
        """A request begins."""
        self._load.begin()
        self._stages.begin()
        return Exchange(route)

    def record(self, exchange: Exchange, seconds: float, error: BaseException | None = None) -> None:
        """Record a request and its response; never an exception."""
        held = self._stages.take()
        try:
            self._record(exchange, seconds, error, held)
        except Rejected as reason:
            self._reject("predictions", str(reason))
        except Exception as problem:  # noqa: BLE001 - the server must not feel it
            self._reject("predictions", f"watch: raised {type_name(type(problem))}")
        finally:
            self._load.end(exchange.n_rows)

    def _record(
        self, exchange: Exchange, seconds: float, error: BaseException | None, held: Mapping[str, float]
    ) -> None:
        if error is None and 400 <= exchange.status < 500:
            raise Rejected(f"HTTP {exchange.status}")
        asked = exchange.request.document("request")
        rows = self._rows(pick(asked, exchange.route.features))
        exchange.n_rows = len(rows)
        for row in rows:
            row.update(held)
        route = exchange.route
        if error is not None or exchange.status >= 500:
            ids = self._ids(route, asked, None, len(rows))
            for row, key in zip(rows, ids, strict=True):
                self._log(row, None, id=key, latency_s=seconds, error=error or f"HTTP {exchange.status}")
            return
        answer = exchange.response.document("response")
        predictions = _column(pick(answer, route.prediction), len(rows), route.prediction)
        chances: list[Any] = [None] * len(rows)
        if route.probability is not None:
            chances = _column(pick(answer, route.probability), len(rows), route.probability)
        ids = self._ids(route, asked, answer, len(rows))
        for row, prediction, chance, key in zip(rows, predictions, chances, ids, strict=True):
            self._log(row, prediction, probability=chance, id=key, latency_s=seconds)

    @staticmethod
    def _rows(value: Any) -> Rows:
        if isinstance(value, Mapping):
            return [dict(value)]
        if not isinstance(value, list):
            raise Rejected(f"watch: features: type {type(value).__name__}: must be an object or a list")
        return rows_of(value)

    @staticmethod
    def _ids(route: Route, asked: Any, answer: Any, n: int) -> list[Any]:
        if route.id is None:
            return [None] * n
        if route.id.startswith("response."):
            path = route.id.removeprefix("response.")
            return [None] * n if answer is None else _column(pick(answer, path), n, path)
        return _column(pick(asked, route.id), n, route.id)


class Body:
    """The bytes of a request or a response as they pass by, up to a bound."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._n = 0

    def add(self, piece: bytes) -> None:
        """One more piece."""
        self._n += len(piece)
        if self._n <= BODY_BYTES_MAX:
            self._pieces.append(bytes(piece))
        else:
            self._pieces.clear()

    def document(self, what: str) -> Any:
        """The JSON document that it is. Raises :class:`Rejected` where it is none."""
        if self._n > BODY_BYTES_MAX:
            raise Rejected(f"watch: a {what} of more than {BODY_BYTES_MAX} bytes")
        try:
            return _decode(b"".join(self._pieces).decode())
        except (ValueError, RecursionError):
            raise Rejected(f"watch: the {what} is no JSON") from None


class Exchange:
    """A request and its response."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.request, self.response = Body(), Body()
        self.status, self.n_rows = 0, 1


def _route(path: str, given: Mapping[str, Any]) -> Route:
    try:
        return Route(**given)
    except TypeError:
        raise ValueError(
            f"routes[{path!r}]={dict(given)!r}: must have features and prediction, and may have probability, id and methods"
        ) from None


def _column(value: Any, n: int, path: str) -> list[Any]:
    """A value for each row."""
    if n == 1 and not (isinstance(value, list) and "[*]" in path):
        return [value]
    if not isinstance(value, list) or len(value) != n:
        raise Rejected(f"watch: {path}: must have a value for each of the rows")
    return value
