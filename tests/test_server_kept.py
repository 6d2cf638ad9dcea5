"""What is kept of a model until it moves on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra server is not installed")

from fastapi import Request

from vedette.server.api.answers import Answers
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


def test_a_large_answer_is_handed_over_in_pieces_as_its_reader_takes_them() -> None:
    """No piece is made before the one before was taken, none is over 256 KiB, and all are the whole, as long as it says."""
    body = bytes(range(256)) * 4000 + b"end"
    lengths: dict[bytes, bytes] = {}
    parts: list[bytes] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            lengths.update(message["headers"])
            return
        parts.append(message["body"])
        if len(parts) == 2:
            assert message["more_body"]
            raise ConnectionResetError  # a reader that goes

    async def receive() -> Any:
        raise AssertionError("nothing more comes")

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}
    answers = Answers()
    answer = answers.respond(Request(scope), "key", (), lambda: body, "application/octet-stream")
    with pytest.raises(ConnectionResetError):
        asyncio.run(answer(scope, receive, send))
    assert len(parts) == 2
    whole: list[bytes] = []

    async def take(message: Any) -> None:
        if message["type"] == "http.response.body":
            whole.append(message["body"])

    asyncio.run(answers.respond(Request(scope), "key", (), lambda: b"")(scope, receive, take))
    assert b"".join(whole) == body
    assert max(map(len, whole)) == 2**18
    assert int(lengths[b"content-length"]) == len(body)
