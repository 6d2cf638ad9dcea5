"""What the looks of all figures say together: the decision, what was found of each figure, and how long it will take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vedette.config.comparing import CompareSettings
from vedette.engine.comparing.looks import Seen
from vedette.engine.comparing.naming import DISAGREEMENT, Named
from vedette.engine.comparing.when import decided_in
from vedette.records.comparing import Difference
from vedette.strategy.versions import Decision, Looks, Question, Shifted, compare, decide

__all__ = ["decided", "time_left"]

UNKNOWN = "unknown"


def decided(
    settings: CompareSettings,
    asked: Sequence[Named],
    found: Mapping[str, Seen],
    *,
    mismatch_found: bool = False,
) -> tuple[tuple[Difference, ...], str, tuple[str, ...]]:
    """What was found of each figure, the decision, and why."""
    deciding = [one for one in asked if one.text in settings.goals or one.text in settings.guard_rails]
    lacking = tuple(
        f"{one.text}: {found[one.text].reason}" for one in deciding if found[one.text].looks is None
    )
    questions = [
        _question(settings, one, looks) for one in deciding if (looks := found[one.text].looks) is not None
    ]
    differences = tuple(_difference(settings, figure, found[figure.text], len(deciding)) for figure in asked)
    if not questions:
        return differences, UNKNOWN, lacking
    made = decide(questions, alpha=settings.alpha, mismatch_found=mismatch_found, n_figures=len(deciding))
    if not lacking or made.decision is Decision.ROLL_BACK:
        return differences, made.decision.value, made.why
    return differences, Decision.HOLD.value, (*lacking, *(made.why if made.decision is Decision.HOLD else ()))


def _question(settings: CompareSettings, figure: Named, looks: Looks) -> Question:
    """What is asked of a figure; of how often two versions disagree, whether it is less than what is allowed."""
    margin, smallest = settings.guard_rails.get(figure.text, 0.0), settings.smallest.get(figure.text)
    if figure.metric == DISAGREEMENT:
        return Question(figure.text, Shifted(looks, margin), False, goal=True, smallest=smallest or margin)
    goal = figure.text in settings.goals
    return Question(figure.text, looks, figure.higher_is_better, margin, goal, smallest)


def _difference(settings: CompareSettings, figure: Named, seen: Seen, n_deciding: int) -> Difference:
    goal, margin = figure.text in settings.goals, settings.guard_rails.get(figure.text)
    value = low = high = None
    claim = UNKNOWN
    if seen.looks is not None:
        asked = _question(settings, figure, seen.looks)
        each = compare(
            asked.looks,
            higher_is_better=asked.higher_is_better,
            margin=asked.margin,
            smallest=asked.smallest,
            alpha=settings.alpha / max(n_deciding, 1),
        )
        whole = compare(
            asked.looks,
            higher_is_better=asked.higher_is_better,
            margin=asked.margin,
            smallest=asked.smallest,
            alpha=settings.alpha,
        )
        moved = asked.looks.by if isinstance(asked.looks, Shifted) else 0.0
        value, low, high = each.value + moved, each.low + moved, each.high + moved
        claim = "undecided"
        if each.worse_at is not None:
            claim = "worse"
        elif whole.better_at is not None:
            claim = "not worse" if moved else "better"
        elif whole.not_worse_at is not None:
            claim = "not worse"
    return Difference(
        figure=figure.text,
        role="goal" if goal else "shown" if margin is None else "guard-rail",
        higher_is_better=figure.higher_is_better,
        margin=margin,
        champion=seen.champion,
        challenger=seen.challenger,
        difference=value,
        low=low,
        high=high,
        n_champion=seen.n[0],
        n_challenger=seen.n[1],
        claim=claim,
        guarantee="proved" if seen.proved else "calibrated",
        reason=seen.reason,
    )


def time_left(
    settings: CompareSettings, asked: Sequence[Named], found: Mapping[str, Seen], run_s: float
) -> tuple[float | None, float | None]:
    """The seconds until every figure is decided, with a half and with nine tenths; ``run_s`` is how long it has run."""
    half: list[float | None] = []
    most: list[float | None] = []
    for figure in asked:
        if figure.text not in settings.goals and figure.text not in settings.guard_rails:
            continue
        looks = found[figure.text].looks
        if looks is None:
            return None, None
        one = _question(settings, figure, looks)
        told = compare(
            one.looks,
            higher_is_better=one.higher_is_better,
            margin=one.margin,
            smallest=one.smallest,
            alpha=settings.alpha,
        )
        if (told.better_at if one.goal else told.not_worse_at) is None:
            left = decided_in(
                one.looks,
                higher_is_better=one.higher_is_better,
                margin=one.margin,
                smallest=one.smallest,
                alpha=settings.alpha,
                run_s=run_s,
            )
            half.append(left[0])
            most.append(left[1])
    return _longest(half), _longest(most)


def _longest(times: Sequence[float | None]) -> float | None:
    known = [one for one in times if one is not None]
    return max(known) if known and len(known) == len(times) else None
