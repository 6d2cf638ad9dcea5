"""Looks at endpoints: real servers that are killed and come again, real Prometheus text, and what may be reached."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.served_model import Served, served
from tests.test_cli import run as command
from vedette import Monitor, config
from vedette.config.endpoints import endpoint_of, endpoints_of, selector_of
from vedette.engine.endpoints import watching
from vedette.engine.endpoints.exposition import samples_of
from vedette.engine.endpoints.look import look
from vedette.engine.endpoints.poller import Poller, settings_for
from vedette.engine.endpoints.row import Rows
from vedette.errors import ConfigError, DataError, LockedError, NotAllowedError
from vedette.lake.tables import Lake

pytest.importorskip("prometheus_client", reason="the extra 'prometheus' is not installed")
pytest.importorskip("fastapi", reason="FastAPI is not installed")
pytest.importorskip("uvicorn", reason="uvicorn is not installed")

METRICS = {
    "requests": "http_requests_total",
    "failures": 'http_requests_total{status=~"5.."}',
    "queue": "queue_length",
    "busy": "seconds_sum",
}


@pytest.fixture(scope="module")
def model() -> Iterator[Served]:
    with served() as made:
        yield made


def own(name: str = "production", **said: Any) -> Any:
    return settings_for(name, **{"network": "own", **said})


def rows_of(lake: Path, model: str = "delays.endpoint") -> list[dict[str, Any]]:
    """The looks that are in a lake, in order."""
    return Lake.at(lake).model(model)["predictions"].scan().sort("time").collect().to_dicts()


# --- what is said in vedette.toml -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({}, "url: must begin with"),
        ({"url": "ftp://x"}, "url: must begin with"),
        ({"url": "http://x", "kind": "grpc"}, "kind='grpc': must be one of http, open_inference, prometheus"),
        ({"url": "http://x", "evry": "5s"}, "unknown key 'evry'"),
        ({"url": "http://x", "every": "2d"}, "must be a day or less"),
        ({"url": "http://x", "timeout": 0}, "timeout=0: must be 0.1 to 60 seconds"),
        ({"url": "http://x", "network": "any"}, "network='any': must be 'public' or 'own'"),
        ({"url": "http://x", "metrics": ["a"]}, "metrics: goes with kind = 'prometheus' alone"),
        (
            {"url": "http://x", "kind": "prometheus", "metrics": {"up": "a"}},
            "none of the columns of a look itself",
        ),
        (
            {"url": "http://x", "kind": "prometheus", "metrics": {"a": "b{c}"}},
            "must be a label, =, !=, =~ or !~",
        ),
        ({"url": "http://x", "kind": "prometheus", "metrics": {"a": 'b{c=~"("}'}}, "is no pattern"),
        ({"url": "http://x", "allow": "x"}, "allow='x': must be a list"),
        ({"url": "http://x", "token_env": "a b"}, "must be the name of an environment variable"),
    ],
)
def test_what_cannot_be_is_refused_with_its_name(table: dict[str, Any], words: str) -> None:
    """Each says the endpoint, the key and what is right; a URL, which may hold a login, is not shown."""
    with pytest.raises(ValueError) as caught:
        endpoint_of("live", table)
    assert words in str(caught.value)
    assert str(caught.value).startswith("endpoint.live: ")


def test_the_file_is_read(tmp_path: Path) -> None:
    """Tables of endpoints and objectives; what is wrong with one is said with the model's name."""
    path = tmp_path / "vedette.toml"
    text = '[models.m.endpoint.a]\nurl = "http://a"\n[models.m.slo.s]\nobjective = 0.99\nof = "error_rate"\n'
    path.write_text(text, "utf-8")
    read = config.read(path)
    assert read.endpoints_of("m")["a"].url == "http://a"
    assert read.judged("m.endpoint") == {"slo": {"s": {"objective": 0.99, "of": "error_rate"}}}
    assert read.judged("other") is None
    path.write_text(text.replace("0.99", "99.9"), "utf-8")
    with pytest.raises(
        ConfigError, match=r"\[models.m\]: slo.s: objective=99.9: must lie above 0 and below 1"
    ):
        config.read(path)


def test_selectors_choose_as_prometheus_does() -> None:
    """All matchers must fit; a pattern must fit as a whole; a label that is not there is empty."""
    labels = {"code": "503", "path": '/a"b'}
    fits = {
        'm{code="503"}': True,
        'm{code!="503"}': False,
        'm{code=~"5.."}': True,
        'm{code=~"5"}': False,
        'm{code!~"5..",}': False,
        'm{other=""}': True,
        r'm{path="/a\"b", code=~"4..|5.."}': True,
    }
    assert {text: selector_of(text).fits(labels) for text in fits} == fits


