"""Rankings: the usual figures of queries beside scikit-learn and brute force, ties, empty queries, shards, intervals."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, ndcg_score

from vedette.statistics.bounded_mean import Powers, mean_between
from vedette.statistics.recommendation import MEASURES, RankingSummary, rank_lists, rank_scores

Query = tuple[list[float], list[float]]


def queries(n: int = 40, candidates: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Graded relevance, mostly 0, and scores with ties."""
    rng = np.random.default_rng(seed)
    relevance = rng.integers(1, 4, (n, candidates)) * (rng.uniform(size=(n, candidates)) < 0.3)
    relevance[:2] = 0
    return relevance.astype(float), rng.integers(0, 6, (n, candidates)) / 6 + relevance / 20


def by_hand(order: list[float], relevant: int, ideal: list[float], k: int) -> dict[str, float]:
    """The figures of one query whose candidates' relevance is in order, each by its definition."""
    top = order[:k]
    hits = [place for place, one in enumerate(top, 1) if one > 0]
    return {
        "ndcg": sum(one / np.log2(1 + place) for place, one in enumerate(top, 1))
        / sum(one / np.log2(1 + place) for place, one in enumerate(sorted(ideal, reverse=True)[:k], 1)),
        "map": sum(found / place for found, place in enumerate(hits, 1)) / min(k, relevant),
        "mrr": 1 / hits[0] if hits else 0.0,
        "hit_rate": float(bool(hits)),
        "precision": len(hits) / k,
        "recall": len(hits) / relevant,
    }


@pytest.mark.parametrize("k", [1, 3, 7])
def test_without_ties_each_figure_is_its_definition(k: int) -> None:
    """The mean over queries of what a loop over each computes."""
    relevance, _ = queries()
    relevance = relevance[2:]
    scores = np.random.default_rng(1).permuted(np.tile(np.arange(12.0), (len(relevance), 1)), axis=1)
    relevance[:, 0] += 1  # something is relevant in each
    found = rank_scores(relevance, scores, k=k).figures()
    each = [
        by_hand(rel[np.argsort(-score)].tolist(), int((rel > 0).sum()), rel.tolist(), k)
        for rel, score in zip(relevance, scores, strict=True)
    ]
    for name in MEASURES:
        assert found[f"{name}@{k}"].value == pytest.approx(np.mean([one[name] for one in each]), abs=1e-12)


@pytest.mark.parametrize("k", [1, 2, 4])
def test_ties_count_as_the_mean_over_their_orders(k: int) -> None:
    """Of every order of those tied, all equally likely; map has them found at once, and is left out here."""
    relevance, scores = [0.0, 2.0, 0.0, 1.0, 0.0], [0.9, 0.5, 0.5, 0.5, 0.1]
    orders = [
        [relevance[0], *middle, relevance[4]] for middle in permutations(relevance[1:4])
    ]  # the three in the middle
    each = [by_hand(order, 2, relevance, k) for order in orders]
    found = rank_scores([relevance] * 10, [scores] * 10, k=k).figures()
    for name in set(MEASURES) - {"map"}:
        assert found[f"{name}@{k}"].value == pytest.approx(np.mean([one[name] for one in each]), abs=1e-12)


@pytest.mark.parametrize("k", [1, 3, 10, None])
def test_ndcg_is_that_of_scikit_learn(k: int | None) -> None:
    """Ties and queries without anything relevant included."""
    relevance, scores = queries()
    found = rank_scores(relevance, scores, k=k, empty="zero").figures()
    name = "ndcg@all" if k is None else f"ndcg@{k}"
    assert found[name].value == pytest.approx(ndcg_score(relevance, scores, k=k), abs=1e-12)
    exponential = rank_scores(relevance, scores, k=k, empty="zero", gain="exponential").figures()
    assert exponential[name].value == pytest.approx(ndcg_score(2**relevance - 1, scores, k=k), abs=1e-12)


