"""Channels: what each must do, and what each of them does; and what vedette.toml says of them."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.receivers import T0, Receiver, alert, notice, receiver
from vedette import config
from vedette.config import ChannelSettings
from vedette.errors import ChannelError, ConfigError, MissingExtraError
from vedette.output import channels
from vedette.output.channels import CHANNELS, Channel, channel, find_channel
from vedette.output.channels.attempt import attempt, without_secrets
from vedette.output.channels.words import body, document, text, title
from vedette.records import Attachment, Notice

SECRET = "s3cr3t-of-the-webhook"
ROOT = Path(__file__).parent.parent


@pytest.fixture
def listening() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


def settings(kind: str, listening: Receiver, tmp_path: Path, **more: Any) -> ChannelSettings:
    """A channel of each type that works."""
    own: dict[str, dict[str, Any]] = {
        "terminal": {},
        "command": {
            "command": [sys.executable, "-c", "import sys; print('took', len(sys.stdin.read()) > 0)"]
        },
        "webhook": {"url": listening.url, "secret": SECRET},
        "alertmanager": {"url": listening.url},
        "apprise": {"urls": [f"json://127.0.0.1:{listening.port}/hook/T0KEN-in-path"]},
    }
    if kind == "apprise":
        pytest.importorskip("apprise", reason="the extra 'apprise' is not installed")
    return ChannelSettings("ops", kind, own={**own[kind], **more}, timeout_s=5.0)


def broken(kind: str, listening: Receiver, tmp_path: Path) -> ChannelSettings:
    """A channel of each type whose receiver refuses, with a secret in its settings where it can have one."""
    listening.answers = [(500, {})]
    fails = [sys.executable, "-c", f"import sys; sys.exit('no: ' + {SECRET!r})", SECRET]
    return settings(kind, listening, tmp_path, **({"command": fails} if kind == "command" else {}))


# --- every channel ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CHANNELS)
@pytest.mark.parametrize("what", ["alerts", "many", "hostile", "heartbeat", "test"])
def test_every_channel_takes_every_notice(
    kind: str, what: str, listening: Receiver, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One alert or hundreds, names that no terminal should see, no alert at all: each is sent, and says what came back."""
    odd = "bad\x1b[31m\ud800\n\u202ename"
    sent = {
        "alerts": notice(alert()),
        "many": notice(*(alert(f"a{n}", watch=f"c{n}.location") for n in range(300))),
        "hostile": notice(alert(watch=odd, segment=odd, evidence=odd, reason=odd, by=odd)),
        "heartbeat": notice(kind="heartbeat"),
        "test": notice(kind="test"),
    }[what]
    said = channel(settings(kind, listening, tmp_path)).send(sent)
    assert said
    assert said.isprintable()
    shown = capsys.readouterr().err
    assert "\x1b" not in shown
    assert "\u202e" not in shown


