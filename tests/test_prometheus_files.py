"""What is generated for Prometheus and Grafana, held against the real programs and Grafana's own schema."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.programs import alertmanager, asked, needed, prometheus, until
from tests.world import World
from vedette.output.prometheus.alert_rules import alert_rules
from vedette.output.prometheus.dashboard import PANELS_MAX, dashboard
from vedette.output.prometheus.described import Described
from vedette.output.prometheus.scrape_config import scrape_config
from vedette.output.prometheus.yaml import document

yaml = pytest.importorskip("yaml", reason="PyYAML, which reads what was written, is not installed")

HOSTILE = "a\"b'c: {{ x }} \\ $model\n# y"


def described(model: str = "delays", **more: Any) -> Described:
    made: dict[str, Any] = {
        "model": model,
        "window_s": 3600.0,
        "live": True,
        "budget_per_month": 1.0,
        "figures": {"accuracy": ("",), "mean": ("age", HOSTILE)},
        "segments": ("region",),
        "severities": {"low": "alarm", "odd": "warn"},
        "url": "https://vedette.example.org",
    }
    return Described(**(made | more))


@contextmanager
def serving(exposition: Any) -> Iterator[tuple[str, list[str]]]:
    """A server of /metrics alone, until it is closed: its address, and the tokens that it was asked with."""
    tokens: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tokens.append(self.headers.get("Authorization", ""))
            text, kind = exposition(self.headers.get("Accept", ""))
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", tokens
        finally:
            server.shutdown()
            thread.join()


def test_prometheus_returns_the_figure_and_the_alarm_comes_to_alertmanager(tmp_path: Path) -> None:
    """The whole way: a lake, its text, the generated configuration and rules, the real programs; and the dead man's rule."""
    pytest.importorskip("prometheus_client", reason="the extra 'prometheus' is not installed")
    needed("prometheus", "prometheus-alertmanager")
    from vedette.engine.figures import figures
    from vedette.engine.prometheus_files import described as of_lake
    from vedette.engine.scraped import Scraped
    from vedette.output.prometheus.text import Exposition

    world = World(tmp_path / "lake")
    world.monitor.reference(world.rows(2000))
    for shift in (0.0, 0.0, 3.0, 3.0):
        world.log_day(world.rows(200, shift=shift))
        world.round()
    assert world.verdict("x.location").verdict == "ALARM"
    world.monitor.close()
    told = of_lake(world.lake, "m", {"rules": {}}, "https://vedette.example.org")
    token = tmp_path / "token"
    token.write_text("the-token")
    with (
        serving(Exposition(Scraped(world.lake).reading)) as (url, tokens),
        alertmanager(tmp_path / "am") as manager,
    ):
        configuration = yaml.safe_load(scrape_config(url, ["m"], scrape_s=1, token_file=str(token)))
        target = {"static_configs": [{"targets": [manager.removeprefix("http://")]}]}
        configuration |= {"global": {"evaluation_interval": "1s"}, "alerting": {"alertmanagers": [target]}}
        rules = alert_rules([told], scrape_s=1)
        with prometheus(tmp_path / "prometheus", json.dumps(configuration), rules) as server:

            def query(expression: str) -> list[Any]:
                found = asked(f"{server}/api/v1/query?{urlencode({'query': expression})}")
                return found["data"]["result"]  # type: ignore[no-any-return]

            got = until(
                lambda: query('vedette_figure{model="m",metric="mean",feature="x",segment=""}'), "figure"
            )
            every = figures(world.lake, "m", "mean", feature="x").sort("start")
            assert float(got[0]["value"][1]) == every["value"][-1]
            assert set(tokens) == {"Bearer the-token"}
            alarm = 'ALERTS{alertname="VedetteAlarm",alertstate="firing",watch="x.location"}'
            until(lambda: query(alarm), "alert in Prometheus")
            wanted = urlencode({"filter": 'alertname="VedetteAlarm"'})
            alerts = until(lambda: asked(f"{manager}/api/v2/alerts?{wanted}"), "alert in Alertmanager")
            one = next(each for each in alerts if each["labels"]["watch"] == "x.location")
            assert one["labels"]["severity"] == "critical"
            assert one["annotations"]["summary"] == "ALARM m: x.location"
            assert one["annotations"]["link"] == "https://vedette.example.org/models/m"
            configured = asked(f"{server}/api/v1/rules")["data"]["groups"]
            assert {rule["health"] for group in configured for rule in group["rules"]} == {"ok"}


