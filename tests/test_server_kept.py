"""What is kept of a model until it moves on."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

pytest.importorskip("fastapi", reason="the extra server is not installed")

from vedette.server.api.kept import Kept


def test_those_go_first_that_were_not_asked_for_the_longest() -> None:
    """With room for ten characters the third word pushes out the one that nobody asked for since."""
    kept, made = Kept[str](10, len), []

    def make(word: str) -> Callable[[], str]:
        return lambda: made.append(word) or word  # type: ignore[func-returns-value]

    for word in ("aaaa", "bbbb", "aaaa", "cccc", "aaaa", "bbbb"):
        assert kept.get(word, (), make(word)) == word
    assert made == ["aaaa", "bbbb", "cccc", "bbbb"]


def test_it_is_made_once_for_all_who_ask_at_once() -> None:
    """Eight threads get the one thing that the first of them made."""
    kept, began, go = Kept[object](4), threading.Barrier(8), threading.Event()
    made: list[object] = []
    got: list[object] = []

    def make() -> object:
        go.wait(5)
        made.append(object())
        return made[-1]

    def ask() -> None:
        began.wait(5)
        got.append(kept.get("key", (), make))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for one in threads:
        one.start()
    go.set()
    for one in threads:
        one.join()
    assert (len(made), got) == (1, made * 8)


def test_a_failure_is_not_kept() -> None:
    """What could not be made is tried again."""
    kept = Kept[int](4)
    with pytest.raises(ZeroDivisionError):
        kept.get("key", (), lambda: 1 // 0)
    assert kept.get("key", (), lambda: 3) == 3
