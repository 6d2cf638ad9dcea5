"""Calls of functions and models are recorded as they were made, whatever they are, and the caller never feels it."""

from __future__ import annotations

import asyncio
import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import vedette
from tests.journals import read
from vedette.capture import Recorder, frameworks
from vedette.capture.frameworks import Calls
from vedette.capture.frameworks.inputs import rows_of
from vedette.capture.frameworks.outputs import outputs_of, probabilities
from vedette.capture.rejected import Rejected
from vedette.records import Settings

EXAMPLES = Path(__file__).parent.parent / "examples" / "frameworks"
OWN = ("_sequence", "_time", "_received")


class Seen:
    """A recorder, ``watch`` as the monitor has it, and what was recorded."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.recorder = Recorder(root, "delays", "1", Settings())

    def watch(self, thing: Any, **options: Any) -> Any:
        return frameworks.watch(thing, Calls(self.recorder.log, self.recorder.reject, **options))

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [
            {k: v for k, v in row.items() if k not in (*OWN, "latency_s")} for row in read(self.root).rows
        ]

    @property
    def latencies(self) -> list[float]:
        return [row["latency_s"] for row in read(self.root).rows]

    @property
    def ids(self) -> list[str]:
        return read(self.root).ids

    @property
    def rejected(self) -> dict[str, int]:
        return read(self.root).rejected


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[Seen]:
    made = Seen(tmp_path / "journal")
    yield made
    made.recorder.close()


# --- functions ------------------------------------------------------------------------------------------------


def test_the_arguments_of_a_function_are_its_features(seen: Seen) -> None:
    """By their names, defaults left out; what is no value of a row is no feature; ``id`` is taken out."""

    def price(
        order: str, amount: float, *more: int, country: str = "AT", connection: object = None, **rest: Any
    ) -> float:
        """Its own words."""
        return amount + sum(more) + len(country) + len(rest) + (connection is None)

    watched = seen.watch(price, id="order")
    assert (watched.__name__, watched.__doc__, watched("a", 2.0)) == ("price", "Its own words.", 5.0)
    assert watched("b", 3.0, 4, 5, country="DE", connection=object(), extra="x") == 15.0
    assert seen.rows == [
        {"amount": 2.0, "prediction": 5.0},
        {"amount": 3.0, "more0": 4, "more1": 5, "country": "DE", "extra": "x", "prediction": 15.0},
    ]
    assert seen.ids == ["a", "b"]


BATCHES: dict[str, Any] = {
    "pandas": pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}),
    "polars": pl.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}),
    "arrow": pa.table({"a": [1.0, 2.0], "b": ["x", "y"]}),
    "list of mappings": [{"a": 1.0, "b": "x"}, {"a": 2.0, "b": "y"}],
}


@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
def test_a_table_is_a_row_for_each_of_its_rows(seen: Seen, batch: Any) -> None:
    """Whoever made it; each row has its own prediction and the latency of the call."""
    assert list(seen.watch(lambda table: np.array([7, 8]))(batch)) == [7, 8]
    assert seen.rows == [{"a": 1.0, "b": "x", "prediction": 7}, {"a": 2.0, "b": "y", "prediction": 8}]
    first, second = seen.latencies
    assert 0 < first == second


def test_values_are_those_before_the_call(seen: Seen) -> None:
    """What the model does to what it was given changes nothing."""

    def spoil(features: Any) -> int:
        if isinstance(features, dict):
            features.clear()
        else:
            features[:] = 0
        return 1

    def spoil_within(features: Any) -> int:
        features["v"].append(9.0)
        features["w"][:] = 0
        return 1

    seen.watch(spoil)({"a": 1.0})
    seen.watch(spoil, output=lambda one: [(one, 0.5), (one, 0.25)])(np.array([[2.0, 3.0], [4.0, 5.0]]))
    assert seen.rows == [
        {"a": 1.0, "prediction": 1},
        {"x0": 2.0, "x1": 3.0, "prediction": 1, "probability": 0.5},
        {"x0": 4.0, "x1": 5.0, "prediction": 1, "probability": 0.25},
    ]
    seen.watch(spoil_within)({"v": [1.0, 2.0], "w": np.ones(2)})
    last = seen.rows[-1]
    assert (list(last["v"]), list(last["w"])) == ([1.0, 2.0], [1.0, 1.0])


def test_what_a_call_raises_is_recorded_and_raised(seen: Seen) -> None:
    """The very exception, and each of the call's rows has its type; an interrupt is no failure of the model."""
    error = KeyError("secret")

    def fail(features: Any) -> int:
        raise error

    watched = seen.watch(fail)
    with pytest.raises(KeyError) as caught:
        watched(BATCHES["pandas"])
    assert caught.value is error
    assert seen.rows == [{"a": 1.0, "b": "x", "error": "KeyError"}, {"a": 2.0, "b": "y", "error": "KeyError"}]

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        seen.watch(interrupt)()
    assert len(seen.rows) == 2


