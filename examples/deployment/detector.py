"""A detector whose mean average precision is watched: `python examples/deployment/detector.py`.

Boxes are drawn around cars and trucks in made-up pictures, and people say what was there; from the tenth day on the camera has
moved, and boxes lie beside what they are of. What is shown: the mean average precision by day with its interval, and the alert
of a rule on the precision of boxes.
"""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

import vedette

START = datetime(2026, 3, 1, tzinfo=UTC)
DAYS, PICTURES = 14, 120


def picture(
    rng: np.random.Generator, moved: float
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """What is in a picture, and what the detector finds: boxes as x, y, width and height."""
    things, found = [], []
    for _ in range(int(rng.integers(1, 5))):
        x, y, width, height = *rng.uniform(0, 500, 2), *rng.uniform(30, 120, 2)
        name = "car" if rng.uniform() < 0.6 else "truck"
        things.append({"class": name, "box": [x, y, x + width, y + height]})
        if rng.uniform() < 0.92:
            off = rng.normal(0, 3, 2) + moved
            box = [x + off[0], y + off[1], x + width + off[0], y + height + off[1]]
            found.append({"class": name, "box": box, "score": float(rng.uniform(0.5, 1.0))})
    return found, things


def main() -> None:
    """Two weeks of pictures."""
    rng = np.random.default_rng(3)
    now = START
    with tempfile.TemporaryDirectory() as folder:
        written, lake = Path(folder) / "vedette.toml", f"{folder}/lake"
        written.write_text('[models.cars.rules]\nbeside = "precision surely < 0.8"\n')
        os.environ["VEDETTE_CONFIG"] = str(written)
        monitor = vedette.Monitor(
            "cars",
            version="1",
            lake=lake,
            task="detection",
            classes=["car", "truck"],
            window="1d",
            clock=lambda: now.timestamp(),
        )
        for day in range(DAYS):
            for number in range(PICTURES):
                now = START + timedelta(days=day, minutes=10 * number)
                found, things = picture(rng, 60.0 if day >= 9 else 0.0)
                monitor.log({"exposure": float(rng.normal(0, 1))}, found, id=f"{day}-{number}")
                monitor.label(f"{day}-{number}", things)
        now += timedelta(days=1)
        monitor.flush()
        print(monitor.figures("map", iou=0.5).select("start", "value", "low", "high", "n"))
        print(monitor.alerts().select("watch", "state", "opened", "evidence"))
        monitor.close()


if __name__ == "__main__":
    main()
