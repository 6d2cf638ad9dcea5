"""Cases as text: read, and run through the strategies that judge models."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from vedette import config
from vedette.errors import CaseError
from vedette.records import Status
from vedette.statistics import find_statistic, numeric_grid, summarise_numeric
from vedette.strategy.bounds import bounds_of
from vedette.strategy.rules import Reading, Rule, RuleState, advance, gaps_before, parse, standing_of
from vedette.testing.laws import Drawn, Law, check_law

__all__ = ["Case", "CaseResult", "read_cases", "run_case", "run_file", "values"]

STATES = ("firing", "warning", "pending", "resolved", "unknown")
WINDOWS_MAX = 100_000
_SERIES = re.compile(r"([-+]?[\d.]+(?:e[-+]?\d+)?)([-+][\d.]+(?:e[-+]?\d+)?)?(?:x(\d+))?")
_LAW = re.compile(r"(normal|uniform|choice|share)\(([^)]*)\)(?:x(\d+))?")


@dataclass(frozen=True, slots=True)
class Expected:
    """What a line expects: at a time, these names are in a state, and no others unless it says so."""

    line: int
    text: str
    at_s: float
    state: str
    names: frozenset[str]
    others: bool = False

    def fits(self, found: set[str]) -> bool:
        """True where these are the names expected, or (``others``) hold them."""
        return self.names <= found if self.others else self.names == found


@dataclass(slots=True)
class Case:
    """One case as it was read; ``rules``, ``series`` and ``laws`` by name."""

    name: str
    window_s: float = 3600.0
    seed: int = 0
    budget: float = 1.0
    reference: int = 5000
    rows: list[int] = field(default_factory=lambda: [1000])
    rules: dict[str, Rule] = field(default_factory=dict)
    series: dict[str, list[float | None]] = field(default_factory=dict)
    laws: dict[str, list[Law]] = field(default_factory=dict)
    expected: list[Expected] = field(default_factory=list)

    @property
    def n_windows(self) -> int:
        """How many windows the series have."""
        held: list[Sized] = [*self.series.values(), *self.laws.values()]
        return max(map(len, held), default=len(self.rows))

    def rows_in(self, window: int) -> int:
        """The rows of a window."""
        return self.rows[min(window, len(self.rows) - 1)]


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What became of the cases of a text: how many there were, and in words what came otherwise than expected."""

    source: str
    cases: int
    checks: int
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """True where everything came as expected."""
        return not self.failures


def values(text: str) -> list[float | None]:
    """A series from text: numbers, ``0.9x3`` repeated, ``1+0.5x3`` in steps, ``_`` (``_x3``) for nothing.

    >>> values("0.95x2 1+0.5x3 _")
    [0.95, 0.95, 1.0, 1.5, 2.0, None]
    """
    out: list[float | None] = []
    for word in text.split():
        if re.fullmatch(r"_(x\d+)?", word):
            out += [None] * int(word[2:] or 1)
            continue
        found = _SERIES.fullmatch(word)
        if found is None:
            raise ValueError(f"{word!r}: must be a number, 0.9x3, 1+0.5x3 or _")
        start, step, times = float(found[1]), float(found[2] or 0.0), int(found[3] or 1)
        if len(out) + times > WINDOWS_MAX:
            raise ValueError(f"{word!r}: a series has at most {WINDOWS_MAX:,} windows")
        out += [round(start + step * at, 12) for at in range(times)]
    return out


def run_file(path: str | Path) -> CaseResult:
    """Run the cases of a file; ``CaseError`` with the line where it cannot be read."""
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CaseError(f"{path}: cannot be read: {error}") from error
    cases = read_cases(text, str(path))
    failures = [f"{one.name}: {words}" for one in cases for words in run_case(one)]
    return CaseResult(str(path), len(cases), sum(len(one.expected) for one in cases), tuple(failures))


def read_cases(text: str, source: str = "text") -> list[Case]:
    """The cases of a text; ``CaseError`` names the line that cannot be read.

    >>> [case] = read_cases("rule low = accuracy < 0.9\\nseries accuracy = 0.95 0.8\\nat 2h firing low")
    >>> run_case(case)
    []
    """
    cases: list[Case] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.split("#")[0].strip()
        if not line:
            continue
        word, _, rest = line.partition(" ")
        try:
            if word == "case":
                cases.append(Case(rest.strip() or f"line {number}"))
                continue
            if not cases:
                cases.append(Case(source))
            _take(cases[-1], word, rest.strip(), number)
        except ValueError as error:
            raise CaseError(f"{source}, line {number}: {line!r}: {error}") from None
    for case in cases:
        if not case.expected:
            raise CaseError(
                f"{source}: case {case.name!r} expects nothing: say 'at 3h firing nothing' or the like"
            )
        for one in case.expected:
            unknown = sorted(one.names - set(case.rules)) if not case.laws else []
            if unknown:
                raise CaseError(f"{source}, line {one.line}: {one.text!r}: there is no rule {unknown[0]!r}")
            if one.at_s > case.n_windows * case.window_s:
                raise CaseError(f"{source}, line {one.line}: {one.text!r}: the series ends before")
        _check_series(case, source)
    if not cases:
        raise CaseError(f"{source}: holds no case")
    return cases