@pytest.mark.parametrize("kind", [kind for kind in CHANNELS if kind != "terminal"])
def test_no_channel_takes_failure_for_success_or_tells_a_secret(
    kind: str, listening: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A receiver that refuses is a failure, and neither it nor the channel nor the log shows what must not be seen."""
    made = broken(kind, listening, tmp_path)
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ChannelError):
        channel(made).send(notice(alert()))
    taken, said = attempt(made, notice(alert()))
    assert not taken
    for shown in (said, repr(made), repr(channel(made)), str(channel(made)), caplog.text):
        assert SECRET not in shown
        assert "T0KEN" not in shown


@pytest.mark.parametrize("kind", CHANNELS)
def test_every_type_of_channel_is_documented(kind: str) -> None:
    """Each type and each of its keys is in docs/settings.md and docs/alerts.md."""
    assert set(config.CHANNEL_TYPES) == set(CHANNELS)
    page = (ROOT / "docs" / "settings.md").read_text("utf-8")
    assert [key for key in config.CHANNEL_TYPES[kind] if f"| `{key}` |" not in page] == []
    assert f"`{kind}`" in (ROOT / "docs" / "alerts.md").read_text("utf-8")


def test_a_package_can_bring_a_channel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An entry point of the group is a type; its keys go to its class, and what is none is refused."""

    class Bell:
        def __init__(self, *, timeout_s: float, tone: str = "a") -> None:
            self.tone = tone

        def send(self, notice: Notice) -> str:
            return f"rang {self.tone}"

    class Entry:
        value = "package:thing"

        def __init__(self, name: str, thing: object) -> None:
            self.name, self.load = name, lambda: thing

    entries = [Entry("bell", Bell), Entry("no", object)]
    monkeypatch.setattr(channels, "entry_points", lambda group: entries)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: entries)
    (tmp_path / "v.toml").write_text(
        "[channels.ops]\ntype = 'bell'\ntone = 'c'\n[channels.b]\ntype = 'bell'\nt = 1"
    )
    ops, wrong = config.read(tmp_path / "v.toml").channels
    assert attempt(ops, notice(alert())) == (True, "rang c")
    taken, said = attempt(wrong, notice(alert()))
    assert (taken, "unexpected keyword argument 't'" in said) == (False, True)
    with pytest.raises(ChannelError, match="must be a class with a method send"):
        find_channel("no")
    with pytest.raises(ChannelError, match=r"type='nothing': must be one of terminal, .*bell"):
        find_channel("nothing")


def test_a_channel_that_raises_or_hangs_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a channel does, an attempt ends in time with what went wrong."""

    class Bad:
        def __init__(self, *, timeout_s: float, hangs: bool = False) -> None:
            self.hangs = hangs

        def send(self, notice: Notice) -> str:
            if self.hangs:
                time.sleep(8)
            raise ZeroDivisionError("oh")

    monkeypatch.setitem(CHANNELS, "bad", Bad)
    assert attempt(ChannelSettings("b", "bad"), notice()) == (False, "ZeroDivisionError: oh")
    begun = time.monotonic()
    hangs = ChannelSettings("b", "bad", timeout_s=0.1, own={"hangs": True})
    assert attempt(hangs, notice()) == (False, "no answer within 0.1 s")
    assert time.monotonic() - begun < 4


# --- words --------------------------------------------------------------------------------------------------------


def test_the_title_says_model_what_and_since_when() -> None:
    """One line; what fires and what is resolved apart; many are counted."""
    assert title(notice(alert())) == "delays: ALARM x.location since 2026-03-02 07:00 UTC"
    both = notice(alert(), alert("a2", "resolved", watch="accuracy"))
    assert title(both) == (
        "delays: ALARM x.location since 2026-03-02 07:00 UTC; "
        "resolved accuracy since 2026-03-02 07:00 until 2026-03-02 08:00 UTC"
    )
    many = notice(*(alert(f"a{n}", watch=f"c{n}") for n in range(5)))
    assert title(many) == "delays: ALARM c0, c1, c2 and 2 more since 2026-03-02 07:00 UTC"
    again = Notice("k", "alerts", "delays", None, "i1", (alert(),), True, T0)
    assert title(again) == "delays: still ALARM x.location since 2026-03-02 07:00 UTC"
    assert text(notice(alert())).splitlines() == [
        "delays: ALARM x.location since 2026-03-02 07:00 UTC",
        "- ALARM x.location since 2026-03-02 07:00 UTC: mean went from 0 to 1",
        "Seen it? vedette ack a1",
    ]


def test_the_document_has_every_part_of_the_notice() -> None:
    """Programs get key, model, version, incident, and of each alert all that is known."""
    drawn = Attachment("a1.svg", "image/svg+xml", b"<svg/>")
    told = notice(alert(by="ada", reason="the feed is late", segment="site=a"))
    made = document(replace(told, url="https://v.example.org", pictures=(drawn,)))
    assert {key: made[key] for key in ("key", "kind", "model", "version", "incident", "repeat", "time")} == {
        "key": "0123abcd",
        "kind": "alerts",
        "model": "delays",
        "version": "3",
        "incident": "i1",
        "repeat": False,
        "time": "2026-03-02T08:00:00+00:00",
    }
    assert made["alerts"] == [
        {
            "id": "a1",
            "watch": "x.location",
            "segment": "site=a",
            "state": "firing",
            "opened": "2026-03-02T07:00:00+00:00",
            "closed": None,
            "evidence": "mean went from 0 to 1",
            "by": "ada",
            "reason": "the feed is late",
            "verdict": "ALARM",
            "url": "https://v.example.org/models/delays/alerts/a1",
        }
    ]
    assert (made["url"], made["picture"]) == ("https://v.example.org/models/delays", "<svg/>")
    assert document(notice(alert(state="resolved")))["alerts"][0]["verdict"] is None
    assert json.loads(body(notice(alert()))) == document(notice(alert()))


# --- terminal and command -----------------------------------------------------------------------------------------


def test_the_terminal_gets_two_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, with the number of those that are not shown; nothing on standard output."""
    channel(ChannelSettings("t", "terminal")).send(notice(alert(), alert("a2", watch="accuracy")))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "vedette: delays: ALARM x.location, accuracy since 2026-03-02 07:00 UTC",
        "  ALARM x.location since 2026-03-02 07:00 UTC: mean went from 0 to 1 (and 1 more)",
    ]