def test_a_coroutine_function_is_one(seen: Seen) -> None:
    """Its latency is that of all it waits for, and calls side by side keep their rows apart."""

    async def later(features: dict[str, float]) -> int:
        await asyncio.sleep(features["a"])
        if features["a"] > 0.015:
            raise TimeoutError
        return int(1000 * features["a"])

    watched = seen.watch(later)

    async def both() -> list[Any]:
        return await asyncio.gather(*(watched({"a": wait}) for wait in (0.02, 0.01)), return_exceptions=True)

    failed, answered = asyncio.run(both())
    assert (type(failed), answered, asyncio.iscoroutinefunction(watched)) == (TimeoutError, 10, True)
    assert seen.rows == [{"a": 0.01, "prediction": 10}, {"a": 0.02, "error": "TimeoutError"}]
    assert all(took >= row["a"] for took, row in zip(seen.latencies, seen.rows, strict=True))


@pytest.mark.parametrize(
    ("result", "options", "reason"),
    [
        (object(), {}, "watch: no prediction in type object: give output="),
        ({"label": 1}, {}, "watch: a mapping without 'prediction': give output="),
        ([1, 2, 3], {}, "watch: another number of outputs than of rows: give output="),
        (1, {"output": lambda one: 1 / 0}, "watch: output: raised ZeroDivisionError"),
        (1, {"features": lambda **_: 1 / 0}, "watch: features: raised ZeroDivisionError"),
        (1, {"features": lambda **_: 3}, "watch: no rows in type int: give features="),
        (np.array(["a", object()], dtype=object).reshape(1, 2), {}, "watch: a matrix that has no numbers: give output="),
    ],
)  # fmt: skip
def test_a_call_that_cannot_be_read_is_counted(seen: Seen, result: Any, options: Any, reason: str) -> None:
    """The model's caller has its answer, and the ledger the reason."""
    if reason.startswith("watch: another"):
        assert seen.watch(lambda table: result)(pd.DataFrame({"a": [1.0, 2.0]})) is result
        assert seen.rejected == {reason: 2}
        return
    assert seen.watch(lambda amount: result, **options)(amount=1.0) is result
    assert seen.rejected == {reason: 1}


def test_what_was_given_by_name_is_read_by_the_users_function(seen: Seen) -> None:
    """``features`` is given the call's arguments, ``output`` what was returned."""

    def answer(request: Any, *, verbose: bool = False) -> Any:
        return SimpleNamespace(label="late", score=0.75, verbose=verbose)

    watched = seen.watch(
        answer,
        features=lambda request, **_: {"distance": request.distance, "key": request.key},
        output=lambda found: (found.label, found.score),
        id="key",
    )
    watched(SimpleNamespace(distance=733.0, key=17), verbose=True)
    assert (seen.rows, seen.ids) == ([{"distance": 733.0, "prediction": "late", "probability": 0.75}], ["17"])


# --- what goes in and comes out -------------------------------------------------------------------------------

ROWS: list[tuple[str, Any, list[dict[str, Any]]]] = [
    ("matrix", np.array([[1, 2], [3, 4]]), [{"x0": 1, "x1": 2}, {"x0": 3, "x1": 4}]),
    ("column", np.array([1.5, 2.5]), [{"x": 1.5}, {"x": 2.5}]),
    ("list of lists", [[1.0], [2.0]], [{"x0": 1.0}, {"x0": 2.0}]),
    (
        "mapping of columns",
        {"a": np.array([1, 2]), "b": ["x", "y"]},
        [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}],
    ),
    ("mapping of values", {"a": 1, "b": "x"}, [{"a": 1, "b": "x"}]),
    ("sparse", sparse.csr_matrix(np.eye(2)), [{}, {}]),
    ("images", np.zeros((2, 64, 65)), [{}, {}]),
    ("nothing", [], []),
    ("names that are no text", pd.DataFrame({0: [1.0], 1: [2.0]}), [{"0": 1.0, "1": 2.0}]),
]


