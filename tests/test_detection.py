"""Boxes: COCO's figures beside a plain re-implementation and pycocotools, shards, intervals, and what is refused."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from vedette.statistics.detection import (
    DetectionSummary,
    box_figures,
    detection_figures,
    figures_by_class,
    precision_recall,
    summarise_detection,
)
from vedette.statistics.detection.matching import AREAS, THRESHOLDS, overlaps

Images = tuple[list[dict], list[dict]]


def images(seed: int = 5, n: int = 60, classes: int = 3) -> Images:
    """Boxes of all sizes, found once, twice or not at all, crowds, false ones, and scores that tie, as xywh."""
    rng = np.random.RandomState(seed)
    found, there = [], []
    for _ in range(n):
        g = rng.randint(1, 9)
        size = np.exp(rng.uniform(np.log(8), np.log(200), g))
        box = np.stack([*rng.uniform(0, 400, (2, g)), size, size * rng.uniform(0.5, 2, g)], axis=1).round(1)
        label, times = rng.randint(0, classes, g), rng.randint(0, 4, g)
        own = np.repeat(box, times, axis=0)
        own = own + rng.normal(0, 0.06, own.shape) * own[:, [2, 3, 2, 3]]
        false = np.concatenate([rng.uniform(0, 400, (3, 2)), rng.uniform(8, 150, (3, 2))], axis=1)
        boxes = np.concatenate([own, false]).round(1)
        boxes[:, 2:] = np.maximum(boxes[:, 2:], 1.0)
        labels = np.concatenate([np.repeat(label, times), rng.randint(0, classes, 3)])
        score = rng.randint(1, 40, len(boxes)) / 40
        found.append({"boxes": boxes, "scores": score, "labels": labels})
        area = (box[:, 2] * box[:, 3] * rng.uniform(0.6, 1.0, g)).round(2)
        there.append(
            {"boxes": box, "labels": label, "iscrowd": (rng.uniform(size=g) < 0.1) * 1, "area": area}
        )
    return found, there


def summary_of(some: Images, **options: object) -> DetectionSummary:
    return summarise_detection(*some, box_format="xywh", **options)  # type: ignore[arg-type]


def iou(one: np.ndarray, other: np.ndarray, crowd: bool) -> float:
    """Of two boxes, by the definition."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (one[2] * one[3] if crowd else one[2] * one[3] + other[2] * other[3] - both)


def matches_of(found: dict, there: dict, label: int, area: int, threshold: float) -> tuple[list, int]:
    """(score, matched, counts) of each box found of one image and class, and how many there count: loop by loop."""
    low, high = AREAS[area]
    wanted = [i for i, one in enumerate(there["labels"]) if one == label]
    skip = {i: bool(there["iscrowd"][i]) or not low <= there["area"][i] <= high for i in wanted}
    wanted.sort(key=lambda i: skip[i])
    own = [i for i, one in enumerate(found["labels"]) if one == label]
    own.sort(key=lambda i: -found["scores"][i])
    taken: set[int] = set()
    out = []
    for i in own[:100]:
        best, least = None, min(threshold, 1 - 1e-10)
        for j in wanted:
            crowd = bool(there["iscrowd"][j])
            if j in taken and not crowd:
                continue
            if best is not None and not skip[best] and skip[j]:
                break
            shared = iou(found["boxes"][i], there["boxes"][j], crowd)
            if shared >= least:
                best, least = j, shared
        size = found["boxes"][i][2] * found["boxes"][i][3]
        if best is not None:
            taken.add(best)
            out.append((found["scores"][i], True, not skip[best]))
        else:
            out.append((found["scores"][i], False, low <= size <= high))
    return out, sum(not one for one in skip.values())


def plain_average(some: Images, label: int, area: int, threshold: float) -> float:
    """Average precision of a class, point by point."""
    rows, n = [], 0
    for found, there in zip(*some, strict=True):
        own, positives = matches_of(found, there, label, area, threshold)
        rows += own
        n += positives
    if not n:
        return float("nan")
    rows.sort(key=lambda row: -row[0])
    points, right, wrong = [], 0, 0
    for _, matched, counts in rows:
        right += matched and counts
        wrong += (not matched) and counts
        points.append((right / n, right / (right + wrong) if right + wrong else 0.0))
    best = [max((p for r, p in points if r >= recall), default=0.0) for recall in np.linspace(0, 1, 101)]
    return float(np.mean(best))


