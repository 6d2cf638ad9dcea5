"""Points an alias of MLflow's model registry to another version: what serves ``models:/NAME@champion`` follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from vedette.errors import ChannelError, MissingExtraError
from vedette.records.actions import Occasion

__all__ = ["MlflowAlias"]


@dataclass(frozen=True)
class MlflowAlias:
    """``name`` of the registered model (default the model's), the ``alias``, and the ``version`` that it is to point to: a
    number, or ``champion`` or ``challenger`` of the comparison. ``registry`` is its address; default what MLflow is set to."""

    repeatable: ClassVar[bool] = True

    alias: str
    version: str
    name: str | None = None
    registry: str | None = None

    def __post_init__(self) -> None:
        for key in ("alias", "version"):
            said = getattr(self, key)
            if not isinstance(said, str) or not said:
                raise ValueError(f"{key}={said!r}: must be text")

    def plan(self, occasion: Occasion) -> str:
        """What it would do, in words."""
        return (
            f"point {self.name or occasion.model}@{self.alias} to version {self._version(occasion)} in MLflow"
        )

    def found(self, occasion: Occasion) -> Mapping[str, Any] | None:
        """The version that it points to; None in ``version`` where there is no such alias."""
        name = self.name or occasion.model
        return {
            "version": self._asked(lambda client: client.get_registered_model(name).aliases.get(self.alias))
        }

    def act(self, occasion: Occasion, key: str) -> str:  # noqa: ARG002
        """Set the alias."""
        name, version = self.name or occasion.model, self._version(occasion)
        self._asked(lambda client: client.set_registered_model_alias(name, self.alias, version))
        return f"{name}@{self.alias} is version {version}"

    def reversible(self, before: Mapping[str, Any] | None) -> bool:  # noqa: ARG002
        """Where there was no alias it is taken away."""
        return True

    def undo(self, occasion: Occasion, before: Mapping[str, Any] | None, key: str) -> str:  # noqa: ARG002
        """Point it to where it pointed, or take it away where there was none."""
        name, version = self.name or occasion.model, (before or {}).get("version")
        if version is None:
            self._asked(lambda client: client.delete_registered_model_alias(name, self.alias))
            return f"{name}@{self.alias} is taken away, as before"
        self._asked(lambda client: client.set_registered_model_alias(name, self.alias, str(version)))
        return f"{name}@{self.alias} is version {version}, as before"

    def _asked(self, ask: Callable[[Any], Any]) -> Any:
        """What MLflow answers; ``ChannelError`` with what it says where it cannot."""
        client = self._client()
        try:
            return ask(client)
        except Exception as error:
            raise ChannelError(f"MLflow: {_first_line(error)}") from error

    def _version(self, occasion: Occasion) -> str:
        if self.version not in ("champion", "challenger"):
            return self.version
        found = occasion.champion if self.version == "champion" else occasion.challenger
        if found is None:
            raise ChannelError(f"{self.version}: there is none: this policy is not set off by a comparison")
        return found

    def _client(self) -> Any:
        try:
            from mlflow import MlflowClient
        except ImportError:
            raise MissingExtraError(
                "the action mlflow_alias needs mlflow: pip install mlflow-skinny"
            ) from None
        return (
            MlflowClient(
                tracking_uri=self.registry, registry_uri=self.registry
            )  # else it makes a store in the working folder
            if self.registry
            else MlflowClient()
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300] or type(error).__name__
