"""The allow-list of a channel: hosts by name, networks by address."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["check_allow"]

_HOST = re.compile(r"[\w.-]{1,253}")


def check_allow(allow: Any) -> None:
    """Raise ``ValueError`` for what is no list of hosts and networks.

    >>> check_allow(["alerts.example.org", "10.1.0.0/16", "fd00::/8", "10.1.2.3"])
    """
    from ipaddress import ip_network  # only where a channel is read: the recorder's start stays light

    if not isinstance(allow, list) or not allow or not all(isinstance(one, str) and one for one in allow):
        raise ValueError(f"allow={allow!r}: must be a list of hosts and networks, such as '10.1.0.0/16'")
    for one in allow:
        if "/" in one or ":" in one:
            try:
                ip_network(one)
            except ValueError:
                raise ValueError(
                    f"allow={one!r}: must be a host such as alerts.example.org or a network such as 10.1.0.0/16"
                ) from None
        elif not _HOST.fullmatch(one):
            raise ValueError(f"allow={one!r}: must be the name of a host, without a scheme and a port")
