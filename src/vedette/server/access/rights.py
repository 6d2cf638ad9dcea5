"""What a role and a scope allow."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Mapping

from vedette.errors import AccessError
from vedette.records import check_model_name
from vedette.server.needs import Need

__all__ = ["ALL_MODELS", "Role", "Scope", "allowed_models", "checked_models", "checked_roles"]

ALL_MODELS = "*"


class Role(enum.StrEnum):
    """What somebody may do with a model, or with all of them; each may do what the one before may."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"


class Scope(enum.StrEnum):
    """What a key is for. ``ingest`` reads nothing, and is part of no other scope."""

    INGEST = "ingest"
    READ = "read"
    EDIT = "edit"
    ADMIN = "admin"


_BY_ROLE: Mapping[Role, frozenset[Need]] = {
    Role.VIEWER: frozenset({Need.VIEW}),
    Role.EDITOR: frozenset({Need.VIEW, Need.EDIT}),
    Role.ADMIN: frozenset({Need.VIEW, Need.EDIT, Need.ADMIN}),
}
_BY_SCOPE: Mapping[Scope, frozenset[Need]] = {
    Scope.INGEST: frozenset({Need.INGEST}),
    Scope.READ: _BY_ROLE[Role.VIEWER],
    Scope.EDIT: _BY_ROLE[Role.EDITOR],
    Scope.ADMIN: _BY_ROLE[Role.ADMIN],
}


def allowed_models(granted: Iterable[tuple[str, Role | Scope]], need: Need) -> frozenset[str] | None:
    """The models with which this may be done, None for all; ``granted`` is pairs of a model or ``*`` and what holds there.

    >>> sorted(allowed_models([("delays", Role.EDITOR), ("churn", Role.VIEWER)], Need.EDIT))
    ['delays']
    >>> allowed_models([("*", Scope.INGEST)], Need.VIEW)
    frozenset()
    """
    models = {
        model
        for model, held in granted
        if need in (_BY_ROLE[held] if isinstance(held, Role) else _BY_SCOPE[held])
    }
    return None if ALL_MODELS in models else frozenset(models)


def checked_models(models: Collection[str] | None) -> list[str] | None:
    """Names of models in order, None for all. Raises ``AccessError`` for what is no name."""
    if models is None:
        return None
    if not models:
        raise AccessError("models: none is named: must be names of models, or all of them by leaving it out")
    for model in models:
        try:
            check_model_name(model)
        except ValueError as error:
            raise AccessError(str(error)) from None
    return sorted(set(models))


def checked_roles(roles: Mapping[str, str]) -> dict[str, Role]:
    """Roles by model or ``*``. Raises ``AccessError`` for what is none."""
    checked_models([model for model in roles if model != ALL_MODELS] or None)
    found: dict[str, Role] = {}
    for model, role in roles.items():
        try:
            found[model] = Role(role)
        except ValueError:
            raise AccessError(f"role={role!r}: must be one of {', '.join(Role)}") from None
    return found
