"""Deployments as they are told and read back: statuses, ids, places, digests, runs, differences, first rows, suspects."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from deltalake import DeltaTable
from scipy import stats

import vedette
from vedette.capture.deployments.artefact import digest_of, fingerprint
from vedette.capture.deployments.place import place_of
from vedette.engine import cycle
from vedette.engine.audit import audit
from vedette.engine.coincident import STEP, coincident
from vedette.engine.deployments import deployments, deployments_of, open_of
from vedette.engine.deployments.differences import differences
from vedette.engine.deployments.rows import FIRST
from vedette.errors import LakeError
from vedette.lake.ledger import ledger
from vedette.lake.tables import Lake
from vedette.records import Deployment, DeploymentStatus, Place

START = datetime(2026, 11, 20, 10, tzinfo=UTC)
ORDER = [one for one in DeploymentStatus if one is not DeploymentStatus.FAILED]


def monitor(folder: Path, version: str = "4", at: datetime | None = None) -> vedette.Monitor:
    clock = {} if at is None else {"clock": at.timestamp}
    return vedette.Monitor("net", version, folder, resources=False, **clock)  # type: ignore[arg-type]


def told(folder: Path, *statuses: str, **more: Any) -> Deployment:
    """A deployment of version 4 that was told so many statuses, a minute apart, from its journal."""
    one = monitor(folder, at=START + timedelta(hours=1))
    handle = one.deploy(stage="canary", environment=False, status=statuses[0], time=START, **more)
    for minutes, status in enumerate(statuses[1:], 1):
        handle.status(status, time=START + timedelta(minutes=minutes))
    one.close()
    [found] = deployments_of(Lake.at(folder), "net")
    return found


def raw_events(folder: Path) -> pl.DataFrame:
    """The events of deployments in the table, read by delta-rs and nothing of ours."""
    table = pl.from_arrow(DeltaTable(folder / "net" / "events").to_pyarrow_table())
    assert isinstance(table, pl.DataFrame)
    return table.filter(pl.col("kind") == "deployment").sort("time")


def test_each_status_is_a_row_of_the_events_once(tmp_path: Path) -> None:
    """What was told is in the table of events as agreed, however often a round is made, with stage, status, who and where."""
    told(tmp_path, *ORDER, by="ann", host="node-1", container="pod", cluster="west", note="first")
    for _ in range(3):
        cycle.once(Lake.at(tmp_path))
    rows = raw_events(tmp_path)
    details = [json.loads(text) for text in rows["detail"].to_list()]
    assert [one["status"] for one in details] == [str(one) for one in ORDER]
    assert rows["time"].to_list() == [START + timedelta(minutes=n) for n in range(len(ORDER))]
    assert rows["name"].unique().to_list() == ["net:4:canary:20261120T100000.000000Z"]
    assert details[0] == {
        "stage": "canary", "status": "requested", "by": "ann", "note": "first",
        "where": {"host": "node-1", "container": "pod", "cluster": "west"},
    }  # fmt: skip
    assert details[1] == {"stage": "canary", "status": "building", "by": "ann"}


def test_read_from_journals_and_from_tables_it_is_the_same(tmp_path: Path) -> None:
    """What waits in a journal is read as what is in the table, and nothing twice in between."""
    before = told(tmp_path, "requested", "starting", "healthy", "serving")
    cycle.once(Lake.at(tmp_path))
    [after] = deployments_of(Lake.at(tmp_path), "net")
    assert before == after
    assert (after.start_up_s, after.roll_out_s) == (60.0, 120.0)
    assert after.status is DeploymentStatus.SERVING


@pytest.mark.parametrize("before", DeploymentStatus)
@pytest.mark.parametrize("after", DeploymentStatus)
def test_an_order_that_cannot_be_is_told_and_nothing_comes_after_retired(
    tmp_path: Path, before: DeploymentStatus, after: DeploymentStatus
) -> None:
    """Forward is right, with statuses left out; any but a retired one may fail, and what failed may begin again."""
    failed = DeploymentStatus.FAILED
    forward = before in ORDER and after in ORDER and ORDER.index(after) >= ORDER.index(before)
    right = (
        before is after or forward or (failed in (before, after) and before is not DeploymentStatus.RETIRED)
    )
    one = monitor(tmp_path, at=START)
    one.deploy(id="a", status=before, environment=False, time=START)
    one.deploy(id="a", status=after, environment=False, time=START + timedelta(seconds=1))
    [found] = deployments_of(Lake.at(tmp_path), "net")
    assert (found.problems == ()) is right
    assert found.status is (before if before is DeploymentStatus.RETIRED else after)


def test_the_handle_does_not_take_what_is_retired_back(tmp_path: Path) -> None:
    """Where the script itself has told that it is retired, serving is a mistake of the script, with what is right."""
    handle = monitor(tmp_path).deploy(environment=False)
    handle.retired()
    with pytest.raises(ValueError, match="a new deployment must be requested"):
        handle.serving()


def test_another_replica_may_start_while_the_first_one_serves(tmp_path: Path) -> None:
    """Of two hosts each tells its own statuses of one deployment; of one host that is going back, and is told."""
    one = monitor(tmp_path, at=START)
    for seconds, (host, status) in enumerate(
        [("a", "serving"), ("b", "starting"), ("b", "serving"), ("b", "starting")]
    ):
        one.deploy(
            id="x", status=status, host=host, environment=False, time=START + timedelta(seconds=seconds - 60)
        )
    [found] = deployments_of(Lake.at(tmp_path), "net")
    assert [step.problem is None for step in found.steps] == [True, True, True, False]
    assert "starting after serving" in found.problems[0]


def test_a_status_without_an_id_is_that_of_the_newest_of_version_and_stage(tmp_path: Path) -> None:
    """Processes that know of no id tell of the deployment that goes on; after it is retired they begin another one."""
    one = monitor(tmp_path, at=START + timedelta(hours=1))
    at = iter(START + timedelta(minutes=n) for n in range(60))
    one.deploy("4", stage="canary", environment=False, time=next(at))
    one.deploy("4", stage="production", environment=False, time=next(at))
    one.deploy("4", stage="canary", status="serving", environment=False, time=next(at))
    one.deploy("5", stage="canary", status="serving", environment=False, time=next(at))
    one.deploy("4", stage="canary", status="retired", environment=False, time=next(at))
    one.deploy("4", stage="canary", status="starting", environment=False, time=next(at))
    found = [
        (each.version, each.stage, str(each.status), len(each.steps))
        for each in deployments_of(one._lake(), "net")
    ]
    assert found == [
        ("4", "canary", "starting", 1),
        ("5", "canary", "serving", 1),
        ("4", "production", "requested", 1),
        ("4", "canary", "retired", 3),
    ]
    going = open_of(deployments_of(one._lake(), "net"), "4", "canary")
    assert going is not None
    assert going.began == START + timedelta(minutes=5)


def test_an_exception_makes_it_failed(tmp_path: Path) -> None:
    """A pipeline that breaks has failed, with what it raised, which goes on."""
    one = monitor(tmp_path)

    def pipeline() -> None:
        with one.deploy(environment=False) as handle:
            handle.building()
            raise RuntimeError("no image")

    with pytest.raises(RuntimeError, match="no image"):
        pipeline()
    [found] = deployments_of(one._lake(), "net")
    assert (found.status, found.steps[-1].note) == (DeploymentStatus.FAILED, "RuntimeError: no image")
    assert found.ended == found.steps[-1].time


KILLED = """
import os, sys, vedette
monitor = vedette.Monitor("net", "4", sys.argv[1], resources=False)
handle = monitor.deploy("4", stage="canary", environment=False)
handle.starting()
handle.healthy()
print("told", flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_kill_between_statuses_takes_none_of_those_that_were_told(tmp_path: Path) -> None:
    """``kill -9`` of the process that deploys, with no ingester: each status is kept once, and another process goes on."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "told\n")
    one = monitor(tmp_path)
    one.deploy("4", stage="canary", status="serving", environment=False)
    one.close()
    cycle.once(Lake.at(tmp_path))
    said = [json.loads(text)["status"] for text in raw_events(tmp_path)["detail"].to_list()]
    assert said == ["requested", "starting", "healthy", "serving"]
    [found] = deployments(Lake.at(tmp_path).model("net"))
    assert (found.status, found.problems) == (DeploymentStatus.SERVING, ())


@pytest.mark.parametrize("cut", ["events", "ledger"])
def test_a_round_that_is_cut_off_writes_nothing_twice(
    tmp_path: Path, cut: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ingester that dies behind the model's events, or before its ledger, does the round again; each row is there once."""
    told(tmp_path, "requested", "serving")
    lake = Lake.at(tmp_path)
    with monkeypatch.context() as patch:
        name = "vedette.engine.runs.append" if cut == "events" else "vedette.engine.runs.ingest.close"

        def dies(*_: Any) -> None:
            raise RuntimeError("cut off")

        patch.setattr(name, dies)
        with pytest.raises(RuntimeError):
            cycle.once(lake)
    cycle.once(lake)
    told_later = monitor(tmp_path, at=START + timedelta(hours=2))
    told_later.deploy(stage="canary", status="draining", environment=False, time=START + timedelta(hours=2))
    told_later.close()
    cycle.once(lake)
    said = [json.loads(text)["status"] for text in raw_events(tmp_path)["detail"].to_list()]
    assert said == ["requested", "serving", "draining"]


def test_the_digest_of_a_folder_is_what_sha256sum_says(tmp_path: Path) -> None:
    """The independent answer: ``sha256sum`` over its own list of the files, in the order of their names."""
    for name, content in (("b.bin", b"two"), ("a.bin", b"one"), ("sub/c.bin", b"three")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    listed = subprocess.run(
        ["sha256sum", "a.bin", "b.bin", "sub/c.bin"], cwd=tmp_path, capture_output=True, check=True
    )
    assert digest_of(tmp_path) == f"sha256:{hashlib.sha256(listed.stdout).hexdigest()}"
    (tmp_path / "a.bin").write_bytes(b"One")
    assert digest_of(tmp_path) != f"sha256:{hashlib.sha256(listed.stdout).hexdigest()}"
    with pytest.raises(ValueError, match="must be a file or a folder"):
        digest_of(tmp_path / "none")


def scale_by_two(x: float) -> float:
    """One preprocessing."""
    return 2 * x


def scale_by_three(x: float) -> float:
    """Another one."""
    return 3 * x


def test_a_preprocessing_is_told_from_another(tmp_path: Path) -> None:
    """Functions by their source, estimators by their parameters, files by what is in them; what has no source is refused."""
    from sklearn.preprocessing import StandardScaler

    assert fingerprint(scale_by_two) != fingerprint(scale_by_three)
    assert fingerprint(StandardScaler()) != fingerprint(StandardScaler(with_mean=False))
    assert fingerprint(StandardScaler()) == fingerprint(StandardScaler())
    (tmp_path / "a").write_text("x")
    assert fingerprint(tmp_path / "a") == digest_of(tmp_path / "a")
    with pytest.raises(ValueError, match="give a path, a text or a mapping"):
        fingerprint(eval("lambda x: x"))


ID = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("files", "environ", "container", "cluster"),
    [
        ({}, {}, None, None),
        ({".dockerenv": ""}, {}, "HOST", None),
        ({"run/.containerenv": ""}, {}, "HOST", None),
        ({"proc/self/cgroup": f"0::/docker/{ID}\n"}, {}, ID[:12], None),
        ({"proc/self/cgroup": f"0::/system.slice/docker-{ID}.scope\n"}, {}, ID[:12], None),
        ({"proc/self/cgroup": "0::/\n", "proc/self/mountinfo":
          f"1 2 0:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/sda rw\n"}, {}, ID[:12], None),
        ({"proc/self/mountinfo": f"1 2 0:1 /var/lib/docker/overlay2/{ID}/merged / rw - ext4 /dev/sda rw\n"}, {}, None, None),
        ({"var/run/secrets/kubernetes.io/serviceaccount/namespace": "shop"},
         {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "net-7d9"}, "shop/net-7d9", "kubernetes"),
        ({}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "POD_NAME": "p", "POD_NAMESPACE": "n", "VEDETTE_CLUSTER": "west"},
         "n/p", "west"),
    ],
)  # fmt: skip
def test_the_machine_tells_where_a_process_runs(
    tmp_path: Path, files: dict[str, str], environ: dict[str, str], container: str | None, cluster: str | None
) -> None:
    """Container and cluster are those that Docker, Podman and Kubernetes leave traces of; without any there is none."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = place_of(environ, tmp_path)
    assert (found.container, found.cluster) == (
        os.uname().nodename if container == "HOST" else container,
        cluster,
    )


def test_what_is_given_of_a_place_wins_and_of_another_host_nothing_is_made_up(tmp_path: Path) -> None:
    """A container of this machine is not that of another host that a pipeline speaks of."""
    assert told(tmp_path, "requested", host="far").where == Place("far")


def test_a_deployment_finds_its_run_by_the_checkpoint_and_what_differs(tmp_path: Path) -> None:
    """File and folder of a checkpoint both lead to their run; of it packages, schema and preprocessing are held against it."""
    from sklearn.linear_model import LogisticRegression

    one = monitor(tmp_path / "lake")
    x, y = pl.DataFrame({"age": [float(n) for n in range(40)], "fare": [1.0] * 40}), [0, 1] * 20
    with one.run("night") as run:
        run.reference(x, y, prediction=y)
        run.preprocessing(scale_by_two)
        kept = run.checkpoints(tmp_path / "models", by="loss").save(
            LogisticRegression().fit(x, y), 1, {"loss": 0.5}
        )
    assert kept is not None
    [file] = [each for each in kept.path.iterdir() if each.name != "checkpoint.json"]
    for artefact in (kept.path, file):
        one.deploy(stage=artefact.name, artefact=artefact, status="serving", preprocessing=scale_by_three,
                   schema={"age": "float64", "fare": "int64", "new": "str"})  # fmt: skip
    for found in deployments_of(one._lake(), "net"):
        assert (found.run, found.run_by) == ("night", "artefact")
        assert found.differences is not None
        named = {(each.what, each.name): (each.trained, each.served) for each in found.differences}
        assert named.pop(("preprocessing", "preprocessing"))[0] == fingerprint(scale_by_two)[:19]
        assert named == {("schema", "fare"): ("float64", "int64"), ("schema", "new"): (None, "text")}


def test_what_one_side_does_not_tell_is_no_difference() -> None:
    """Two environments differ in what both tell; packages that compute nothing count only where both have them."""
    trained = {
        "python": "3.11.2", "packages": {"numpy": "1.26", "pytest": "8", "torch": "2.1", "rich": "13"},
        "hardware": {"machine": "x86_64", "gpus": ["A100"], "memory_bytes": 64 * 2**30},
    }  # fmt: skip
    assert differences(trained, trained) == ()
    assert differences(trained, {}) == ()
    served = {
        "packages": {"numpy": "1.26", "rich": "14", "uvicorn": "0.3"},
        "hardware": {"machine": "aarch64"},
    }
    found = [(one.what, one.name, one.trained, one.served) for one in differences(trained, served)]
    assert found == [
        ("package", "torch", "2.1", None),
        ("package", "rich", "13", "14"),
        ("hardware", "machine", "x86_64", "aarch64"),
        ("hardware", "gpus", "A100", "no GPU"),
    ]


def test_the_warm_up_is_the_ratio_that_scipy_has(tmp_path: Path) -> None:
    """The interval of the ratio is Welch's of the logarithms, as scipy computes it; rows before the deployment do not count."""
    random = np.random.default_rng(5)
    latencies = np.exp(random.normal(-5, 0.4, 400))
    latencies[:FIRST] *= 3.0
    one = monitor(tmp_path, at=START + timedelta(hours=1))
    one.deploy(status="serving", environment=False, time=START)
    times = [START + timedelta(seconds=n) for n in range(400)]
    before = pl.DataFrame(
        {"x": [0.0], "prediction": [1], "latency_s": [9.0], "time": [START - timedelta(seconds=1)]}
    )
    one.log_many(before)
    one.log_many(pl.DataFrame({"x": latencies, "prediction": 1, "latency_s": latencies, "time": times}))
    [found] = deployments_of(one._lake(), "net")
    assert found.first_prediction == START
    warm = found.warm_up
    assert warm is not None
    logs = np.log(latencies)
    answer = stats.ttest_ind(logs[:FIRST], logs[FIRST:], equal_var=False).confidence_interval(0.95)
    assert (warm.low, warm.high) == pytest.approx((np.exp(answer.low), np.exp(answer.high)), rel=1e-9)
    assert (warm.n_first, warm.n_later, warm.slower) == (FIRST, 380, True)


