"""What a policy does to the world: an action a file.

An action is a class with ``plan``, which says in words what it would do, ``found``, which says what is there now, ``act``,
which does it and returns what came back, and ``undo``, which brings back what was found. ``repeatable`` says that doing it
twice is as good as once: where a crash hides whether it was done, it is done again; one that is not is told as "unknown
whether done". It is made anew for each time from the keys of its table in ``vedette.toml``.

To add an action: write the class in a file of its own and enter it in ``ACTIONS``, or let a package bring it as an entry point
of the group ``vedette.actions``. ``tests/test_every_action.py`` runs every shared check on each.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any, Protocol

from vedette.config.policies import ActionSettings
from vedette.errors import ChannelError, VedetteError
from vedette.output.actions.command import Command
from vedette.output.actions.kubernetes import Kubernetes
from vedette.output.actions.mlflow_alias import MlflowAlias
from vedette.output.actions.retrain import Retrain
from vedette.output.actions.route import Route
from vedette.output.actions.webhook import Webhook
from vedette.records.actions import Occasion

__all__ = ["ACTIONS", "Action", "action"]


class Action(Protocol):
    """Does one thing to the world."""

    @property
    def repeatable(self) -> bool:
        """Whether doing it twice is as good as once."""

    def plan(self, occasion: Occasion) -> str:
        """What it would do, in words; nothing is done."""

    def found(self, occasion: Occasion) -> Mapping[str, Any] | None:
        """What is there now, as plain values, for ``undo``: kept before anything is done. None where there is nothing to find."""

    def reversible(self, before: Mapping[str, Any] | None) -> bool:
        """Whether ``undo`` can bring back what was found."""

    def act(self, occasion: Occasion, key: str) -> str:
        """Do it; what came back. ``ChannelError`` where it failed.

        ``key`` is the same however often the same is done.
        """

    def undo(self, occasion: Occasion, before: Mapping[str, Any] | None, key: str) -> str:
        """Bring back what was there before; what came back. ``ChannelError`` where there is no way back, or it failed."""


ACTIONS: dict[str, type[Action]] = {
    "route": Route,
    "webhook": Webhook,
    "command": Command,
    "retrain": Retrain,
    "mlflow_alias": MlflowAlias,
    "kubernetes": Kubernetes,
}
"""The actions that come with vedette, by name."""


def action(settings: ActionSettings) -> Action:
    """The action that settings name; ``ValueError`` where there is none of that name, or it cannot be made of its keys.

    >>> action(ActionSettings("command", {"command": ["true"]})).repeatable
    False
    """
    kind: Any = ACTIONS.get(settings.type)
    if kind is None:
        others = {entry.name: entry for entry in entry_points(group="vedette.actions")}
        if settings.type not in others:
            raise ValueError(
                f"action={settings.type!r}: must be one of {', '.join([*ACTIONS, *sorted(others)])}"
            )
        kind = others[settings.type].load()
    try:
        found: Action = kind(**settings.own)
    except VedetteError as error:
        raise ValueError(f"action {settings.type}: {error}") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"action {settings.type}: {_plain(str(error))}") from None
    for name in ("plan", "found", "act", "reversible", "undo"):
        if not callable(getattr(found, name, None)):
            raise ChannelError(f"action {settings.type}: its class has no method {name}")
    return found


def _plain(words: str) -> str:
    """What Python says of arguments, without the name of the constructor."""
    return words.partition("__init__() ")[2] or words