def test_a_closed_terminal_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be printed was not told."""
    read, write = os.pipe()
    os.close(read)
    stream = os.fdopen(write, "w")
    monkeypatch.setattr(sys, "stderr", stream)
    with pytest.raises(ChannelError, match="cannot be written"):
        channel(ChannelSettings("t", "terminal")).send(notice(alert()))
    monkeypatch.undo()
    with pytest.raises(BrokenPipeError):
        stream.close()


def command(*arguments: str, timeout_s: float = 10.0) -> Channel:
    return channel(ChannelSettings("c", "command", timeout_s=timeout_s, own={"command": list(arguments)}))


def test_a_command_gets_the_notice_and_the_key(tmp_path: Path) -> None:
    """JSON on standard input, the key in the environment, arguments as they are: no shell reads them."""
    script = (
        "import os, sys; open(sys.argv[1], 'w').write(os.environ['VEDETTE_NOTICE_KEY'] + sys.stdin.read())"
    )
    place = tmp_path / "$(touch x); out"
    assert command(sys.executable, "-c", script, str(place)).send(notice(alert())) == "exit 0"
    written = place.read_text()
    assert written.startswith("0123abcd{")
    assert json.loads(written[8:]) == document(notice(alert()))


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    """The exit code and the last line of what it printed; a program that is gone cannot be started."""
    with pytest.raises(ChannelError, match=r"^exit 3: no such room$"):
        command("sh", "-c", "echo first; echo no such room >&2; exit 3").send(notice())
    with pytest.raises(ChannelError, match=r"^killed by signal 9$"):
        command("sh", "-c", "kill -9 $$").send(notice())
    with pytest.raises(ChannelError, match=r"^cannot be started: No such file"):
        command(str(tmp_path / "gone")).send(notice())


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    """At its timeout neither the program nor what it started is left."""
    place = tmp_path / "pid"
    begun = time.monotonic()
    with pytest.raises(ChannelError, match=r"^no end within 0\.5 s: killed$"):
        command("sh", "-c", f"sleep 60 & echo $! > {place}; wait", timeout_s=0.5).send(notice())
    assert time.monotonic() - begun < 5
    child = int(place.read_text())
    deadline = time.monotonic() + 5
    while _lives(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _lives(child)


def _lives(pid: int) -> bool:
    """True for a process that is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_child_that_outlives_its_program_holds_nothing_up() -> None:
    """What the program leaves behind, with its output open, is not waited for."""
    begun = time.monotonic()
    command("sh", "-c", "sleep 3 &").send(notice())
    assert time.monotonic() - begun < 2