# --- Prometheus text ------------------------------------------------------------------------------------------------


def test_what_is_no_prometheus_text_is_said() -> None:
    """A page, an empty text, numbers that are none: an error with what is wrong, never a figure."""
    for text in ("<html>hello</html>", "", "# EOF", 'm{a="b} 1\n', "m one\n"):
        with pytest.raises(DataError, match="is no Prometheus text"):
            samples_of(text)


def exposed(**values: float) -> Any:
    """Samples of a counter ``hits_total`` by label ``code``, and when the process began."""
    start = values.pop("start", None)
    lines = ["# TYPE hits counter", *(f'hits_total{{code="{code[1:]}"}} {n}' for code, n in values.items())]
    lines += [] if start is None else [f"process_start_time_seconds {start}"]
    return samples_of("\n".join([*lines, ""]))


def rows(*looks: tuple[float, Any]) -> list[tuple[Any, Any]]:
    """The rate and whether it restarted, of looks (at, samples)."""
    from vedette.engine.endpoints.look import Look

    made = Rows(own(url="http://x", kind="prometheus", metrics={"hits": "hits_total"}))
    found = [made.of(Look(True, "200 OK", 0.01, 200, samples=samples), at) for at, samples in looks]
    return [(row["hits"], row["restarted"]) for row in found]


def test_counters_become_rates_and_restarts_are_found() -> None:
    """A rate over the time between two looks; a young process counts from 0; one without a start by a counter that fell."""
    assert rows(
        (0, exposed(c200=10, start=1)), (10, exposed(c200=40, start=1)), (20, exposed(c200=5, start=99))
    ) == [
        (None, 0),
        (3.0, 0),
        (0.5, 1),
    ]
    assert rows((0, exposed(c200=10)), (10, exposed(c200=30)), (20, exposed(c200=5))) == [
        (None, 0),
        (2.0, 0),
        (0.5, 1),
    ]


def test_a_series_that_is_new_was_counted_since_the_last_look() -> None:
    """The first failure makes a series of its own: of a process that is known to be the same it counts in full."""
    assert rows((0, exposed(c200=10, start=1)), (10, exposed(c200=10, c500=5, start=1)))[1] == (0.5, 0)


def test_processes_that_answer_by_turns_have_rates_of_their_own() -> None:
    """Two replicas behind one address: an older one that answers again has not restarted, nor did its counters fall."""
    old, new = (lambda n: exposed(c200=n, start=100)), (lambda n: exposed(c200=n, start=200))
    found = rows((0, new(500)), (10, old(10)), (20, new(540)), (30, old(50)))
    assert found == [(None, 0), (None, 0), (2.0, 0), (2.0, 0)]


# --- looks at a real server -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/metrics", "/openmetrics"])
def test_the_metrics_of_a_real_server_are_taken(model: Served, path: str) -> None:
    """By ``prometheus_client``'s own exposition, old and new: rates, values and when the process began."""
    settings = own(url=f"{model.url}{path}", kind="prometheus", metrics=METRICS)
    made = Rows(settings)
    model.get("/predict")
    made.of(look(settings), 0.0)
    for _ in range(3):
        model.get("/predict")
    model.get("/predict?fail=1")
    row = made.of(look(settings), 2.0)
    assert (row["requests"], row["failures"], row["queue"]) == (2.0, 0.5, 3.0)
    assert row["busy"] == pytest.approx(0.04)
    assert (row["up"], row["restarted"]) == (1, 0)
    assert abs(row["start_time"] - time.time()) < 300


def test_open_inference_asks_live_ready_and_the_model(model: Served) -> None:
    """Up where all are; not where the model is not loaded, and it says which was not."""
    good = look(own(url=f"{model.url}/", kind="open_inference", model="delays"))
    bad = look(own(url=model.url, kind="open_inference", model="other/../x"))
    assert (good.up, good.parts) == (True, {"live": 1, "ready": 1, "model_ready": 1})
    assert (bad.up, bad.parts["ready"]) == (False, 1)
    assert bad.error == "not model ready"
    bad = look(own(url=model.url, kind="open_inference", model="other"))
    assert (bad.answer, bad.status) == ("model_ready: 400 Bad Request", 400)


