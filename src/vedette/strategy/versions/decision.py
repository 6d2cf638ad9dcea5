"""Promote, hold or roll back: one decision from all figures that two versions are compared by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from vedette.strategy.versions.compared import Compared, Looks, compare

__all__ = ["Decided", "Decision", "Question", "decide"]


class Decision(Enum):
    """What the evidence says to do with a challenger."""

    PROMOTE = "promote"
    HOLD = "hold"
    ROLL_BACK = "roll back"


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A figure by which two versions are compared.

    ``goal`` figures must be shown to be better; all others are guard-rails, which must be shown not to be worse by more than
    ``margin``. ``smallest`` is the smallest difference that matters.
    """

    name: str
    looks: Looks
    higher_is_better: bool = True
    margin: float = 0.0
    goal: bool = False
    smallest: float | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision with what was found of each figure, and in words why."""

    decision: Decision
    found: dict[str, Compared]
    why: tuple[str, ...]


def decide(
    questions: Sequence[Question],
    *,
    alpha: float = 0.05,
    mismatch_found: bool = False,
    n_figures: int | None = None,
) -> Decided:
    """What to do with a challenger, so that at any time either mistake has a probability of at most ``alpha``.

    It is rolled back once it is shown to be worse in any figure: each figure has its equal part of ``alpha`` (Bonferroni), so a
    challenger that is worse in none is rolled back with a probability of at most ``alpha`` in all. It is promoted once every goal
    is shown to be better and every guard-rail not worse by its margin, each with ``alpha``: that all of them are wrongly
    shown is no likelier than that one is (intersection-union test; Berger 1982, Technometrics 24). Where the shares of
    traffic are not those that were set (``mismatch_found``) nothing is promoted. ``n_figures`` is how many figures there are in
    all where nothing is known of some yet, so that the parts do not change when they come.

    Raises ``ValueError`` without a question, for a name that comes twice, and for a guard-rail without a margin: that something
    is not worse by nothing at all cannot be shown of equals.

    Examples
    --------
    >>> import numpy as np
    >>> from vedette.strategy.versions.rates import Rates
    >>> n = np.full(80, 500)
    >>> accuracy = Rates(np.full(80, 450), n, np.full(80, 451), n, first=0.9)
    >>> decide([Question("accuracy", accuracy, margin=0.01)]).decision
    <Decision.PROMOTE: 'promote'>
    >>> errors = Rates(np.full(80, 2), n, np.full(80, 12), n, first=0.01)
    >>> made = decide([Question("accuracy", accuracy, margin=0.01), Question("error_rate", errors, False, margin=0.005)])
    >>> made.decision, made.why
    (<Decision.ROLL_BACK: 'roll back'>, ('error_rate is worse: +0.02 [0.0175, 0.0227]',))
    """
    names = [question.name for question in questions]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"questions about {names}: must be at least one, each figure once")
    for question in questions:
        if not question.goal and not question.margin > 0:
            raise ValueError(
                f"margin={question.margin} of {question.name}: must be more than 0 for a guard-rail, since two equal versions "
                "are never shown not to differ at all"
            )
    each = alpha / max(len(questions), n_figures or 0)
    worse = {question.name: _compared(question, each) for question in questions}
    bad = [name for name, found in worse.items() if found.worse_at is not None]
    if bad:
        return Decided(
            Decision.ROLL_BACK, worse, tuple(f"{name} is worse: {_said(worse[name])}" for name in bad)
        )
    missing: list[str] = []
    shown: list[str] = []
    for question in questions:
        found = _compared(question, alpha)
        claimed = (found.better_at if question.goal else found.not_worse_at) is not None
        claim = "better" if question.goal else f"worse by less than {question.margin:g}"
        words = f"{question.name} is {'' if claimed else 'not yet shown to be '}{claim}: {_said(found)}"
        (shown if claimed else missing).append(words)
    if mismatch_found:
        missing.insert(
            0, "traffic is not split by the shares that were set: what is compared may differ for that reason"
        )
    if missing:
        return Decided(Decision.HOLD, worse, tuple(missing))
    return Decided(Decision.PROMOTE, worse, tuple(shown))


def _compared(question: Question, alpha: float) -> Compared:
    return compare(
        question.looks,
        higher_is_better=question.higher_is_better,
        margin=question.margin,
        smallest=question.smallest,
        alpha=alpha,
    )


def _said(found: Compared) -> str:
    return f"{found.value:+.3g} [{found.low:.3g}, {found.high:.3g}]"