# --- webhook ------------------------------------------------------------------------------------------------------


def hook(url: str, **more: Any) -> Channel:
    return channel(ChannelSettings("w", "webhook", timeout_s=2.0, own={"url": url, **more}))


def test_a_webhook_is_signed_as_the_docs_say(listening: Receiver) -> None:
    """The snippet of docs/alerts.md takes what was sent, and refuses another body, an old time and another secret."""
    hook(listening.url, secret=SECRET).send(notice(alert()))
    [(method, path, headers, content)] = listening.got
    assert (method, path, headers["Content-Type"]) == ("POST", "/hook/T0KEN-in-path", "application/json")
    assert headers["Idempotency-Key"] == "0123abcd"
    signed = headers["Vedette-Signature"]
    [snippet] = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "alerts.md").read_text("utf-8"), re.DOTALL
    )
    names: dict[str, Any] = {}
    exec(compile(snippet, "alerts.md", "exec"), names)
    genuine: Callable[..., bool] = names["genuine"]
    assert genuine(SECRET, signed, content)
    assert not genuine(SECRET, signed, content + b" ")
    assert not genuine("another", signed, content)
    assert not genuine(SECRET, signed, content, now=time.time() + 3600)
    assert not genuine(SECRET, "", content)
    # and by hand
    seconds = signed[2:].partition(",")[0]
    expected = hmac.new(SECRET.encode(), f"{seconds}.".encode() + content, hashlib.sha256).hexdigest()
    assert signed == f"t={seconds},v1={expected}"
    assert abs(int(seconds) - time.time()) < 60


@pytest.mark.parametrize(
    ("url", "said", "shown"),
    [
        ("slack://T0KENAAAA/T0KENBBBB/T0KENCCCC", "cannot reach T0KENAAAA", "cannot reach ***"),
        ("discord://T0KEN4930/T0KENxyz", "GET /api/T0KEN4930: 404", "GET /api/***: 404"),
        ("tgram://T0KEN123:AAF0T0KEN/99", "bot T0KEN123, then AAF0T0KEN", "bot ***, then ***"),
        ("ntfys://T0KENuser:pass@T0KENtopic", "no host t0kentopic", "no host ***"),
        ("pover://T0KEN%2Fuser@T0KENapp", "no user T0KEN/user", "no user ***"),
        (
            "https://hooks.example.org/T0KEN12?key=T0KEN34",
            "hooks.example.org: T0KEN34",
            "hooks.example.org: ***",
        ),
    ],
)
@pytest.mark.parametrize("named", [False, True])
def test_no_part_of_a_url_that_may_be_a_token_is_shown(
    monkeypatch: pytest.MonkeyPatch, url: str, said: str, shown: str, named: bool
) -> None:
    """Apprise has tokens where a URL has its host; the host of a web address alone is named."""
    monkeypatch.setenv("OPS_URLS", f"json://localhost {url}")
    own: dict[str, object] = {"urls_env": "OPS_URLS"} if named else {"urls": [url]}
    assert without_secrets(said, ChannelSettings("ops", "apprise", own=own)) == shown


