"""NannyML's estimates of the same windows, for ``unlabelled.py``: run by a Python that has nannyml, JSON to stdout."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")

import nannyml  # noqa: E402
import pandas as pd  # noqa: E402


def main(folder: Path, n_rows: int) -> None:
    """Fit CBPE on the reference and estimate windows of so many rows."""
    reference, windows = (pd.read_parquet(folder / f"{name}.parquet") for name in ("reference", "windows"))
    metrics = ["accuracy", "f1", "roc_auc"]
    estimator = nannyml.CBPE(
        y_pred_proba="score",
        y_pred="prediction",
        y_true="label",
        problem_type="classification_binary",
        metrics=metrics,
        chunk_size=n_rows,
    )
    found = estimator.fit(reference).estimate(windows).filter(period="analysis").to_df()
    out = {
        metric: {part: found[(metric, part)].tolist() for part in ("value", "sampling_error")}
        for metric in metrics
    }
    print(json.dumps(out))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
