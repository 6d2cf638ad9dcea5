"""Where a process runs: host, container and cluster, as the machine itself tells."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path

from vedette.records import Place

__all__ = ["place_of"]

_CONTAINER_ID = re.compile(r"(?:^|[/:-])([0-9a-f]{64})(?:\.scope)?(?:$|/)")
_NAMESPACE = Path("var/run/secrets/kubernetes.io/serviceaccount/namespace")
_CLUSTERS = (
    ("KUBERNETES_SERVICE_HOST", "kubernetes"),
    ("NOMAD_ALLOC_ID", "nomad"),
    ("ECS_CONTAINER_METADATA_URI_V4", "ecs"),
    ("AWS_LAMBDA_FUNCTION_NAME", "lambda"),
    ("K_SERVICE", "cloud run"),
)


def place_of(environ: Mapping[str, str] = os.environ, root: Path = Path("/")) -> Place:
    """The place of this process: its host, the container that it is in, and the cluster; None for what it is not in.

    A container is told by ``KUBERNETES_SERVICE_HOST`` (its name is ``namespace/pod``), by ``/.dockerenv`` or
    ``/run/.containerenv``, or by the id of 64 hexadecimal digits in ``/proc/self/cgroup`` or ``/proc/self/mountinfo``, of which
    the first twelve are its name; ``VEDETTE_CLUSTER`` names a cluster otherwise.

    >>> place_of({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "delays-7d9", "NODE_NAME": "node-1"}, Path("/nowhere"))
    Place(host='node-1', container='delays-7d9', cluster='kubernetes')
    """
    cluster = environ.get("VEDETTE_CLUSTER") or next(
        (name for key, name in _CLUSTERS if environ.get(key)), None
    )
    host = socket.gethostname()
    if environ.get("KUBERNETES_SERVICE_HOST"):
        pod = environ.get("POD_NAME") or environ.get("HOSTNAME") or host
        space = environ.get("POD_NAMESPACE") or _line(root / _NAMESPACE)
        container = f"{space}/{pod}" if space else pod
        return Place(environ.get("NODE_NAME") or host, container, cluster)
    return Place(host, _container(root, host), cluster)


def _container(root: Path, host: str) -> str | None:
    """The short id of the container that a process is in; its host name where the id is hidden, None outside of any."""
    for name in ("cgroup", "mountinfo"):
        for line in _lines(root / "proc" / "self" / name):
            if name == "mountinfo" and "/containers/" not in line:
                continue  # other mounts have such digits too, those of images and volumes
            found = _CONTAINER_ID.search(line.split(" - ")[0].split()[3] if name == "mountinfo" else line)
            if found is not None:
                return found[1][:12]
    inside = any((root / name).exists() for name in (".dockerenv", "run/.containerenv"))
    return host if inside else None


def _line(path: Path) -> str | None:
    return next(iter(_lines(path)), None)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", "replace").splitlines()
    except OSError:  # another system, or one that hides it
        return []
