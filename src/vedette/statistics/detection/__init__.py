"""Figures of boxes that a model finds in images: COCO's, precision and recall at a score, numbers and sizes.

``summarise_detection`` matches the boxes of images once, as COCO does; the ``DetectionSummary`` keeps scores and what became
of each box, so that shards of images add up to the same to the bit in any order. ``detection_figures`` and
``figures_by_class`` read the twelve figures of COCO off it, ``precision_recall`` those at one overlap and one score,
``box_figures`` how many boxes there are and how large; each with an interval over images, or a reason.

>>> image = {"boxes": [[0, 0, 10, 10], [50, 50, 80, 90]], "labels": ["cat", "dog"]}
>>> found = {**image, "scores": [0.9, 0.8]}
>>> half = {"boxes": [[0, 0, 10, 10]], "labels": ["cat"], "scores": [0.7]}
>>> summary = summarise_detection([found] * 30 + [half] * 30, [image] * 60)
>>> detection_figures(summary)["map_50"].value     # every cat, and half of the dogs: (1 + 51/101)/2
0.7524752475247525
>>> precision_recall(summary, iou=0.5, score=0.75)["recall"].value
0.5
>>> box_figures(summary)["found_per_image"].value
1.5
"""

from __future__ import annotations

from vedette.statistics.detection.boxes import box_figures, precision_recall
from vedette.statistics.detection.figures import detection_figures, figures_by_class
from vedette.statistics.detection.summary import DetectionSummary, summarise_detection

__all__ = [
    "DetectionSummary",
    "box_figures",
    "detection_figures",
    "figures_by_class",
    "precision_recall",
    "summarise_detection",
]