def test_map_is_the_mean_of_scikit_learns_average_precision() -> None:
    """Ties included; queries without anything relevant are 0, or left out."""
    relevance, scores = queries()
    pairs = zip(relevance, scores, strict=True)
    own = [average_precision_score(rel > 0, score) for rel, score in pairs if (rel > 0).any()]
    zero, skipped = (rank_scores(relevance, scores, k=None, empty=way) for way in ("zero", "skip"))  # type: ignore[arg-type]
    assert zero.figures()["map@all"].value == pytest.approx(sum(own) / 40, abs=1e-12)
    found = skipped.figures()
    assert found["map@all"].value == pytest.approx(np.mean(own), abs=1e-12)
    assert found["map@all"].n == len(own)
    assert found["empty_queries"].value == (40 - len(own)) / 40


def test_fixed_numbers_of_torchmetrics() -> None:
    """What torchmetrics 1.9 says of ten queries written out here (``benchmarks/judgement/agreement.py`` makes more)."""
    rng = np.random.RandomState(7)
    scores, relevance = rng.permutation(60).reshape(10, 6) / 64.0 + 0.01, rng.randint(0, 3, (10, 6))
    found = rank_scores(relevance, scores, k=(2, 4, None), empty="zero").figures()
    for name, value in TORCHMETRICS.items():
        assert found[name].value == pytest.approx(value, abs=1e-6)  # it computes in single precision


TORCHMETRICS = {
    **{"ndcg@2": 0.6513518, "mrr@2": 0.8, "hit_rate@2": 1.0, "precision@2": 0.7, "recall@2": 0.3933333},
    **{"ndcg@4": 0.7197765, "mrr@4": 0.8, "hit_rate@4": 1.0, "precision@4": 0.7, "recall@4": 0.69},
    **{"ndcg@all": 0.8514972, "mrr@all": 0.8, "hit_rate@all": 1.0, "precision@all": 0.7},
    **{"recall@all": 1.0, "map@all": 0.8093333},
}


def test_lists_are_scores_in_their_order() -> None:
    """A list of items is the same as falling scores; what is relevant and was not recommended counts for recall and ideal."""
    lists, right = [["a", "b", "c", "d"], ["d", "a"]] * 6, [{"b", "d", "z"}, {"q"}] * 6
    found = rank_lists(lists, right, k=(1, 2, 4)).figures()
    order = by_hand([0.0, 1.0, 0.0, 1.0], 3, [1.0, 1.0, 1.0], 2)
    for name in MEASURES:
        assert found[f"{name}@2"].value == pytest.approx((order[name] + 0.0) / 2, abs=1e-12)


def test_shards_in_any_order_are_the_whole() -> None:
    """Numbers exactly, means to rounding."""
    relevance, scores = queries(90)
    whole = rank_scores(relevance, scores)
    parts = [rank_scores(relevance[i::3], scores[i::3]) for i in range(3)]
    for order in permutations(parts):
        added = order[0] + order[1] + order[2]
        assert (added.queries, added.empty, added.powers.n.tolist()) == (
            whole.queries,
            whole.empty,
            whole.powers.n.tolist(),
        )
        for name, figure in added.figures().items():
            assert figure.value == pytest.approx(whole.figures()[name].value, abs=1e-13)


def test_summaries_made_differently_do_not_add_up() -> None:
    """Other cuts, another gain, another way with empty queries."""
    one = rank_scores(*queries(), k=5)
    for other in (
        rank_scores(*queries(), k=6),
        rank_scores(*queries(), k=5, gain="exponential"),
        rank_scores(*queries(), k=5, empty="zero"),
    ):
        with pytest.raises(ValueError, match="must be made with the same"):
            one + other


def test_queries_without_candidates_have_no_answer() -> None:
    """They are counted as empty, and few queries are a reason."""
    found = rank_scores([[1.0, 0.0]] * 9 + [[]], [[0.3, 0.2]] * 9 + [[]], k=1).figures()
    assert found["mrr@1"].reason == "fewer than 10: 9 queries with an answer"
    assert found["empty_queries"].value == 0.1
    nothing = rank_scores([], [], k=1).figures()
    assert {figure.reason for figure in nothing.values()} == {
        "fewer than 10: 0 queries with an answer",
        "no queries",
    }