def test_secret_and_url_can_come_from_the_environment(
    listening: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that is not there is an error that names it; without a secret nothing is signed."""
    made = channel(ChannelSettings("w", "webhook", own={"url_env": "OPS_URL", "secret_env": "OPS_SECRET"}))
    monkeypatch.delenv("OPS_URL", raising=False)
    with pytest.raises(ChannelError, match="url_env='OPS_URL': no such environment variable"):
        made.send(notice())
    monkeypatch.setenv("OPS_URL", listening.url)
    monkeypatch.setenv("OPS_SECRET", SECRET)
    made.send(notice())
    assert "Vedette-Signature" in listening.got[0][2]
    hook(listening.url).send(notice())
    assert "Vedette-Signature" not in listening.got[1][2]
    monkeypatch.setenv("OPS_URL", "T0KEN but no URL")
    taken, said = attempt(ChannelSettings("w", "webhook", own={"url_env": "OPS_URL"}), notice())
    assert (taken, "T0KEN" in said) == (False, False)


def test_user_and_password_of_a_url_are_a_header(listening: Receiver) -> None:
    """They are sent as HTTP's basic login and stand in no error."""
    url = f"http://ada:p%40ssword@127.0.0.1:{listening.port}/x"
    hook(url).send(notice())
    assert listening.got[0][2]["Authorization"] == "Basic YWRhOnBAc3N3b3Jk"  # base64 of ada:p@ssword
    listening.answers = [(403, {})]
    with pytest.raises(ChannelError, match=r"^answered 403 Forbidden$"):
        hook(url).send(notice())


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(listening: Receiver, code: int) -> None:
    """Not within the host, not to another one, not to a file: where alerts go is decided by the settings alone."""
    with receiver() as other:
        for place in ("/new", other.url, "file:///etc/passwd", "//169.254.169.254/x", ""):
            listening.answers = [(code, {"Location": place})]
            with pytest.raises(
                ChannelError, match=rf"^answered {code} .*, a redirect, which is not followed"
            ):
                hook(listening.url).send(notice())
        assert other.got == []
    assert {path for _, path, _, _ in listening.got} == {"/hook/T0KEN-in-path"}


def test_a_webhook_that_does_not_answer_says_so(listening: Receiver) -> None:
    """Refused, too slow, or not understood: a failure in few words."""
    import threading

    with receiver() as gone:
        url = gone.url
    with pytest.raises(ChannelError, match=r"^connection refused$"):
        hook(url).send(notice())
    listening.hold = threading.Event()
    slow = ChannelSettings("w", "webhook", timeout_s=0.2, own={"url": listening.url})
    with pytest.raises(ChannelError, match=r"^no answer within 0\.2 s$"):
        channel(slow).send(notice())
    listening.hold.set()
    for code, words in ((404, "404 Not Found"), (500, "500 Internal"), (303, "303 See Other"), (304, "304")):
        listening.answers = [(code, {})]
        with pytest.raises(ChannelError, match=rf"^answered {words}"):
            hook(listening.url).send(notice())


def test_a_get_has_no_body(listening: Receiver) -> None:
    """For receivers of heartbeats that know nothing else."""
    hook(listening.url, method="GET").send(notice(kind="heartbeat"))
    assert [(one[0], one[3]) for one in listening.got] == [("GET", b"")]


# --- Apprise ------------------------------------------------------------------------------------------------------


def test_apprise_delivers_title_and_text(listening: Receiver) -> None:
    """What its ``json://`` posts is the title, the text, and how grave it is."""
    pytest.importorskip("apprise", reason="the extra 'apprise' is not installed")
    made = ChannelSettings("a", "apprise", own={"urls": [f"json://127.0.0.1:{listening.port}/"]})
    assert attempt(made, notice(alert())) == (True, "json: taken")
    channel(made).send(notice(alert(state="resolved")))
    got = [json.loads(content) for _, _, _, content in listening.got]
    assert got[0]["title"] == title(notice(alert()))
    assert got[0]["message"].strip() == text(notice(alert()))
    assert [one["type"] for one in got] == ["failure", "success"]


def test_apprise_names_the_url_that_failed(listening: Receiver) -> None:
    """By its scheme; a URL that Apprise does not know is refused."""
    pytest.importorskip("apprise", reason="the extra 'apprise' is not installed")
    listening.answers = [(500, {})]
    made = {"urls": [f"json://127.0.0.1:{listening.port}/T0KEN"]}
    with pytest.raises(ChannelError, match=r"^1 of 1 URLs did not take it: json$"):
        channel(ChannelSettings("a", "apprise", own=made)).send(notice(alert()))
    with pytest.raises(ChannelError, match="one of nonsense:// is none that Apprise can use"):
        channel(ChannelSettings("a", "apprise", own={"urls": ["nonsense://T0KEN"]})).send(notice())


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Apprise the error says what to install."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    made = ChannelSettings("a", "apprise", own={"urls": ["json://localhost"]})
    with pytest.raises(MissingExtraError, match=r'pip install "vedette\[apprise\]"'):
        channel(made).send(notice())


# --- settings -----------------------------------------------------------------------------------------------------


def read(folder: Path, said: str) -> tuple[ChannelSettings, ...]:
    """The channels of a file."""
    (folder / "vedette.toml").write_text(said)
    return config.read(folder / "vedette.toml").channels


def test_a_channel_has_defaults_and_takes_what_is_said(tmp_path: Path) -> None:
    """Alerts that fire and are resolved, of everything, again after four hours."""
    first, second, third = read(
        tmp_path,
        """
        [channels.here]
        type = "terminal"
        [channels.ops]
        type = "webhook"
        url = "https://example.org/x"
        states = ["firing", "acknowledged"]
        models = ["delays*"]
        watches = ["*.location"]
        repeat = "never"
        timeout_s = 3
        [channels.alive]
        type = "webhook"
        url_env = "ALIVE"
        heartbeat = true
        method = "GET"
        repeat = "5m"
        """,
    )
    assert first == ChannelSettings("here", "terminal", ("firing", "resolved"), ("*",), ("*",), 14400.0, 10.0)
    assert (second.states, second.models, second.watches) == (
        ("firing", "acknowledged"),
        ("delays*",),
        ("*.location",),
    )
    assert (second.repeat_s, second.timeout_s, second.own) == (None, 3.0, {"url": "https://example.org/x"})
    assert (third.states, third.heartbeat, third.repeat_s) == ((), True, 300.0)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "type = 'pigeon'",
            "type='pigeon': must be one of terminal, command, webhook, alertmanager, apprise",
        ),
        ("", "type=None: must be one of"),
        ("type = 'terminal'\nstate = ['firing']", "unknown key 'state': must be one of type, states"),
        ("type = 'terminal'\nurl = 'x'", "unknown key 'url'"),
        ("type = 'terminal'\nstates = []", "states=\\[\\]: with none nothing is ever sent"),
        ("type = 'terminal'\nstates = ['resolved']", "nothing would ever be sent"),
        (
            "type = 'terminal'\nstates = ['pending']",
            "must be a list of firing, acknowledged, silenced, resolved",
        ),
        ("type = 'terminal'\nmodels = []", "models=\\[\\]: must be a list of patterns"),
        ("type = 'terminal'\nwatches = ['']", "watches=\\[''\\]: must be a list of patterns"),
        ("type = 'terminal'\nmodels = 'm'", "models='m': must be a list"),
        ("type = 'terminal'\nrepeat = 'often'", "repeat='often': must be"),
        ("type = 'terminal'\ntimeout_s = 0", "timeout_s=0: must lie between 0.1 and 600"),
        ("type = 'terminal'\nheartbeat = true", "a channel of type terminal is read by people"),
        ("type = 'terminal'\nheartbeat = 1", "heartbeat=1: must be true or false"),
        ("type = 'command'\ncommand = 'echo x'", "command: must be a list"),
        ("type = 'command'\ncommand = ['true']\nheartbeat = true\nrepeat = 'never'", "a heartbeat needs"),
        ("type = 'webhook'", "url: is missing, and so is url_env"),
        ("type = 'webhook'\nurl = 'example.org/T0KEN'", "url: must begin with https:// or http://"),
        ("type = 'webhook'\nurl = 'https://x:99999/T0KEN'", "url: must begin with"),
        ("type = 'webhook'\nurl = 'https://x/T0KEN'\nurl_env = 'X'", "url and url_env: only one"),
        ("type = 'webhook'\nurl = 'https://x'\nsecret = ''", "secret: must be text"),
        ("type = 'webhook'\nurl = 'https://x'\nmethod = 'GET'", "method='GET': sends no body"),
        ("type = 'apprise'", "urls: is missing, and so is urls_env"),
        ("type = 'apprise'\nurls = ['T0KEN']", "urls: must be a list of Apprise URLs"),
        ("type = 'https://x/T0KEN'", r"type: must be one of terminal, .*is text, not shown"),
        ("type = 'T0KEN1234'", "type: must be one of terminal"),
        ("type = ['T0KEN']", r"type: must be one of terminal, .*is an array, not shown"),
        ("type = 'webhook'\nurl_env = 'https://x/T0KEN'", "url_env: must be the name of an environment"),
        ("type = 'webhook'\nurl = 'https://x'\nsecret_env = 'T0KEN-1'", "secret_env: must be the name of an"),
        ("type = 'webhook'\nurl_env = ''", "url_env: must be the name of an environment variable"),
        ("type = 'webhook'\nurl_env = ['T0KEN']", "url_env: must be the name of one environment variable"),
        ("type = 'apprise'\nurls_env = 'slack://T0KEN/a'", "urls_env: must be the name of an environment"),
        ("type = 'command'\ncommand = ['curl https://x/T0KEN']", "its first part must be a program alone"),
        ("type = 'webhook'\nurl = 'https://x'\nmethod = 'T0KEN'", "method: must be POST or GET"),
    ],
)
def test_a_channel_that_cannot_be_meant_is_refused(tmp_path: Path, said: str, words: str) -> None:
    """What is wrong is named, with what is right, and without what may be secret."""
    with pytest.raises(ConfigError, match=words) as caught:
        read(tmp_path, f"[channels.ops]\n{said}")
    assert "[channels.ops]" in str(caught.value)
    assert "T0KEN" not in str(caught.value)


