"""The commands ``vedette serve`` and ``vedette users``: a server, and who may do what on it."""

from __future__ import annotations

import getpass
import json as json_module
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vedette import config
from vedette.cli_options import JsonOption, LakeOption, where
from vedette.config.roles import roles_of, roles_said
from vedette.errors import MissingExtraError

if TYPE_CHECKING:
    from vedette.server.access.state import Access

__all__ = ["keys_app", "serve", "users_app"]

users_app = typer.Typer(help="Who may log in to the server, and what each may do.", no_args_is_help=True)
keys_app = typer.Typer(help="API keys, for senders and scripts.", no_args_is_help=True)
users_app.add_typer(keys_app, name="keys")

DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        help="URL of the database, postgresql://...; default that of database_env in vedette.toml, else SQLite in the lake.",
        show_default=False,
    ),
]
NameArgument = Annotated[str, typer.Argument(help="Name of the user.")]
RoleOption = Annotated[
    list[str],
    typer.Option(
        "--role", help="viewer, editor or admin of all models, or of one: editor:delays; again for others."
    ),
]


def serve(
    lake: LakeOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for any that is free.")] = 8470,
    database: DatabaseOption = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain, PEM.", show_default=False)] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key, PEM.", show_default=False)] = None,
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure", help="Listen where others reach it without TLS, or before there is an admin."
        ),
    ] = False,
    log_json: Annotated[bool, typer.Option("--log-json", help="Log one JSON object a line.")] = False,
) -> None:
    """Serve the lake: what is sent to it comes in, and who may see it looks at it. The first start makes an admin."""
    with _extra():
        from vedette.server import serve as server
        from vedette.server.settings import Settings
    from vedette.lake.tables import Lake

    settings = Settings.written(
        config.read().serving, host=host, port=port, database=database, tls_cert=tls_cert, tls_key=tls_key,
        insecure=insecure, log_json=log_json,
    )  # fmt: skip
    server.serve(Lake.at(where(lake)), settings)


@contextmanager
def _extra() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("vedette"):
            raise
        raise MissingExtraError(f"the server needs {error.name}: pip install 'vedette[server]'") from None


@contextmanager
def _access(lake: str | None, database: str | None) -> Iterator[Access]:
    """Users and keys of a server, over its database; the server itself need not run."""
    with _extra():
        from vedette.server.access.state import Access
        from vedette.server.database.connection import Database, default_url
        from vedette.server.settings import Settings
    from vedette.lake.tables import Lake

    serving = config.read().serving
    url = Settings.written(serving, database=database).database or default_url(Lake.at(where(lake)))
    opened = Database.open(url)
    # of which server they are, in case that it is another than was meant; a URL may have a password in it
    typer.echo(
        f"the users of {Path(where(lake)).resolve() if url.startswith('sqlite') else 'the database given'}",
        err=True,
    )
    try:
        yield Access.over(opened, serving)
    finally:
        opened.close()


def _actor() -> str:
    try:
        return f"console:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user without a name
        return "console:unknown"


def _password(ask: bool) -> str | None:
    """A password from the terminal, or the first line of standard input; None for one that is to be made."""
    if not ask:
        return None
    if sys.stdin.isatty():
        from vedette.server.access.passwords import RULES

        print(RULES, file=sys.stderr)
        first = getpass.getpass("password: ")
        if getpass.getpass("once more: ") != first:
            raise ValueError("password: the two are not the same")
        return first
    return sys.stdin.readline().rstrip("\n")


AskOption = Annotated[
    bool,
    typer.Option("--ask", help="Ask for the password, or read it from standard input; default: one is made."),
]


def _show(found: dict[str, Any], *, json: bool, line: str) -> None:
    print(json_module.dumps(found) if json else line)


@users_app.command("add")
def add_user(
    name: NameArgument,
    role: RoleOption = [],  # noqa: B006 - typer reads it, nobody writes it
    ask: AskOption = False,
    lake: LakeOption = None,
    database: DatabaseOption = None,
    json: JsonOption = False,
) -> None:
    """Add a user; the password that is made is printed once."""
    with _access(lake, database) as access:
        user, made = access.users.add(name, roles_of(role), _password(ask), actor=_actor(), now=access.now())
    line = f"user {user['name']}" + ("" if made is None else f": password {made}")
    _show(user if made is None else {**user, "password": made}, json=json, line=line)


@users_app.command("list")
def list_users(lake: LakeOption = None, database: DatabaseOption = None, json: JsonOption = False) -> None:
    """All users, and what each may do."""
    with _access(lake, database) as access:
        users = access.users.list()
    lines = [
        f"{user['name']}  {roles_said(user['roles'])}{'  disabled' if user['disabled'] else ''}"
        for user in users
    ]
    _show({"users": users}, json=json, line="\n".join(lines))


