"""Tells by Apprise, which reaches a hundred services by URLs of its own; needs the extra ``apprise``.

With several URLs a notice is taken when all took it: where one fails it is sent to all again. A channel for each URL keeps
them apart. A picture, or the page of a report, goes along as an attachment where the service takes one.
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from vedette.errors import ChannelError, MissingExtraError
from vedette.output.channels.words import text, title
from vedette.records import AlertState, Attachment, Notice

__all__ = ["Apprise"]

_LOGGERS = ("apprise", "urllib3", "requests")
_nowhere = logging.NullHandler()
_guard = threading.Lock()
_heard: dict[str, bool] = {}  # loggers that are kept quiet, and whether they were heard before
_users: list[None] = []  # one for each channel that is sending


@dataclass(frozen=True)
class Apprise:
    """URLs as Apprise spells them, such as ``mailto://`` or ``slack://``."""

    COMMON: ClassVar[tuple[str, ...]] = ("public",)

    urls: Sequence[str] = field(default=(), repr=False)
    urls_env: str | None = None
    public: bool = False
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        if self.public and self.urls:  # what Apprise reaches cannot be checked: who runs the server says it
            raise ValueError("urls: set on a server it must be urls_env, a variable of who runs the server")

    def send(self, notice: Notice) -> str:
        """Hand the notice to Apprise; ``ChannelError`` names the schemes of the URLs that did not take it."""
        try:
            import apprise
        except ImportError as error:
            raise MissingExtraError('apprise is not installed: pip install "vedette[apprise]"') from error
        urls = list(self.urls)
        if self.urls_env is not None:
            urls = os.environ.get(self.urls_env, "").split()
            if not urls:
                raise ChannelError(
                    f"urls_env={self.urls_env!r}: no such environment variable, or it is empty"
                )
        with _unheard(), _files(notice) as files:
            attached = apprise.AppriseAttachment(files) if files else None
            made = []
            for url in urls:
                scheme, found, _ = url.partition("://")
                scheme = scheme[:20] if found else "?"  # what is no URL may be another secret
                one = apprise.Apprise()
                if not one.add(url):
                    raise ChannelError(f"urls: one of {scheme}:// is none that Apprise can use (not shown)")
                made.append((scheme, one))
            failed = [
                scheme
                for scheme, one in made
                if not one.notify(
                    title=title(notice),
                    body=text(notice),
                    # an enumeration in newer versions, and plain attributes in older ones
                    notify_type=getattr(apprise.NotifyType, _kind(notice)),
                    body_format=apprise.NotifyFormat.TEXT,
                    attach=attached,  # services that take none send the text alone
                )
            ]
        if failed:
            raise ChannelError(f"{len(failed)} of {len(made)} URLs did not take it: {', '.join(failed)}")
        return f"{', '.join(scheme for scheme, _ in made)}: taken"

    def preview(self, notice: Notice) -> str:
        """The title and the text, and the name of what goes along where the service takes one."""
        one = _attached(notice)
        attached = "" if one is None else f"\n\n(attached: {one.name})"
        return f"{title(notice)}\n\n{text(notice)}{attached}"


@contextmanager
def _files(notice: Notice) -> Iterator[list[str]]:
    """What is attached as a file for as long as it is sent."""
    one = _attached(notice)
    if one is None:
        yield []
        return
    with tempfile.TemporaryDirectory(prefix="vedette-") as folder:
        path = Path(folder) / one.name
        path.write_bytes(one.content)
        yield [str(path)]


def _attached(notice: Notice) -> Attachment | None:
    """The page of a report, or a picture: as PNG where there is one, which mail and chats show."""
    if notice.report is not None:
        return notice.report.page
    return min(notice.pictures, key=lambda one: one.media_type != "image/png", default=None)


def _kind(notice: Notice) -> str:
    """Apprise's word for how grave it is."""
    states = {one.state for one in notice.alerts}
    if AlertState.FIRING in states:
        return "FAILURE"
    return "SUCCESS" if states == {AlertState.RESOLVED} else "INFO"


@contextmanager
def _unheard() -> Iterator[None]:
    """Keep what Apprise and the library below it log from the log: their lines hold URLs, and with them tokens.

    Several channels may send at the same time: the last to end lets the loggers be heard again.
    """
    with _guard:
        if not _heard:
            _heard.update({name: logging.getLogger(name).propagate for name in _LOGGERS})
        for name in _LOGGERS:
            logging.getLogger(name).addHandler(_nowhere)
            logging.getLogger(name).propagate = False
        _users.append(None)
    try:
        yield
    finally:
        with _guard:
            _users.pop()
            if not _users:
                for name, heard in _heard.items():
                    logging.getLogger(name).removeHandler(_nowhere)
                    logging.getLogger(name).propagate = heard
                _heard.clear()
