"""A trainer of others as one rank of a distributed training; torchrun starts it, and tells by the environment which."""

from __future__ import annotations

import logging
import os
import sys
import time
import warnings
from typing import Any

import torch

import vedette

ROWS, BATCH, EPOCHS = 640, 16, 4
SLOW_S = 0.02


class Net(torch.nn.Module):
    """A small network whose backward pass is slow on the last rank, where ``slow``."""

    def __init__(self, *, slow: bool) -> None:
        super().__init__()
        self.first, self.last = torch.nn.Linear(8, 16), torch.nn.Linear(16, 1)
        self._slow = slow and os.environ["RANK"] == "1"

    def forward(self, x: Any, labels: Any = None) -> Any:
        """The mean squared error, as transformers' models give it."""
        hidden = torch.relu(self.first(x))
        if self._slow and hidden.requires_grad:
            hidden.register_hook(lambda grad: (time.sleep(SLOW_S), grad)[1])
        loss = (self.last(hidden).squeeze(-1) - labels).square().mean()
        return {"loss": loss, "logits": hidden}


def rows() -> tuple[torch.Tensor, torch.Tensor]:
    """What is trained on: the sum of the features."""
    x = torch.randn(ROWS, 8, generator=torch.Generator().manual_seed(0))
    return x, x.sum(dim=1)


def by_lightning(run: Any, net: Net) -> None:
    """Train by Lightning's DDP."""
    import lightning.pytorch as lightning

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def training_step(self, batch: Any, index: int) -> Any:
            loss = self.net(*batch)["loss"]
            self.log("loss", loss, on_step=True, on_epoch=True, sync_dist=False)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.02)

    trainer = lightning.Trainer(
        max_epochs=EPOCHS, accelerator="cpu", devices=2, strategy="ddp", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, log_every_n_steps=1,
    )  # fmt: skip
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*rows()), batch_size=BATCH)
    run.fit(Module(), loader, trainer=trainer, watched={"every": 10, "timed_every": 1, "activations": False})


def by_transformers(run: Any, net: Net) -> None:
    """Train by Hugging Face's Trainer."""
    import transformers

    x, y = rows()
    arguments = transformers.TrainingArguments(
        output_dir=sys.argv[1], num_train_epochs=EPOCHS, per_device_train_batch_size=BATCH, learning_rate=0.02,
        logging_steps=5, report_to=[], use_cpu=True, save_strategy="no", disable_tqdm=True, optim="sgd",
        lr_scheduler_type="constant", ddp_backend="gloo", ddp_find_unused_parameters=False,
    )  # fmt: skip
    data = [{"x": one, "labels": label} for one, label in zip(x, y, strict=True)]
    trainer = transformers.Trainer(model=net, args=arguments, train_dataset=data)
    run.fit(trainer, watched={"every": 10, "timed_every": 1, "activations": False})


def main(lake: str) -> None:
    """Two runs by each trainer: one in which all is well, and one in which the last rank's backward pass is slow."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.getLogger("lightning").setLevel(logging.ERROR)
    monitor = vedette.Monitor("net", lake=lake)
    for train in (by_transformers, by_lightning):
        for name in ("well", "slow"):
            torch.manual_seed(1)
            trainer = train.__name__.removeprefix("by_")
            with monitor.run(f"{trainer}-{name}", environment=False, system_s=None) as run:
                train(run, Net(slow=name == "slow"))
    monitor.close()


if __name__ == "__main__":
    main(sys.argv[1])