@users_app.command("role")
def set_roles(
    name: NameArgument,
    role: Annotated[
        list[str] | None,
        typer.Argument(help="viewer, editor:delays ...: all that the user has from now on; none takes all."),
    ] = None,
    lake: LakeOption = None,
    database: DatabaseOption = None,
    json: JsonOption = False,
) -> None:
    """Give a user these roles and no others."""
    with _access(lake, database) as access:
        user = access.users.set_roles(name, roles_of(role or []), actor=_actor(), now=access.now())
    _show(user, json=json, line=f"user {user['name']}: {roles_said(user['roles'])}")


@users_app.command("disable")
def disable_user(
    name: NameArgument,
    undo: Annotated[bool, typer.Option("--undo", help="Let the user in again.")] = False,
    lake: LakeOption = None,
    database: DatabaseOption = None,
    json: JsonOption = False,
) -> None:
    """Disable a user, who is logged out everywhere at once."""
    with _access(lake, database) as access:
        user = access.users.set_disabled(name, not undo, actor=_actor(), now=access.now())
    _show(user, json=json, line=f"user {user['name']}: {'enabled' if undo else 'disabled'}")


@users_app.command("password")
def set_password(
    name: NameArgument,
    ask: AskOption = False,
    lake: LakeOption = None,
    database: DatabaseOption = None,
    json: JsonOption = False,
) -> None:
    """Give a user a new password, printed once where it is made; they are logged out everywhere."""
    with _access(lake, database) as access:
        made = access.users.set_password(name, _password(ask), actor=_actor(), now=access.now())
    line = f"user {name}: " + ("password changed" if made is None else f"password {made}")
    _show({} if made is None else {"password": made}, json=json, line=line)


@users_app.command("audit")
def audit_log(
    verify: Annotated[
        bool, typer.Option("--verify", help="Walk the whole chain; exit 1 where it is broken.")
    ] = False,
    anchor: Annotated[
        str | None,
        typer.Option(help="NUMBER:DIGEST of an entry, as the server's log has it.", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option(help="Entries to show, the newest first.", min=1)] = 100,
    lake: LakeOption = None,
    database: DatabaseOption = None,
    json: JsonOption = False,
) -> None:
    """Who did what: logins, users, roles, keys. With --verify: whether an entry was changed or is missing."""
    from vedette.server.access import audit

    with _access(lake, database) as access, access.database.reading() as work:
        if verify:
            found = audit.verification(work, _anchor(anchor))
            line = f"{found['entries']} entries hold" if found["intact"] else f"broken: {found['fault']}"
            _show(found, json=json, line=line)
            raise typer.Exit(0 if found["intact"] else 1)
        entries = [audit.document(one) for one in audit.entries(work, limit=limit)]
    lines = [
        f"{one['number']}  {one['time']}  {one['actor']}  {one['action']}  {one['target']}  {json_module.dumps(one['detail'])}"
        for one in entries
    ]
    _show({"entries": entries}, json=json, line="\n".join(lines))


def _anchor(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    number, _, digest = text.partition(":")
    if not number.isdigit() or len(digest) != 64:
        raise ValueError(
            f"--anchor {text!r}: must be like 17:3f9c..., the number and the 64 digits of its digest"
        )
    return int(number), digest


@keys_app.command("add")
def add_key(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[
        list[str], typer.Option("--scope", help="ingest, read, edit or admin; again for others.")
    ],
    model: Annotated[
        list[str] | None,
        typer.Option("--model", help="A model; again for others; default all.", show_default=False),
    ] = None,
    days: Annotated[
        int | None, typer.Option(help="Days until it ends; default never.", min=1, show_default=False)
    ] = None,
    lake: LakeOption = None,
    database: DatabaseOption = None,
    json: JsonOption = False,
) -> None:
    """Add a key, printed this once. A sender takes it from VEDETTE_TOKEN."""
    with _access(lake, database) as access:
        now = access.now()
        expires = None if days is None else now + timedelta(days=days)
        key, text = access.keys.add(name, scope, model, actor=_actor(), now=now, expires=expires)
    _show({**key, "key": text}, json=json, line=text)


@keys_app.command("list")
def list_keys(lake: LakeOption = None, database: DatabaseOption = None, json: JsonOption = False) -> None:
    """All keys, without what is secret."""
    with _access(lake, database) as access:
        keys = access.keys.list()
    now = datetime.now(UTC)
    lines = []
    for key in keys:
        ended = key["expires"] is not None and datetime.fromisoformat(key["expires"]) <= now
        state = "revoked" if key["revoked"] else "expired" if ended else "holds"
        models = "all models" if key["models"] is None else ", ".join(key["models"])
        lines.append(f"{key['id']}  {state}  {', '.join(key['scopes'])}  {models}  {key['name']}")
    _show({"keys": keys}, json=json, line="\n".join(lines))


@keys_app.command("revoke")
def revoke_key(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as in the list.")],
    lake: LakeOption = None,
    database: DatabaseOption = None,
    json: JsonOption = False,
) -> None:
    """Refuse a key from now on."""
    with _access(lake, database) as access:
        key = access.keys.revoke(identifier, actor=_actor(), now=access.now())
    _show(key, json=json, line=f"key {key['id']}: revoked")
