"""``vedette.toml``: what is said once for a project, and need not be said in code.

The file is looked for at ``$VEDETTE_CONFIG``, else in the working folder. What is given in code wins over the file,
the file over the defaults. Unknown keys are refused, so that a slip of the pen does not pass for a setting::

    lake = "./vedette-lake"       # folder of the lake, or the URL of a server
    journal = "/var/lib/vedette"  # with a server: the folder for what it has not taken yet

    [recording]                   # the journal of a process that records
    sync_s = 0.2                  # how often what was recorded is put on disk
    journal_bytes_max = 1073741824  # the room that it may take

    [server]                      # how a server is spoken to, and how one serves
    token_env = "MY_TOKEN"        # or token_file; default $VEDETTE_TOKEN
    hosts = ["vedette.example.org"]  # names that it may be called by

    [models.delays]               # one table a model
    window = "1h"                 # length of a window: a number and s, m, h, d or w
    task = "classification"       # or regression, which are told from the predictions where it is not given;
                                  # or detection, ranking or multilabel, which are not
    classes = ["0", "1"]          # names of the classes; the second of two is the positive one
    timezone = "UTC"              # whose days and weeks a person means
    budget_per_month = 1.0        # false alarms a month that the owner will stand, over everything watched
    segments = ["region"]         # columns whose values are watched as segments, under the same budget
    series = true                 # figures are held against what was expected of them by hour, day and trend
    holidays = [2026-12-25]       # days of which nothing is expected
    events = [2026-05-03T10:00:00]  # known events, such as deployments: figures may have another level after

    [models.delays.tolerance]     # changes that do not matter, in the data's own unit
    age = 2.0
    accuracy = 0.01

    [models.delays.rules]         # facts that somebody is told of, outside the budget; see ``strategy.rules``
    low = "accuracy < 0.9 for 3 windows"
    age = { when = "values(age) outside 0 to 120", severity = "warn" }

    [models.delays.compare.canary]  # two versions held against each other
    champion = "3"
    challenger = "4"
    guard_rails = { accuracy = 0.01, error_rate = 0.002 }

    [models.delays.policies.back]   # what is done on a verdict or a decision
    on = "roll back canary"
    do = [{ action = "route", file = "/run/vedette/routing", to = "champion" }]

    [models.delays.slo.answers]   # objectives, and when their budgets burn too fast
    objective = 0.999
    of = "error_rate"

    [models.delays.endpoint.production]  # where it is served, and looked at
    url = "https://delays.example.org/health"

    [channels.ops]                # one table a channel: where alerts are told
    type = "webhook"
    url_env = "OPS_URL"

    [[reports]]                   # one table a report that is made by the calendar
    name = "weekly"
    every = "week"
    folder = "reports"

    [[alerts.maintenance]]        # spans in which nobody is told
    reason = "backup"
    from = 2026-12-06T02:00:00
    for = "2h"
    every = "week"

    [[alerts.escalate]]           # who is told of what nobody reacts to
    after = "30m"
    channels = ["ops"]
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from vedette.config.alerting import (
    ALERTING_KEYS,
    ESCALATION_KEYS,
    INHIBITION_KEYS,
    AlertingSettings,
    Escalation,
    Inhibition,
    Match,
    alerting_of,
)
from vedette.config.channels import (
    CHANNEL_KEYS,
    CHANNEL_TYPES,
    ChannelSettings,
    channels_of,
    is_variable_name,
    is_web_url,
)
from vedette.config.comparing import COMPARE_KEYS, CompareSettings, compare_of
from vedette.config.endpoints import ENDPOINT_KEYS, EndpointSettings, endpoints_of
from vedette.config.maintenance import MAINTENANCE_KEYS, Maintenance, maintenance_of, moment_of
from vedette.config.policies import POLICY_KEYS, PolicySettings, policies_of
from vedette.config.private import PRIVACY_KEYS, PRIVATE_KEYS, PrivateSettings, budget_of, k_of, private_of
from vedette.config.reports import REPORT_KEYS, ReportSettings, reports_of
from vedette.config.server import SERVER_KEYS, ServerSettings, journal_folder, server_of, server_url
from vedette.config.serving import SERVING_KEYS, ServingSettings, serving_of
from vedette.config.slo import SLO_KEYS, SloSettings, slos_of
from vedette.config.values import duration_s, refuse_unknown
from vedette.errors import ConfigError, LakeError
from vedette.records import (
    ENDPOINT,
    JOURNAL_BYTES_MIN,
    STRUCTURED,
    Settings,
    check_journal_bytes_max,
    check_model_name,
    check_sync_s,
    class_name,
    is_storable,
    owner_of,
)

__all__ = [
    "ALERTING_KEYS",
    "CHANNEL_KEYS",
    "CHANNEL_TYPES",
    "COMPARE_KEYS",
    "DEFAULT_LAKE",
    "ENDPOINT_KEYS",
    "ESCALATION_KEYS",
    "INHIBITION_KEYS",
    "JUDGING",
    "MAINTENANCE_KEYS",
    "MODEL_KEYS",
    "POLICY_KEYS",
    "PRIVACY_KEYS",
    "PRIVATE_KEYS",
    "RECORDING_KEYS",
    "REPORT_KEYS",
    "RULE_KEYS",
    "SERVER_KEYS",
    "SERVING_KEYS",
    "SLO_KEYS",
    "TOP_KEYS",
    "AlertingSettings",
    "ChannelSettings",
    "CompareSettings",
    "Config",
    "EndpointSettings",
    "Escalation",
    "Inhibition",
    "Maintenance",
    "Match",
    "PolicySettings",
    "PrivateSettings",
    "ReportSettings",
    "ServerSettings",
    "ServingSettings",
    "SloSettings",
    "duration_s",
    "is_variable_name",
    "is_web_url",
    "journal_folder",
    "lake_folder",
    "maintenance_of",
    "moment_of",
    "private_of",
    "read",
    "server_url",
    "settings",
]

DEFAULT_LAKE = "./vedette-lake"
_UNUSABLE = frozenset("[]^|#?%\\")  # delta-rs makes URLs of paths, and panics at these

TOP_KEYS = {
    "lake": "folder of the lake, or the URL of a server",
    "journal": "with a server, the folder for what it has not taken yet",
    "recording": "the journal of a process that records: how often it is put on disk, the room it may take",
    "server": "how a server is spoken to, and how one serves",
    "models": "one table a model",
    "channels": "one table a channel",
    "reports": "a list of tables, one a scheduled report",
    "alerts": "when nobody is told, what explains what, and who is told when nobody reacts",
    "privacy": "how many rows a figure must rest on to be shown",
}
MODEL_KEYS = {
    "window": "length of a window: a number and s, m, h, d or w",
    "task": "classification, regression, detection, ranking or multilabel",
    "classes": "names of the classes; the second of two is the positive one",
    "timezone": "whose days and weeks a person means",
    "budget_per_month": "false alarms a month that the owner will stand, over everything watched",
    "segments": "columns whose values are watched as segments, beside the whole",
    "sampler": "which rows are kept: a rate such as 0.01, or the name of a sampler such as auto",
    "rows": "independent, where each row is known to be independent of the others; dependent",
    "series": "whether figures are held against what was expected of them by hour, day and trend: true or false",
    "detectors_share": "share of the budget that the detectors use, where that is less than they may: above 0, at most 1",
    "holidays": "days, by the model's timezone, that are like no others: nothing is expected of them",
    "events": "times of known events, such as deployments, after which figures may have another level",
    "tolerance": "changes that do not matter, by column or watch, in the data's own unit",
    "rules": "plain rules by name: a line of text, or a table with the keys of a rule",
    "compare": "versions that are held against each other, one table a comparison",
    "policies": "on which verdict or decision what is done, one table a policy",
    "private": "columns that are dropped, hashed or encrypted before they leave the process, and where the keys are",
    "endpoint": "one table an endpoint where the model is served and looked at",
    "slo": "one table a service-level objective",
}
RECORDING_KEYS = {
    "sync_s": "seconds after which what was recorded is put on disk, for a power loss; 0 leaves that to the system",
    "journal_bytes_max": "bytes that the journal may take; what does not fit is dropped and counted",
}
RULE_KEYS = {
    "when": "what must not be, such as 'accuracy < 0.9 for 3 windows'",
    "severity": "alarm, or warn that pages nobody",
    "min_rows": "rows that the figure must rest on to be held against the threshold",
    "clear_after": "windows in a row without, until it closes",
}
TASKS = ("classification", "regression", *STRUCTURED)
ROWS = ("dependent", "independent")
JUDGING = ("rules", "tolerance", "rows", "series", "detectors_share", "holidays", "events", "slo")
"""Keys that whoever judges reads, again in every round; the others are settings that a producer gives."""
OF_ENGINE = ("private", "compare", "policies", "endpoint")
"""Keys that are no settings of a producer, nor of judging."""


@dataclass(frozen=True, slots=True)
class Config:
    """What the file says: where the lake is, the settings of each model as they were written, and the channels.

    ``path`` is the file, None where there is none: then nothing is known of channels, not that there are none.
    ``journal`` and ``server`` are for a lake behind a server, ``serving`` for the server itself; ``recording`` is what a
    recorder may be given by its name.
    """

    lake: str | None = None
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    channels: tuple[ChannelSettings, ...] = ()
    path: Path | None = None
    journal: str | None = None
    server: ServerSettings = field(default_factory=ServerSettings)
    recording: Mapping[str, Any] = field(default_factory=dict)
    serving: ServingSettings = field(default_factory=ServingSettings)
    reports: tuple[ReportSettings, ...] = ()
    alerting: AlertingSettings = field(default_factory=AlertingSettings)
    privacy: Mapping[str, Any] = field(default_factory=dict)

    @property
    def budget(self) -> tuple[float, float]:
        """The epsilon and delta that the releases of each model may spend; an epsilon of 0 allows none."""
        return budget_of(self.privacy)

    def k_of(self, model: str) -> int:
        """The rows that a figure of a model must rest on to be shown; 0 where all are."""
        return k_of(self.privacy, self.models.get(model, {}).get("private", {}))

    def compare_of(self, model: str) -> tuple[CompareSettings, ...]:
        """The comparisons of a model's versions."""
        return compare_of(self.models.get(model, {}).get("compare", {}))

    def policies_of(self, model: str) -> tuple[PolicySettings, ...]:
        """The policies of a model."""
        return policies_of(self.models.get(model, {}).get("policies", {}))

    def rules_of(self, model: str) -> Mapping[str, Any]:
        """The rules of a model by name, as they were written."""
        rules: Mapping[str, Any] = self.models.get(model, {}).get("rules", {})
        return rules

    def judged(self, model: str) -> Mapping[str, Any] | None:
        """The table of a model as far as its judging goes: looks at endpoints have the objectives of the model beside it."""
        table, owner = self.models.get(model), owner_of(model)
        if model != f"{owner}.{ENDPOINT}" or "slo" not in self.models.get(owner, {}):
            return table
        return {**(table or {}), "slo": self.models[owner]["slo"]}

    def endpoints_of(self, model: str) -> Mapping[str, EndpointSettings]:
        """The endpoints of a model by name."""
        return endpoints_of(self.models.get(model, {}).get("endpoint", {}))


