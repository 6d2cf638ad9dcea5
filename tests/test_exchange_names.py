"""Names that go from one system to another: taken there, told apart, and the same each time."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.exchange_places import need
from vedette.capture.metrics import Names
from vedette.capture.mirrors.address import hide, shown, split
from vedette.capture.mirrors.mlflow_names import mlflow_name, original_name
from vedette.capture.runs import check_run_name
from vedette.engine.exchange.names import metric_names, run_name

names = st.one_of(
    st.text(min_size=1, max_size=300).filter(lambda one: one.isprintable()),
    st.text(alphabet="ab/.:_- ", min_size=1, max_size=12),
)


@settings(max_examples=300, deadline=None)
@given(names)
def test_mlflow_takes_every_name_that_is_made_for_it(name: str) -> None:
    """By MLflow's own check, as a metric and as a tag of the original; a name that it takes stays as it is."""
    need("mlflow")
    from mlflow.exceptions import MlflowException
    from mlflow.utils.validation import MAX_ENTITY_KEY_LENGTH, _validate_metric_name

    made = mlflow_name(name)
    _validate_metric_name(made)
    assert len(f"vedette.name.{made}") <= MAX_ENTITY_KEY_LENGTH or made == name
    assert original_name(made, {f"vedette.name.{made}": name}) == name
    try:
        _validate_metric_name(name)
    except MlflowException:
        assert made != name
    else:
        assert (
            made == name or len(name) > MAX_ENTITY_KEY_LENGTH or ":" in name
        )  # which older versions do not take


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(max_size=200), min_size=1, max_size=8))
def test_every_run_gets_a_name_of_its_own(originals: list[str]) -> None:
    """One that vedette takes; runs that are told apart by identity never share one."""
    taken: set[str] = set()
    for number, original in enumerate(originals):
        made = run_name(original, str(number), taken)
        assert check_run_name(made) == made
        assert made not in taken
        taken.add(made)


@settings(max_examples=300, deadline=None)
@given(
    st.sets(st.one_of(st.text(alphabet="aAbB/", min_size=1, max_size=3), st.text(max_size=260)), max_size=8)
)
def test_every_metric_of_a_run_gets_a_column_of_its_own(originals: set[str]) -> None:
    """Whatever letters they differ by; and a second import gives the names of the first."""
    made = metric_names(originals)
    own = Names()
    assert set(made) == originals
    assert len({own.column(one) for one in made.values()}) == len(originals)
    changed = {one: name for one, name in made.items() if one != name}
    assert metric_names(originals, changed, set(made.values())) == made


@given(
    st.text(alphabet=string.ascii_letters + string.digits + "!$%._~-", min_size=8, max_size=30),
    st.sampled_from(["http", "postgresql", "mysql+pymysql"]),
)
def test_a_password_is_in_nothing_that_is_shown(password: str, scheme: str) -> None:
    """Neither in the address nor in what an error says of it."""
    address = f"mlflow:{scheme}://ann:{password}@host:5000/runs#x"
    assert password not in shown(address)
    assert password not in hide(f"refused: {password} at {address}", address)


@pytest.mark.parametrize("address", ["", "mlflow", ":x", "mlflow:"])
def test_what_is_no_address_is_named(address: str) -> None:
    """The error says what one looks like."""
    with pytest.raises(ValueError, match="KIND:PLACE"):
        split(address)
