"""The frozen records that cross rooms, and the small vocabulary they share.

Standard library only: the recorder, which runs inside a user's model, imports this file.
Units are in the names (``window_s``, ``latency_s``); times are seconds since 1970-01-01 UTC where they are
floats, and UTC ``datetime`` where a person reads them.
"""

from __future__ import annotations

from vedette.records.alerts import (
    Alert,
    AlertState,
    Attachment,
    ChannelReport,
    Delivery,
    FalseAlarms,
    Notice,
    ReportPage,
)
from vedette.records.deployments import (
    DEPLOYMENT,
    Deployment,
    DeploymentStatus,
    Difference,
    Place,
    Step,
    WarmUp,
)
from vedette.records.figures import Figure, Health, Labels, Status, Verdict, Window
from vedette.records.ledger import Counted, Counters, Gap, Ledger, ProducerLedger
from vedette.records.life import Fact, Happening, Life, LiveFigure, Section
from vedette.records.names import (
    ENDPOINT,
    KIN,
    PROBE,
    PROCESS,
    RUN,
    check_model_name,
    class_name,
    in_order,
    is_model_name,
    is_runs,
    is_storable,
    owner_of,
)
from vedette.records.recording import (
    FUTURE_S,
    JOURNAL_BYTES_MAX,
    JOURNAL_BYTES_MIN,
    SYNC_S,
    check_journal_bytes_max,
    check_sync_s,
)
from vedette.records.schema import RESERVED, STRUCTURED, Field, Physical, Role, Settings, check_feature_names

__all__ = [
    "DEPLOYMENT",
    "ENDPOINT",
    "FUTURE_S",
    "JOURNAL_BYTES_MAX",
    "JOURNAL_BYTES_MIN",
    "KIN",
    "PROBE",
    "PROCESS",
    "RESERVED",
    "RUN",
    "STRUCTURED",
    "SYNC_S",
    "Alert",
    "AlertState",
    "Attachment",
    "ChannelReport",
    "Counted",
    "Counters",
    "Delivery",
    "Deployment",
    "DeploymentStatus",
    "Difference",
    "Fact",
    "FalseAlarms",
    "Field",
    "Figure",
    "Gap",
    "Happening",
    "Health",
    "Labels",
    "Ledger",
    "Life",
    "LiveFigure",
    "Notice",
    "Physical",
    "Place",
    "ProducerLedger",
    "ReportPage",
    "Role",
    "Section",
    "Settings",
    "Status",
    "Step",
    "Verdict",
    "WarmUp",
    "Window",
    "check_feature_names",
    "check_journal_bytes_max",
    "check_model_name",
    "check_sync_s",
    "class_name",
    "in_order",
    "is_model_name",
    "is_runs",
    "is_storable",
    "owner_of",
]