def where() -> Path:
    """The file that is read where none is named, ``$VEDETTE_CONFIG``, else ``vedette.toml`` here."""
    return Path(os.environ.get("VEDETTE_CONFIG") or "vedette.toml")


def read(path: Path | None = None) -> Config:
    """The configuration, or an empty one where there is no file; ``ConfigError`` where a key is unknown."""
    if path is None:
        path = where()
        if not path.exists():
            if os.environ.get("VEDETTE_CONFIG"):
                raise ConfigError(f"VEDETTE_CONFIG={str(path)!r}: no such file")
            return Config()
    import tomllib  # only where there is a file to read: the recorder's start stays light

    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    refuse_unknown(values, TOP_KEYS, str(path))
    for key in ("lake", "journal"):
        if not isinstance(values.get(key, ""), str):
            raise ConfigError(f"{path}: {key}={values[key]!r}: must be text")
    models = values.get("models", {})
    if not isinstance(models, dict):
        raise ConfigError(f"{path}: models={models!r}: must be tables, such as [models.delays]")
    for name, table in models.items():
        try:
            check_model_name(name)
            if not isinstance(table, dict):
                raise ConfigError(f"models.{name}={table!r}: must be a table")
            refuse_unknown(table, MODEL_KEYS, f"{path}: [models.{name}]")
            private_of(table.get("private", {}), settings(table), path.parent)
            _check_sampler(table.get("sampler", 1.0))
            _check_rules(table.get("rules", {}))
            _check_tolerance(table.get("tolerance", {}))
            if table.get("rows", "dependent") not in ROWS:
                raise ValueError(f"rows={table['rows']!r}: must be one of {', '.join(ROWS)}")
            if not isinstance(table.get("series", True), bool):
                raise ValueError(f"series={table['series']!r}: must be true or false")
            share = table.get("detectors_share", 1.0)
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
                raise ValueError(
                    f"detectors_share={share!r}: must be above 0 and at most 1, a share of the budget"
                )
            slos_of(table.get("slo", {}))
            endpoints_of(table.get("endpoint", {}))
            for key in ("holidays", "events"):
                _check_times(key, table.get(key, []))
            compare_of(table.get("compare", {}))
            policies_of(table.get("policies", {}))
        except ValueError as error:
            raise ConfigError(f"{path}: [models.{name}]: {error}") from error
    channels = channels_of(values.get("channels", {}), str(path))
    return Config(
        lake=values.get("lake"),
        models=models,
        channels=channels,
        path=path,
        journal=values.get("journal"),
        server=server_of(values.get("server", {}), path),
        recording=_recording_of(values.get("recording", {}), path),
        serving=serving_of(values.get("server", {}), path),
        reports=reports_of(values.get("reports", []), path, channels),
        alerting=alerting_of(values.get("alerts", {}), channels, str(path)),
        privacy=_privacy_of(values.get("privacy", {}), path),
    )


