"""Sends traffic to other versions: the policy of a routing file, which every worker follows from its next request on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from vedette.capture.routing import Policy, read, write
from vedette.errors import ChannelError, ConfigError
from vedette.records.actions import Occasion

__all__ = ["Route"]

_ROLES = ("champion", "challenger")


@dataclass(frozen=True)
class Route:
    """``to``: the version that gets all traffic, or ``champion`` or ``challenger`` of the comparison; or ``shares`` by version.

    ``file`` is the one that routers read (``capture.routing``); it holds without whoever wrote it.
    """

    repeatable: ClassVar[bool] = True

    file: str
    to: str | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    shadow: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.file, str) or not self.file:
            raise ValueError(f"file={self.file!r}: must be the file that routers read")
        if (self.to is None) == (not self.shares):
            raise ValueError(
                "must have one of to, such as 'champion', and shares, such as { 3 = 0.9, 4 = 0.1 }"
            )
        if self.to is not None and (not isinstance(self.to, str) or not self.to):
            raise ValueError(f"to={self.to!r}: must be the text of a version, or champion or challenger")
        self._policy({role: role for role in _ROLES})  # what cannot be meant is said when it is read

    def plan(self, occasion: Occasion) -> str:
        """What it would do, in words."""
        made = self._policy(_versions(occasion))
        shares = ", ".join(
            f"{share:.4g} of the traffic to version {version}" for version, share in made.shares.items()
        )
        shadow = f", {' and '.join(made.shadow)} in shadow" if made.shadow else ""
        return f"route {shares}{shadow} ({self.file})"

    def found(self, occasion: Occasion) -> Mapping[str, Any] | None:  # noqa: ARG002
        """The policy that holds; None where there is none yet."""
        try:
            return _plain(read(self.file)) if Path(self.file).exists() else None
        except OSError as error:
            raise ChannelError(f"{self.file}: {error.strerror or error}") from None
        except ConfigError as error:
            raise ChannelError(str(error)) from None

    def act(self, occasion: Occasion, key: str) -> str:  # noqa: ARG002
        """Write the policy."""
        return f"policy {self._written(self._policy(_versions(occasion), self.found(occasion)))} holds"

    def reversible(self, before: Mapping[str, Any] | None) -> bool:
        """The policy that held is brought back; where there was none there is none to bring."""
        return before is not None

    def undo(self, occasion: Occasion, before: Mapping[str, Any] | None, key: str) -> str:  # noqa: ARG002
        """Write what held before."""
        if before is None:
            raise ChannelError(f"{self.file}: no policy held before: nothing can be brought back")
        made = Policy(before["shares"], tuple(before["shadow"]), before["mode"], before["salt"])
        return f"policy {self._written(made)} holds, as before"

    def _written(self, made: Policy) -> int:
        try:
            return write(self.file, made)
        except OSError as error:
            raise ChannelError(f"{self.file}: {error.strerror or error}") from None
        except ConfigError as error:
            raise ChannelError(str(error)) from None

    def _policy(self, versions: Mapping[str, str], before: Mapping[str, Any] | None = None) -> Policy:
        """The policy that is meant; how identifiers are dealt stays what it was."""
        kept = {"mode": before["mode"], "salt": before["salt"]} if before is not None else {}
        said = {self.to: 1.0} if self.to is not None else self.shares
        missing = [name for name in said if name in _ROLES and name not in versions]
        if missing:
            raise ChannelError(f"{missing[0]}: there is none: this policy is not set off by a comparison")
        shares = {versions.get(str(name), str(name)): float(share) for name, share in said.items()}
        shadow = tuple(versions.get(one, one) for one in self.shadow)
        return Policy(shares, shadow, **kept)


def _versions(occasion: Occasion) -> dict[str, str]:
    found = {"champion": occasion.champion, "challenger": occasion.challenger}
    return {role: version for role, version in found.items() if version is not None}


def _plain(held: Policy) -> dict[str, Any]:
    return {"shares": dict(held.shares), "shadow": list(held.shadow), "mode": held.mode, "salt": held.salt}
