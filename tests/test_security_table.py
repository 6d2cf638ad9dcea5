"""``docs/security.md`` against the standard's list, and against the tests that it names."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent
TEXT = (TESTS.parent / "docs" / "security.md").read_text("utf-8")

# OWASP ASVS 5.0.0, the requirements of level 1, from the CSV that is published with it
LEVEL_1 = [
    one
    for chapter in (
        "1.2.1 1.2.2 1.2.3 1.2.4 1.2.5 1.3.1 1.3.2 1.5.1",
        "2.1.1 2.2.1 2.2.2 2.3.1",
        "3.2.1 3.2.2 3.3.1 3.4.1 3.4.2 3.5.1 3.5.2 3.5.3",
        "4.1.1 4.4.1",
        "5.2.1 5.2.2 5.3.1 5.3.2",
        "6.1.1 6.2.1 6.2.2 6.2.3 6.2.4 6.2.5 6.2.6 6.2.7 6.2.8 6.3.1 6.3.2 6.4.1 6.4.2",
        "7.2.1 7.2.2 7.2.3 7.2.4 7.4.1 7.4.2",
        "8.1.1 8.2.1 8.2.2 8.3.1",
        "9.1.1 9.1.2 9.1.3 9.2.1",
        "10.4.1 10.4.2 10.4.3 10.4.4 10.4.5",
        "11.3.1 11.3.2 11.4.1",
        "12.1.1 12.2.1 12.2.2",
        "13.4.1",
        "14.2.1 14.3.1",
        "15.1.1 15.2.1 15.3.1",
    )
    for one in chapter.split()
]


def numbers(cell: str) -> set[str]:
    """The requirements of a row: ``6.2.2, 6.2.3`` or ``10.4.1 - 10.4.5``."""
    found: set[str] = set()
    for part in cell.split(","):
        ends = [one.strip() for one in part.split(" - ")]
        found |= set(ends)
        if len(ends) == 2 and ends[0].rpartition(".")[0] == ends[1].rpartition(".")[0]:
            section, _, first = ends[0].rpartition(".")
            last = ends[1].rpartition(".")[2]
            found |= {f"{section}.{n}" for n in range(int(first), int(last) + 1)}
    return found


def rows() -> list[list[str]]:
    """The cells of each row that has the number of a requirement."""
    cells = [[one.strip() for one in line.strip("|").split("|")] for line in TEXT.splitlines()]
    return [one for one in cells if re.match(r"\d+\.\d+\.\d+", one[0])]


@cache
def functions_of(file: str) -> set[str]:
    tree = ast.parse((TESTS / file).read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_requirement_of_level_1_has_a_row() -> None:
    """One that is forgotten fails here, and so does a row for a number that is none."""
    assert len(LEVEL_1) == 70
    told = set().union(*(numbers(one[0]) for one in rows()))
    assert [one for one in LEVEL_1 if one not in told] == []


def test_every_row_says_how_it_is_met_and_at_which_level() -> None:
    """Four cells; what is not met is said in bold."""
    wrong = [
        one[0]
        for one in rows()
        if len(one) != 4 or not re.fullmatch(r"[123](, [123])?", one[1]) or not one[3]
    ]
    assert wrong == []


def test_every_test_that_is_named_is_there() -> None:
    """Of the file that is named with it, or before it in the section."""
    missing, n_named, file = [], 0, ""
    for line in TEXT.splitlines():
        file = "" if line.startswith("#") else file
        for named, test in re.findall(r"`(test_\w+\.py)?::(\w+)`", line):
            file = named or file
            n_named += 1
            if not file or test not in functions_of(file):
                missing.append(f"{file}::{test}")
    assert n_named > 100
    assert missing == []
