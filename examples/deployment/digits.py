"""A PyTorch classifier of images, watched from its first training step through shadow to live.

``pip install vedette torch scikit-learn`` and ``python examples/deployment/digits.py``. It takes about a minute.

Version 1 is trained on few images and serves; version 2 is trained on all of them, answers the same requests in shadow, and is
let in by the evidence: a policy asks a person, who approves here, and the router sends everything to version 2.
"""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

import vedette
from vedette.capture.routing import Policy, Router, read, write
from vedette.engine import chain, cycle
from vedette.lake.tables import Lake

START = datetime(2026, 3, 2, tzinfo=UTC)
WRITTEN = """
[models.digits]
task = "classification"
classes = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
window = "1h"

[models.digits.compare.shadow]
champion = "1"
challenger = "2"
mode = "shadow"
goals = ["accuracy"]
guard_rails = {{ error_rate = 0.02 }}

[models.digits.policies.live]
on = "promote shadow"
do = [{{ action = "route", file = "{routing}", to = "challenger" }}]
approval = "person"
"""


def train(
    monitor: vedette.Monitor,
    name: str,
    images: torch.Tensor,
    digits: torch.Tensor,
    held: tuple[torch.Tensor, ...],
) -> nn.Module:
    """A small network, trained in a run that is watched."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    with monitor.run(name, params={"images": len(images), "lr": 0.01}) as run:
        run.watch(model, every=20)
        for step in range(120):
            optimiser.zero_grad()
            loss = nn.functional.cross_entropy(model(images), digits)
            loss.backward()
            optimiser.step()
            with torch.no_grad():
                right = (model(held[0]).argmax(dim=1) == held[1]).float().mean()
            run.log(step, {"loss": loss.item(), "val/accuracy": right.item()})
    return model


def main() -> None:
    """Train twice, serve, compare in shadow, let in."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.data))
    images = torch.tensor(data.data[order] / 16.0, dtype=torch.float32)
    digits = torch.tensor(data.target[order])
    learned, tested, served = slice(0, 800), slice(800, 1000), slice(1000, 1797)
    now = START
    with tempfile.TemporaryDirectory() as folder:
        routing, written, lake = Path(folder) / "routing", Path(folder) / "vedette.toml", f"{folder}/lake"
        written.write_text(WRITTEN.format(routing=routing))
        os.environ["VEDETTE_CONFIG"] = str(written)
        monitors = {
            version: vedette.Monitor("digits", version=version, lake=lake, clock=lambda: now.timestamp())
            for version in ("1", "2")
        }
        few = slice(0, 60)
        held = images[tested], digits[tested]
        models = {
            "1": train(monitors["1"], "few", images[few], digits[few], held),
            "2": train(monitors["2"], "all", images[learned], digits[learned], held),
        }
        write(routing, Policy({"1": 1.0}, shadow=("2",)))
        monitors["1"].deploy(stage="production", run="few", status="serving")
        deployment = monitors["2"].deploy(stage="shadow", run="all", status="serving")
        with Router(routing, default="1") as router:
            for number, (image, digit) in enumerate(zip(images[served], digits[served], strict=True)):
                now = START + timedelta(minutes=number)
                for version in (router.version(f"letter-{number}"), *router.shadow):
                    with torch.no_grad():
                        chance = torch.softmax(models[version](image), dim=0)
                    features = {"ink": float(image.mean()), "image": image.numpy()}
                    probability = {str(one): float(part) for one, part in enumerate(chance)}
                    monitors[version].log(
                        features, str(int(chance.argmax())), probability=probability, id=f"letter-{number}"
                    )
                monitors["1"].label(f"letter-{number}", str(int(digit)))
            now += timedelta(hours=1)
            for monitor in monitors.values():
                monitor.flush()
            cycle.once(Lake.at(lake), clock=lambda: now.timestamp())
            found = monitors["2"].compare("shadow")
            print(f"{found.decision}: {'; '.join(found.why)}")
            (waiting,) = chain.actions(Lake.at(lake).model("digits"))
            print(f"{waiting.status}: {'; '.join(waiting.plan)}")
            chain.approve(
                Lake.at(lake), "digits", waiting.id, by="ann", reason="seen the day in shadow", now=now
            )
            cycle.once(Lake.at(lake), clock=lambda: now.timestamp())
            print(f"{router.version('letter-0')} answers now: {dict(read(routing).shares)}")
        deployment.retired()
        monitors["2"].deploy(stage="production", run="all", status="serving")
        print(monitors["2"].deployments().select("version", "stage", "status"))
        for monitor in monitors.values():
            monitor.close()


if __name__ == "__main__":
    main()