def test_answers_that_are_no_success_are_down(model: Served) -> None:
    """An error, a redirect (not followed), a page in the place of metrics: down, with the reason."""
    assert look(own(url=f"{model.url}/secret")).error == "status 503"
    away = look(own(url=f"{model.url}/away"))
    assert (away.up, "a redirect, which is not followed" in away.answer) == (False, True)
    page = look(own(url=f"{model.url}/v2/health/live", kind="prometheus"))
    assert (page.up, page.status, page.error) == (False, 200, "no metrics")


def test_one_that_never_answers_ends_with_its_time() -> None:
    """A server that takes the connection and says nothing: no answer within the time that was given."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        found = look(own(url=f"http://127.0.0.1:{silent.getsockname()[1]}/", timeout=0.2))
    assert (found.up, found.answer, found.latency_s) == (False, "no answer within 0.2 s", None)


def test_the_own_network_is_reached_only_where_it_is_said(model: Served) -> None:
    """Without a word only public addresses, the metadata of clouds never; ``allow`` names the only ones."""
    with pytest.raises(NotAllowedError, match="network = 'own' reaches this machine and private networks"):
        look(settings_for("a", url=model.url))
    with pytest.raises(NotAllowedError, match="link-local"):
        look(own(url="http://169.254.169.254/latest/meta-data/"))
    with pytest.raises(NotAllowedError, match="not among what allow names"):
        look(own(url=model.url, allow=["models.internal", "10.0.0.0/8"]))
    assert look(settings_for("a", url=f"{model.url}/v2/health/live", allow=["127.0.0.1/32"])).up


def test_a_token_is_sent_and_one_that_is_missing_is_no_outage(
    model: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was asked, so nothing is known: an error of the settings, not a look that found the model down."""
    settings = own(url=model.url, token_env="ENDPOINT_TOKEN")
    monkeypatch.delenv("ENDPOINT_TOKEN", raising=False)
    with pytest.raises(ConfigError, match="token_env='ENDPOINT_TOKEN': the variable is not set"):
        look(settings)


# --- rows in the lake -----------------------------------------------------------------------------------------------


def test_a_kill_is_a_row_and_the_restart_is_found(tmp_path: Path) -> None:
    """Killed with -9 and started again: the look between is a row with an error, the next one a restart."""
    with ExitStack() as stack:
        model = stack.enter_context(served())
        monitor = stack.enter_context(Monitor("delays", version="4", lake=tmp_path))
        poller = monitor.endpoint(
            f"{model.url}/metrics", kind="prometheus", name="production", network="own", every_s=3600.0,
            metrics=METRICS, stage="production", version="5",
        )  # fmt: skip
        while poller.last is None:
            time.sleep(0.01)
        model.kill()
        assert poller.look().answer == "connection refused"
        time.sleep(1.1)  # a start is told to the second
        model.start()
        poller.look()
        monitor.flush()
        figures = monitor._beside("endpoint", None, "5").figures(["error_rate", "rows"], window="all")
        ledger = monitor._beside("endpoint", None, "5").ledger()
    found = rows_of(tmp_path)
    assert [(row["up"], row["status"], row["error"], row["restarted"]) for row in found] == [
        (1, 200, None, 0),
        (0, None, "connection refused", None),
        (1, 200, None, 1),
    ]
    assert {(row["endpoint"], row["stage"], row["version"]) for row in found} == {
        ("production", "production", "5")
    }
    rates = [row["value"] for row in figures.iter_rows(named=True) if row["metric"] == "error_rate"]
    assert rates == [pytest.approx(1 / 3)]
    assert ledger.balanced


def test_a_look_that_may_not_be_made_is_counted_and_no_row(tmp_path: Path) -> None:
    """The ledger says how many were not made, and why; nothing is said of the model."""
    with Monitor("delays", lake=tmp_path) as monitor:
        poller = monitor.endpoint("http://127.0.0.1:9/", every_s=3600.0)
        with pytest.raises(NotAllowedError):
            poller.look()
        monitor.flush()
        ledger = monitor._beside("endpoint", None).ledger()
    assert ledger.total("rejected") >= 1
    assert ledger.total("in_lake") == 0
    assert ledger.balanced