@pytest.mark.parametrize(("value", "expected"), [one[1:] for one in ROWS], ids=[one[0] for one in ROWS])
def test_a_batch_has_these_rows(value: Any, expected: list[dict[str, Any]]) -> None:
    """Matrices by column, mappings by name; of what is too large for a row its number alone."""
    assert rows_of(value) == expected


def test_wide_and_deep_arrays_are_vectors() -> None:
    """A row of 257 columns, or of a small picture, is one vector, of its own."""
    wide = np.arange(2 * 257.0).reshape(2, 257)
    (first, second), (deep,) = rows_of(wide), rows_of(np.ones((1, 3, 4), np.float32))
    wide[:] = 0
    assert (first["x"].tolist(), second["x"][0], deep["x"].tolist()) == (list(range(257)), 257.0, [1.0] * 12)
    with pytest.raises(Rejected, match="2 columns, and 3 names"):
        rows_of(np.zeros((1, 2)), ["a", "b", "c"])


@pytest.mark.parametrize(
    ("value", "n", "expected"),
    [
        (1, 1, [(1, None)]),
        (np.float32(0.5), 1, [(0.5, None)]),
        (np.array([0.25]), 1, [(0.25, None)]),
        (["a", "b"], 2, [("a", None), ("b", None)]),
        (pd.Series([1, 0]), 2, [(1, None), (0, None)]),
        (pl.Series([1, 0]), 2, [(1, None), (0, None)]),
        (np.array([[0.25, 0.75], [0.5, 0.5]]), 2, [(1, 0.75), (0, 0.5)]),
        (np.array([[2.0, -1.0, 5.0]]), 1, [(2, None)]),
        (np.array([0.1, 0.2, 0.7]), 1, [(2, {0: 0.1, 1: 0.2, 2: 0.7})]),
        ({"prediction": np.array([1, 0]), "probability": [0.9, 0.1]}, 2, [(1, 0.9), (0, 0.1)]),
        ([{"prediction": 1, "probability": 0.5}, {"prediction": 0}], 2, [(1, 0.5), (0, None)]),
        (None, 1, [(None, None)]),
    ],
)
def test_an_answer_is_read_so(value: Any, n: int, expected: Any) -> None:
    """Labels, probabilities that add up to one, scores that do not."""
    assert outputs_of(value, n) == expected


def test_probabilities_name_their_classes() -> None:
    """Of two classes the second's is kept, of more one for each; one column is that of the positive class."""
    assert probabilities(np.array([[0.3, 0.7]]), ["no", "yes"], 1) == [("yes", 0.7)]
    assert probabilities(np.array([0.2, 0.6]), ["no", "yes"], 2) == [("no", 0.2), ("yes", 0.6)]
    assert probabilities([[0.1, 0.7, 0.2]], ["a", "b", "c"], 1) == [("b", {"a": 0.1, "b": 0.7, "c": 0.2})]
    with pytest.raises(Rejected, match="than of classes"):
        probabilities(np.array([[0.3, 0.7]]), ["a", "b", "c"], 1)


# --- models ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def flowers() -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(90, 2)), columns=["wide", "long"])
    return frame, np.digitize(frame["wide"], [-0.5, 0.5])


def test_a_pipeline_is_recorded_and_stays_a_pipeline(seen: Seen, flowers: Any) -> None:
    """Its rows, the class and a probability for each; whatever else is done with it is done with the model."""
    frame, label = flowers
    names = np.array(["low", "mid", "high"])
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, names[label])
    watched = seen.watch(model)
    chances = watched.predict_proba(frame.head(3))
    assert watched.predict(frame.head(2)).tolist() == model.predict(frame.head(2)).tolist()
    expected = [dict(zip(model.classes_, row, strict=True)) for row in chances.tolist()]
    assert seen.rows == [
        {"wide": row.wide, "long": row.long, "prediction": max(chance, key=chance.get)}
        | {f"probability_{name}": one for name, one in chance.items()}
        for row, chance in zip(frame.head(3).itertuples(), expected, strict=True)
    ] + [
        {"wide": row.wide, "long": row.long, "prediction": one}
        for row, one in zip(frame.head(2).itertuples(), model.predict(frame.head(2)), strict=True)
    ]
    assert isinstance(watched, type(model))
    assert (len(watched), watched[1], repr(watched)) == (2, model[1], repr(model))
    assert watched.score(frame, names[label]) == model.score(frame, names[label])
    watched.note = "kept"
    assert (model.note, type(clone(watched))) == ("kept", type(model))
    assert type(pickle.loads(pickle.dumps(watched))) is type(model)
    assert len(seen.rows) == 5  # score() is the model's own affair