def _privacy_of(table: Any, path: Path) -> Mapping[str, Any]:
    if not isinstance(table, Mapping):
        raise ConfigError(f"{path}: privacy={table!r}: must be a table, such as k = 10")
    refuse_unknown(table, PRIVACY_KEYS, f"{path}: [privacy]")
    try:
        k_of(table, {})
        budget_of(table)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error
    return table


def _check_sampler(given: Any) -> None:
    """Raise ``ValueError`` for what is neither a rate nor a name."""
    if isinstance(given, str) and given:
        return
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= 1:
        raise ValueError(f"sampler={given!r}: must be a rate above 0 and at most 1, or the name of a sampler")


def _recording_of(table: Any, path: Path) -> Mapping[str, Any]:
    where = f"{path}: [recording]"
    if not isinstance(table, Mapping):
        raise ConfigError(f"{path}: recording={table!r}: must be a table")
    refuse_unknown(table, RECORDING_KEYS, where)
    try:
        check_sync_s(table.get("sync_s", 0.0))
        check_journal_bytes_max(table.get("journal_bytes_max", JOURNAL_BYTES_MIN))
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error
    return table


def _check_rules(rules: Any) -> None:
    """Raise ``ValueError`` where rules are not named lines of text or tables with the keys of a rule.

    What a line says is read where rules are judged: ``strategy.rules.parse``.
    """
    if not isinstance(rules, Mapping):
        raise ValueError(f"rules={rules!r}: must be a table, such as low = 'accuracy < 0.9 for 3 windows'")
    for name, said in rules.items():
        if isinstance(said, str):
            continue
        if not isinstance(said, Mapping) or "when" not in said:
            raise ValueError(f"rules.{name}={said!r}: must be text, or a table with the key 'when'")
        unknown = sorted(set(said) - set(RULE_KEYS))
        if unknown:
            raise ValueError(
                f"rules.{name}: unknown key {unknown[0]!r}: must be one of {', '.join(RULE_KEYS)}"
            )
        for key in ("when", "severity"):
            if not isinstance(said.get(key, ""), str):
                raise ValueError(f"rules.{name}: {key}={said[key]!r}: must be text")
        for key in ("min_rows", "clear_after"):
            if isinstance(said.get(key, 1), bool) or not isinstance(said.get(key, 1), int):
                raise ValueError(f"rules.{name}: {key}={said[key]!r}: must be a whole number")


