"""Users, keys and the audit log as JSON: ``/v1/me`` for whoever calls, ``/v1/admin`` for admins of all models."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import AwareDatetime, BaseModel, ConfigDict, SecretStr

from vedette.errors import AccessError, UnknownNameError
from vedette.server.access import audit
from vedette.server.access.login import begin_session
from vedette.server.access.own import change_password, user_of
from vedette.server.access.state import Access
from vedette.server.needs import Caller, needs

__all__ = ["router"]


_Admin = Annotated[Caller, needs("admin")]
_Account = Annotated[Caller, needs("account")]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid")  # a field that is not asked for is refused, not ignored


class NewUser(_Given):
    """A user to add; without a password one is made, and in the answer."""

    name: str
    roles: dict[str, str] = {}
    password: SecretStr | None = None


class Roles(_Given):
    """The roles that a user has from now on, by model or ``*``."""

    roles: dict[str, str]


class Disabled(_Given):
    """Whether a user may log in."""

    disabled: bool


class NewPassword(_Given):
    """A user's new password; without one it is made, and in the answer."""

    password: SecretStr | None = None


class OwnPassword(_Given):
    """One's own password, the one that holds and the one that is to."""

    current: SecretStr
    password: SecretStr


class NewKey(_Given):
    """A key to add: what for, what it may do, with which models (none named: all), until when."""

    name: str
    scopes: list[str]
    models: list[str] | None = None
    expires: AwareDatetime | None = None


class _Told(APIRoute):
    """A route whose ``AccessError`` becomes an answer."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """The handler, and what an error of ours answers."""
        handler = super().get_route_handler()

        async def told(request: Request) -> Response:
            try:
                return await handler(request)
            except AccessError as error:
                status = 404 if isinstance(error, UnknownNameError) else 409
                raise HTTPException(status, str(error)) from None

        return told


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def router(access: Access) -> APIRouter:
    """The routes."""
    routes = APIRouter(route_class=_Told)
    _own(routes, access)
    _users(routes, access)
    _keys(routes, access)
    _audit(routes, access)
    return routes


def _own(routes: APIRouter, access: Access) -> None:
    @routes.get("/v1/me")
    def me(caller: _Account) -> dict[str, Any]:
        """Who calls, and which models it may read (null: all)."""
        models = None if caller.models is None else sorted(caller.models)
        found: dict[str, Any] = {"name": caller.name, "models": models}
        if caller.name.startswith("user:"):
            found["user"] = access.users.one(caller.name.removeprefix("user:"))
        return found

    @routes.post("/v1/me/password")
    def own_password(request: Request, given: OwnPassword, caller: _Account) -> Response:
        """Change one's own password: all sessions end, and this browser gets a new one."""
        name = user_of(caller)
        user = change_password(
            access, request, name, given.current.get_secret_value(), given.password.get_secret_value()
        )
        response = JSONResponse({})
        begin_session(access, request, response, user)
        return response


def _users(routes: APIRouter, access: Access) -> None:
    @routes.get("/v1/admin/users")
    def list_users(_caller: _Admin) -> dict[str, Any]:
        """All users."""
        return {"users": access.users.list()}

    @routes.post("/v1/admin/users", status_code=201)
    def add_user(given: NewUser, caller: _Admin) -> dict[str, Any]:
        """Add a user."""
        user, made = access.users.add(
            given.name, given.roles, _plain(given.password), actor=caller.name, now=access.now()
        )
        return user if made is None else {**user, "password": made}

    @routes.put("/v1/admin/users/{name}/roles")
    def set_roles(name: str, given: Roles, caller: _Admin) -> dict[str, Any]:
        """Give a user these roles and no others."""
        return access.users.set_roles(name, given.roles, actor=caller.name, now=access.now())

    @routes.put("/v1/admin/users/{name}/disabled")
    def set_disabled(name: str, given: Disabled, caller: _Admin) -> dict[str, Any]:
        """Disable a user, or let them in again."""
        return access.users.set_disabled(name, given.disabled, actor=caller.name, now=access.now())

    @routes.put("/v1/admin/users/{name}/password")
    def set_password(name: str, given: NewPassword, caller: _Admin) -> dict[str, Any]:
        """Give a user a new password; they are logged out everywhere."""
        made = access.users.set_password(name, _plain(given.password), actor=caller.name, now=access.now())
        return {} if made is None else {"password": made}


def _keys(routes: APIRouter, access: Access) -> None:
    @routes.get("/v1/admin/keys")
    def list_keys(_caller: _Admin) -> dict[str, Any]:
        """All keys, without what is secret."""
        return {"keys": access.keys.list()}

    @routes.post("/v1/admin/keys", status_code=201)
    def add_key(given: NewKey, caller: _Admin) -> dict[str, Any]:
        """Add a key; its text is in this answer only."""
        expires: datetime | None = given.expires
        key, text = access.keys.add(
            given.name, given.scopes, given.models, actor=caller.name, now=access.now(), expires=expires
        )
        return {**key, "key": text}

    @routes.post("/v1/admin/keys/{key}/revoke")
    def revoke_key(key: str, caller: _Admin) -> dict[str, Any]:
        """Refuse a key from now on."""
        return access.keys.revoke(key, actor=caller.name, now=access.now())


def _audit(routes: APIRouter, access: Access) -> None:
    @routes.get("/v1/admin/audit")
    def read_audit(
        _caller: _Admin,
        before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> dict[str, Any]:
        """The newest entries first."""
        with access.database.reading() as work:
            return {
                "entries": [audit.document(one) for one in audit.entries(work, before=before, limit=limit)]
            }

    @routes.get("/v1/admin/audit/verify")
    def verify_audit(_caller: _Admin) -> dict[str, Any]:
        """Whether the chain holds."""
        with access.database.reading() as work:
            return audit.verification(work)
