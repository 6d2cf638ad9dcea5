"""Scheduled reports told through channels: mail with the page, a webhook with where it is; at least once, and once."""

from __future__ import annotations

import email
import email.policy
import json
import shutil
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.receivers import Receiver, receiver
from vedette import config
from vedette.engine import delivery, outbox, scheduled
from vedette.engine.health import health
from vedette.errors import ConfigError
from vedette.lake.tables import Lake
from vedette.records import Status

NOW = datetime(2026, 1, 21, 12, tzinfo=UTC)  # a Wednesday
WEEK = timedelta(weeks=1)


@dataclass
class Desk:
    """A lake, its vedette.toml, a receiver of webhooks and a clock."""

    lake: Lake
    folder: Path
    hook: Receiver
    now: datetime = NOW

    def says(self, *channels: str, told: str = "'hook'", models: str = "'calm'", more: str = "") -> None:
        """Write the file: a report of each week, told through the channels named."""
        report = (
            f"[[reports]]\nname = 'weekly'\nmodels = [{models}]\nfolder = 'reports'\nchannels = [{told}]\n"
        )
        (self.folder / "vedette.toml").write_text("\n".join([report, *channels, more]))

    @property
    def webhook(self) -> str:
        return f"[channels.hook]\ntype = 'webhook'\nurl = '{self.hook.url}'\n"

    def make(self) -> list[scheduled.Made]:
        return scheduled.make_due(self.lake, clock=self.now.timestamp)

    def tell(self) -> int:
        return delivery.deliver(self.lake, ["calm"], clock=self.now.timestamp)

    def reports(self) -> list[tuple[str, str]]:
        """The report and the key of each notice of a report that came."""
        said = [(headers["Idempotency-Key"], json.loads(body)) for _, _, headers, body in self.hook.got]
        return [(one["report"]["end"], key) for key, one in said if one["kind"] == "report"]