def test_average_precision_is_that_of_plain_loops() -> None:
    """Over all classes, at single thresholds and by size."""
    some = images()
    found = detection_figures(summary_of(some))

    def mean(area: int, thresholds: list[float]) -> float:
        return float(
            np.mean([[plain_average(some, label, area, t) for t in thresholds] for label in range(3)])
        )

    assert found["map_50"].value == pytest.approx(mean(0, [0.5]), abs=1e-12)
    assert found["map_75"].value == pytest.approx(mean(0, [0.75]), abs=1e-12)
    assert found["map_medium"].value == pytest.approx(mean(2, THRESHOLDS.tolist()), abs=1e-12)


PYCOCOTOOLS = [
    *(0.24694907468, 0.404287562953, 0.272269718456, 0.317954600691, 0.256425967599, 0.237863522502),
    *(0.234969776505, 0.520728942973, 0.521253877356, 0.496717874695, 0.571933424533, 0.503507489953),
]


def test_the_twelve_figures_are_those_of_pycocotools() -> None:
    """What pycocotools 2.0.11 says of the images above, in its order (``benchmarks/judgement/agreement.py`` makes more)."""
    found = detection_figures(summary_of(images(n=90)))
    names = ["map", "map_50", "map_75", "map_small", "map_medium", "map_large"]
    names += ["mar_1", "mar_10", "mar_100", "mar_small", "mar_medium", "mar_large"]
    assert [found[name].value for name in names] == pytest.approx(PYCOCOTOOLS, abs=1e-9)


def test_classes_alone_average_to_the_whole() -> None:
    """The mean over classes of each figure."""
    summary = summary_of(images())
    alone, whole = figures_by_class(summary), detection_figures(summary)
    for name in ("map", "map_75", "mar_10"):
        assert np.mean([one[name].value for one in alone.values()]) == pytest.approx(
            whole[name].value, abs=1e-12
        )


def test_shards_in_any_order_are_the_whole_to_the_bit() -> None:
    """Images in three parts, added in every order, and images in another order at once."""
    found, there = images()
    names = [f"i{place}" for place in range(60)]
    whole = summary_of((found, there), images=names)
    expected = detection_figures(whole)
    parts = [summary_of((found[i::3], there[i::3]), images=names[i::3]) for i in range(3)]
    for first, second, third in permutations(parts):
        added = first + second + third
        for name in DetectionSummary.__slots__:
            assert np.array_equal(getattr(added, name), getattr(whole, name))
    order = np.random.default_rng(1).permutation(60).tolist()
    mixed = summary_of(
        ([found[i] for i in order], [there[i] for i in order]), images=[names[i] for i in order]
    )
    assert detection_figures(mixed) == expected


def test_an_image_in_two_shards_is_refused() -> None:
    """Its boxes would be matched apart."""
    some = summary_of(images(n=3))
    with pytest.raises(ValueError, match="image 0: is in both summaries"):
        some + some


def test_overlap_is_the_shared_area_over_the_joined_one() -> None:
    """Of random boxes; of a crowd over the area of the box found; nothing of boxes without area."""
    rng = np.random.default_rng(0)
    one, other = rng.uniform(0, 10, (20, 4)), rng.uniform(0, 10, (15, 4))
    crowd = rng.uniform(size=15) < 0.5
    expected = [[iou(a, b, c) for b, c in zip(other, crowd, strict=True)] for a in one]
    assert overlaps(one, other, crowd) == pytest.approx(np.array(expected), abs=1e-15)
    assert overlaps([[0, 0, 0, 0]], [[0, 0, 0, 0]]).tolist() == [[0.0]]


