"""Which version answers a request: policies in a file that every worker has mapped."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from vedette.capture.routing import Policy, RoutedApp, Router, SafeAnswer, read, write
from vedette.capture.routing.policy import BUCKETS, assigned, bucket, mixed
from vedette.capture.routing.table import SIZE
from vedette.errors import ConfigError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "routing"


def versions(router: Router, n: int) -> list[str]:
    return [router.version(f"user-{number}") for number in range(n)]


def test_shares_are_those_that_were_set(path: Path) -> None:
    """Of 50,000 identifiers, within what a binomial law allows; of requests without one, to the request."""
    write(path, Policy({"3": 0.85, "4": 0.1, "5": 0.05}))
    with Router(path, default="3") as router:
        found = versions(router, 50_000)
        for version, share in (("3", 0.85), ("4", 0.1), ("5", 0.05)):
            assert abs(found.count(version) - 50_000 * share) < 4 * np.sqrt(50_000 * share * (1 - share))
        turns = [router.version() for _ in range(BUCKETS)]
        assert [turns.count(version) for version in "345"] == [55705, 6554, 3277]
        tenths = [turns[start : start + 100].count("4") for start in range(0, BUCKETS - 100, 100)]
        assert 8 <= min(tenths) <= max(tenths) <= 12


def test_a_router_answers_by_the_bucket_of_the_identifier(path: Path) -> None:
    """What is written out in the router for its speed is what ``bucket`` says."""
    write(path, Policy({"3": 0.5, "4": 0.5}, salt="ü"))
    table = assigned(Policy({"3": 0.5, "4": 0.5}, salt="ü"))
    names = [f"{number:x}" * (number % 9) for number in range(2000)] + ["\udcff", "日本"]
    mixing = mixed("ü")
    with Router(path, default="3") as router:
        assert [router.version(name) for name in names] == [table[bucket(name, mixing)] for name in names]


def test_buckets_are_even_and_salts_deal_anew() -> None:
    """Identifiers that are counted fill buckets as chance would; under two salts they lie apart."""
    names = [f"customer-{number:07d}" for number in range(100_000)]
    one, other = (
        [bucket(name, mixing) * 20 // BUCKETS for name in names] for mixing in (mixed("a"), mixed("b"))
    )
    assert stats.chisquare(np.bincount(one, minlength=20)).pvalue > 1e-4
    assert stats.chi2_contingency(np.histogram2d(one, other, bins=20)[0]).pvalue > 1e-4


def test_as_few_as_possible_change_their_version(path: Path) -> None:
    """From 10 % to 30 % and to a third version: none changes that need not; back to one, all are back."""
    steps = [
        Policy({"3": 1.0}),
        Policy({"3": 0.9, "4": 0.1}),
        Policy({"3": 0.7, "4": 0.3}),
        Policy({"3": 0.5, "4": 0.3, "5": 0.2}),
        Policy({"3": 1.0}),
    ]
    before: list[str] = []
    moved = []
    for policy in steps:
        table = assigned(policy, before)
        moved.append(sum(a != b for a, b in zip(before, table, strict=False)))
        before = table
    assert moved == [0, 6554, 13107, 13107, 32768]


def test_a_change_holds_from_the_next_request_on_in_every_process(path: Path) -> None:
    """A worker of its own sees what is written here, within a second."""
    write(path, Policy({"3": 1.0}))
    code = (
        "import sys, time\nfrom vedette.capture.routing import Router\n"
        "router = Router(sys.argv[1], default='none')\nprint(router.version('ann'), flush=True)\n"
        "while (found := router.version('ann')) == '3': time.sleep(0.001)\nprint(found, time.time(), flush=True)\n"
    )
    workers = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "3\n"
    write(path, Policy({"4": 1.0}))
    for worker in workers:
        assert worker.communicate(timeout=30)[0].startswith("4 ")


def test_a_writer_that_is_killed_leaves_a_whole_policy(path: Path) -> None:
    """At any moment: what holds is always one that was written, and the next writer goes on."""
    write(path, Policy({"0": 1.0}))
    code = (
        "import sys\nfrom vedette.capture.routing import Policy, write\nnumber = 0\nprint('ready', flush=True)\n"
        "while True:\n    number += 1\n    write(sys.argv[1], Policy({str(number): 0.5, str(number + 1): 0.5}))\n"
    )
    for copy in range(8):
        writer = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.01 + 0.007 * copy)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        shares = read(path).shares
        assert sum(shares.values()) == 1
        with Router(path, default="none") as router:
            assert router.problem is None
            assert set(versions(router, 200)) == set(shares)


def test_readers_beside_a_writer_see_whole_policies(path: Path) -> None:
    """While it changes all the time every answer is of a policy that was written, and the last one holds in the end."""
    write(path, Policy({"a": 1.0}))
    seen: set[str] = set()
    ended = threading.Event()
    with Router(path, default="none") as router:

        def reading() -> None:
            while not ended.is_set():
                seen.add(router.version("ann"))

        threads = [threading.Thread(target=reading) for _ in range(2)]
        for thread in threads:
            thread.start()
        for number in range(150):
            write(path, Policy({"ab"[number % 2]: 1.0}))
        ended.set()
        for thread in threads:
            thread.join()
        assert seen == {"a", "b"}
        assert router.version("ann") == "b"


def test_without_a_file_the_default_answers_until_it_comes(path: Path) -> None:
    """And says why; a file of something else, one that is cut off and one that is spoiled are no policy either."""
    router = Router(path, default="3")
    assert (router.version("ann"), router.problem) == ("3", f"{path}: No such file or directory")
    write(path, Policy({"4": 1.0}))
    assert router.look()
    assert (router.version("ann"), router.problem) == ("4", None)
    with path.open("r+b") as file:
        for place in (4096, 102400):
            file.seek(place + 4)
            file.write(b"\xff\xff\xff\xff")
        file.seek(8)
        file.write((7).to_bytes(8, "little"))
    assert router.version("ann") == "3"
    assert router.problem == f"{path}: has no policy that is whole"
    assert router.generation == 7
    router.close()
    assert router.version("ann") == "3"
    with pytest.raises(ConfigError, match="has no policy that is whole"):
        read(path)
    path.write_bytes(b"something else")
    with Router(path, default="3") as router:
        assert router.problem == f"{path}: is no file of routing policies"
    with pytest.raises(ConfigError, match=r"is no file of routing policies \(14 bytes\)"):
        write(path, Policy({"4": 1.0}))


def test_a_file_that_is_cut_off_does_not_end_the_process(path: Path) -> None:
    """In a process of its own: the default answers, where a read of the map would be a SIGBUS."""
    write(path, Policy({"4": 1.0}))
    code = (
        "import os, sys\nfrom vedette.capture.routing import Router\nrouter = Router(sys.argv[1], default='3')\n"
        "assert router.version('ann') == '4'\nos.truncate(sys.argv[1], 0)\nprint(router.version('ann'), router.version('bob'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "3 3\n"), done.stderr


def test_a_file_whose_first_writer_died_is_begun_anew(path: Path) -> None:
    """Allocated, and nothing written yet."""
    path.write_bytes(bytes(SIZE))
    assert write(path, Policy({"4": 1.0})) == 1
    assert dict(read(path).shares) == {"4": 1.0}


def test_what_a_process_does_not_have_the_default_answers(path: Path) -> None:
    """And the buckets of which that is so are counted."""
    write(path, Policy({"3": 0.6, "9": 0.4}, shadow=("8", "4")))
    with Router(path, default="3", versions={"3", "4"}) as router:
        assert set(versions(router, 500)) == {"3"}
        assert router.missing == 26214
        assert router.shadow == ("4",)
    with pytest.raises(ValueError, match="default='5': must be one of versions"):
        Router(path, default="5", versions={"3"})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"shares": {}}, r"shares=\{\}: must be shares by version"),
        ({"shares": {"3": 0.5}}, "must add up to 1, got 0.5"),
        ({"shares": {"3": 1.5, "4": -0.5}}, "share 1.5 of version '3': must be from 0 to 1"),
        ({"shares": {"3": float("nan")}}, "share nan of version '3'"),
        ({"shares": {"": 1.0}}, "version '': must be a text"),
        ({"shares": {"3": 1.0}, "shadow": ("3",)}, "must be versions that are not in shares"),
        ({"shares": {"3": 1.0}, "mode": "random"}, "mode='random': must be one of sticky, alternating"),
    ],
)
def test_a_policy_that_cannot_be_is_refused(given: dict[str, Any], message: str) -> None:
    """With what it says and what is right."""
    with pytest.raises(ValueError, match=message):
        Policy(**given)


def answering(name: str, seen: list[Any]) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                seen.append((name, message["type"]))
                await send({"type": f"{message['type']}.complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        seen.append((name, scope["vedette.version"], scope["vedette.shadow"], body))
        if body == b"fail" and scope["vedette.shadow"]:
            raise RuntimeError("in shadow")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": name.encode()})

    return app


async def asked(
    app: Any, body: list[bytes], identifier: str | None = None
) -> tuple[bytes, dict[bytes, bytes]]:
    sent: list[Any] = []
    left = [
        {"type": "http.request", "body": part, "more_body": number < len(body) - 1}
        for number, part in enumerate(body)
    ]

    async def receive() -> Any:
        return left.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"x-user-id", identifier.encode())] if identifier is not None else []
    await app({"type": "http", "headers": headers}, receive, send)
    while app._shadows:
        await asyncio.sleep(0)
    return sent[1]["body"], dict(sent[0]["headers"])


def test_requests_go_to_the_version_of_their_identifier(path: Path) -> None:
    """The response names the version; a shadow gets the same body, fails unseen, and is counted."""
    write(path, Policy({"3": 0.5, "4": 0.5}, shadow=("5",)))
    seen: list[Any] = []
    with Router(path, default="3") as router:
        app = RoutedApp({name: answering(name, seen) for name in "345"}, router, shadow_bytes_max=10)

        async def all_of_it() -> None:
            for number in range(20):
                name = f"user-{number}"
                body, headers = await asked(app, [b"a", b"b"], name)
                assert body == headers[b"x-model-version"] == router.version(name).encode()
            assert seen[:2] == [(seen[0][0], seen[0][0], False, b"ab"), ("5", "5", True, b"ab")]
            assert {one[0] for one in seen} == {"3", "4", "5"}
            await asked(app, [b"fail"])
            assert (app.shadow_errors, app.shadows_left_out) == (1, 0)
            await asked(app, [b"much too long a body"])
            assert app.shadows_left_out == 1

        asyncio.run(all_of_it())
    with pytest.raises(ValueError, match="must have the router's default '3'"):
        RoutedApp({"4": None}, router)


def test_every_version_is_started_and_ended(path: Path) -> None:
    """Lifespan events go to all; an application that has no lifespan counts as started."""
    seen: list[Any] = []

    async def without(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("no lifespan")

    with Router(path, default="3") as router:
        app = RoutedApp({"3": answering("3", seen), "4": answering("4", seen), "5": without}, router)
        events = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
        sent: list[Any] = []

        async def receive() -> Any:
            return events.pop(0)

        async def send(message: Any) -> None:
            sent.append(message["type"])

        asyncio.run(app({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert sorted(seen) == sorted(
        (name, f"lifespan.{kind}") for name in "34" for kind in ("startup", "shutdown")
    )


@pytest.mark.parametrize("at", ["startup", "shutdown", "raise"])
def test_a_version_that_fails_to_start_or_to_end_keeps_no_worker(path: Path, at: str) -> None:
    """What it says is passed on, and the others are ended."""
    seen: list[Any] = []

    async def failing(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if at == "startup":
            await send({"type": "lifespan.startup.failed", "message": "no model"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if at == "raise":
            raise RuntimeError("no model")
        await send({"type": "lifespan.shutdown.failed", "message": "no model"})

    with Router(path, default="3") as router:
        app = RoutedApp({"3": answering("3", seen), "4": failing}, router)
        events = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
        sent: list[Any] = []

        async def receive() -> Any:
            return events.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(asyncio.wait_for(app({"type": "lifespan"}, receive, send), 20))
    assert sent[-1]["type"] == f"lifespan.{'startup' if at == 'startup' else 'shutdown'}.failed"
    assert "no model" in sent[-1]["message"]


def test_an_identifier_that_is_no_text_counts_as_its_text(path: Path) -> None:
    """Nothing raises in the model's process."""
    write(path, Policy({"3": 0.5, "4": 0.5}))
    with Router(path, default="3") as router:
        assert [router.version(number) for number in range(50)] == [
            router.version(str(number)) for number in range(50)
        ]  # type: ignore[arg-type]