@pytest.fixture
def desk(dashboard_lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    shutil.copytree(dashboard_lake, tmp_path / "lake")
    monkeypatch.setenv("VEDETTE_CONFIG", str(tmp_path / "vedette.toml"))
    with receiver() as hook:
        made = Desk(Lake.at(tmp_path / "lake"), tmp_path, hook)
        made.says(made.webhook)
        yield made


def test_a_report_is_told_once_when_it_is_made(desk: Desk) -> None:
    """With its period and where the page is; later turns and later looks tell nothing; the next week is told again."""
    [made] = desk.make()
    [(_, _, _, body)] = desk.hook.got
    told = json.loads(body)
    assert told["kind"] == "report"
    assert told["model"] == "calm"
    assert told["alerts"] == []
    assert told["report"] == {
        "name": "weekly", "start": "2026-01-12T07:00:00+00:00", "end": "2026-01-19T07:00:00+00:00", "path": made.path,
        "url": None,
    }  # fmt: skip
    assert told["text"].split("\n") == [
        "calm: the report weekly, 2026-01-12 07:00 to 2026-01-19 07:00 UTC", f"The page is {made.path}"
    ]  # fmt: skip
    assert desk.make() == []
    assert desk.tell() == 0
    desk.now += WEEK
    desk.make()
    ends = ["2026-01-19T07:00:00+00:00", "2026-01-26T07:00:00+00:00"]
    assert [end for end, _ in desk.reports()] == ends
    assert len({key for _, key in desk.reports()}) == 2


def test_with_a_server_the_notice_has_its_link(desk: Desk) -> None:
    """In place of a path that means nothing elsewhere."""
    desk.says(desk.webhook, more="[server]\nurl = 'https://vedette.example.org'\n")
    [made] = desk.make()
    text = json.loads(desk.hook.got[0][3])["text"]
    assert text.endswith("\nhttps://vedette.example.org/models/calm/reports/weekly/2026-01-19-0700")
    assert made.path not in text


def test_what_is_not_taken_waits_and_is_shown_as_other_notices_are(desk: Desk) -> None:
    """The same key again after a while; until then the channel's verdict says that people are not told."""
    desk.hook.answers = [(503, {}), (204, {})]
    desk.make()
    assert outbox.read(desk.lake.model("calm"))["hook"].tries == 1
    desk.now += timedelta(seconds=1)
    assert desk.tell() == 1  # its time has not come
    later = desk.now + timedelta(minutes=6)
    [verdict] = [one for one in health(desk.lake, "calm", later).verdicts if one.watch == "channel:hook"]
    assert verdict.verdict is Status.UNKNOWN
    assert verdict.reason is not None
    assert "503 Service Unavailable" in verdict.reason
    desk.now += timedelta(seconds=20)
    assert desk.tell() == 0
    (_, first), (_, second) = desk.reports()
    assert first == second
    assert not [one for one in health(desk.lake, "calm", later).verdicts if one.watch == "channel:hook"]


def test_who_died_before_telling_is_made_up_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event that says that a page was made says who is to be told of it: the next who tells does, once."""
    monkeypatch.setattr(delivery, "deliver", lambda *_, **__: 0)  # the process ended here
    desk.make()
    monkeypatch.undo()
    monkeypatch.setenv("VEDETTE_CONFIG", str(desk.folder / "vedette.toml"))
    assert desk.hook.got == []
    assert desk.make() == []
    desk.tell()
    desk.tell()
    assert len(desk.reports()) == 1


def test_who_died_after_sending_sends_it_again_with_its_key(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At least once: a receiver drops what it has by the key."""
    write = delivery._Telling._write

    def dies(self: delivery._Telling, rows: list[dict[str, object]], *more: object) -> None:
        if rows and rows[0]["outcome"] == "sent":
            raise OSError("killed")
        write(self, rows, *more)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(delivery._Telling, "_write", dies)
    desk.make()
    monkeypatch.setattr(delivery._Telling, "_write", write)
    desk.tell()
    desk.tell()
    (_, first), (_, second) = desk.reports()
    assert first == second


def test_a_channel_that_is_named_later_is_told_of_what_is_made_later(desk: Desk) -> None:
    """Pages that were made for nobody are no news; one that leaves the file and comes back is told of nothing twice."""
    desk.says(desk.webhook, told="")
    desk.make()
    desk.says(desk.webhook)
    desk.tell()
    assert desk.reports() == []
    desk.now += WEEK
    desk.make()
    desk.says(told="")
    desk.tell()
    desk.says(desk.webhook)
    desk.tell()
    assert [end for end, _ in desk.reports()] == ["2026-01-26T07:00:00+00:00"]


def test_one_that_fails_is_told_to_nobody(desk: Desk) -> None:
    """There is no page; the verdict of the report says so."""
    (desk.folder / "reports").write_text("a file where a folder should be")
    [made] = desk.make()
    assert made.error is not None
    desk.tell()
    assert desk.reports() == []


def test_a_channel_of_other_models_is_not_told(desk: Desk) -> None:
    """Whose alerts are none of its business are so with their reports."""
    desk.says(desk.webhook + "models = ['flights']\n", models="'calm', 'flights'")
    desk.make()
    told = [json.loads(body) for _, _, _, body in desk.hook.got]
    assert [one["model"] for one in told if one["kind"] == "report"] == ["flights"]


@dataclass
class Mail:
    """A server that takes mail."""

    port: int = 0
    got: list[bytes] = field(default_factory=list)


@pytest.fixture
def mail() -> Iterator[Mail]:
    found = Mail()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            for line in self.rfile:
                match line[:4].upper():
                    case b"DATA":
                        self.wfile.write(b"354 go on\r\n")
                        lines = list(iter(self.rfile.readline, b".\r\n"))
                        found.got.append(b"".join(one.removeprefix(b".") for one in lines))
                        self.wfile.write(b"250 taken\r\n")
                    case b"QUIT":
                        self.wfile.write(b"221 bye\r\n")
                        return
                    case _:
                        self.wfile.write(b"250 yes\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        found.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield found
        server.shutdown()


def test_mail_has_the_page_attached(desk: Desk, mail: Mail) -> None:
    """Byte for byte; where it cannot be read any more it is told without it."""
    pytest.importorskip("apprise")
    url = f"mailto://127.0.0.1:{mail.port}?from=vedette@example.org&to=ada@example.org&mode=insecure"
    desk.says(f"[channels.mail]\ntype = 'apprise'\nurls = ['{url}']\n", told="'mail'")
    [made] = desk.make()
    [content] = mail.got
    said = email.message_from_bytes(content, policy=email.policy.default)
    [attached] = list(said.iter_attachments())
    assert attached.get_filename() == "calm-2026-01-19-0700.html"
    assert attached.get_payload(decode=True) == Path(made.path).read_bytes()
    assert said["subject"] == "calm: the report weekly, 2026-01-12 07:00 to 2026-01-19 07:00 UTC"

    desk.now += WEEK
    port = mail.port
    desk.says(f"[channels.mail]\ntype = 'apprise'\nurls = ['{url.replace(str(port), '9')}']\n", told="'mail'")
    [made] = desk.make()
    Path(made.path).unlink()
    desk.says(f"[channels.mail]\ntype = 'apprise'\nurls = ['{url}']\n", told="'mail'")
    assert desk.tell() == 0
    said = email.message_from_bytes(mail.got[-1], policy=email.policy.default)
    assert list(said.iter_attachments()) == []
    text = said.get_body(("plain",))
    assert text is not None
    assert f"The page is {made.path}" in text.get_content()


@pytest.mark.parametrize(
    ("channels", "told", "words"),
    [
        ("", "'nobody'", "'nobody': there is no such channel; there are none"),
        ("[channels.am]\ntype = 'alertmanager'\nurl = 'http://a'\n", "'am'", "takes alerts alone"),
        (
            "[channels.beat]\ntype = 'webhook'\nurl = 'http://a'\nmethod = 'GET'\nheartbeat = true\n",
            "'beat'", "sends no body",
        ),
        ("", "3", "must be a list of names"),
    ],
)  # fmt: skip
def test_a_channel_that_could_tell_of_no_report_is_refused(
    desk: Desk, channels: str, told: str, words: str
) -> None:
    """When the file is read, not when the first report is lost."""
    desk.says(channels, told=told)
    with pytest.raises(ConfigError, match=words):
        config.read()