def _take(case: Case, word: str, rest: str, number: int) -> None:
    """Read one line into a case."""
    name, equal, said = (part.strip() for part in rest.partition("="))
    takes: Mapping[str, Callable[[], Any]] = {
        "window": lambda: setattr(case, "window_s", config.duration_s(rest)),
        "seed": lambda: setattr(case, "seed", _whole(rest, 0)),
        "budget": lambda: setattr(case, "budget", _budget(rest)),
        "reference": lambda: setattr(case, "reference", _whole(rest, 100)),
        "rows": lambda: setattr(case, "rows", _rows(rest)),
        "rules": lambda: case.rules.update(_rules_of(rest)),
        "at": lambda: case.expected.append(_expected(rest, number)),
    }
    held: Mapping[str, Mapping[str, Any]] = {"rule": case.rules, "series": case.series, "data": case.laws}
    if word in takes:
        takes[word]()
    elif word not in ("rule", "series", "data"):
        raise ValueError(f"must begin with case, rule, series, data or one of {', '.join(takes)}")
    elif not (name and equal and said):
        raise ValueError(f"must be like '{word} NAME = ...'")
    elif name.replace(" ", "") in held[word]:
        raise ValueError(f"{word} {name}: is said twice")
    elif word == "rule":
        case.rules[name] = parse(name, said)
        if case.rules[name].metric == "no_data":
            raise ValueError(f"rule {name}: {said!r} goes by the clock, which a case has none of")
    elif word == "series":
        case.series[name.replace(" ", "")] = values(said)
    else:
        case.laws[name] = _laws(said)


def _rules_of(model: str) -> dict[str, Rule]:
    """The rules of a model that go by windows; those that go by the clock cannot be tried."""
    rules = {name: parse(name, one) for name, one in config.read().rules_of(model).items()}
    found = {name: rule for name, rule in rules.items() if rule.metric != "no_data"}
    if not found:
        raise ValueError(f"vedette.toml has no rules of the model {model!r} that go by windows")
    return found


def _whole(text: str, least: int) -> int:
    if not text.isdecimal() or int(text) < least:
        raise ValueError(f"{text!r}: must be a whole number of {least} or more")
    return int(text)