RULE_TESTS = """
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'up{job="vedette",instance="a"}', values: '1x10 0x20'}
      - {series: 'vedette_model_info{model="delays",version="1"}', values: '1x200'}
      - {series: 'vedette_window_end_timestamp_seconds{model="delays"}', values: '0x400'}
      - {series: 'vedette_ledger_rows{model="delays",stream="predictions",part="in_lake"}', values: '0+100x200'}
      - {series: 'vedette_ledger_rows{model="delays",stream="predictions",part="dropped"}', values: '0x100 0+2x100'}
      - {series: 'vedette_verdict{model="delays",watch="x.location",segment="",verdict="ALARM"}', values: '0x5 1x20 0x100'}
      - {series: 'vedette_verdict{model="delays",watch="age.mix",segment="region=eu",verdict="UNKNOWN"}', values: '1x200'}
      - {series: 'vedette_false_alarms_per_month_low{model="delays"}', values: '0x10 2x50'}
      - {series: 'vedette_false_alarms_per_month_budget{model="delays"}', values: '1x60'}
    alert_rule_test:
      - {eval_time: 14m, alertname: VedetteDown, exp_alerts: []}
      - eval_time: 17m
        alertname: VedetteDown
        exp_alerts: [{exp_labels: {severity: critical, job: vedette, instance: a}, exp_annotations: &down {
          summary: vedette cannot be scraped, link: 'https://vedette.example.org',
          description: 'Nothing is known of any model: neither figures nor verdicts are current, and alerts may not be sent.'}}]
      - eval_time: 7m
        alertname: VedetteAlarm
        exp_alerts: []
      - eval_time: 9m
        alertname: VedetteAlarm
        exp_alerts: [{exp_labels: {severity: critical, model: delays, watch: x.location, verdict: ALARM}, exp_annotations: {
          summary: 'ALARM delays: x.location', description: 'The evidence: vedette check delays.',
          link: 'https://vedette.example.org/models/delays'}}]
      - {eval_time: 30m, alertname: VedetteAlarm, exp_alerts: []}
      - {eval_time: 50m, alertname: VedetteUnknown, exp_alerts: []}
      - eval_time: 61m
        alertname: VedetteUnknown
        exp_alerts: [{exp_labels: {severity: warning, model: delays, watch: age.mix, segment: region=eu, verdict: UNKNOWN},
          exp_annotations: {summary: 'UNKNOWN delays: age.mix [region=eu]', link: 'https://vedette.example.org/models/delays',
          description: 'It is not watched as long as this lasts. The evidence: vedette check delays.'}}]
      - {eval_time: 180m, alertname: VedetteWindowStale, exp_alerts: []}
      - eval_time: 186m
        alertname: VedetteWindowStale
        exp_alerts: [{exp_labels: {severity: critical, model: delays}, exp_annotations: {
          summary: 'delays: no window has closed for 3h 6m 0s', link: 'https://vedette.example.org/models/delays',
          description: 'No rows come, or nobody ingests and judges them: what is shown is old.'}}]
      - {eval_time: 206m, alertname: VedetteModelMissing, exp_alerts: []}
      - eval_time: 212m
        alertname: VedetteModelMissing
        exp_alerts: [{exp_labels: {severity: critical, model: delays}, exp_annotations: {
          summary: 'delays: nothing is told of it', link: 'https://vedette.example.org/models/delays',
          description: 'vedette is scraped and does not tell of the model: it was removed from the lake, or cannot be read.'}}]
      - {eval_time: 90m, alertname: VedetteRowsLost, exp_alerts: []}
      - eval_time: 190m
        alertname: VedetteRowsLost
        exp_alerts: [{exp_labels: {severity: warning, model: delays}, exp_annotations: {
          summary: 'delays: 120 rows and more were not kept in an hour', link: 'https://vedette.example.org/models/delays',
          description: 'vedette ledger delays says which, and why.'}}]
      - {eval_time: 9m, alertname: VedetteFalseAlarms, exp_alerts: []}
      - eval_time: 20m
        alertname: VedetteFalseAlarms
        exp_alerts: [{exp_labels: {severity: info, model: delays}, exp_annotations: {
          summary: 'delays: more false alarms than its budget of 1 a month', link: 'https://vedette.example.org/models/delays',
          description: 'The lower end of the interval of the measured rate lies above what the owner will stand.'}}]
"""


