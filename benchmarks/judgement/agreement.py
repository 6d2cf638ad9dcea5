"""Agreement of the figures of boxes, rankings and several labels with other libraries, on random data.

    python -m venv peers && peers/bin/pip install pycocotools torch==2.13.0 torchmetrics scikit-learn
    PYTHONPATH=src peers/bin/python benchmarks/judgement/agreement.py [--runs 20] [--seed 1]

Prints a line for each figure: the library, how many values were compared, and the greatest difference. Exits with 1 where
one is above its tolerance: 1e-9, or 1e-6 where the library itself computes in single precision (torchmetrics' retrieval).
A library that is not installed is named and left out.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import warnings
from collections.abc import Iterator

import numpy as np

from vedette.statistics.detection import detection_figures, figures_by_class, summarise_detection
from vedette.statistics.multilabel import multilabel_figures, summarise_multilabel
from vedette.statistics.recommendation import rank_scores

EXACT, SINGLE = 1e-9, 1e-6
COCO = ["map", "map_50", "map_75", "map_small", "map_medium", "map_large"]
COCO += ["mar_1", "mar_10", "mar_100", "mar_small", "mar_medium", "mar_large"]

Compared = tuple[str, str, float, float, float]
"""The library, the figure, its value there and here, and the tolerance."""


def images(rng: np.random.Generator, n: int, classes: int) -> tuple[list[dict], list[dict]]:
    """Boxes there, found up to three times with some noise, crowds, false boxes, wrong labels, scores that tie."""
    found, there = [], []
    for _ in range(n):
        g = int(rng.poisson(5))
        size, aspect = np.exp(rng.uniform(np.log(8), np.log(220), g)), rng.uniform(0.6, 1.6, g)
        box = np.column_stack([rng.uniform(0, 400, (g, 2)), size * aspect, size / aspect]).round(2)
        label, times = rng.integers(0, classes, g), rng.integers(0, 4, g)
        own = np.repeat(box, times, axis=0)
        moved = own[:, :2] + rng.normal(0, 0.07, (len(own), 2)) * own[:, 2:]
        own = np.column_stack([moved, own[:, 2:] * np.exp(rng.normal(0, 0.1, (len(own), 2)))]).round(1)
        false = np.column_stack([rng.uniform(0, 400, (4, 2)), np.exp(rng.uniform(2, 5.4, (4, 2)))]).round(1)
        boxes = np.concatenate([own, false])
        labels = np.concatenate([np.repeat(label, times), rng.integers(0, classes, 4)])
        labels = np.where(rng.uniform(size=len(labels)) < 0.1, rng.integers(0, classes, len(labels)), labels)
        found.append({"boxes": boxes, "scores": rng.integers(1, 60, len(boxes)) / 60, "labels": labels})
        area = (box[:, 2] * box[:, 3] * rng.uniform(0.6, 1, g)).round(3)
        there.append(
            {"boxes": box, "labels": label, "iscrowd": (rng.uniform(size=g) < 0.1) * 1, "area": area}
        )
    return found, there


def of_coco(found: list[dict], there: list[dict], classes: int) -> tuple[np.ndarray, np.ndarray]:
    """The twelve figures of pycocotools, and the average precision of each class."""
    from pycocotools import coco
    from pycocotools.cocoeval import COCOeval

    truth = coco.COCO()
    boxes = [
        (image, int(label), box, int(crowd), float(area))
        for image, one in enumerate(there)
        for box, label, crowd, area in zip(
            one["boxes"], one["labels"], one["iscrowd"], one["area"], strict=True
        )
    ]
    truth.dataset = {
        "info": {},
        "images": [{"id": place} for place in range(len(there))],
        "categories": [{"id": place} for place in range(classes)],
        "annotations": [
            {
                "id": i,
                "image_id": image,
                "category_id": label,
                "bbox": box.tolist(),
                "iscrowd": crowd,
                "area": area,
            }
            for i, (image, label, box, crowd, area) in enumerate(boxes, 1)
        ],
    }
    results = [
        {"image_id": image, "category_id": int(label), "bbox": box.tolist(), "score": float(score)}
        for image, one in enumerate(found)
        for box, label, score in zip(one["boxes"], one["labels"], one["scores"], strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        work = COCOeval(truth, truth.loadRes(results), "bbox")
        work.evaluate()
        work.accumulate()
        work.summarize()
    return work.stats, work.eval["precision"][:, :, :, 0, 2].mean(axis=(0, 1))


def detection(rng: np.random.Generator) -> Iterator[Compared]:
    """The twelve figures, and average precision by class; of images in three shards, added."""
    classes = int(rng.integers(1, 5))
    found, there = images(rng, 120, classes)
    stats, by_class = of_coco(found, there, classes)
    first, second, third = (
        summarise_detection(found[i::3], there[i::3], images=range(i, 120, 3), box_format="xywh")
        for i in range(3)
    )
    summary = third + first + second
    own = detection_figures(summary)
    for name, value in zip(COCO, stats.tolist(), strict=True):
        yield "pycocotools", name, value, own[name].value, EXACT
    for label, figures in figures_by_class(summary).items():
        yield "pycocotools", "map of a class", float(by_class[int(str(label))]), figures["map"].value, EXACT


def rankings(rng: np.random.Generator) -> Iterator[Compared]:
    """Of scikit-learn with ties, of torchmetrics without: it orders what is tied as it comes."""
    from sklearn.metrics import average_precision_score, ndcg_score

    n, candidates = 60, int(rng.integers(3, 40))
    relevance = rng.integers(0, 4, (n, candidates)) * (rng.uniform(size=(n, candidates)) < 0.3)
    tied = rng.integers(1, 8, (n, candidates)) / 8.0
    own = rank_scores(relevance, tied, k=(1, 5, None), empty="zero").figures()
    exponential = rank_scores(relevance, tied, k=5, empty="zero", gain="exponential").figures()
    for k in (1, 5, None):
        name = f"ndcg@{'all' if k is None else k}"
        yield "scikit-learn", name, float(ndcg_score(relevance, tied, k=k)), own[name].value, EXACT
    of_gains = float(ndcg_score(2**relevance - 1, tied, k=5))
    yield "scikit-learn", "ndcg@5, exponential", of_gains, exponential["ndcg@5"].value, EXACT
    each = [
        average_precision_score(one > 0, score) if one.any() else 0.0
        for one, score in zip(relevance, tied, strict=True)
    ]
    yield "scikit-learn", "map@all", float(np.mean(each)), own["map@all"].value, EXACT
    scores = (rng.permutation(n * candidates).reshape(n, candidates) + 1.0) / (n * candidates + 1)
    yield from _of_torchmetrics(relevance, scores)


def _of_torchmetrics(relevance: np.ndarray, scores: np.ndarray) -> Iterator[Compared]:
    try:
        import torch
        from torchmetrics import retrieval
    except ImportError:
        return
    own = rank_scores(relevance, scores, k=(1, 5, None), empty="zero").figures()
    n, candidates = relevance.shape
    query = torch.arange(n).repeat_interleave(candidates)
    score, grade = torch.tensor(scores.ravel()), torch.tensor(relevance.ravel())
    for k in (1, 5, None):
        for name, metric, target in (
            ("ndcg", retrieval.RetrievalNormalizedDCG, grade),
            ("mrr", retrieval.RetrievalMRR, grade > 0),
            ("hit_rate", retrieval.RetrievalHitRate, grade > 0),
            ("precision", retrieval.RetrievalPrecision, grade > 0),
            ("recall", retrieval.RetrievalRecall, grade > 0),
            ("map", retrieval.RetrievalMAP, grade > 0),
        ):
            if name == "map" and k is not None:
                continue  # it averages over the relevant ones found, not over those that could be
            if name == "precision" and k is not None and k > candidates:
                continue
            value = metric(top_k=k)(score, target, indexes=query).item()
            full = f"{name}@{'all' if k is None else k}"
            yield "torchmetrics", full, value, own[full].value, SINGLE


def multilabel(rng: np.random.Generator) -> Iterator[Compared]:
    """Of scikit-learn, all averages; rows without labels and ties among the scores."""
    from sklearn import metrics

    n, labels = 200, int(rng.integers(2, 15))
    chance = rng.uniform(0.1, 0.6, labels)
    truth = (rng.uniform(size=(n, labels)) < chance).astype(int)
    scores = np.round(0.5 * truth + rng.uniform(size=(n, labels)), 1)
    prediction = (scores > 0.7).astype(int)
    own = multilabel_figures(summarise_multilabel(truth, prediction, scores))
    yield (
        "scikit-learn",
        "subset_accuracy",
        metrics.accuracy_score(truth, prediction),
        own["subset_accuracy"].value,
        EXACT,
    )
    yield (
        "scikit-learn",
        "hamming_loss",
        metrics.hamming_loss(truth, prediction),
        own["hamming_loss"].value,
        EXACT,
    )
    name = "label_ranking_average_precision"
    yield (
        "scikit-learn",
        name,
        metrics.label_ranking_average_precision_score(truth, scores),
        own[name].value,
        EXACT,
    )
    yield (
        "scikit-learn",
        "coverage_error",
        metrics.coverage_error(truth, scores),
        own["coverage_error"].value,
        EXACT,
    )
    for which, work in (
        ("precision", metrics.precision_score),
        ("recall", metrics.recall_score),
        ("f1", metrics.f1_score),
        ("jaccard", metrics.jaccard_score),
    ):
        for average in ("micro", "macro", "weighted", "samples"):
            value = float(work(truth, prediction, average=average, zero_division=0))
            yield "scikit-learn", f"{which}_{average}", value, own[f"{which}_{average}"].value, EXACT


def main() -> int:
    """Compare, print, and say whether all is within its tolerance."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    worst: dict[tuple[str, str], tuple[int, int, float, float]] = {}
    missing = set()
    for run in range(arguments.runs):
        for place, compare in enumerate((detection, rankings, multilabel)):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    for library, name, value, own, tolerance in compare(
                        np.random.default_rng([arguments.seed, run, place])
                    ):
                        done, skipped, most, _ = worst.get((library, name), (0, 0, 0.0, tolerance))
                        known = np.isfinite(own)
                        off = abs(value - own) if known else 0.0
                        worst[library, name] = (
                            done + known,
                            skipped + (not known),
                            max(most, off),
                            tolerance,
                        )
            except ImportError as error:
                missing.add(error.name)
    print(f"{'library':14} {'figure':34} {'compared':>8} {'no figure':>9} {'greatest difference':>20}")
    bad = 0
    for (library, name), (done, skipped, most, tolerance) in sorted(worst.items()):
        verdict = "" if most <= tolerance and done else "  OFF"
        bad += bool(verdict)
        print(f"{library:14} {name:34} {done:8} {skipped:9} {most:20.3g}{verdict}")
    for name in sorted(missing):
        print(f"{name} is not installed: left out")
    print(f"{len(worst) - bad} of {len(worst)} within their tolerance")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