def test_a_fork_goes_on_following(path: Path) -> None:
    """Workers that a server forks after the router was made see the next policy."""
    write(path, Policy({"3": 1.0}))
    with Router(path, default="none") as router:
        child = os.fork()
        if not child:
            until = time.monotonic() + 20
            while router.version("ann") != "4" and time.monotonic() < until:
                time.sleep(0.005)
            os._exit(0 if router.version("ann") == "4" else 1)
        write(path, Policy({"4": 1.0}))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_safe_answer_takes_the_place_of_a_version(path: Path) -> None:
    """Through Starlette's own client: its lifespan, a GET, a HEAD, and a change of the policy that routes to it."""
    testing = pytest.importorskip("starlette.testclient", reason="starlette is not installed")
    write(path, Policy({"3": 1.0}))
    with Router(path, default="3") as router:
        app = RoutedApp(
            {
                "3": SafeAnswer({"answer": "yes"}),
                "safe": SafeAnswer(b"?", status=503, media_type="text/plain"),
            },
            router,
        )
        with testing.TestClient(app) as client:
            assert client.get("/predict").json() == {"answer": "yes"}
            write(path, Policy({"safe": 1.0}))
            answer = client.get("/predict")
            assert (answer.status_code, answer.text, answer.headers["content-type"]) == (
                503,
                "?",
                "text/plain",
            )
            assert answer.headers["x-model-version"] == "safe"
            assert client.head("/predict").text == ""
    with pytest.raises(ValueError, match="status=99"):
        SafeAnswer({}, status=99)
