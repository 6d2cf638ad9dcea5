"""Two versions side by side: claims that may be looked at after every row."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import integrate, stats

from vedette.strategy.versions import (
    LOOKS,
    Decision,
    Estimates,
    PairedRates,
    Question,
    Rates,
    compare,
    decide,
    forecast,
    interval,
    mismatch,
    smallest_of,
)
from vedette.strategy.versions.normal import evidence_of

rng = np.random.default_rng(20261128)


def rates(
    p_champion: float, p_challenger: float, rows: int, looks: int, copies: int, share: float = 0.5
) -> Rates:
    n = [np.full((copies, looks), round(rows * part)) for part in (1 - share, share)]
    return Rates(rng.binomial(n[0], p_champion), n[0], rng.binomial(n[1], p_challenger), n[1], first=0.9)


def one(looks: Rates, row: int) -> Rates:
    return Rates(
        looks.champion_hits[row],
        looks.champion_n[row],
        looks.challenger_hits[row],
        looks.challenger_n[row],
        first=0.9,
    )


@pytest.mark.parametrize("beyond", [0.0, 0.1, -0.2])
@pytest.mark.parametrize("above", [True, False])
def test_evidence_of_rates_is_at_most_1_on_average(beyond: float, above: bool) -> None:
    """Over all outcomes of two blocks of a few rows, at every pair of rates for which the claim is false."""
    n = [(3, 2), (1, 4)]
    outcomes = [
        np.array(all_) for all_ in itertools.product(*(range(rows + 1) for rows in (n[0] + n[1]))) if all_
    ]
    table = np.array(outcomes)  # champion 1, challenger 1, champion 2, challenger 2
    looks = Rates(
        table[:, [0, 2]],
        np.tile([3, 1], (len(table), 1)),
        table[:, [1, 3]],
        np.tile([2, 4], (len(table), 1)),
    )
    evidence = np.exp(looks.log_evidence(beyond, above=above, smallest=0.3))
    largest = 0.0
    for champion, challenger in itertools.product(np.linspace(0, 1, 21), repeat=2):
        if (challenger - champion > beyond) == above and abs(challenger - champion - beyond) > 1e-12:
            continue
        chance = np.prod(
            [
                stats.binom.pmf(table[:, place], rows, rate)
                for place, rows, rate in (
                    (0, 3, champion),
                    (1, 2, challenger),
                    (2, 1, champion),
                    (3, 4, challenger),
                )
            ],
            axis=0,
        )
        assert chance.sum() == pytest.approx(1)
        largest = max(largest, *(chance @ evidence))
    assert 0.9 < largest <= 1 + 1e-6


@pytest.mark.parametrize("beyond", [0.0, 0.15, -0.3])
@pytest.mark.parametrize("above", [True, False])
def test_evidence_of_pairs_is_at_most_1_on_average(beyond: float, above: bool) -> None:
    """Over all outcomes of two looks at two rows each, at every law of a row's difference for which the claim is false."""
    ways = [(a, b) for a in range(3) for b in range(3 - a)]
    table = np.array([(*first, *second) for first, second in itertools.product(ways, repeat=2)])
    looks = PairedRates(table[:, [0, 2]], table[:, [1, 3]], np.full((len(table), 2), 2))
    evidence = np.exp(looks.log_evidence(beyond, above=above, smallest=0.3))
    largest = 0.0
    for lost, won in itertools.product(np.linspace(0, 1, 21), repeat=2):
        if lost + won > 1 or (won - lost > beyond + 1e-12 if above else won - lost < beyond - 1e-12):
            continue
        law = [lost, won, max(1 - lost - won, 0.0)]
        chance = np.array(
            [
                stats.multinomial.pmf([a, b, 2 - a - b], 2, law)
                * stats.multinomial.pmf([c, d, 2 - c - d], 2, law)
                for a, b, c, d in table
            ]
        )
        assert chance.sum() == pytest.approx(1)
        largest = max(largest, *(chance @ evidence))
    assert 0.9 < largest <= 1 + 1e-9