@pytest.mark.parametrize("box_format", ["xyxy", "xywh", "cxcywh"])
def test_boxes_may_be_given_in_three_ways(box_format: str) -> None:
    """The same boxes by corners, by corner and size, by centre and size."""
    box = {"xyxy": [2, 3, 12, 23], "xywh": [2, 3, 10, 20], "cxcywh": [7, 13, 10, 20]}[box_format]
    image = {"boxes": [box], "labels": ["a"]}
    summary = summarise_detection([{**image, "scores": [1.0]}], [image], box_format=box_format)  # type: ignore[arg-type]
    assert (summary.area.tolist(), summary.matched.sum()) == ([200.0], 4 * len(THRESHOLDS))


@pytest.mark.parametrize(("threshold", "score"), [(0.5, 0.5), (0.75, 0.2), (0.95, 0.0)])
def test_precision_and_recall_are_shares_of_boxes(threshold: float, score: float) -> None:
    """As loops count them."""
    some = images()
    right = found = n = 0
    for label in range(3):
        for one, other in zip(*some, strict=True):
            own, positives = matches_of(one, other, label, 0, threshold)
            shown = [row for row in own if row[0] >= score and row[2]]
            right, found, n = right + sum(row[1] for row in shown), found + len(shown), n + positives
    figures = precision_recall(summary_of(some), iou=threshold, score=score)
    assert figures["precision"].value == pytest.approx(right / found, abs=1e-12)
    assert figures["recall"].value == pytest.approx(right / n, abs=1e-12)
    assert figures["f1"].value == pytest.approx(2 * right / (found + n), abs=1e-12)
    assert (figures["precision"].n, figures["recall"].n) == (found, n)


