"""Roles as people write them: ``viewer``, or of one model ``editor:delays``."""

from __future__ import annotations

from collections.abc import Iterable

from vedette.records import check_model_name

__all__ = ["ROLES", "roles_of", "roles_said"]

ROLES = ("viewer", "editor", "admin")
"""Each may do what those before it may."""


def roles_of(given: Iterable[str]) -> dict[str, str]:
    """Roles by model, or ``*`` for all. Raises ``ValueError`` for what is no role, and for two of one model.

    >>> roles_of(["viewer", "editor:delays"])
    {'*': 'viewer', 'delays': 'editor'}
    """
    found: dict[str, str] = {}
    for one in given:
        role, colon, model = one.strip().partition(":")
        if role not in ROLES or (colon and not model):
            raise ValueError(
                f"role {one!r}: must be {', '.join(ROLES)}, or one of these with a model: editor:delays"
            )
        model = model if colon else "*"
        if colon:
            check_model_name(model)
        if model in found:
            raise ValueError(f"role {one!r}: a second role for {model!r}: must be one")
        found[model] = role
    return found


def roles_said(roles: dict[str, str]) -> str:
    """Roles in one line, as they are written.

    >>> roles_said({"*": "viewer", "delays": "editor"}), roles_said({})
    ('viewer, editor:delays', 'no role')
    """
    said = (role if model == "*" else f"{role}:{model}" for model, role in roles.items())
    return ", ".join(said) or "no role"