def test_the_thread_looks_at_its_own_times_and_makes_up_for_nothing(model: Served) -> None:
    """Five looks a second for a second; a look that took long leaves out those that were due meanwhile."""
    times: list[float] = []
    settings = own(url=f"{model.url}/v2/health/live")
    object.__setattr__(settings, "every_s", 0.2)

    def record(_row: Any, *_: Any, time: float, **__: Any) -> None:
        times.append(time)
        if len(times) == 2:
            threading.Event().wait(0.5)

    poller = Poller(settings, record, lambda *_, **__: None)
    time.sleep(1.5)
    poller.close()
    apart = [later - at for at, later in itertools.pairwise(times)]
    assert len(times) <= 8
    assert max(apart) > 0.5
    assert all(abs(one / 0.2 - round(one / 0.2)) < 0.4 for one in apart)


def test_in_a_forked_child_nobody_looks(model: Served, tmp_path: Path) -> None:
    """The looking is the parent's: a child that was forked has no such thread, and may still look itself."""
    code = (
        "import os, threading, vedette\n"
        f"monitor = vedette.Monitor('delays', lake={str(tmp_path)!r})\n"
        f"poller = monitor.endpoint({model.url!r}, network='own', every_s=3600.0)\n"
        "poller.look()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    names = [one.name for one in threading.enumerate() if 'endpoint' in one.name]\n"
        "    os._exit(0 if not names and poller.look() is not None else 1)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "monitor.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


# --- what the command and the server do -----------------------------------------------------------------------------


def written(folder: Path, model: Served, every: str = "1s") -> None:
    text = f'[models.delays.endpoint.live]\nurl = "{model.url}/v2/health/live"\nnetwork = "own"\nevery = "{every}"\n'
    (folder / "vedette.toml").write_text(text, "utf-8")


def test_the_command_looks_once(model: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what it found and records it; exit 1 where one is down; a model without endpoints is named."""
    monkeypatch.chdir(tmp_path)
    written(tmp_path, model)
    done = command("endpoints", "delays", "--lake", "lake", "--json")
    assert (done.returncode, '"up": true' in done.stdout) == (0, True)
    done = command("endpoints", "other", "--lake", "lake")
    assert (done.returncode, "give it a table [models.other.endpoint.NAME]" in done.stderr) == (70, True)
    down = '[models.delays.endpoint.live]\nurl = "http://127.0.0.1:9/"\n'
    (tmp_path / "vedette.toml").write_text(down, "utf-8")
    done = command("endpoints", "delays", "--lake", "lake")
    assert (done.returncode, done.stdout.startswith("UNKNOWN live")) == (1, True)
    (tmp_path / "vedette.toml").write_text(f'{down}network = "own"\n', "utf-8")
    done = command("endpoints", "delays", "--lake", "lake")
    assert (done.returncode, done.stdout.startswith("down live: connection refused")) == (1, True)


def test_one_process_follows_and_reads_the_file_anew(
    model: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second one is refused; an endpoint that is added is looked at without a restart; SIGINT ends it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(watching, "_LOOK_EVERY_S", 0.2)
    written(tmp_path, model)
    seen: list[str] = []
    stop = threading.Event()
    lake = Lake.at(tmp_path / "lake")
    thread = threading.Thread(
        target=lambda: watching.follow(lake, stop.is_set, tell=lambda one: seen.append(one.endpoint.name))
    )
    thread.start()
    try:
        _until(lambda: "live" in seen)
        with pytest.raises(LockedError):
            watching.follow(lake, lambda: False)
        with (tmp_path / "vedette.toml").open("a", encoding="utf-8") as file:
            file.write('[models.delays.endpoint.more]\nurl = "http://127.0.0.1:9/"\nnetwork = "own"\n')
        _until(lambda: "more" in seen)
        (tmp_path / "vedette.toml").write_text("[models.delays.endpoint.live]\n", "utf-8")  # wrong: as before
        n = len(seen)
        _until(lambda: "live" in seen[n:])
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()


def test_the_command_follows_until_it_is_ended(model: Served, tmp_path: Path) -> None:
    """One line a look, and SIGINT ends it."""
    written(tmp_path, model)
    process = subprocess.Popen(
        [sys.executable, "-m", "vedette", "endpoints", "delays", "--follow", "--json", "--lake", "lake"],
        cwd=tmp_path, env=os.environ, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(2)]
    process.send_signal(signal.SIGINT)
    assert process.wait(20) in (0, 130)
    process.stdout.close()
    assert all('"up": true' in line for line in lines)


def _until(true: Any, wait_s: float = 20.0) -> None:
    until = time.monotonic() + wait_s
    while not true():
        assert time.monotonic() < until, "did not come"
        time.sleep(0.02)


def test_endpoints_are_tables() -> None:
    """Anything else is refused in words."""
    with pytest.raises(ValueError, match="must be tables"):
        endpoints_of(["http://x"])