@pytest.mark.parametrize(
    ("relevance", "scores", "options", "message"),
    [
        ([[1.0]], [[0.5, 0.2]], {}, "as many candidates in each"),
        ([[1.0]], [[np.nan]], {}, "scores: must not be NaN"),
        ([[-1.0]], [[0.5]], {}, "relevance -1.0: must be 0 or more"),
        ([[np.inf]], [[0.5]], {}, "relevance inf"),
        ([[1.0]], [[0.5]], {"k": 0}, "k=0: must be 1 or more"),
        ([[1.0]], [[0.5]], {"k": ()}, r"k=\(\): must be one cut"),
        ([[1.0]], [[0.5]], {"gain": "cubic"}, "gain='cubic'"),
        ([[1.0]], [[0.5]], {"empty": "drop"}, "empty='drop'"),
        ([[99.0]], [[0.5]], {"gain": "exponential"}, "relevance 99.0: must be 60 or less"),
    ],
)
def test_wrong_arguments_are_named(relevance: list, scores: list, options: dict, message: str) -> None:
    """What is wrong, its value, and what would be right."""
    with pytest.raises(ValueError, match=message):
        rank_scores(relevance, scores, **options)


def test_an_item_twice_is_refused() -> None:
    """The second cannot be right again."""
    with pytest.raises(ValueError, match=r"recommended\[0\]: names an item twice"):
        rank_lists([["a", "a"]], [{"a"}])


def test_infinite_scores_have_their_place() -> None:
    """Minus infinity is last, infinity first."""
    found = rank_scores([[0, 0, 1]] * 10, [[0.0, -np.inf, np.inf]] * 10, k=1).figures()
    assert found["mrr@1"].value == 1.0


def powers(values: np.ndarray) -> tuple[float, float, float]:
    return tuple((values**p).sum() for p in (1, 2, 3))  # type: ignore[return-value]


@pytest.mark.parametrize("n", [10, 40, 200])
def test_the_interval_of_a_mean_holds_it(n: int) -> None:
    """Of symmetrical, skewed and nearly constant values, 0.92 of the time or more."""
    rng = np.random.default_rng(n)
    laws = {
        "even": (lambda: rng.beta(2, 2, n), 0.5),
        "skewed": (lambda: rng.beta(0.5, 4.5, n), 0.1),
        "sparse": (lambda: np.where(rng.uniform(size=n) < 0.9, 0.0, rng.beta(1, 3, n)), 0.025),
    }
    for draw, truth in laws.values():
        found = [mean_between(n, powers(draw()), 0.95) for _ in range(500)]
        assert np.mean([one.low <= truth <= one.high for one in found]) > 0.92


def test_many_even_values_have_students_interval() -> None:
    """With rows enough and no skewness it is no wider than it must be, and nothing is said of it."""
    values = np.random.default_rng(4).beta(2, 2, 5000)
    found = mean_between(5000, powers(values), 0.95)
    low, high = stats.t.interval(0.95, 4999, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high), rel=2e-3)
    assert found.note is None


@pytest.mark.parametrize("value", [0.0, 0.37, 1.0])
def test_equal_values_are_not_sure(value: float) -> None:
    """The limits are what a share that n values may have missed could do; never of no width."""
    found = mean_between(20, powers(np.full(20, value)), 0.95)
    missed = 1 - 0.025 ** (1 / 20)
    assert found.low == pytest.approx(value - missed * value, abs=1e-12)
    assert found.high == pytest.approx(value + missed * (1 - value), abs=1e-12)


def test_powers_skip_what_is_no_value() -> None:
    """NaN is in neither the number nor the sums."""
    found = Powers.of(np.array([[0.5, np.nan], [1.0, 0.25]]))
    assert (found.n.tolist(), found.sums[0].tolist()) == ([2, 1], [1.5, 0.25])


def test_every_small_query_is_right() -> None:
    """All orders of relevance of four candidates, at every cut."""
    for order in product([0.0, 1.0, 3.0], repeat=4):
        if not any(order):
            continue
        found = rank_scores([order] * 10, [[4, 3, 2, 1]] * 10, k=(1, 2, 3, 4)).figures()
        for k in (1, 2, 3, 4):
            hand = by_hand(list(order), sum(one > 0 for one in order), list(order), k)
            for name in MEASURES:
                assert found[f"{name}@{k}"].value == pytest.approx(hand[name], abs=1e-12)


def test_the_summary_is_small() -> None:
    """It holds three sums a figure, however many queries there were."""
    assert isinstance(rank_scores(*queries()), RankingSummary)
    assert rank_scores(*queries(400)).powers.sums.shape == (3, 18)