def test_a_matrix_has_the_names_that_the_model_was_fitted_with(seen: Seen, flowers: Any) -> None:
    """A regression of a frame, asked with its values; and with names that are given."""
    frame, _ = flowers
    model = LinearRegression().fit(frame, frame["wide"] * 2)
    seen.watch(model).predict(frame.head(1))
    seen.watch(LinearRegression().fit(frame.to_numpy(), frame["wide"]), features=["a", "b"]).predict(
        frame.head(1).to_numpy()
    )
    first, second = seen.rows
    assert (set(first), set(second)) == ({"wide", "long", "prediction"}, {"a", "b", "prediction"})


def test_an_unfitted_model_raises_as_it_did(seen: Seen, flowers: Any) -> None:
    """The error is the model's own, and is recorded by its type."""
    frame, _ = flowers
    with pytest.raises(Exception, match="not fitted"):
        seen.watch(LogisticRegression()).predict(frame.head(2))
    assert [row["error"] for row in seen.rows] == ["sklearn.exceptions.NotFittedError"] * 2


def test_a_method_may_be_decorated(seen: Seen) -> None:
    """``self`` is no feature; each object has its own."""

    class Model:
        def __init__(self, limit: float) -> None:
            self.limit = limit

        @seen.watch
        def predict(self, features: dict[str, float]) -> bool:
            return features["a"] > self.limit

        __call__ = predict

    assert (
        Model(1.0).predict({"a": 2.0}),
        Model(3.0)({"a": 2.0}),
        Model(1.0).predict(features={"a": 0.5}),
    ) == (True, False, False)
    assert seen.rows == [
        {"a": 2.0, "prediction": True},
        {"a": 2.0, "prediction": False},
        {"a": 0.5, "prediction": False},
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"features": "age"},
            "features='age': must be a function of the call's arguments, or a list of names",
        ),
        ({"features": 3}, "features=3: must be"),
        ({"output": "label"}, "output='label': must be a function"),
        ({"id": 3}, "id=3: must be the name of a feature"),
    ],
)
def test_a_wrong_option_is_refused_at_once(seen: Seen, options: Any, said: str) -> None:
    """Not with the first call."""
    with pytest.raises(TypeError, match=said):
        seen.watch(len, **options)


def test_what_is_neither_a_callable_nor_a_model_is_refused(tmp_path: Path) -> None:
    """With its type, and what would be right."""
    with (
        vedette.Monitor("m", lake=tmp_path) as monitor,
        pytest.raises(TypeError, match="type int: must be a callable"),
    ):
        monitor.watch(3)


