"""Print pip constraints that pin each direct dependency (test extra included) to the lowest version allowed."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]
for requirement in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
    match = re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?>=([0-9.]+)", requirement)
    if match is None:
        raise SystemExit(f"{requirement!r}: say the lowest version as name>=version")
    print(f"{match[1]}=={match[2]}")