def test_the_interval_of_the_warm_up_holds_the_truth_as_often_as_it_says(tmp_path: Path) -> None:
    """Without a warm-up 400 simulated services are called slower or faster in about 5 % of cases: between 2 and 9 %."""
    from vedette.engine.deployments.rows import warm_up
    from vedette.records import WarmUp

    random, wrong = np.random.default_rng(11), 0
    times = [START + timedelta(seconds=n) for n in range(120)]
    for _ in range(400):
        rows = pl.DataFrame({"time": times, "latency_s": np.exp(random.normal(-5, 0.6, 120))}).lazy()
        found = warm_up(rows, START, None)
        assert isinstance(found, WarmUp)
        wrong += not found.low <= 1.0 <= found.high
    assert 8 <= wrong <= 36


def test_a_deployment_ends_where_the_next_of_its_version_begins(tmp_path: Path) -> None:
    """The first prediction of a deployment is not one that came after the next one; where there is none it is said."""
    one = monitor(tmp_path, at=START + timedelta(hours=3))
    one.deploy(stage="a", status="serving", environment=False, time=START)
    one.deploy(stage="b", status="serving", environment=False, time=START + timedelta(hours=1))
    one.log({"x": 1.0}, 1, time=START + timedelta(hours=2))
    later, earlier = deployments_of(one._lake(), "net")
    assert later.first_prediction == START + timedelta(hours=2)
    assert (earlier.first_prediction, earlier.notes) == (None, ("no prediction of version 4 since",))
    assert any("it takes 50" in note or "no latency" in note for note in later.notes)