def test_a_package_may_bring_its_own_adapter(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point is asked first."""
    own = SimpleNamespace(
        matches=lambda thing: thing == "mine",
        watch=lambda thing, calls: lambda: calls.answered([{"a": 1}], 0.5, 7),
    )
    point = SimpleNamespace(load=lambda: own)
    monkeypatch.setattr(
        frameworks, "entry_points", lambda group: [point] if group == "vedette.frameworks" else []
    )
    seen.watch("mine")()
    assert (seen.rows, seen.latencies) == ([{"a": 1, "prediction": 7}], [0.5])


def test_watching_imports_no_framework() -> None:
    """Nor any third-party module, for a function of plain arguments."""
    program = (
        "import sys, tempfile, vedette\n"
        "monitor = vedette.Monitor('m', lake=tempfile.mkdtemp())\n"
        "assert monitor.watch(lambda a: a > 1)(2.0) is True\n"
        "print(sorted({'numpy', 'polars', 'sklearn', 'torch'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- PyTorch --------------------------------------------------------------------------------------------------


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is not installed")


def test_a_module_is_recorded_by_hooks(seen: Seen, torch: Any) -> None:
    """The module stays the same; training steps are not recorded, what it raises is, with its type."""
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Softmax(dim=1))
    assert seen.watch(model, features=["a", "b"]) is model
    model.train()
    model(torch.ones(4, 2)).sum().backward()
    assert seen.rows == []
    model.eval()
    given = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    answer = model(given)
    with pytest.raises(RuntimeError):
        model(torch.ones(1, 3))
    first, second, *failed = seen.rows
    assert (first["a"], first["b"], second["a"], second["b"]) == (1.0, 2.0, 3.0, 4.0)
    assert [first["prediction"], second["prediction"]] == answer.argmax(1).tolist()
    assert [first["probability"], second["probability"]] == answer[:, 1].tolist()
    assert failed == [{"error": "RuntimeError"}]  # of three columns, which have no names


def test_a_copy_of_a_module_is_not_watched(seen: Seen, torch: Any, tmp_path: Path) -> None:
    """Neither one that was pickled; both can be made, and run."""
    model = seen.watch(torch.nn.Linear(2, 1)).eval()
    torch.save(model, tmp_path / "model")
    loaded = torch.load(tmp_path / "model", weights_only=False)
    with torch.inference_mode():
        given = torch.ones(1, 2)
        answers = [
            one(given).item()
            for one in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), loaded, model)
        ]
    assert len(set(answers)) == len(seen.rows) == 1


def test_an_error_of_a_module_has_its_type(seen: Seen, torch: Any) -> None:
    """Also where modules are within each other, and both are watched."""

    class Inner(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            if x.sum() > 10:
                raise KeyError("x")
            return x.sum(dim=1)

    inner = seen.watch(Inner())
    outer = seen.watch(torch.nn.Sequential(torch.nn.Identity(), inner)).eval()
    outer(torch.ones(1, 2))
    with pytest.raises(KeyError):
        outer(10 * torch.ones(1, 2))
    row = {"x0": 1.0, "x1": 1.0, "prediction": 2.0}
    failed = {"x0": 10.0, "x1": 10.0, "error": "KeyError"}
    assert seen.rows == [row, row, failed, failed]


def test_a_module_on_a_gpu_is_recorded_without_waiting(seen: Seen, torch: Any) -> None:
    """Rows come once their copies are there; times are those of the device."""
    if not torch.cuda.is_available():
        pytest.skip("there is no GPU")
    model = seen.watch(torch.nn.Linear(3, 2)).cuda().eval()
    with torch.inference_mode():
        model(torch.ones(5, 3, device="cuda"))
        torch.cuda.synchronize()
        model(torch.ones(1, 3, device="cuda"))
    assert len(seen.rows) >= 5
    assert all(0 < took < 1 for took in seen.latencies)


# --- examples with the real frameworks ------------------------------------------------------------------------

EXPECTED: dict[str, tuple[str, int, set[str]]] = {
    "function": ("vedette", 21, {"amount", "country", "error"}),
    "sklearn_pipeline": ("sklearn", 100, {"mean radius", "probability"}),
    "torch_module": ("torch", 40, {"pressure", "flow", "heat", "probability"}),
    "keras_model": ("keras", 52, {"age", "hour", "price", "probability"}),
    "tensorflow_saved": ("tensorflow", 52, {"age", "hour", "price", "probability"}),
    "xgboost_booster": ("xgboost", 50, {"amount", "age", "visits", "probability"}),
    "lightgbm_booster": ("lightgbm", 50, {"amount", "age", "visits", "probability"}),
    "catboost_model": ("catboost", 50, {"amount", "country", "probability"}),
    "onnx_session": ("onnxruntime", 50, {"width", "height", "weight", "probability"}),
    "opencv_net": ("cv2", 20, {"brightness"}),
    "transformers_pipeline": (
        "transformers",
        4,
        {"text_words", "text_characters", "text_hash", "probability"},
    ),
    "mlflow_model": ("mlflow", 40, {"amount", "age"}),
    "fastapi_app": ("fastapi", 20, {"amount", "age", "probability"}),
    "flask_app": ("flask", 20, {"amount", "age"}),
}


def test_every_example_is_tried() -> None:
    """And each adapter has one."""
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(EXPECTED)
    tried = {package for package, _, _ in EXPECTED.values()}
    assert {"cv2" if name == "opencv" else name for name in frameworks.FRAMEWORKS} <= tried


@pytest.mark.parametrize("name", EXPECTED)
def test_the_example_of_a_framework_records_each_of_its_rows(name: str, tmp_path: Path) -> None:
    """With the real framework: every row is in the lake, with its features and a prediction."""
    package, n_rows, columns = EXPECTED[name]
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    environment = {
        **os.environ,
        "VEDETTE_LAKE": str(tmp_path),
        "KERAS_BACKEND": "torch",
        "CUDA_VISIBLE_DEVICES": "",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", EXAMPLES / f"{name}.py"],
        capture_output=True, text=True, check=False, env=environment, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (table,) = (one for one in tmp_path.glob("*/predictions") if not one.parent.name.endswith(".process"))
    rows = pl.read_delta(str(table))
    assert (rows.height, columns - set(rows.columns)) == (n_rows, set())
    assert rows["prediction"].null_count() == (1 if name == "function" else 0)
    assert rows["latency_s"].min() > 0  # type: ignore[operator]
