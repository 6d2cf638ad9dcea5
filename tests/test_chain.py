"""From a verdict to what is done about it: once an occasion, whatever crashes, within its limits, and back again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import vedette
from tests.receivers import receiver
from vedette import config
from vedette.capture.routing import Policy, Router, read, write
from vedette.config.policies import policies_of
from vedette.engine import alerts, chain, cycle
from vedette.engine.audit import audit
from vedette.errors import AlertError, ConfigError
from vedette.lake.tables import Lake
from vedette.records import AlertState, Status
from vedette.records.actions import ActionStatus

HOUR = 3600.0
START = 1_790_000_000.0 // 86400 * 86400

COMPARED = (
    '[models.net.compare.canary]\nchampion = "3"\nchallenger = "4"\nguard_rails = { accuracy = 0.02 }\n'
)


class World:
    """A model whose version 4 is worse than version 3, a routing file, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.now = START + 12 * HOUR
        self.lake, self.routing, self.config = folder / "lake", folder / "routing", folder / "vedette.toml"
        rng = np.random.default_rng(1)
        for version, accuracy in (("3", 0.95), ("4", 0.75)):
            monitor = vedette.Monitor(
                "net",
                version=version,
                lake=self.lake,
                window="1h",
                clock=lambda: self.now,
                task="classification",
                classes=["0", "1"],
            )
            label = rng.integers(0, 2, 1200)
            prediction = np.where(rng.uniform(size=1200) < accuracy, label, 1 - label)
            at = pl.Series(((START + np.sort(rng.uniform(size=1200)) * 10 * HOUR) * 1e6).astype(np.int64))
            rows = pl.DataFrame(
                {
                    "id": [f"{version}-{number}" for number in range(1200)],
                    "time": at.cast(pl.Datetime("us", "UTC")),
                    "prediction": prediction,
                }
            )
            monitor.log_many(rows)
            monitor.label_many(rows.select("id", pl.Series("label", label), "time"))
            monitor.close()
        write(self.routing, Policy({"3": 0.9, "4": 0.1}))

    def say(self, *policies: str, compared: str = COMPARED) -> None:
        self.config.write_text(compared + "\n".join(policies))

    def round(self) -> None:
        cycle.once(Lake.at(self.lake), clock=lambda: self.now)

    def actions(self) -> list[Any]:
        return chain.actions(Lake.at(self.lake).model("net"))

    def firing(self) -> list[str]:
        every = alerts.alerts(Lake.at(self.lake).model("net"))
        return [one.watch for one in every if one.state is AlertState.FIRING]

    def statuses(self) -> list[str]:
        return [one.status.value for one in self.actions()]