def test_what_serves_or_fails_is_a_suspect_before_what_was_only_requested(tmp_path: Path) -> None:
    """Requests are reached by what serves and fails; that something was requested stands behind all other suspects."""
    told(tmp_path, "requested", "starting", "serving", "failed")
    cycle.once(Lake.at(tmp_path))
    tables = Lake.at(tmp_path).model("net")
    found = coincident(tables, START, START + timedelta(hours=1), timedelta(0))
    assert [(one.kind, one.words) for one in found] == [
        ("deployment", "deployment of version 4 in canary: serving"),
        ("deployment", "deployment of version 4 in canary: failed"),
        (STEP, "deployment of version 4 in canary: requested"),
        (STEP, "deployment of version 4 in canary: starting"),
    ]


def test_the_audit_tells_who_deployed_what(tmp_path: Path) -> None:
    """Who began a deployment and who ended it, with stage and place; not each step of its start."""
    told(tmp_path, "requested", "starting", "serving", "retired", by="ann", host="node-1")
    cycle.once(Lake.at(tmp_path))
    rows = audit(Lake.at(tmp_path).model("net")).select("by", "what", "on", "detail").rows()
    assert rows == [
        ("ann", "deployed", "version 4", "canary, requested, node-1"),
        ("ann", "deployment retired", "version 4", "canary, retired, node-1"),
    ]


