"""Hugging Face pipelines: texts in, labels with scores out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vedette.capture.frameworks.calls import Calls
from vedette.capture.frameworks.methods import recorded
from vedette.capture.frameworks.outputs import Outputs, outputs_of
from vedette.capture.frameworks.proxy import proxy

__all__ = ["watch"]


def watch(pipeline: Any, calls: Calls) -> Any:
    """A pipeline whose calls are recorded. The text itself is not kept: its length and hash are.

    The score of the likeliest of two labels gives the probability of the second one of the model; of more labels those of all
    are kept where the pipeline gives them (``top_k=None``).
    """
    return proxy(
        pipeline,
        {"__call__": recorded(calls, pipeline, read=lambda value, n: _read(value, n, _labels(pipeline)))},
    )


def _labels(pipeline: Any) -> list[str]:
    names = getattr(getattr(getattr(pipeline, "model", None), "config", None), "id2label", None) or {}
    return [names[index] for index in sorted(names)]


def _read(value: Any, n_rows: int, labels: Sequence[str]) -> Outputs:
    answers = [value] if isinstance(value, Mapping) or (n_rows == 1 and _is_ranking(value)) else value
    if not isinstance(answers, Sequence) or len(answers) != n_rows:
        return outputs_of(value, n_rows)
    return [_one(answer, labels) for answer in answers]


def _is_ranking(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping) and "score" in value[0]


def _one(answer: Any, labels: Sequence[str]) -> tuple[Any, Any]:
    """The label with the largest score and what that says of the classes; of a text that was made, the text."""
    if isinstance(answer, Mapping) and "label" in answer and "score" in answer:
        answer = [answer]
    if _is_ranking(answer):
        best = max(answer, key=lambda one: one["score"])
        if "label" not in best:
            return best.get("token_str") or best.get("answer"), None
        scores = {one["label"]: one["score"] for one in answer}
        if len(labels) == 2 and best["label"] in labels:
            return best["label"], best["score"] if best["label"] == labels[1] else 1.0 - best["score"]
        return best["label"], scores if len(scores) == len(answer) > 1 else None
    if isinstance(answer, list) and len(answer) == 1:
        return _one(answer[0], labels)
    if isinstance(answer, Mapping):
        for key in ("answer", "generated_text", "summary_text", "translation_text"):
            if key in answer:
                return answer[key], None
    return None, None