def test_names_and_shapes_of_channels_are_checked(tmp_path: Path) -> None:
    """A channel is a table with a plain name."""
    with pytest.raises(ConfigError, match="must be tables, such as"):
        read(tmp_path, "channels = 3")
    with pytest.raises(ConfigError, match="must be a table with a type"):
        read(tmp_path, "[channels]\nops = 3")
    with pytest.raises(ConfigError, match="a channel's name must be"):
        read(tmp_path, "[channels.'a b']\ntype = 'terminal'")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "[[channels]]\ntype = 'webhook'\nurl = 'https://x/T0KEN'\nsecret = 'T0KEN'",
            r"channels: is an array \(not shown, it may hold secrets\): must be tables, such as \[channels.ops\]",
        ),
        ("channels = 'https://x/T0KEN'", "channels: is text .*: must be tables"),
        (
            "[[channels.ops]]\ntype = 'webhook'\nurl = 'https://x/T0KEN'",
            r"\[channels.ops\]: is an array .*: must be a table with a type",
        ),
        ("[channels.'https://x/T0KEN']\ntype = 'webhook'", "a channel's name must be"),
    ],
)
def test_tables_of_the_wrong_shape_are_not_shown(tmp_path: Path, text: str, words: str) -> None:
    """The commonest slips of TOML are named by their kind alone: what they hold may be a secret."""
    with pytest.raises(ConfigError, match=words) as caught:
        read(tmp_path, text)
    assert "T0KEN" not in str(caught.value)


def test_the_variable_of_a_foreign_type_is_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that end in _env are names of variables for channels of installed packages too."""
    monkeypatch.setattr("vedette.config.channels._installed", lambda: ["bell"])
    with pytest.raises(ConfigError, match="key_env: must be the name of an environment variable") as caught:
        read(tmp_path, "[channels.ops]\ntype = 'bell'\nkey_env = 'T0KEN:1'")
    assert "T0KEN" not in str(caught.value)
    [made] = read(tmp_path, "[channels.ops]\ntype = 'bell'\nkey_env = 'BELL_KEY'")
    assert made.own == {"key_env": "BELL_KEY"}