def _check_tolerance(said: Any) -> None:
    if not isinstance(said, Mapping):
        raise ValueError(f"tolerance={said!r}: must be a table, such as age = 2.0")
    for name, value in said.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise ValueError(f"tolerance.{name}={value!r}: must be a number above 0, in the data's own unit")


def _check_times(key: str, said: Any) -> None:
    """Raise ``ValueError`` for what is no list of days (``holidays``) or times (``events``), as TOML's own or ISO text."""
    kind, like = (date, "2026-12-25") if key == "holidays" else (datetime, "2026-05-03T10:00")
    if isinstance(said, str) or not isinstance(said, Sequence):
        raise ValueError(f"{key}={said!r}: must be a list, such as [{like}]")
    for one in said:
        try:
            kind.fromisoformat(str(one))
        except ValueError:
            raise ValueError(f"{key}: {str(one)!r}: must be like {like}") from None


def settings(values: Mapping[str, Any], base: Settings | None = None) -> Settings:
    """Settings of a model from the keys of its table, over ``base``; ``ValueError`` names what is impossible."""
    result = base if base is not None else Settings()
    if values.get("window") is not None:
        result = replace(result, window_s=duration_s(values["window"]))
    if values.get("task") is not None:
        if values["task"] not in TASKS:
            raise ValueError(f"task={values['task']!r}: must be one of {', '.join(TASKS)}")
        result = replace(result, task=values["task"])
    if values.get("classes") is not None:
        classes = values["classes"]
        # one class of boxes is enough to find them
        least = 1 if result.task in STRUCTURED else 2
        if isinstance(classes, str) or not isinstance(classes, Sequence) or len(classes) < least:
            many = "names" if least == 1 else "two names or more"
            raise ValueError(f"classes={classes!r}: must be a list of {many}")
        names = tuple(class_name(one) for one in classes)
        if not all(is_storable(one) and one for one in names):
            raise ValueError(f"classes={classes!r}: must be names without NUL or half of a surrogate pair")
        if len(set(names)) < len(names):
            raise ValueError(f"classes={classes!r}: the same class twice")
        result = replace(result, classes=names)
    if values.get("timezone") is not None:
        result = replace(result, timezone=_zone(values["timezone"]))
    if values.get("budget_per_month") is not None:
        budget = values["budget_per_month"]
        if isinstance(budget, bool) or not isinstance(budget, int | float) or not 0 < budget <= 10_000:
            raise ValueError(
                f"budget_per_month={budget!r}: must be above 0 and at most 10,000 (without a budget there is no alarm)"
            )
        result = replace(result, budget_per_month=float(budget))
    if values.get("segments") is not None:
        columns = values["segments"]
        if (
            isinstance(columns, str)
            or not isinstance(columns, Sequence)
            or not all(isinstance(one, str) and one and is_storable(one) for one in columns)
        ):
            raise ValueError(f"segments={columns!r}: must be a list of columns, such as ['region']")
        result = replace(result, segments=tuple(dict.fromkeys(columns)))
    said = [
        "window_s" if name == "window" else name
        for name in MODEL_KEYS
        if name not in (*JUDGING, *OF_ENGINE) and values.get(name) is not None
    ]
    return replace(result, given=tuple(sorted({*result.given, *said})))


def _zone(name: Any) -> str:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return str(ZoneInfo(name))
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
        raise ValueError(f"timezone={name!r}: must be a name such as Europe/Vienna") from error


def lake_folder(location: str | Path) -> Path:
    """The folder of a lake; ``LakeError`` where this version cannot keep one there."""
    if not isinstance(location, str | Path) or not str(location).strip():
        raise LakeError(f"lake={location!r}: must be a folder, or the URL of a server")
    text = str(location)
    url = server_url(text)
    if url is not None:
        raise LakeError(
            f"lake={url!r}: is a server: what it has is asked there; this reads a lake in a folder"
        )
    if "://" in text:
        raise LakeError(
            f"lake={text!r}: this version keeps a lake in a folder or behind a server; object stores are not supported yet"
        )
    path = Path(text).expanduser().absolute()
    odd = sorted(set(str(path)) & _UNUSABLE)
    if odd:
        raise LakeError(
            f"lake={text!r}: {odd[0]!r} in the name of a folder is what Delta tables cannot have; choose another folder"
        )
    if path.exists() and not path.is_dir():
        raise LakeError(f"lake={text!r}: is a file; must be a folder")
    return path
