"""How far each producer has come: by the logs, and by the lake's ledger where the logs are deleted already."""

from __future__ import annotations

import threading
from collections import OrderedDict

from vedette.lake.outcomes import identifier
from vedette.lake.received.index import index_of
from vedette.lake.tables import Lake

__all__ = ["Key", "Watermarks"]

Key = tuple[str, str, str]
"""Of whom and of what: model, producer, and stream or ``batch``."""

_DIGESTS_MAX = 100_000
_THROUGH_MAX = 100_000  # of senders that name themselves anew each time; what is forgotten is looked up again


class Watermarks:
    """What was taken, by producer. It may be asked by any thread.

    Other processes take requests for the same lake: where it matters, their logs are looked at again.
    """

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self._through: OrderedDict[Key, int] = OrderedDict()
        self._digests: OrderedDict[tuple[Key, int, int], str] = OrderedDict()
        self._lock = threading.Lock()

    def through(self, key: Key, *, fresh: bool = False) -> int:
        """The highest number that is safe of a producer; 0 for none. With ``fresh`` others' logs are looked at again."""
        with self._lock:
            found = None if fresh else self._through.get(key)
            if found is None:
                index = index_of(self.lake)
                for entry in index.of(key):
                    one = entry.received
                    self._remember((key, one.first, one.end), one.digest)
                in_logs = max((entry.received.end - 1 for entry in index.of(key)), default=0)
                model, producer, stream = key
                ledger = self.lake.model(model)["ledger"]
                found = max(in_logs, ledger.through(identifier(producer, stream)), self._through.get(key, 0))
            self._reached(key, found)
            return found

    def producers(self, model: str, journal: str) -> dict[str, dict[str, int]]:
        """The watermarks of all producers of a journal, as a sender asks for them."""
        index = index_of(self.lake)
        names = {key[1] for key in index.entries if key[0] == model}
        snapshot = self.lake.model(model)["ledger"].snapshot()
        if snapshot is not None:
            rows = self.lake.model(model)["ledger"].scan().select("producer").unique().collect()
            names |= set(rows["producer"].to_list())
        found: dict[str, dict[str, int]] = {}
        for name in sorted(one for one in names if one.endswith(f"@{journal}")):
            marks = {
                stream: self.through((model, name, stream), fresh=True)
                for stream in ("predictions", "labels", "batch")
            }
            found[name.partition("@")[0]] = {stream: n for stream, n in marks.items() if n}
        return found

    def digest(self, key: Key, first: int, end: int) -> str | None:
        """Of what came before for just these numbers, None where that is not known (any more)."""
        with self._lock:
            return self._digests.get((key, first, end))

    def forget(self, key: Key) -> None:
        """Look at the logs again when it is asked next."""
        with self._lock:
            self._through.pop(key, None)

    def forget_all(self) -> None:
        """Look at the logs again, whatever is asked next."""
        with self._lock:
            self._through.clear()

    def taken(self, key: Key, first: int, end: int, digest: str) -> None:
        """Note what is safe now."""
        with self._lock:
            self._remember((key, first, end), digest)
            self._reached(key, max(self._through.get(key, 0), end - 1))

    def _reached(self, key: Key, through: int) -> None:
        self._through[key] = through
        self._through.move_to_end(key)
        while len(self._through) > _THROUGH_MAX:
            self._through.popitem(last=False)

    def _remember(self, what: tuple[Key, int, int], digest: str) -> None:
        self._digests[what] = digest
        while len(self._digests) > _DIGESTS_MAX:
            self._digests.popitem(last=False)