def test_evidence_of_estimates_is_the_integral_of_its_likelihood_ratio() -> None:
    """Of a half-normal law of the difference at two scales, by numeric integration."""
    z, se, smallest = 2.3, 0.013, 0.02

    def ratio(difference: float, scale: float) -> float:
        x = z * se
        weight = 2 * stats.norm.pdf(difference, scale=scale)
        return float(weight * stats.norm.pdf(x, difference, se) / stats.norm.pdf(x, 0, se))

    near, far = (
        integrate.quad(ratio, 0, 10 * scale, args=(scale,), points=[z * se], limit=200)[0]
        for scale in (smallest, 8 * smallest)
    )
    found = float(np.exp(evidence_of(np.array([z]), np.array([se]), smallest))[0])
    assert found == pytest.approx(0.9 * near + 0.1 * far, rel=1e-6)


@pytest.mark.parametrize("name", LOOKS)
def test_what_is_above_is_below_the_other_way_round(name: str) -> None:
    """Champion and challenger in each other's place: the same evidence for the opposite claim."""
    n = np.array([40, 55, 300, 220])
    a, b = np.array([30, 41, 230, 150]), np.array([35, 50, 270, 190])
    made = {
        "rates": (Rates(a, n, b, n), Rates(b, n, a, n)),
        "pairs": (PairedRates(a // 9, b // 9, n), PairedRates(b // 9, a // 9, n)),
        "estimates": (
            Estimates(np.array([0.1, 0.04]), np.array([0.04, 0.02]), np.array([300.0, 900.0])),
            Estimates(-np.array([0.1, 0.04]), np.array([0.04, 0.02]), np.array([300.0, 900.0])),
        ),
    }
    one_way, other = made[name]
    for beyond in (0.0, 0.05, -0.07):
        np.testing.assert_allclose(
            one_way.log_evidence(beyond, above=True, smallest=0.05),
            other.log_evidence(-beyond, above=False, smallest=0.05),
            atol=1e-9,
        )


@pytest.mark.parametrize("name", LOOKS)
def test_without_rows_nothing_is_claimed(name: str) -> None:
    """No look at all, and looks without rows: no evidence either way, and the widest interval."""
    none, zero = np.zeros(0), np.zeros(3)
    nan = np.full(3, np.nan)
    made = {
        "rates": (Rates(none, none, none, none), Rates(zero, zero, zero, zero)),
        "pairs": (PairedRates(none, none, none), PairedRates(zero, zero, zero)),
        "estimates": (Estimates(none, none, none), Estimates(nan, nan, zero)),
    }
    for looks in made[name]:
        found = compare(looks, margin=0.01)
        assert (found.better_at, found.worse_at, found.not_worse_at) == (None, None, None)
        assert (found.low, found.high) == looks.limits


def test_a_version_that_gets_rows_seldom_is_compared_by_blocks() -> None:
    """Looks in which one version has no rows are joined with the next; no row is lost."""
    champion = np.array([90, 91, 89, 92, 45, 45])
    n = np.array([100, 100, 100, 100, 50, 50])
    challenger, m = np.array([0, 0, 0, 24, 0, 20]), np.array([0, 0, 0, 40, 0, 40])
    thin = Rates(champion, n, challenger, m, first=0.9).log_evidence(0, above=False, smallest=0.1)
    joined = Rates(
        np.array([champion[:4].sum(), champion[4:].sum()]),
        np.array([400, 100]),
        challenger[[3, 5]],
        m[[3, 5]],
        0.9,
    ).log_evidence(0, above=False, smallest=0.1)
    np.testing.assert_allclose(thin, [0, 0, 0, joined[0], joined[0], joined[1]])
    assert joined[1] > 5


@pytest.mark.parametrize("accuracy", [0.5, 0.9, 0.998])
@pytest.mark.parametrize("share", [0.5, 0.1])
def test_equal_versions_are_seldom_told_apart(accuracy: float, share: float) -> None:
    """Looked at 200 times, either way: at most what was asked for, 0.025 each, whatever the rate and the split."""
    looks = rates(accuracy, accuracy, 100, 200, 400, share)
    smallest = smallest_of(float(np.sqrt(accuracy * (1 - accuracy))))
    for above in (True, False):
        found = looks.log_evidence(0.0, above=above, smallest=smallest) >= np.log(40)
        assert stats.binom.cdf(found.any(axis=1).sum() - 1, 400, 0.025) < 0.995


def test_a_margin_that_is_just_met_is_seldom_passed() -> None:
    """The challenger is worse by exactly the margin: shown to be worse by less in at most 0.025 of 400."""
    looks = rates(0.9, 0.88, 200, 150, 400)
    found = looks.log_evidence(-0.02, above=True, smallest=0.02) >= np.log(40)
    assert stats.binom.cdf(found.any(axis=1).sum() - 1, 400, 0.025) < 0.995


def test_a_worse_challenger_is_found_in_few_rows() -> None:
    """Worse by two points: on average within 1.3 times the rows of a test of fixed size (one-sided 0.025, power 0.8)."""
    looks = rates(0.9, 0.88, 200, 200, 400)
    found = looks.log_evidence(0.0, above=False, smallest=0.02) >= np.log(40)
    assert found.any(axis=1).all()
    fixed = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) ** 2 * (0.9 * 0.1 + 0.88 * 0.12) / 0.02**2
    assert 0.8 < (found.argmax(axis=1) + 1).mean() * 100 / fixed < 1.3


def test_an_interval_holds_the_truth_at_every_look() -> None:
    """Of 60 comparisons of 12 looks each, at most what 0.05 allows leave it out at any."""
    looks = rates(0.8, 0.83, 300, 12, 60)
    missed = 0
    for row in range(60):
        whole = one(looks, row)
        for end in range(1, 13):
            part = Rates(
                *(
                    getattr(whole, name)[:end]
                    for name in ("champion_hits", "champion_n", "challenger_hits", "challenger_n")
                ),
                first=0.9,
            )
            low, high = interval(part, smallest=0.03)
            assert low < part.value[-1] < high
            if not low <= 0.03 <= high:
                missed += 1
                break
    assert stats.binom.cdf(missed - 1, 60, 0.05) < 0.995


def test_an_interval_narrows_and_is_little_wider_than_at_one_look() -> None:
    """After many rows it is at most twice as wide as an interval that holds at one look only."""
    looks = one(rates(0.9, 0.9, 1000, 100, 1), 0)
    low, high = interval(looks, smallest=0.02)
    se = np.sqrt(2 * 0.09 / 50_000)
    assert 1 < (high - low) / (2 * 1.96 * se) < 2


def test_the_order_of_rows_on_which_both_agree_does_not_matter() -> None:
    """Rows on which both versions are right or both wrong say nothing of which is better."""
    lost, won = np.array([3, 4, 6]), np.array([1, 2, 1])
    few = PairedRates(lost, won, lost + won).log_evidence(0.0, above=False, smallest=0.3)
    assert few[-1] > 0
    same = PairedRates(np.array([13]), np.array([4]), np.array([17])).log_evidence(
        0.0, above=True, smallest=0.3
    )
    assert same[-1] < 0


def test_traffic_of_other_shares_is_found_and_of_the_shares_set_is_not() -> None:
    """By the ratio of a Dirichlet-multinomial to a multinomial law (scipy); with shares that change on the way."""
    n = np.array([[40, 12], [55, 9], [300, 90]])
    shares = np.array([0.8, 0.2])
    totals = np.cumsum(n, axis=0)
    expected = [
        stats.dirichlet_multinomial.logpmf(total, 100 * shares, total.sum())
        - stats.multinomial.logpmf(total, total.sum(), shares)
        for total in totals
    ]
    np.testing.assert_allclose(mismatch(n, shares), expected, atol=1e-9)
    changing = np.array([[0.8, 0.2], [0.8, 0.2], [0.5, 0.5]])
    last = stats.dirichlet_multinomial.logpmf(n[2], [50, 50], 390) - stats.multinomial.logpmf(
        n[2], 390, [0.5, 0.5]
    )
    np.testing.assert_allclose(mismatch(n, changing)[2], expected[1] + last, atol=1e-9)


def test_traffic_as_it_was_set_is_seldom_found_otherwise() -> None:
    """Looked at 300 times, at most 0.05 of 400."""
    found = sum(
        bool((mismatch(rng.multinomial(200, [0.9, 0.1], size=300), np.array([0.9, 0.1])) > np.log(20)).any())
        for _ in range(400)
    )
    assert stats.binom.cdf(found - 1, 400, 0.05) < 0.995


def test_traffic_that_was_changed_holds_a_promotion_but_not_a_rollback() -> None:
    """What is compared may differ because of who was sent where; a challenger that is worse still goes."""
    n = np.full(60, 500)
    good = Question("accuracy", Rates(np.full(60, 450), n, np.full(60, 452), n, 0.9), margin=0.02)
    bad = Question("accuracy", Rates(np.full(60, 450), n, np.full(60, 420), n, 0.9), margin=0.02)
    assert decide([good]).decision is Decision.PROMOTE
    held = decide([good], mismatch_found=True)
    assert held.decision is Decision.HOLD
    assert "shares" in held.why[0]
    assert decide([bad], mismatch_found=True).decision is Decision.ROLL_BACK


def test_a_goal_must_be_better_and_a_guard_not_worse() -> None:
    """Equal versions pass a guard-rail and miss a goal; what is not yet known holds."""
    n = np.full(80, 500)
    equal = Rates(np.full(80, 450), n, np.full(80, 450), n, 0.9)
    better = Rates(np.full(80, 450), n, np.full(80, 465), n, 0.9)
    assert decide([Question("accuracy", equal, margin=0.02)]).decision is Decision.PROMOTE
    assert decide([Question("accuracy", equal, goal=True)]).decision is Decision.HOLD
    assert decide([Question("accuracy", better, goal=True)]).decision is Decision.PROMOTE
    assert (
        decide([Question("accuracy", better, goal=True), Question("f1", equal, margin=0.001)]).decision
        is Decision.HOLD
    )


def test_lower_is_better_turns_claims_round() -> None:
    """A challenger with fewer errors is better; of a latency the same."""
    n = np.arange(1, 60) * 100.0
    faster = Estimates(np.full(59, -0.01), 0.1 / np.sqrt(n), n)
    found = compare(faster, higher_is_better=False, margin=0.005)
    assert found.better_at is not None
    assert found.worse_at is None
    assert found.not_worse_at is not None
    assert found.not_worse_at <= found.better_at


def test_a_forecast_is_what_happens() -> None:
    """Of comparisons that go on from where they stand, half are decided by the forecast median, within a third of its looks."""
    sd, per_look, truth = 0.3, 250, -0.02
    looks = np.arange(1, 121)
    se = sd * np.sqrt(2 / (per_look * looks))
    made = forecast(0.0, np.inf, se, margin=0.0, smallest=0.02)
    assert made.decided[-1] > made.decided[0]
    info = 1 / se**2
    steps = np.diff(info, prepend=0.0)
    at = []
    for _ in range(600):
        effect = rng.normal(0, 0.08)
        score = np.cumsum(rng.normal(effect * steps, np.sqrt(steps)))
        seen = Estimates(score / info, se, per_look * looks.astype(float))
        crossed = [
            seen.log_evidence(0.0, above=above, smallest=0.02) >= np.log(40) for above in (True, False)
        ]
        both = crossed[0] | crossed[1]
        at.append(int(np.argmax(both)) if both.any() else len(looks))
    assert made.median is not None
    assert abs(np.median(at) - made.median) <= max(2, made.median / 3)
    known = forecast(truth, float(se[9]), se[10:], smallest=0.02)
    assert known.median is not None
    assert known.late is None or known.late >= known.median


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Rates([3], [2], [1], [2]), "champion_hits: must lie between 0 and champion_n"),
        (lambda: Rates([1], [2], [1], [2], first=1.0), r"first=1.0: must be a rate"),
        (lambda: PairedRates([2], [2], [3]), "must be counts that are together at most n"),
        (lambda: Estimates(np.ones(1), -np.ones(1), np.ones(1)), "se: standard errors must not be negative"),
        (lambda: compare(Rates([1], [2], [1], [2]), alpha=0.5), "alpha=0.5: must be more than 0"),
        (lambda: compare(Rates([1], [2], [1], [2]), margin=-1.0), "margin=-1.0: must be 0 or more"),
        (lambda: compare(Rates([1], [2], [1], [2]), smallest=0.0), "smallest=0.0: must be positive"),
        (lambda: decide([]), r"questions about \[\]: must be at least one"),
        (
            lambda: decide([Question("f1", Rates([1], [2], [1], [2]))]),
            "margin=0.0 of f1: must be more than 0",
        ),
        (lambda: mismatch(np.array([[1, 2]]), np.array([0.5, 0.6])), "must be more than 0 and add up to 1"),
        (lambda: mismatch(np.array([1, 2]), np.array([0.5, 0.5])), r"n of the shape \(2,\)"),
        (lambda: forecast(0.0, 0.1, np.array([0.2]), smallest=0.1), "se_later: must be positive, at most se"),
    ],
)
def test_wrong_input_is_named(call: object, message: str) -> None:
    """With its value and what is right."""
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