def test_a_deployment_is_no_run_and_no_label(tmp_path: Path) -> None:
    """What goes by the way of the runs is not among them, and the ledgers balance."""
    one = monitor(tmp_path)
    with one.run("night", environment=False) as run:
        run.log(loss=0.5)
    one.deploy(environment=False)
    for _ in range(2):
        assert one.runs()["name"].to_list() == ["night"]
        assert one.labels().received == 0
        one.flush()
    assert one.ledger().balanced
    assert ledger(Lake.at(tmp_path), "net.run").balanced


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"version": ""}, "version=''"),
        ({"stage": "x" * 65}, "1 to 64 characters"),
        ({"status": "live"}, "must be one of requested, building"),
        ({"time": "yesterday"}, "ISO 8601"),
        ({"time": "2999-01-01"}, "in the future"),
        ({"note": "a\0b"}, "without NUL"),
        ({"schema": 3}, "schema=int"),
    ],
)
def test_what_cannot_be_is_refused_in_words(tmp_path: Path, wrong: dict[str, Any], said: str) -> None:
    """A mistake of the script is told where it is made, and nothing is recorded of it."""
    one = monitor(tmp_path)
    with pytest.raises(ValueError, match=said):
        one.deploy(**wrong)
    assert deployments_of(one._lake(), "net") == []


