"""A PyTorch module: `python examples/frameworks/torch_module.py`."""

import torch

import vedette

torch.manual_seed(0)
model = torch.nn.Sequential(
    torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2), torch.nn.Softmax(dim=1)
)

monitor = vedette.Monitor("states")
monitor.watch(model, features=["pressure", "flow", "heat"])  # by hooks: the module is the same one

model.train()
model(torch.randn(16, 3)).sum().backward()  # a training step is none of its predictions
model.eval()
with torch.inference_mode():
    for _ in range(5):
        model(torch.randn(8, 3))
monitor.flush()
print(
    monitor.figures(["rows", "mean"], feature=["prediction", "heat"], window="all").select(
        "metric", "feature", "value"
    )
)
