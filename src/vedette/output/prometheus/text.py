"""The text of ``/metrics``, in the format that was asked for; that of a model is made again only where it has changed.

``prometheus_client`` writes each model by itself; the samples of all are then put together by family. Writing 5,000 models
(a million series) anew takes a quarter of a minute, putting them together a quarter of a second.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vedette.errors import MissingExtraError
from vedette.output.prometheus.chosen import FIGURES_MAX, chosen, share
from vedette.output.prometheus.collector import of_models, of_reading
from vedette.output.prometheus.facts import ModelFacts, Reading

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

__all__ = ["Exposition"]

_HELP, _END = b"# HELP ", b"# EOF\n"


class Exposition:
    """The text of ``/metrics`` for several threads: the metrics of models, and those of further registries.

    ``registries`` are ``prometheus_client`` registries of other parts, such as ``own.ServerMetrics().registry``; no name
    may be in two of them. Raises ``MissingExtraError`` where ``prometheus_client`` is not installed.

    >>> said, kind = Exposition(lambda: Reading([]))("text/plain")
    >>> 'vedette_models{state="current"} 0.0' in said.decode().splitlines(), kind.split(";")[0]
    (True, 'text/plain')
    """

    def __init__(
        self,
        read: Callable[[], Reading],
        *registries: CollectorRegistry,
        figures_max: int = FIGURES_MAX,
    ) -> None:
        try:
            import prometheus_client  # noqa: F401 - whether it can be had
        except ImportError as error:
            raise MissingExtraError(
                'prometheus_client is not installed: pip install "vedette[prometheus]"'
            ) from error
        if figures_max < 1:
            raise ValueError(f"figures_max={figures_max}: must be at least 1")
        self._read, self._registries, self._figures_max = read, registries, figures_max
        self._made: dict[str, tuple[Reading, bytes]] = {}
        self._blocks: dict[tuple[str, str], _Block] = {}
        self._guard = threading.Lock()

    def __call__(self, accept: str = "", may: Callable[[str], bool] | None = None) -> tuple[bytes, str]:
        """The text and its content type, for the header ``Accept`` of a request: OpenMetrics where it is asked for.

        ``may`` tells of which models somebody may know who may not know of all: the others are as if they were not there,
        and the further registries, which are about all, are left out.
        """
        from prometheus_client.exposition import choose_encoder

        encoder, kind = choose_encoder(accept)
        parts = [self._models(encoder, kind, may)]
        if may is None:
            parts += [encoder(one) for one in self._registries]
        whole = b"".join(part.removesuffix(_END) for part in parts)
        return whole + _END if parts[0].endswith(_END) else whole, kind

    def _models(self, encoder: Callable[[Any], bytes], kind: str, may: Callable[[str], bool] | None) -> bytes:
        """The text of the models and of their reading."""
        reading = self._read()
        with self._guard:
            before = self._made.get(kind)
            if may is None and before is not None and _same(before[0], reading):
                return before[1]
            blocks = self._made_of(encoder, kind, reading.models)
            if may is not None:
                seen = _only(reading, may)
                return self._joined(encoder, seen, [blocks[one.model, kind] for one in seen.models])
            text = self._joined(encoder, reading, [blocks[one.model, kind] for one in reading.models])
            self._made[kind] = reading, text
            return text

    def _made_of(
        self, encoder: Callable[[Any], bytes], kind: str, models: Sequence[ModelFacts]
    ) -> Mapping[tuple[str, str], _Block]:
        """The text of each model, made where it is not there yet; what is of other kinds stays."""
        limit = share([len(one.figures) for one in models], self._figures_max)
        blocks = {key: one for key, one in self._blocks.items() if key[1] != kind}
        for facts in models:
            known = self._blocks.get((facts.model, kind))
            if known is None or known.facts is not facts or known.limit != limit:
                samples = _by_family(encoder(_Once(of_models([chosen(facts, limit)]))))
                known = _Block(facts, limit, samples)
            blocks[facts.model, kind] = known
        self._blocks = blocks
        return blocks

    def _joined(self, encoder: Callable[[Any], bytes], reading: Reading, blocks: Sequence[_Block]) -> bytes:
        """The families one after another, each with the samples of all models, as both formats demand."""
        parts: list[bytes] = []
        name = b""
        for line in encoder(_Once(of_models([]))).splitlines(keepends=True):  # heads alone
            if line.startswith(_HELP) and name:
                parts += [one.samples[name] for one in blocks if name in one.samples]
            name = _family(line) if line.startswith(_HELP) else name
            if line != _END:
                parts.append(line)
        parts += [one.samples[name] for one in blocks if name in one.samples]
        return b"".join([*parts, encoder(_Once(of_reading(reading)))])


@dataclass(frozen=True, slots=True)
class _Block:
    """The text of one model, by family, and what it was made of."""

    facts: ModelFacts
    limit: int
    samples: Mapping[bytes, bytes]


def _by_family(text: bytes) -> dict[bytes, bytes]:
    """The lines of samples by the name of their family."""
    found: dict[bytes, list[bytes]] = {}
    for line in text.splitlines(keepends=True):
        if line.startswith(_HELP):
            lines = found.setdefault(_family(line), [])
        elif not line.startswith(b"#"):
            lines.append(line)
    return {name: b"".join(lines) for name, lines in found.items() if lines}


def _family(line: bytes) -> bytes:
    """The name in a line that begins a family."""
    return line[len(_HELP) :].split(b" ", 1)[0]


def _only(reading: Reading, may: Callable[[str], bool]) -> Reading:
    """The reading of some models alone."""
    return replace(
        reading,
        models=[one for one in reading.models if may(one.model)],
        behind=list(filter(may, reading.behind)),
        unread=list(filter(may, reading.unread)),
        failed=list(filter(may, reading.failed)),
    )


def _same(a: Reading, b: Reading) -> bool:
    """True where two readings make the same text: nothing was read in between, and the same is behind."""
    return (a.number, a.failures) == (b.number, b.failures) and all(
        len(getattr(a, name)) == len(getattr(b, name)) for name in ("models", "behind", "unread", "failed")
    )


class _Once:
    """What an encoder asks of a registry, over families that are there."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
