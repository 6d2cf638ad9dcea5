"""Real trainings with a fault planted in each, and healthy ones: which faults are named, and how often nothing is one.

    python benchmarks/training_faults.py [--seeds 5] [--healthy 200] [--set report] [--offset 0] [--only FAULT] [--out FILE]

Needs PyTorch and scikit-learn. Each training is of a small network on scikit-learn's digits or on synthetic rows, of a
few hundred steps. ``--set choose`` has the seeds and architectures on which thresholds were looked at, ``report`` others:
wider and deeper, convolutions, recurrent ones. A fault counts as named where one of the diagnoses that stand beside
it below is WARN or ALARM. The full run takes about ten minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import mmap
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits, make_classification
from sklearn.metrics import roc_auc_score
from torch import nn

from vedette.strategy.training import Split, Training, chance_loss, count_duplicates, diagnose

EXPECTED = {
    "rate_high_sgd": {"rate_too_high"},
    "rate_high_adam": {"rate_too_high"},
    "rate_low": {"rate_too_low"},
    "shuffled_memorised": {"overfitting", "split_gap"},
    "shuffled_small": {"underfitting", "plateau"},
    "few_rows": {"overfitting", "split_gap"},
    "leaking_feature": {"leakage"},
    "duplicate_rows": {"leakage"},
    "dead_relu": {"dead_units"},
    "saturated_tanh": {"dead_units"},
    "deep_sigmoid": {"vanishing_gradients"},
    "exploding_rnn": {"exploding_gradients"},
    "log_of_zero": {"nan_source"},
    "nan_batch": {"nan_source"},
    "sleeping_loader": {"data_starvation"},
    "growing_list": {"memory_leak"},
    "slower": {"slower"},
    "worse": {"worse_than_last"},
    "collapse": {"class_collapse"},
    "spike": {"loss_spike"},
    "late_divergence": {"divergence", "rate_too_high"},
    "zero_init": {"plateau", "underfitting"},
    "shifted_test": {"split_gap"},
}
"""The faults, and by which diagnoses each is named rightly."""


@dataclass(frozen=True)
class Plan:
    """One training: its data, network and fault."""

    seed: int
    fault: str = ""
    data: str = "digits"
    net: str = "mlp"
    depth: int = 2
    width: int = 64
    act: str = "relu"
    optimiser: str = "adam"
    lr: float = 1e-3
    batch: int = 32
    epochs: int = 12
    decay: float = 0.0
    dropout: float = 0.0
    norm: bool = False
    cosine: bool = False


ACTS = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU, "sigmoid": nn.Sigmoid, "elu": nn.ELU}


class LogLayer(nn.Module):
    """The logarithm of what is above 0, without a floor: the fault, from a call on."""

    def __init__(self, start: int) -> None:
        super().__init__()
        self.start, self.calls = start, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += self.training
        return torch.log(torch.relu(x)) * 0.0 if self.calls > self.start else x


class Recurrent(nn.Module):
    """A digit read row by row; ``plain`` multiplies without a squashing function."""

    def __init__(self, n_in: int, width: int, n_out: int, plain: float) -> None:
        super().__init__()
        self.step, self.plain, self.n_in = n_in, plain, n_in
        self.cell = nn.Linear(n_in + width, width) if plain else nn.GRU(n_in, width, batch_first=True)
        self.head = nn.Linear(width, n_out)
        self.width = width
        if plain:
            with torch.no_grad():
                self.cell.weight[:, n_in:] = plain * torch.randn(width, width) / width**0.5

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.reshape(len(x), -1, self.n_in)
        if not self.plain:
            return self.head(self.cell(rows)[0][:, -1])
        state = torch.zeros(len(x), self.width)
        for at in range(rows.shape[1] * 3):
            state = self.cell(torch.cat([rows[:, at % rows.shape[1]], state], 1))
        return self.head(state)


def network(plan: Plan, n_in: int, n_out: int) -> nn.Module:
    """The network of a plan."""
    act = ACTS[plan.act]
    if plan.net == "cnn":
        side = nn.Flatten()
        parts: list[nn.Module] = [
            nn.Unflatten(1, (1, 8, 8)),
            nn.Conv2d(1, plan.width // 4, 3, padding=1),
            act(),
        ]
        parts += [nn.Conv2d(plan.width // 4, plan.width // 4, 3, padding=1), act(), nn.MaxPool2d(2), side]
        return nn.Sequential(*parts, nn.Linear(4 * plan.width, n_out))
    if plan.net == "rnn" or plan.fault == "exploding_rnn":
        return Recurrent(8, plan.width // 2, n_out, 3.0 if plan.fault == "exploding_rnn" else 0.0)
    parts, size = [], n_in
    for at in range(plan.depth):
        parts.append(nn.Linear(size, plan.width))
        if plan.norm:
            parts.append(nn.BatchNorm1d(plan.width))
        parts.append(act())
        if plan.fault == "log_of_zero" and at == 0:
            parts.append(LogLayer(60 + plan.seed % 50))
        if plan.dropout:
            parts.append(nn.Dropout(plan.dropout))
        size = plan.width
    net = nn.Sequential(*parts, nn.Linear(size, n_out))
    linear = [one for one in net if isinstance(one, nn.Linear)]
    with torch.no_grad():
        if plan.fault == "dead_relu":
            linear[len(linear) // 2 - 1].bias.fill_(-30.0)
        if plan.fault == "zero_init":
            for one in linear:
                one.weight.zero_()
                one.bias.zero_()
    return net


class Hooks:
    """Figures of each layer with weights, at each step."""

    def __init__(self, net: nn.Module) -> None:
        kinds = (nn.Linear, nn.Conv2d, nn.GRU)
        self.layers = {name: one for name, one in net.named_modules() if isinstance(one, kinds)}
        self.series: dict[str, tuple[list[int], list[float]]] = {}
        self.outputs: dict[str, torch.Tensor] = {}
        acts = tuple(ACTS.values())
        for name, one in net.named_modules():
            if isinstance(one, (*acts, LogLayer)) or (name in self.layers and not isinstance(one, nn.GRU)):
                one.register_forward_hook(
                    lambda _m, _i, out, name=name: self.outputs.__setitem__(name, out.detach())
                )
        self.acts = {name: one for name, one in net.named_modules() if isinstance(one, acts)}
        self.before: dict[str, torch.Tensor] = {}
        self.order = [name for name, _ in net.named_modules()]

    def put(self, name: str, step: int, value: float) -> None:
        steps, values = self.series.setdefault(name, ([], []))
        steps.append(step)
        values.append(value)

    def gradients(self, step: int) -> None:
        for name in self.order:
            out = self.outputs.get(name)
            if out is not None:
                self.put(f"nan_share/{name}", step, float(torch.isnan(out).float().mean()))
            if out is not None and name in self.acts:
                flat = out.flatten(2).amax(2) if out.dim() > 2 else out
                if isinstance(self.acts[name], nn.ReLU):
                    self.put(f"dead_share/{name}", step, float((flat.amax(0) <= 0).float().mean()))
                if isinstance(self.acts[name], nn.Tanh):
                    self.put(
                        f"saturated_share/{name}",
                        step,
                        float((out.abs() > 0.99).float().mean(0).gt(0.95).float().mean()),
                    )
        for name, one in self.layers.items():
            flat = torch.cat([p.grad.flatten() for p in one.parameters()])
            self.put(f"grad_norm/{name}", step, float(flat.norm()))
            self.before[name] = torch.cat([p.detach().flatten() for p in one.parameters()]).clone()
            self.put(f"weight_norm/{name}", step, float(self.before[name].norm()))
        self.outputs.clear()

    def updates(self, step: int) -> None:
        for name, one in self.layers.items():
            now = torch.cat([p.detach().flatten() for p in one.parameters()])
            norm = float(self.before[name].norm())
            if norm > 0:
                self.put(f"update_ratio/{name}", step, float((now - self.before[name]).norm()) / norm)


@dataclass
class Data:
    x: np.ndarray
    y: np.ndarray
    parts: dict[str, np.ndarray] = field(default_factory=dict)


def data_of(plan: Plan) -> Data:
    """Rows of a plan, and which of them are of which split."""
    random = np.random.default_rng(plan.seed)
    if plan.data == "digits":
        found = load_digits()
        x, y = found.data / 8.0 - 1.0, found.target.astype(np.int64)
    else:
        classes = {"two": 2, "noisy": 2, "rare": 3}[plan.data]
        x, y = make_classification(
            1800,
            64,
            n_informative=12,
            n_redundant=4,
            n_classes=classes,
            n_clusters_per_class=1,
            class_sep=1.5,
            flip_y=0.2 if plan.data == "noisy" else 0.02,
            weights=[0.6, 0.3] if plan.data == "rare" else None,
            random_state=plan.seed,
        )
        y = y.astype(np.int64)
    x = x.astype(np.float32)
    order = random.permutation(len(x))
    x, y = x[order], y[order]
    parts = {"train": np.arange(1000), "validation": np.arange(1000, 1400), "test": np.arange(1400, len(x))}
    fault = plan.fault
    if fault.startswith("shuffled"):
        y = random.permutation(y)
    if fault in ("few_rows", "worse"):
        parts["train"] = parts["train"][: 40 if fault == "few_rows" else 150]
    if fault == "leaking_feature":
        x[:, 5] = (y == y.max()) + random.normal(0, 0.05, len(y))
    if fault == "duplicate_rows":
        x[parts["train"][:120]], y[parts["train"][:120]] = (
            x[parts["validation"][:120]],
            y[parts["validation"][:120]],
        )
    if fault == "saturated_tanh":
        x = x * 300
    if fault == "shifted_test":  # columns in another order
        x[parts["test"]] = x[parts["test"]][:, random.permutation(x.shape[1])]
    return Data(x, y, parts)


def rss() -> float:
    return float(Path("/proc/self/statm").read_text().split()[1]) * 4096


def train(plan: Plan, last: bool = True) -> Training:
    """Train as planned, and gather what is known of it."""
    torch.manual_seed(plan.seed)
    random = np.random.default_rng(plan.seed + 1)
    data = data_of(plan)
    x, y = torch.from_numpy(data.x), torch.from_numpy(data.y)
    n_classes = int(data.y.max()) + 1
    net = network(plan, x.shape[1], n_classes)
    hooks = Hooks(net)
    lr = {"rate_high_sgd": 30.0, "rate_high_adam": 1.0, "rate_low": 1e-6, "exploding_rnn": 1e-4}.get(
        plan.fault, plan.lr
    )
    if plan.optimiser == "sgd" or plan.fault == "rate_high_sgd":
        factor = 20 if plan.fault not in ("rate_high_sgd",) else 1
        optimiser = torch.optim.SGD(net.parameters(), lr * factor, momentum=0.9, weight_decay=plan.decay)
    else:
        optimiser = torch.optim.AdamW(net.parameters(), lr, weight_decay=plan.decay)
    weight = torch.ones(n_classes)
    if plan.fault == "collapse":
        weight[plan.seed % n_classes] = 0.0
    rows, kept, step = data.parts["train"], [], 0
    epochs = plan.epochs * (
        20 if plan.fault in ("few_rows",) else 5 if plan.fault == "shuffled_memorised" else 1
    )
    total = epochs * -(-len(rows) // plan.batch)
    for _epoch in range(epochs):
        order = random.permutation(rows)
        net.train()
        for at in range(0, len(order), plan.batch):
            started = time.perf_counter()
            inputs, labels = x[order[at : at + plan.batch]], y[order[at : at + plan.batch]]
            if len(labels) < 4:
                continue
            if plan.fault == "sleeping_loader":
                time.sleep(0.012)
            if plan.fault == "spike" and step == total * 2 // 3:
                inputs, labels = inputs * 30, (labels + 1) % n_classes
            if plan.fault == "nan_batch" and step == total // 2:
                inputs = inputs.clone()
                inputs[0, 0] = float("nan")
            ready = time.perf_counter()
            rate = lr * (0.5 + 0.5 * np.cos(np.pi * step / total) if plan.cosine else 1.0)
            rate *= 20 if plan.optimiser == "sgd" and plan.fault != "rate_high_sgd" else 1
            if plan.fault == "late_divergence" and step > total * 2 // 3:
                rate *= 1000
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.zero_grad()
            loss = nn.functional.cross_entropy(net(inputs), labels, weight=weight)
            loss.backward()
            hooks.gradients(step)
            optimiser.step()
            hooks.updates(step)
            if plan.fault == "growing_list":
                kept.append(mmap.mmap(-1, 480_000))  # pages of its own, as malloc may give old ones again
                kept[-1].write(b"x" * 480_000)
            if plan.fault == "slower":
                time.sleep(0.02)
            hooks.put("loss", step, float(loss.detach()))
            hooks.put("rss_bytes", step, rss())
            hooks.put("data_s", step, ready - started)
            hooks.put("step_s", step, time.perf_counter() - started)
            step += 1
        net.eval()
        with torch.no_grad():
            out = net(x[data.parts["validation"]])
            labels = y[data.parts["validation"]]
            hooks.put("val_loss", step - 1, float(nn.functional.cross_entropy(out, labels)))
            hooks.put("val_accuracy", step - 1, float((out.argmax(1) == labels).float().mean()))
    return gathered(plan, net, hooks, data, last)


def gathered(plan: Plan, net: nn.Module, hooks: Hooks, data: Data, last: bool) -> Training:
    """All that is known at the end of a training."""
    x, y = torch.from_numpy(data.x), torch.from_numpy(data.y)
    classes = np.arange(int(data.y.max()) + 1)
    with torch.no_grad():
        out = net(x)
        said = out.argmax(1).numpy()
        losses = (
            nn.functional.cross_entropy(out, y, reduction="none")
            .numpy()
            .astype(np.float64)[data.parts["test"]]
        )
    parts, valid = data.parts, data.parts["validation"]
    share = {str(c): float((data.y[parts["train"]] == c).mean()) for c in classes}
    top = data.y[parts["train"]] == classes[-1]
    found = Training(
        {name: (np.asarray(steps), np.asarray(values)) for name, (steps, values) in hooks.series.items()},
        splits={name: Split(float((said[at] == data.y[at]).mean()), len(at)) for name, at in parts.items()},
        label_shares=share,
        predicted_shares={str(c): float((said[valid] == c).mean()) for c in classes},
        n_predicted=len(valid),
        chance_loss=chance_loss(share),
        feature_auc={
            str(i): float(roc_auc_score(top, data.x[parts["train"], i])) for i in range(data.x.shape[1])
        },
        n_positive=int(top.sum()),
        n_negative=int((~top).sum()),
        duplicates=count_duplicates(data.x[parts["train"]], data.x[valid]),
        n_validation=len(valid),
        row_losses=losses,
    )
    if not last:
        return found
    # the last version: as long as this one where it has to be better, else a little shorter
    before = train(
        replace(
            plan, fault="", epochs=plan.epochs if plan.fault == "worse" else max(2, plan.epochs * 2 // 3)
        ),
        False,
    )
    return replace(found, last=before, last_row_losses=before.row_losses)


def plans(which: str, seeds: int, healthy: int, offset: int) -> list[Plan]:
    """The trainings of a set; the sets share neither seeds nor architectures."""
    first = (0 if which == "choose" else 10_000) + offset
    random = np.random.default_rng(first)
    widths, depths = ([32, 64], [1, 2]) if which == "choose" else ([48, 96, 128], [2, 3, 4])
    nets = ["mlp", "mlp"] if which == "choose" else ["mlp", "mlp", "cnn", "rnn"]
    acts = ["relu", "tanh"] if which == "choose" else ["relu", "gelu", "elu", "tanh"]

    def draw(seed: int, fault: str = "") -> Plan:
        data = str(random.choice(["digits", "two", "noisy", "rare"]))
        net = str(random.choice(nets)) if data == "digits" and not fault else "mlp"
        plan = Plan(
            seed,
            fault,
            data,
            net,
            depth=int(random.choice(depths)),
            width=int(random.choice(widths)),
            act=str(random.choice(acts)),
            optimiser=str(random.choice(["adam", "adam", "sgd"])),
            lr=float(random.choice([1e-3, 5e-4, 2e-3] if which == "report" else [1e-3, 2e-3])),
            batch=int(random.choice([32, 64] if which == "choose" else [16, 48, 64])),
            epochs=int(random.choice([10, 16])),
            decay=float(random.choice([0.0, 1e-2])),
            dropout=float(random.choice([0.0, 0.2])),
            norm=bool(random.random() < 0.3),
            cosine=bool(random.random() < 0.4),
        )
        if data == "noisy":  # a healthy one does not learn its noise by heart
            plan = replace(plan, depth=1, width=16, epochs=6, lr=1e-3, decay=1e-2)
        return plan

    found = [draw(first + 100 * k + s, f) for k, f in enumerate(EXPECTED) for s in range(seeds)]
    shaped = []
    for plan in found:
        change: dict[str, object] = {}
        if plan.fault in (
            "shuffled_small",
            "shuffled_memorised",
            "few_rows",
            "rate_low",
            "worse",
            "zero_init",
        ):
            change = {"data": "digits", "dropout": 0.0, "norm": False}
        if plan.fault == "shuffled_small":
            change |= {"width": 8, "depth": 1, "epochs": 10, "lr": 1e-3, "optimiser": "adam"}
        if plan.fault == "shuffled_memorised":
            change |= {"width": 128, "optimiser": "adam", "lr": 2e-3, "decay": 0.0, "epochs": 16}
        if plan.fault == "few_rows":
            change |= {
                "data": "noisy",
                "depth": 2,
                "width": 64,
                "optimiser": "adam",
                "lr": 2e-3,
                "decay": 0.0,
            }
        if plan.fault in ("collapse", "shifted_test"):
            change |= {
                "data": "rare" if plan.seed % 2 else "digits",
                "lr": 5e-3,
                "epochs": 16,
                "optimiser": "adam",
            }
        if plan.fault == "rate_low":
            change |= {"optimiser": "adam"}
        if plan.fault == "dead_relu":
            change |= {"act": "relu", "norm": False, "depth": max(plan.depth, 2)}
        if plan.fault == "saturated_tanh":
            change |= {"act": "tanh", "norm": False}
        if plan.fault == "deep_sigmoid":
            change |= {"act": "sigmoid", "depth": 8, "norm": False, "dropout": 0.0}
        if plan.fault in ("exploding_rnn", "rate_high_sgd", "rate_high_adam"):
            change |= {"data": "digits", "norm": False}
        if plan.fault in ("late_divergence", "spike"):
            change |= {"data": "digits", "norm": False, "optimiser": "sgd", "dropout": 0.0, "cosine": False}
        if plan.fault in ("log_of_zero", "zero_init"):
            change |= {"norm": False, "act": "relu", "epochs": 10}
        shaped.append(replace(plan, **change))
    return shaped + [draw(first + 5000 + at) for at in range(healthy)]


def main() -> None:
    """Run the set and print what was named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--healthy", type=int, default=200)
    parser.add_argument("--set", choices=["choose", "report"], default="report", dest="which")
    parser.add_argument("--offset", type=int, default=0, help="is added to all seeds")
    parser.add_argument("--only", default="")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    hits: dict[str, list[bool]] = {}
    flagged: dict[str, int] = {}
    lines, n_healthy, n_flagged = [], 0, 0
    for plan in plans(asked.which, asked.seeds, asked.healthy, asked.offset):
        if asked.only and plan.fault != asked.only:
            continue
        found = diagnose(train(plan))
        named = [one for one in found if one.named]
        lines.append({"plan": str(plan), "named": {one.diagnosis: one.evidence for one in named}})
        if plan.fault:
            hits.setdefault(plan.fault, []).append(
                bool(EXPECTED[plan.fault] & {one.diagnosis for one in named})
            )
            if not hits[plan.fault][-1]:
                print("missed", plan, [one.diagnosis for one in named], flush=True)
                for one in found:
                    if one.diagnosis in EXPECTED[plan.fault]:
                        print("   ", one.diagnosis, one.verdict, one.evidence or one.reason, flush=True)
            continue
        n_healthy += 1
        n_flagged += bool(named)
        if named:
            print("flagged", plan, flush=True)
            for one in named:
                print("   ", one.diagnosis, one.verdict, one.evidence, flush=True)
        for one in named:
            flagged[one.diagnosis] = flagged.get(one.diagnosis, 0) + 1
    for fault, right in hits.items():
        print(f"{fault:20} {sum(right)} of {len(right)}")
    every = [one for right in hits.values() for one in right]
    if every:
        print(f"faults named rightly: {sum(every)} of {len(every)} ({np.mean(every):.1%})")
    if n_healthy:
        print(
            f"healthy ones with WARN or ALARM: {n_flagged} of {n_healthy} ({n_flagged / n_healthy:.1%}) {flagged}"
        )
    if asked.out:
        asked.out.write_text(json.dumps(lines, indent=1), "utf-8")


if __name__ == "__main__":
    main()
