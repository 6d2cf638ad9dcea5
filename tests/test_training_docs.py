"""The page on training in frameworks: its code runs, and what it says is told is told."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.training_runs import MemoryRun
from vedette.capture.training import CALLBACKS
from vedette.capture.training.fit import FITS

PAGE = (Path(__file__).parent.parent / "docs" / "frameworks_training.md").read_text("utf-8")
SECTIONS = {
    part.partition("\n")[0].strip(): re.findall(r"```python\n(.*?)```", part, re.DOTALL)
    for part in PAGE.split("\n## ")[1:]
}
NEEDED = {
    "PyTorch loops": ["torch"],
    "Keras": ["keras", "torch"],
    "XGBoost": ["xgboost"],
    "LightGBM": ["lightgbm"],
    "CatBoost": ["catboost"],
    "Lightning": ["lightning"],
    "transformers": ["transformers", "accelerate"],
    "scikit-learn": ["sklearn"],
}
TOLD = {
    "PyTorch loops": {
        "loss",
        "val_loss",
        "grad_norm/0",
        "update_ratio/2",
        "dead_share/1",
        "forward_s",
        "batch/loss",
        "lr",
    },
    "Keras": {"val_accuracy", "lr", "epoch_s", "batch/loss", "grad_norm", "weight_norm"},
    "XGBoost": {"logloss", "val_logloss", "step_s"},
    "LightGBM": {"val_binary_logloss", "lr"},
    "CatBoost": {"Logloss", "val_Logloss"},
    "Lightning": {"loss", "batch/loss", "epoch", "grad_norm/net", "backward_s"},
    "transformers": {"loss", "lr", "grad_norm", "grad_norm_before_clipping"},
    "scikit-learn": {"loss", "val_log_loss", "mean_val_score", "val_accuracy"},
}


@pytest.mark.filterwarnings("ignore")  # the frameworks' own
@pytest.mark.parametrize("section", NEEDED)
def test_the_code_of_a_section_runs(section: str) -> None:
    """With a run in memory; afterwards its history has what the page says of the framework."""
    for package in NEEDED[section]:
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    names: dict[str, Any] = {"run": MemoryRun()}
    blocks = list(SECTIONS[section])
    if section == "scikit-learn":
        blocks += SECTIONS["Figures of a data set"] + SECTIONS["Checkpoints"] + SECTIONS["Early stopping"]
    elif section in ("PyTorch loops", "Lightning"):
        blocks = [
            block.replace("every=10)", "every=10, timed_every=10)").replace(
                "every=5)", "every=5, timed_every=5)"
            )
            for block in blocks
        ]
    for block in blocks:
        exec(compile(block, "docs/frameworks_training.md", "exec"), names)
    assert TOLD[section] <= set(names["run"].history)
    if section == "scikit-learn":
        assert names["low"] < names["value"] < names["high"]
        assert names["early"].broken
        assert names["classifier"].predict(names["x"]).shape == names["y"].shape


def test_every_section_is_tried_and_every_framework_has_one() -> None:
    """No code of the page is left out."""
    with_code = {name for name, blocks in SECTIONS.items() if blocks}
    assert with_code == {*NEEDED, "Figures of a data set", "Checkpoints", "Early stopping"}
    packages = {package for needed in NEEDED.values() for package in needed}
    assert {*CALLBACKS, *FITS} <= packages