def policy(name: str, do: str, **more: str) -> str:
    lines = "".join(f"{key} = {value}\n" for key, value in {"on": '"roll back canary"', **more}.items())
    return f"[models.net.policies.{name}]\n{lines}do = [{do}]\n"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose file is the one that is read."""
    made = World(tmp_path)
    made.say()
    monkeypatch.setenv("VEDETTE_CONFIG", str(made.config))
    return made


def route(world: World, to: str = "champion") -> str:
    return f'{{ action = "route", file = "{world.routing}", to = "{to}" }}'


def test_a_challenger_that_is_worse_is_rolled_back_within_one_round(world: World) -> None:
    """The evidence is in the lake with the round; after it a router sends everything to the champion. No further round acts."""
    with Router(world.routing, default="3") as router:
        assert {router.version(f"user-{number}") for number in range(500)} == {"3", "4"}
        world.say(policy("back", route(world)))
        world.round()
        assert {router.version(f"user-{number}") for number in range(500)} == {"3"}
    (one,) = world.actions()
    assert one.status is ActionStatus.DONE
    assert one.occasion.evidence.startswith("accuracy is worse")
    assert one.before == ({"shares": {"3": 0.9, "4": 0.1}, "shadow": [], "mode": "sticky", "salt": ""},)
    for _ in range(3):
        world.now += HOUR
        world.round()
    assert world.actions() == [one]
    told = audit(Lake.at(world.lake).model("net")).filter(pl.col("what") == "action")
    assert told["by"].to_list() == ["policy back"]
    assert "accuracy is worse" in told["detail"][0]


def test_a_dry_run_says_and_does_nothing(world: World) -> None:
    """The routing file is as it was, byte for byte; taken out of the dry run it acts on the same occasion."""
    before = world.routing.read_bytes()
    world.say(policy("back", route(world), dry_run="true"))
    world.round()
    assert world.statuses() == ["dry run"]
    assert world.actions()[0].plan == (f"route 1 of the traffic to version 3 ({world.routing})",)
    assert world.routing.read_bytes() == before
    world.say(policy("back", route(world)))
    world.round()
    assert world.statuses() == ["done"]
    assert dict(read(world.routing).shares) == {"3": 1.0}


def test_what_a_person_must_approve_waits_and_is_told(world: World) -> None:
    """An alert fires while it waits; of two who approve at once one does; then it is done, and the alert is over."""
    world.say(policy("back", route(world), approval='"person"'))
    world.round()
    lake = Lake.at(world.lake)
    (one,) = world.actions()
    assert one.status is ActionStatus.WAITING
    assert dict(read(world.routing).shares) == {"3": 0.9, "4": 0.1}
    (alert,) = [each for each in alerts.alerts(lake.model("net")) if each.watch == "policy:back"]
    assert alert.state is AlertState.FIRING
    assert "waits for approval" in alert.evidence
    now = datetime.fromtimestamp(world.now, UTC)
    answers: list[str] = []

    def approve(by: str) -> None:
        try:
            chain.approve(Lake.at(world.lake), "net", one.id, by=by, reason="seen", now=now)
            answers.append("approved")
        except AlertError as error:
            answers.append(str(error))

    people = [threading.Thread(target=approve, args=(by,)) for by in ("ann", "bob")]
    for each in people:
        each.start()
    for each in people:
        each.join()
    assert sorted(answers)[1] == "approved"
    assert "does not wait: it is approved by" in sorted(answers)[0]
    world.round()
    assert world.statuses() == ["done"]
    assert dict(read(world.routing).shares) == {"3": 1.0}
    (after,) = [each for each in alerts.alerts(lake.model("net")) if each.watch == "policy:back"]
    assert after.state is AlertState.RESOLVED


def test_an_approval_that_nobody_gives_expires_and_a_refusal_holds(world: World) -> None:
    """After its time it is over, cannot be approved, and does not wait again; a refused one is not done."""
    world.say(
        policy("back", route(world), approval='"person"', expires='"2h"'),
        policy("other", route(world), approval='"person"'),
    )
    world.round()
    now = datetime.fromtimestamp(world.now, UTC)
    by_name = {one.occasion.policy: one for one in world.actions()}
    chain.refuse(Lake.at(world.lake), "net", by_name["other"].id, by="ann", reason="known", now=now)
    with pytest.raises(AlertError, match="which is over"):
        chain.approve(
            Lake.at(world.lake),
            "net",
            by_name["back"].id,
            by="ann",
            reason=None,
            now=now + timedelta(hours=3),
        )
    world.now += 3 * HOUR
    world.round()
    world.round()
    assert {one.occasion.policy: one.status.value for one in world.actions()} == {
        "back": "expired",
        "other": "refused",
    }
    assert dict(read(world.routing).shares) == {"3": 0.9, "4": 0.1}


def test_a_policy_acts_no_oftener_than_it_may(world: World) -> None:
    """Two comparisons set it off at once, one an hour is allowed: the other is done an hour later."""
    second = COMPARED.replace("compare.canary", "compare.canary2")
    world.say(policy("back", route(world), on='"roll back canary*"'), compared=COMPARED + second)
    world.round()
    assert sorted(world.statuses()) == ["done", "limited"]
    world.now += 0.5 * HOUR
    world.round()
    assert sorted(world.statuses()) == ["done", "limited"]
    world.now += 0.6 * HOUR
    world.round()
    assert world.statuses() == ["done", "done"]


@pytest.mark.parametrize("held_back", ["dry run", "limited"])
def test_what_was_held_back_is_not_done_once_its_occasion_is_over(world: World, held_back: str) -> None:
    """The comparison is gone when the policy may act: traffic stays as somebody has set it since."""
    second = COMPARED.replace("compare.canary", "compare.canary2")
    dry = {"dry_run": "true"} if held_back == "dry run" else {}
    world.say(policy("back", route(world), on='"roll back canary*"', **dry), compared=COMPARED + second)
    world.round()
    before = world.statuses().count(held_back)
    write(world.routing, Policy({"3": 0.5, "4": 0.5}))
    world.say(policy("back", route(world), on='"roll back canary*"'), compared="")
    world.now += 2 * HOUR
    world.round()
    assert before
    assert world.statuses().count(held_back) == before
    assert dict(read(world.routing).shares) == {"3": 0.5, "4": 0.5}


def test_an_approval_that_meets_the_rate_limit_is_not_asked_for_again(world: World) -> None:
    """Both are approved, one an hour is allowed: the other is done an hour later, by the same approval."""
    second = COMPARED.replace("compare.canary", "compare.canary2")
    asks = policy("back", route(world), on='"roll back canary*"', approval='"person"')
    world.say(asks, compared=COMPARED + second)
    world.round()
    for one in world.actions():
        at = datetime.fromtimestamp(world.now, UTC)
        chain.approve(Lake.at(world.lake), "net", one.id, by="ann", reason=None, now=at)
    world.round()
    assert sorted(world.statuses()) == ["done", "limited"]
    world.now += 1.1 * HOUR
    world.round()
    assert world.statuses() == ["done", "done"]


def test_what_was_done_can_be_undone_and_is_not_done_again(world: World) -> None:
    """The shares of before are back, the last part first; an action that has no way back says so."""
    (folder := world.lake.parent / "made").mkdir()
    both = f'{route(world)}, {{ action = "command", command = ["touch", "{folder}/a"], back = ["touch", "{folder}/b"] }}'
    world.say(
        policy("back", both), policy("plain", f'{{ action = "command", command = ["touch", "{folder}/c"] }}')
    )
    world.round()
    by_name = {one.occasion.policy: one for one in world.actions()}
    assert sorted(one.name for one in folder.iterdir()) == ["a", "c"]
    now = datetime.fromtimestamp(world.now, UTC)
    chain.undo(Lake.at(world.lake), "net", by_name["back"].id, by="ann", reason="it was the weather", now=now)
    assert dict(read(world.routing).shares) == {"3": 0.9, "4": 0.1}
    assert (folder / "b").exists()
    with pytest.raises(AlertError, match="has no way back"):
        chain.undo(Lake.at(world.lake), "net", by_name["plain"].id, by="ann", reason=None, now=now)
    world.now += 2 * HOUR
    world.round()
    assert {one.occasion.policy: one.status.value for one in world.actions()} == {
        "back": "undone",
        "plain": "done",
    }


def test_a_failure_stops_no_other_and_is_tried_again(world: World) -> None:
    """A webhook that is answered with 503 fails, is told, and is sent again with the same key when it is due."""
    with receiver() as hook:
        hook.answers = [(503, {}), (204, {})]
        said = f'{{ action = "webhook", url = "{hook.url}" }}'
        world.say(policy("a", said), policy("b", route(world)))
        world.round()
        by_name = {one.occasion.policy: one for one in world.actions()}
        assert by_name["a"].status is ActionStatus.FAILED
        assert by_name["b"].status is ActionStatus.DONE
        assert world.firing() == ["compare:canary", "policy:a"]
        world.round()
        assert len(hook.got) == 1  # it is not due yet
        world.now += 16
        world.round()
        assert {one.occasion.policy: one.status.value for one in world.actions()} == {
            "a": "done",
            "b": "done",
        }
        assert world.firing() == ["compare:canary"]
        keys = {headers["Idempotency-Key"] for _, _, headers, _ in hook.got}
        assert (len(hook.got), len(keys)) == (2, 1)
        assert json.loads(hook.got[0][3])["challenger"] == "4"


CRASH = """
import sys, time
from vedette.engine import chain
from vedette.lake.tables import Lake
chain.act(Lake.at(sys.argv[1]), "net", clock=lambda: float(sys.argv[2]))
"""


@pytest.mark.parametrize(("repeatable", "ends"), [(False, "unknown whether done"), (True, "done")])
def test_a_process_that_is_killed_while_it_acts_is_seen(world: World, repeatable: bool, ends: str) -> None:
    """Killed between intent and outcome: what may be repeated is done again, of what may not a person is told."""
    world.say(policy("noop", route(world), dry_run="true"))
    world.round()
    flag = world.lake.parent / "begun"
    script = f"test -e {flag} && exit 0; touch {flag}; sleep 60"
    said = f'{{ action = "command", command = ["sh", "-c", "{script}"], repeatable = {str(repeatable).lower()} }}'
    world.say(policy("run", said))
    process = subprocess.Popen(
        [sys.executable, "-c", CRASH, str(world.lake), str(world.now)], start_new_session=True
    )
    deadline = time.monotonic() + 60
    while not flag.exists():
        assert time.monotonic() < deadline, "it never began"
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (one,) = [each for each in world.actions() if each.occasion.policy == "run"]
    assert one.status is ActionStatus.ACTING
    world.now += 60
    world.round()
    (one,) = [each for each in world.actions() if each.occasion.policy == "run"]
    assert one.status.value == ends
    firing = [each for each in alerts.alerts(Lake.at(world.lake).model("net")) if each.watch == "policy:run"]
    assert [each.state for each in firing] == ([] if repeatable else [AlertState.FIRING])


def test_what_was_there_is_known_after_a_kill_too(world: World) -> None:
    """Killed after the route was changed: done again, and undone, the shares are those of before the first try."""
    world.say(policy("noop", route(world), dry_run="true"))
    world.round()
    flag = world.lake.parent / "begun"
    script = f"test -e {flag} && exit 0; touch {flag}; sleep 60"
    said = f'{{ action = "command", command = ["sh", "-c", "{script}"], back = ["true"], repeatable = true }}'
    world.say(policy("run", f"{route(world)}, {said}"))
    process = subprocess.Popen(
        [sys.executable, "-c", CRASH, str(world.lake), str(world.now)], start_new_session=True
    )
    deadline = time.monotonic() + 60
    while not flag.exists():
        assert time.monotonic() < deadline, "it never began"
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert dict(read(world.routing).shares) == {"3": 1.0}
    world.now += 60
    world.round()
    (one,) = [each for each in world.actions() if each.occasion.policy == "run"]
    assert (one.status, one.attempts) == (ActionStatus.DONE, 2)
    now = datetime.fromtimestamp(world.now, UTC)
    chain.undo(Lake.at(world.lake), "net", one.id, by="ann", reason=None, now=now)
    assert dict(read(world.routing).shares) == {"3": 0.9, "4": 0.1}


def test_what_failed_is_not_tried_again_once_it_is_over_and_a_changed_policy_undoes_nothing(
    world: World,
) -> None:
    """A file that cannot be written at first: when it can, the decision is another. A policy that was rewritten is not undone."""
    folder = world.lake.parent / "later"
    world.say(policy("back", f'{{ action = "route", file = "{folder}/routing", to = "champion" }}'))
    world.round()
    assert world.statuses() == ["failed"]
    folder.mkdir()
    swapped = COMPARED.replace('champion = "3"', 'champion = "4"').replace(
        'challenger = "4"', 'challenger = "3"'
    )
    world.say(
        policy("back", f'{{ action = "route", file = "{folder}/routing", to = "champion" }}'),
        compared=swapped,
    )
    world.now += HOUR
    world.round()
    assert world.statuses() == ["failed"]
    assert not (folder / "routing").exists()
    world.say(policy("back", f'{{ action = "route", file = "{folder}/routing", to = "champion" }}'))
    world.round()
    assert world.statuses() == ["done"]
    world.say(policy("back", f'{{ action = "route", file = "{folder}/routing", to = "4" }}'))
    now = datetime.fromtimestamp(world.now, UTC)
    with pytest.raises(AlertError, match="says another thing now than was done"):
        chain.undo(Lake.at(world.lake), "net", world.actions()[0].id, by="ann", reason=None, now=now)


def test_a_broken_rule_sets_a_policy_off(world: World) -> None:
    """A verdict of a watch, by pattern; the program is given what set it off."""
    got = world.lake.parent / "got.json"
    rules = '[models.net.rules]\nlow = "accuracy < 0.9"\n'
    said = f'{{ action = "command", command = ["sh", "-c", "cat > {got}"] }}'
    world.say(policy("tell", said, on='"ALARM rule:*"'), compared=rules)
    world.round()
    world.now += 3 * HOUR
    world.round()
    (one,) = world.actions()
    assert one.status is ActionStatus.DONE
    given = json.loads(got.read_text())
    assert given["what"] == "ALARM rule:low"
    assert given["model"] == "net"
    assert given["id"] == one.id
    assert given["champion"] is None


def test_training_again_is_given_what_failed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function of a module, in a process of its own."""
    folder = world.lake.parent
    (folder / "again.py").write_text(
        "import json, os\ndef train(said):\n    open(os.environ['WHERE'], 'w').write(json.dumps([said['what'], os.getpid()]))\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("WHERE", str(folder / "trained"))
    world.say(policy("train", '{ action = "retrain", call = "again:train" }'))
    world.round()
    what, pid = json.loads((folder / "trained").read_text())
    assert what == "roll back canary: 4 against 3"
    assert pid != os.getpid()


def test_a_follower_acts_too(world: World) -> None:
    """``vedette ingest --follow`` in a process of its own rolls back by itself."""
    world.say(policy("back", route(world)))
    process = subprocess.Popen(
        [sys.executable, "-m", "vedette", "ingest", "--follow", "--lake", str(world.lake)],
        env={**os.environ, "VEDETTE_CONFIG": str(world.config)},
    )
    try:
        deadline = time.monotonic() + 60
        while dict(read(world.routing).shares) != {"3": 1.0}:
            assert time.monotonic() < deadline, "nothing was done"
            assert process.poll() is None
            time.sleep(0.1)
    finally:
        process.terminate()
        process.wait(30)


def test_the_command_line(world: World) -> None:
    """Policies and what is wrong with them, actions, approval and the way back."""
    world.say(policy("back", route(world), approval='"person"'))
    world.round()

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "vedette", *words, "--lake", str(world.lake)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "VEDETTE_CONFIG": str(world.config)},
        )

    listed = run("actions", "net", "--json")
    assert listed.returncode == 1
    (one,) = json.loads(listed.stdout)
    assert one["status"] == "waiting for approval"
    assert json.loads(run("policies", "net", "--json").stdout)[0]["last"]["id"] == one["id"]
    approved = run("approve", "net", one["id"], "--by", "ann", "--reason", "seen", "--json")
    # the clock of the command is the wall's, for which a time of this test is over or to come
    assert approved.returncode in (0, 70), approved.stderr
    wrong = run("undo", "net", "nothing")
    assert wrong.returncode == 70
    assert "there is none" in wrong.stderr
    world.say(policy("back", '{ action = "rout", to = "3" }'))
    told = run("policies", "net")
    assert told.returncode == 64
    assert "must be one of route, webhook" in told.stdout


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({}, "on=None: must be one of ALARM"),
        ({"on": "alarm accuracy"}, "on='alarm accuracy': must be one of ALARM"),
        ({"on": "ALARM x"}, "do=None: must be a list of tables"),
        ({"on": "ALARM x", "do": [{}]}, "must be a table with action"),
        ({"on": "ALARM x", "do": [{"action": "route"}], "approval": "boss"}, "must be one of none, person"),
        ({"on": "ALARM x", "do": [{"action": "route"}], "at_most": "often"}, "must be like '1 per 6h'"),
        ({"on": "ALARM x", "do": [{"action": "route"}], "dry_run": 1}, "must be true or false"),
        ({"on": "ALARM x", "do": [{"action": "route"}], "expires": "soon"}, "expires='soon'"),
        ({"on": "ALARM x", "do": [{"action": "route"}], "when": 1}, "unknown key 'when'"),
    ],
)
def test_policies_that_cannot_be_meant_are_refused(table: dict[str, Any], words: str) -> None:
    """By name, value, and what would be right."""
    with pytest.raises(ValueError, match=r"policies\.a") as told:
        policies_of({"a": table})
    assert words in str(told.value)


