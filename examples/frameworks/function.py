"""Any function: `python examples/frameworks/function.py`."""

import vedette

monitor = vedette.Monitor("offers")


@monitor.watch(id="order")
def accept(
    order: str,  # noqa: ARG001 - what the monitor knows it by
    amount: float,
    country: str = "AT",
) -> dict[str, object]:
    if amount < 0:
        raise ValueError(f"amount={amount}")
    chance = min(1.0, amount / 100)
    return {"prediction": chance > 0.5 and country != "US", "probability": chance}


for number in range(20):
    accept(f"o{number}", 5.0 * number, country="DE" if number % 2 else "AT")
try:
    accept("o20", -1.0)
except ValueError as error:
    print("passed on:", error)
monitor.flush()
print(monitor.figures(["rows", "error_rate", "latency_p50_s"], window="all").select("metric", "value", "n"))