def vedette_command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "vedette", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_the_command_tells_and_reads(tmp_path: Path) -> None:
    """``vedette deploy`` in a pipeline and ``vedette deployments`` after it, as text and as JSON, through real processes."""
    monitor(tmp_path).close()
    lake = ("--lake", tmp_path)
    first = vedette_command("deploy", "net", "4", "--stage", "canary", "--by", "ann", "--json", *lake)
    assert json.loads(first.stdout)["taken"] is True, first.stderr
    assert (
        vedette_command("deploy", "net", "4", "--stage", "canary", "--status", "serving", *lake).returncode
        == 0
    )
    [found] = json.loads(vedette_command("deployments", "net", "--json", *lake).stdout)
    assert (found["status"], found["by"], len(found["steps"])) == ("serving", "ann", 2)
    assert found["id"] == json.loads(first.stdout)["id"]
    shown = vedette_command("deployments", "net", *lake).stdout
    assert "serving  version 4 in canary" in shown
    assert "differences from training: not known" in shown
    wrong = vedette_command("deploy", "net", "4", "--status", "live", *lake)
    assert (wrong.returncode, "must be one of" in wrong.stderr) == (64, True)


def test_the_command_says_where_there_is_no_lake(tmp_path: Path) -> None:
    """A folder that is not there is a mistake, no new lake."""
    from vedette.engine.deployments.tell import deploy

    with pytest.raises(LakeError, match="no such folder"):
        deploy(str(tmp_path / "none"), "net", "4")