def _budget(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 < value < float("inf"):
        raise ValueError(f"budget {text!r}: must be a number above 0")
    return value


def _rows(text: str) -> list[int]:
    found = [one or 0.0 for one in values(text)]
    if any(one < 0 or one != int(one) for one in found):
        raise ValueError(f"rows {text!r}: must be whole numbers of 0 or more")
    return [int(one) for one in found]


def _check_series(case: Case, source: str) -> None:
    """Raise ``CaseError`` for a series that no rule reads, or with a value that its figure cannot have."""
    read = {_figure_of(rule): rule for rule in case.rules.values()}
    for name, series in case.series.items():
        rule = read.get(name)
        if rule is None:
            known = ", ".join(sorted(read)) or "none"
            raise CaseError(
                f"{source}: case {case.name!r}: no rule reads the series {name!r}; the rules read {known}"
            )
        least, most = bounds_of(rule.metric)
        wrong = next((one for one in series if one is not None and not least <= one <= most), None)
        if wrong is not None:
            raise CaseError(
                f"{source}: case {case.name!r}: series {name}: {wrong:g} must lie in {least:g} to {most:g}"
            )


def _figure_of(rule: Rule) -> str:
    """What the series of a rule's figure is called."""
    own = rule.source.startswith("_") or rule.source in ("prediction", "latency_s")
    return rule.metric if own else f"{rule.metric}({rule.source})".replace(" ", "")


def _laws(text: str) -> list[Law]:
    if re.sub(_LAW, "", text).strip():
        raise ValueError(
            "must be laws such as normal(0, 1)x10, uniform(0, 1), choice(a=0.7, b=0.3) or share(0.95)"
        )
    found = [(one[1], one[2]) for one in _LAW.finditer(text) for _ in range(int(one[3] or 1))]
    for law in set(found):
        check_law(law)
    return found


def _expected(text: str, number: int) -> Expected:
    parts = text.split(maxsplit=2)
    if len(parts) != 3 or parts[1] not in STATES:
        raise ValueError(f"must be like 'at 3h firing low' (or {', '.join(STATES[1:])}; 'nothing' for none)")
    names = frozenset() if parts[2] == "nothing" else frozenset(re.split(r"[,\s]+", parts[2]))
    others = "..." in names
    at_s = config.duration_s(parts[0], "at")
    return Expected(number, f"at {text}", at_s, parts[1], names - {"..."}, others)


def run_case(case: Case) -> list[str]:
    """What came otherwise than the case expects, in words; nothing where all came so.

    Figures and rows go through the same ``strategy`` that judges models.
    """
    drawn = None
    if case.laws:
        sizes = [case.rows_in(at) for at in range(case.n_windows)]
        drawn = Drawn(
            case.laws, case.reference, sizes, window_s=case.window_s, budget=case.budget, seed=case.seed
        )
    states = {name: RuleState() for name in case.rules}
    alarms: set[str] = set()
    fired: set[str] = set()
    judged = -1  # the last window with rows: those without are judged with the first rows after them
    shown = [_shown(case, states, alarms, fired, judged)]
    for window in range(case.n_windows):
        if case.rows_in(window) > 0:
            judged = window
            alarms = drawn.judge(window) if drawn is not None else set()
            for name, rule in case.rules.items():
                states[name] = _after(rule, states[name], _reading(case, rule, window, drawn), case.window_s)
        shown.append(_shown(case, states, alarms, fired, judged))
        fired |= shown[-1]["firing"]
    failures = []
    known = set(case.rules) | (set() if drawn is None else {watch.id for watch in drawn.plan.watches})
    for one in case.expected:
        if not one.names <= known:
            unknown = ", ".join(sorted(one.names - known))
            failures.append(
                f"line {one.line}: {one.text}: there is no {unknown}; there are {', '.join(sorted(known))}"
            )
            continue
        found = shown[int(one.at_s // case.window_s)][one.state]
        if not one.fits(found):
            got = ", ".join(sorted(found)) or "nothing"
            said = "; ".join(
                f"{name}: {states[name].evidence}" for name in sorted(found ^ one.names) if name in states
            )
            failures.append(
                f"line {one.line}: {one.text}: got {got}" + (f" (in the end {said})" if said else "")
            )
    return failures


def _shown(
    case: Case, states: Mapping[str, RuleState], alarms: set[str], fired: set[str], judged: int
) -> dict[str, set[str]]:
    """The names in each state: alerts that are firing, pending or resolved, and verdicts that warn or are unknown."""
    status = {
        name: standing_of(rule, states[name], judged * case.window_s, case.window_s)[0]
        for name, rule in case.rules.items()
    }
    firing = alarms | {name for name, one in status.items() if one is Status.ALARM}
    pending = {name for name, one in states.items() if one.pending}
    return {
        "firing": firing,
        "warning": {name for name, one in states.items() if one.firing} - firing,
        "pending": pending,
        "resolved": fired - firing - pending,
        "unknown": {name for name, one in status.items() if one is Status.UNKNOWN},
    }


def _after(rule: Rule, state: RuleState, reading: Reading, window_s: float) -> RuleState:
    """The state after a window, and after those without rows before it."""
    if rule.counts_gaps and not reading.value:
        return state  # a series that says 0, or nothing: no rows
    for one in [*gaps_before(rule, state, reading, window_s), reading]:
        state, _ = advance(rule, state, one)
    return state


def _reading(case: Case, rule: Rule, window: int, drawn: Drawn | None) -> Reading:
    """The figure of a rule in a window: of the series, else of the rows drawn."""
    start = window * case.window_s
    end, n = start + case.window_s, case.rows_in(window)
    name = _figure_of(rule)
    if name in case.series:
        series = case.series[name]
        value = series[window] if window < len(series) else None
        return Reading(
            start,
            end,
            value,
            value,
            value,
            n if value is not None else 0,
            None if value is not None else "no rows",
        )
    if drawn is not None and rule.source in drawn.live and rule.metric == "values":
        one = drawn.live[rule.source].take([window])
        return Reading(start, end, float(one.minimum[0]), float(one.minimum[0]), float(one.maximum[0]), n)
    if rule.counts_gaps:
        current, reference = summarise_numeric(numeric_grid("rows", [0.0]), np.zeros(n)), None
    elif drawn is not None and rule.source in drawn.live:
        current, reference = drawn.live[rule.source].take([window]), drawn.reference[rule.source]
    else:
        return Reading(start, end, None, None, None, 0, f"the case has no series {name}")
    found = find_statistic(rule.metric).figures(replace(current, window_s=case.window_s), reference)
    value, low, high = (
        None if np.isnan(one[0]) else float(one[0]) for one in (found.value, found.low, found.high)
    )
    return Reading(start, end, value, low, high, int(found.n[0]), found.reason[0])
