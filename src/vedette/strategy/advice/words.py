"""Advice in plain words: what to run, how sure that is, what can and cannot be seen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from vedette.records import FalseAlarms
from vedette.strategy.advice.advice import Advice, Entry, Sight
from vedette.strategy.advice.race import TIME_OVER

__all__ = ["Advised", "length", "paragraphs", "sentence"]

_UNITS = ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute"), (1.0, "second"))
_FIRST = ("accuracy", "step", "missing", "unit", "swapped")


@dataclass(frozen=True, slots=True)
class Advised:
    """The advice for a model: the clean windows from ``first`` to ``last`` (starts of windows, UTC) were replayed,
    ``n_left_out`` windows of open alarms left out; ``false`` has the alerts that people marked as false.
    """

    model: str
    advice: Advice
    first: datetime
    last: datetime
    n_left_out: int
    false: FalseAlarms | None

    def __str__(self) -> str:
        """The advice in plain words."""
        return "\n".join(paragraphs(self))


def length(windows: float, window_s: float) -> str:
    """A number of windows as a length of time, in days where windows are days, else in a unit that suits.

    >>> length(9.0, 86400.0), length(1.0, 3600.0), length(30.0, 3600.0), length(4.25, 86400.0)
    ('9 days', '1 hour', '30 hours', '4.2 days')
    """
    seconds = windows * window_s
    if not math.isfinite(seconds):
        return "never"
    size, unit = next((one for one in _UNITS if window_s >= one[0]), _UNITS[-1])
    number = seconds / size
    if number >= 100 and size < 86400.0:
        size, unit = _UNITS[max([one[0] for one in _UNITS].index(size) - 1, 0)]
        number = seconds / size
    shown = f"{number:.2g}" if number < 10 else f"{number:.0f}"
    return f"{shown} {unit}{'' if shown == '1' else 's'}"


def sentence(sight: Sight, window_s: float, horizon: int) -> str:
    """How soon a fault is seen, as a sentence."""
    delay = sight.delay
    if not math.isfinite(delay.median):
        share = f"{100 * delay.seen:.0f} %" if delay.seen >= 0.005 else "less than 1 %"
        return f"{sight.words}: not seen within {length(horizon, window_s)} by half ({share} are)"
    high = length(delay.high, window_s) if math.isfinite(delay.high) else f"over {length(horizon, window_s)}"
    low = length(delay.low, window_s)
    between = "" if delay.low == delay.high else f" ({low} to {high})"
    return f"{sight.words}: seen in {length(delay.median, window_s)}{between}"


def paragraphs(advised: Advised) -> list[str]:
    """The advice, a paragraph each: the choice, the runner-up, what is seen and what is not, what it rests on."""
    advice = advised.advice
    found = [_choice(advised), _next(advice), _left_out(advice), *_sights(advice), _ground(advised)]
    if advised.false is not None:
        found.append(f"{advised.false}.")
    return [one for one in found if one]


def _choice(advised: Advised) -> str:
    advice, choice = advised.advice, advised.advice.choice
    rate = f"{choice.rate:.2f} false alarms a month (at most {choice.rate_high:.2f}; the budget is {advice.budget:g})"
    if not advice.sure:
        short = "could not tell more in the time: " if advice.stopped == TIME_OVER else ""
        return (
            f"{advised.model}: {short}nothing was shown to keep the budget, so what is in force stays: {choice.words} made "
            f"{rate}. More time (--seconds) or more history may show it."
        )
    stays = (
        " and in force"
        if choice.name == advice.in_force
        else f" instead of {advice.in_force}, which is in force"
    )
    words = (
        f"{advised.model}: {choice.name} is advised{stays}: {choice.words}. In replays of the model's own past it made {rate}, "
        f"and saw the faults that can be seen after {length(choice.delay, advice.window_s)} on average."
    )
    if choice.lines and choice.name != advice.in_force:
        many = "these lines are" if len(choice.lines) > 1 else "this line is"
        words += (
            f" To put it in force, {many} for the model's table in vedette.toml: "
            + "; ".join(choice.lines)
            + "."
        )
    new = choice.name != advice.in_force
    shared = any(line.startswith("detectors_share = ") for line in choice.lines)
    if new and not shared and advice.in_force.endswith(("_quarter", "_sixteenth", "_sixty_fourth")):
        words += " Without detectors_share, which is to be taken out."
    if any(line.startswith("rows = ") for line in choice.lines):
        words += " vedette uses it as long as no test of dependence speaks against it."
    elif any(line.startswith("rules.") for line in choice.lines):
        words += " What is in force goes on beside such rules."
    if new and any(line.startswith("series = ") for line in choice.lines):
        words += " Detectors have the share of the budget that this leaves them from the next round on."
    return words


def _left_out(advice: Advice) -> str:
    """Who could not race, and what the detectors had."""
    by_reason: dict[str, list[str]] = {}
    for name, why in advice.left_out:
        by_reason.setdefault(why, []).append(name)
    words = [f"Left out: {' and '.join(names)}: {why}." for why, names in by_reason.items()]
    if advice.detectors < 1.0:
        words.append(
            f"Detectors raced with {advice.detectors:g} of the budget, as they judge now; the rest is for the series."
        )
    return " ".join(words)


def _next(advice: Advice) -> str:
    words = []
    if advice.runner_up is not None and advice.lead is not None:
        mean, low, high = advice.lead
        gap = length(abs(mean), advice.window_s)
        than = "slower" if mean >= 0 else "faster"
        limits = f"{low * advice.window_s / _unit(advice)[0]:.2f} to {high * advice.window_s / _unit(advice)[0]:.2f}"
        words.append(f"The runner-up is {advice.runner_up.name}, {gap} {than} ({limits}).")
    if advice.regret > 0:
        able = _entry(advice, advice.fastest).runs
        why = "which is too little to change for" if able else "and cannot be run by vedette"
        gap = length(advice.regret, advice.window_s)
        words.append(f"{advice.fastest} would be {gap} faster within the budget, {why}.")
    return " ".join(words)


def _entry(advice: Advice, name: str) -> Entry:
    return next(one for one in advice.entries if one.name == name)


def _unit(advice: Advice) -> tuple[float, str]:
    return next((one for one in _UNITS if advice.window_s >= one[0]), _UNITS[-1])


def _sights(advice: Advice) -> list[str]:
    """What is seen of the faults that most ask for, and all that is not."""
    seen = [one for one in advice.sights if math.isfinite(one.delay.median)]
    first = sorted((one for one in seen if one.fault in _FIRST), key=lambda one: _FIRST.index(one.fault))
    unseen = [one for one in advice.sights if not math.isfinite(one.delay.median)]
    out = []
    if first:
        told = [sentence(one, advice.window_s, advice.horizon) for one in first]
        out.append("It can see: " + "; ".join(told) + ".")
    if unseen:
        names = "; ".join(one.words for one in unseen)
        out.append(f"It cannot see within {length(advice.horizon, advice.window_s)}: {names}.")
    return out


def _ground(advised: Advised) -> str:
    advice = advised.advice
    left = f", {advised.n_left_out} windows of open alarms left out" if advised.n_left_out else ""
    some = ""
    if advice.columns_raced < advice.columns:
        some = f" Of {advice.columns} columns {advice.columns_raced} were replayed."
    period = {1: "without a season"}.get(advice.period, f"with a season of {advice.period} windows")
    return (
        f"This rests on {advice.n_windows} clean windows from {advised.first:%Y-%m-%d %H:%M} to {advised.last:%Y-%m-%d %H:%M} "
        f"UTC{left}, {period}, replayed {advice.n_replays} times in blocks of {advice.block}: {advice.months:.0f} months "
        f"without a fault, and as many with each. {advice.stopped[0].upper()}{advice.stopped[1:]}.{some}"
    )