def test_each_rule_fires_when_it_should_and_not_before(tmp_path: Path) -> None:
    """promtool's own unit tests of rules, over series by hand: down, alarm, unknown, stale, missing, lost rows, false alarms."""
    needed("promtool")
    (tmp_path / "rules.yml").write_text(alert_rules([described()]))
    (tmp_path / "test.yml").write_text(RULE_TESTS)
    for arguments in (["check", "rules", "rules.yml"], ["test", "rules", "test.yml"]):
        done = subprocess.run(
            ["promtool", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_passes_promtool(tmp_path: Path) -> None:
    """The generated scrape configuration with the rules beside it, of many models, and of a server behind a path."""
    needed("promtool")
    (tmp_path / "vedette_rules.yml").write_text(
        alert_rules([described("a.b"), described("c", live=False, url=None)])
    )
    token = tmp_path / "token"
    token.write_text("x")
    text = scrape_config("https://host.example.org:8470/vedette", ["a.b", "c"], token_file=str(token))
    (tmp_path / "prometheus.yml").write_text(text)
    done = subprocess.run(
        ["promtool", "check", "config", "prometheus.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    job = yaml.safe_load(text)["scrape_configs"][0]
    assert (job["scheme"], job["metrics_path"]) == ("https", "/vedette/metrics")
    assert job["metric_relabel_configs"][0]["regex"] == r"|a\.b|c"
    with pytest.raises(ValueError, match="must begin with http"):
        scrape_config("host:8470", [])


def test_a_model_whose_rows_are_a_replay_has_no_rule_on_their_age() -> None:
    """Windows of last year are not stale: their clock is not the wall's."""
    assert "VedetteWindowStale" in alert_rules([described()])
    assert "VedetteWindowStale" not in alert_rules([described(live=False)])


@pytest.mark.parametrize(
    "value", [HOSTILE, "yes", "5m", "1.5", "null", "- x", "a: b", "", "é⟨", "'", "''\"", "{a}", "*x", "#"]
)
def test_text_is_read_back_as_it_was_written(value: str) -> None:
    """An independent reader of YAML finds the same: what cannot be seen is shown as a mark, as everywhere."""
    found = yaml.safe_load(
        document({"k": [value, {"x": value, "n": 1.5, "b": True}]}, "a comment\nof two lines")
    )
    shown = value.replace("\n", "⟨U+000A⟩")
    assert found == {"k": [shown, {"x": shown, "n": 1.5, "b": True}]}


def test_the_dashboard_asks_for_what_there_is(tmp_path: Path) -> None:
    """Every expression parses by the real promtool, every panel has its own place, and names stay within their quotes."""
    needed("promtool")
    made = json.loads(dashboard([described()]))
    expressions = [target["expr"] for panel in made["panels"] for target in panel["targets"]]
    rules = {"groups": [{"name": "x", "rules": [
        {"record": f"r:{n}", "expr": one.replace("$model", "delays")} for n, one in enumerate(expressions)
    ]}]}  # fmt: skip
    (tmp_path / "rules.yml").write_text(json.dumps(rules))
    done = subprocess.run(
        ["promtool", "check", "rules", str(tmp_path / "rules.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert any('feature="age"' in one and 'metric="mean"' in one for one in expressions)
    cells = [
        (x, y)
        for panel in made["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23
    assert len({panel["id"] for panel in made["panels"]}) == len(made["panels"])


def test_a_dashboard_of_many_figures_and_models_is_bounded() -> None:
    """So many panels at most; several models are a variable, and the address stays the same for the same models."""
    wide = described(figures={"mean": tuple(f"x{n}" for n in range(500))})
    made = json.loads(dashboard([wide, described("b")]))
    assert len([panel for panel in made["panels"] if panel["title"].startswith("mean")]) == PANELS_MAX
    variable = next(one for one in made["templating"]["list"] if one["name"] == "model")
    assert (variable["query"], variable["hide"]) == ("delays,b", 0)
    assert made["uid"] == json.loads(dashboard([wide, described("b")]))["uid"]
    assert len(made["uid"]) <= 40  # Grafana refuses longer ones


def test_the_dashboard_is_one_by_grafanas_own_schema() -> None:
    """Grafana's foundation SDK, generated from its schemas, reads it and writes back each thing that it was given."""
    sdk = pytest.importorskip(
        "grafana_foundation_sdk.models.dashboard", reason="grafana-foundation-sdk is not installed"
    )
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins

    register_default_plugins()
    given = json.loads(dashboard([described(), described("b")]))
    read = json.loads(JSONEncoder(sort_keys=True, indent=2).encode(sdk.Dashboard.from_json(given)))

    def missing(a: Any, b: Any, where: str) -> list[str]:
        if isinstance(a, dict):
            if not isinstance(b, dict):
                return [where]
            return [one for key in a for one in missing(a[key], b.get(key, "<absent>"), f"{where}.{key}")]
        if isinstance(a, list):
            if not isinstance(b, list) or len(a) != len(b):
                return [where]
            return [
                one
                for at, (x, y) in enumerate(zip(a, b, strict=True))
                for one in missing(x, y, f"{where}[{at}]")
            ]
        return [] if a == b else [f"{where}: {a!r} is {b!r}"]

    # an annotation's query is its datasource's own; the schema has its common part alone
    of_prometheus = ("useValueForTime", "titleFormat")
    assert [
        one
        for one in missing(given, read, "dashboard")
        if not any(f".{key}: " in one for key in of_prometheus)
    ] == []
