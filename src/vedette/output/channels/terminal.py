"""Tells on standard error, a line for the notice and one for the gravest of its alerts."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from vedette.errors import ChannelError
from vedette.output.channels.words import line, text, title
from vedette.output.links import alert_url
from vedette.records import Notice

__all__ = ["Terminal"]


@dataclass(frozen=True)
class Terminal:
    """Standard error of the process that does the round; of a follower that a ``flush`` started this is its log."""

    timeout_s: float = 10.0

    def send(self, notice: Notice) -> str:
        """Print one line or two."""
        shown = self.preview(notice)
        try:
            encoding = sys.stderr.encoding or "ascii"
            sys.stderr.write(shown.encode(encoding, "backslashreplace").decode(encoding))
            sys.stderr.flush()
        except (OSError, ValueError) as error:  # a pipe that nobody reads any more, or closed
            raise ChannelError(f"standard error cannot be written: {error}") from error
        return "printed"

    def preview(self, notice: Notice) -> str:
        """The lines."""
        if notice.report is not None:
            return "\n  ".join([f"vedette: {title(notice)}", *text(notice).split("\n")[1:]]) + "\n"
        lines = [f"vedette: {title(notice)}"]
        if notice.alerts:
            more = f" (and {len(notice.alerts) - 1} more)" if len(notice.alerts) > 1 else ""
            lines.append(f"  {line(notice.alerts[0])}{more}")
            if notice.url is not None:
                lines.append(f"  {alert_url(notice.url, notice.model, notice.alerts[0].id)}")
        return "\n".join(lines) + "\n"