def test_numbers_and_sizes_of_boxes() -> None:
    """Means, shares and medians of the boxes themselves; crowds are not among those there."""
    some = images()
    figures = box_figures(summary_of(some), score=0.5)
    kept = [one["boxes"][one["scores"] >= 0.5] for one in some[0]]
    area = np.concatenate([one[:, 2] * one[:, 3] for one in kept])
    there = np.concatenate([one["area"][one["iscrowd"] == 0] for one in some[1]])
    assert figures["found_per_image"].value == pytest.approx(len(area) / 60)
    assert figures["there_per_image"].value == pytest.approx(len(there) / 60)
    assert figures["found_small_share"].value == pytest.approx((area < 1024).mean())
    assert figures["there_large_share"].value == pytest.approx((there >= 9216).mean())
    assert figures["found_area_p50"].value == np.sort(area)[(len(area) - 1) // 2]
    for figure in figures.values():
        assert figure.low < figure.value < figure.high


def test_more_than_a_hundred_boxes_are_cut_to_the_best() -> None:
    """The 101st, however right, is in no figure of matches, but counted."""
    far = [[1000.0 + 50 * place, 0, 10, 10] for place in range(100)]
    found = {"boxes": [*far, [0, 0, 10, 10]], "scores": [0.9] * 100 + [0.5], "labels": ["a"] * 101}
    there = {"boxes": [[0, 0, 10, 10]], "labels": ["a"]}
    summary = summarise_detection([found] * 60, [there] * 60, box_format="xywh")
    assert precision_recall(summary)["recall"].value == 0.0
    assert box_figures(summary)["found_per_image"].value == 101.0


def test_an_ignored_box_may_be_found_but_need_not_be() -> None:
    """It counts neither for nor against, whether it is found or not."""
    there = {"boxes": [[0, 0, 9, 9], [50, 50, 9, 9]], "labels": ["a", "a"], "ignore": [0, 1]}
    both = {"boxes": there["boxes"], "labels": ["a", "a"], "scores": [0.9, 0.8]}
    one = {"boxes": [[0, 0, 9, 9]], "labels": ["a"], "scores": [0.9]}
    for found in (both, one):
        figures = precision_recall(summarise_detection([found] * 20, [there] * 20, box_format="xywh"))
        assert (figures["precision"].value, figures["recall"].value) == (1.0, 1.0)


def test_few_images_and_boxes_are_reasons() -> None:
    """Named with the number that there is."""
    assert (detection_figures(summary_of(images(n=40)))["map"].reason or "") == "fewer than 50 images: 40"
    nothing = {"boxes": [], "labels": []}
    empty = summarise_detection([{**nothing, "scores": []}] * 60, [nothing] * 60)
    assert {one.reason for one in precision_recall(empty).values()} == {
        "no boxes found",
        "no boxes there",
        "no boxes",
    }
    assert {one.reason for one in detection_figures(empty).values()} >= {
        "no boxes there",
        "no small boxes there",
    }
    one_each = {"boxes": [[0, 0, 99, 99]], "labels": [0]}
    rare = [one_each] * 57 + [{"boxes": [[0, 0, 99, 99]], "labels": [1]}] * 3
    found = [{**one, "scores": [0.5]} for one in rare]
    assert (
        detection_figures(summarise_detection(found, rare))["map"].reason
        == "fewer than 5 boxes there of 1: 3"
    )
    wrong = [{**one_each, "scores": [0.5], "labels": [2]}] * 60
    assert detection_figures(summarise_detection(wrong, [one_each] * 60))["map"].reason == (
        "fewer than 10 boxes found right: 0"
    )


def test_all_found_is_not_sure() -> None:
    """A model without a fault has 1, and an interval that says what 60 images may have missed."""
    there = [{"boxes": [[0, 0, 99, 99]], "labels": [0]}] * 60
    found = detection_figures(summarise_detection([{**one, "scores": [0.5]} for one in there], there))["map"]
    assert (found.value, found.high) == (pytest.approx(1.0), pytest.approx(1.0))
    assert found.low == pytest.approx(0.025 ** (1 / 60))


BOX = {"boxes": [[0, 0, 1, 1]], "labels": ["a"]}


@pytest.mark.parametrize(
    ("found", "there", "options", "message"),
    [
        ([BOX], [BOX], {}, r"predictions\[0\]: has no 'scores'"),
        ([{**BOX, "scores": [np.nan]}], [BOX], {}, "must not be NaN"),
        ([{**BOX, "scores": [1, 2]}], [BOX], {}, "1 boxes and 2 scores"),
        ([{**BOX, "scores": [1], "labels": []}], [BOX], {}, "1 boxes and 0 labels"),
        ([{**BOX, "scores": [1], "labels": [0.5]}], [BOX], {}, "must be a whole number or a text"),
        ([{**BOX, "scores": [1], "boxes": [[0, 0, np.inf, 1]]}], [BOX], {}, "must be finite"),
        ([{**BOX, "scores": [1], "boxes": [[2, 0, 1, 1]]}], [BOX], {}, "negative width or height as xyxy"),
        ([{**BOX, "scores": [1], "boxes": [[0, 0, 1]]}], [BOX], {}, r"must be \[boxes, 4\]"),
        ([{**BOX, "scores": [1]}], [{**BOX, "score": [1]}], {}, r"truths\[0\]\['score'\]: must be one of"),
        ([{**BOX, "scores": [1]}], [], {}, "1 predictions and 0 truths"),
        ([{**BOX, "scores": [1]}], [BOX], {"box_format": "yxyx"}, "box_format='yxyx'"),
        ([{**BOX, "scores": [1]}] * 2, [BOX] * 2, {"images": ["a", "a"]}, "'a' is named twice"),
        ([{**BOX, "scores": [1]}], [BOX], {"images": [1.5]}, "must be whole numbers or texts"),
        ([7], [BOX], {}, "must be a mapping"),
    ],
)
def test_wrong_images_are_named(found: list, there: list, options: dict, message: str) -> None:
    """What is wrong, where, and what would be right."""
    with pytest.raises(ValueError, match=message):
        summarise_detection(found, there, **options)


def test_wrong_questions_are_named() -> None:
    """An overlap, a score, a label and a level that cannot be."""
    summary = summary_of(images(n=3))
    for options, message in (
        ({"iou": 0.52}, "iou=0.52"),
        ({"score": float("nan")}, "score=nan"),
        ({"label": "cat"}, "label='cat': must be one of 0, 1, 2"),
        ({"level": 1.0}, "level=1.0"),
    ):
        with pytest.raises(ValueError, match=message):
            precision_recall(summary, **options)  # type: ignore[arg-type]
