"""What people do with their own account: the same for their page and for ``/v1/me``."""

from __future__ import annotations

from fastapi import HTTPException, Request

from vedette.errors import AccessError
from vedette.server.access.login import attempt
from vedette.server.access.state import Access
from vedette.server.database.tables import User
from vedette.server.needs import Caller

__all__ = ["change_password", "user_of"]


def user_of(caller: Caller) -> str:
    """The name of the user who calls. Raises 400 for a key."""
    if not caller.name.startswith("user:"):
        raise HTTPException(400, f"{caller.name}: is a key: must be a user who has logged in")
    return caller.name.removeprefix("user:")


def change_password(access: Access, request: Request, user: str, current: str, chosen: str) -> User:
    """Give oneself a new password; all sessions end, so that the caller must begin one for the user who is returned.

    Raises 401 or 429 as a login does where the current one is not right, ``AccessError`` for a new one that will not do.
    """
    found = attempt(access, request, user, current)
    if chosen == current:
        raise AccessError("password: is the one that holds: must be another")
    access.users.set_password(user, chosen, actor=f"user:{user}", now=access.now())
    return found