def test_a_wrong_policy_in_the_file_is_refused_with_the_file(world: World) -> None:
    """As every other wrong setting."""
    world.config.write_text('[models.net.policies.a]\non = "never"\n')
    with pytest.raises(ConfigError, match=r"vedette\.toml"):
        config.read(world.config)


def test_keys_that_an_action_does_not_have_make_it_fail_and_are_told(world: World) -> None:
    """What only doing it can tell is told as a failure, with an alert, and not tried again."""
    world.say(policy("a", '{ action = "route", to = "3" }'))
    world.round()
    world.now += HOUR
    world.round()
    (one,) = world.actions()
    assert one.status is ActionStatus.FAILED
    assert "file" in one.said[0]


def test_a_decision_is_a_verdict_and_an_alert_without_any_policy(world: World) -> None:
    """``check`` says what was decided; the alert is over once the comparison is taken out of the file."""
    from vedette.engine.health import health

    lake = Lake.at(world.lake)
    before = {one.watch: one for one in health(lake, "net").verdicts}
    assert before["compare:canary"].verdict is Status.UNKNOWN
    world.round()
    now = {one.watch: one for one in health(lake, "net").verdicts}["compare:canary"]
    assert now.verdict is Status.ALARM
    assert now.evidence.startswith("roll back 4: accuracy is worse")
    assert world.firing() == ["compare:canary"]
    world.now += HOUR
    world.round()
    assert len([one for one in alerts.alerts(lake.model("net")) if one.watch == "compare:canary"]) == 1
    other = COMPARED.replace('champion = "3"', 'champion = "4"').replace(
        'challenger = "4"', 'challenger = "3"'
    )
    world.say(compared=other)
    world.now += HOUR
    world.round()
    assert world.firing() == []
    assert {one.watch: one.verdict for one in health(lake, "net").verdicts}["compare:canary"] is Status.OK
