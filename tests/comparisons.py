"""Reports of two files made up for tests: every kind of column, and as many of them as wanted."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np

from vedette.output.comparison import (
    Column,
    Comparison,
    Confusion,
    Estimate,
    Figures,
    Finding,
    Picture,
    Side,
)
from vedette.records import Status

ROWS, REFERENCE_ROWS = 12_000, 30_000


def about(value: float, error: float, n: int) -> Estimate:
    """An estimate with its interval."""
    return Estimate(value, value - 1.96 * error, value + 1.96 * error, n)


def share(count: int, n: int) -> Estimate:
    """A share with Wilson's interval."""
    p, z = count / n, 1.96
    middle, half = (p + z * z / 2 / n) / (1 + z * z / n), z / (1 + z * z / n)
    half *= math.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    return Estimate(p, max(0.0, middle - half), min(1.0, middle + half), n)


def number_side(values: np.ndarray, missing: int = 0, nan: int = 0) -> Side:
    """One file's numbers."""
    n = len(values)
    sd = float(values.std(ddof=1))
    figures = {
        "missing_share": share(missing, n + missing + nan),
        "mean": about(float(values.mean()), sd / math.sqrt(n), n),
        "sd": about(sd, sd / math.sqrt(2 * n), n),
        **{
            f"p{q}": about(float(np.percentile(values, q)), 1.5 * sd / math.sqrt(n), n)
            for q in (5, 25, 50, 75, 95)
        },
        "distinct": Estimate(float(len(np.unique(values))), None, None, n),
    }
    return Side(n + missing + nan, missing, nan, 0, float(values.min()), float(values.max()), figures)


def number_picture(current: np.ndarray, reference: np.ndarray) -> Picture:
    """Both files on 40 even bins between the utmost half percents."""
    both = np.concatenate([current, reference])
    low, high = (float(one) for one in np.percentile(both, [0.5, 99.5]))
    edges = np.linspace(low, high, 41)
    sides = [np.histogram(one, edges)[0] / max(len(one), 1) for one in (current, reference)]
    beyond = [float(np.mean(test)) for one in (current, reference) for test in (one < low, one > high)]
    return Picture(
        tuple(map(float, edges)),
        (),
        *(tuple(map(float, one)) for one in sides),
        (beyond[0], beyond[1], beyond[2], beyond[3]),
    )


def distances(psi: float, extra: float | None = None) -> dict[str, Estimate]:
    """Three distances that grow together, and one in the unit of the column."""
    root = math.sqrt(psi)
    found = {
        "psi": Estimate(psi, max(0.0, psi - 0.02 - psi / 10), psi + 0.02 + psi / 8, ROWS),
        "jensen_shannon": Estimate(root / 3, max(0.0, root / 3 - 0.02), root / 3 + 0.02, ROWS),
        "hellinger": Estimate(root / 3.1, max(0.0, root / 3.1 - 0.02), root / 3.1 + 0.02, ROWS),
    }
    if extra is not None:
        found["wasserstein"] = Estimate(extra, extra * 0.8, extra * 1.2, ROWS)
    return found


def number_column(
    name: str, draw: tuple[np.ndarray, np.ndarray], changed: bool | None, **more: object
) -> Column:
    """A column of numbers, with what was drawn for the current and for the reference file."""
    current, reference = draw
    given = {"kind": "numeric", "role": "feature", "matters": changed or None, "reason": None, "words": ""}
    given |= {"p_value": 1e-9 if changed else 0.4, "missing": 0, "psi": 0.31 if changed else 0.004} | more
    missing, psi = int(given.pop("missing")), float(given.pop("psi"))  # type: ignore[call-overload]
    gap = abs(float(current.mean() - reference.mean()))
    return Column(
        name=name,
        changed=changed,
        current=number_side(current, missing),
        reference=number_side(reference, missing // 3),
        distances=distances(psi, gap),
        picture=number_picture(current, reference),
        score=psi,
        **given,  # type: ignore[arg-type]
    )


def level_column(
    name: str,
    kind: str,
    current: dict[str, float],
    reference: dict[str, float],
    changed: bool | None,
    **more: object,
) -> Column:
    """A column of categories by their shares in both files."""
    labels = tuple(dict.fromkeys((*reference, *current)))
    pairs = [tuple(side.get(label, 0.0) for label in labels) for side in (current, reference)]
    given = {"role": "feature", "matters": changed or None, "reason": None, "words": ""}
    given |= {"p_value": 1e-12 if changed else 0.6} | more
    sides = [
        Side(
            rows,
            0,
            0,
            0,
            None,
            None,
            {"missing_share": share(0, rows), "distinct": Estimate(len(labels), None, None, rows)},
        )
        for rows in (ROWS, REFERENCE_ROWS)
    ]
    return Column(
        name=name,
        kind=kind,
        changed=changed,
        current=sides[0],
        reference=sides[1],
        distances=distances(0.2 if changed else 0.003),
        picture=Picture((), labels, pairs[0], pairs[1]),
        **given,  # type: ignore[arg-type]
    )


def bare_column(name: str, kind: str, current: Side | None, reference: Side | None, **more: object) -> Column:
    """A column with nothing to draw: all missing, vanished, appeared."""
    given = {
        "role": "feature",
        "changed": None,
        "matters": None,
        "reason": None,
        "words": "",
        "p_value": None,
    }
    return Column(
        name=name,
        kind=kind,
        current=current,
        reference=reference,
        distances={},
        picture=None,
        **(given | more),  # type: ignore[arg-type]
    )


def _numbers(chance: np.random.Generator) -> list[Column]:
    def normal(
        mean: float, sd: float, reference_mean: float, reference_sd: float
    ) -> tuple[np.ndarray, np.ndarray]:
        return chance.normal(mean, sd, ROWS), chance.normal(reference_mean, reference_sd, REFERENCE_ROWS)

    days = 86_400_000_000
    late = (
        chance.uniform(20_000 * days, 20_030 * days, ROWS),
        chance.uniform(19_900 * days, 20_000 * days, REFERENCE_ROWS),
    )
    income = np.exp(chance.normal(10.4, 0.6, ROWS)), np.exp(chance.normal(10.2, 0.6, REFERENCE_ROWS))
    return [
        number_column(
            "age",
            normal(46, 12, 41, 11),
            True,
            words="The mean rose by 5.0 years [4.7, 5.2], from 41.0 to 46.0.",
        ),
        number_column(
            "income",
            income,
            True,
            psi=0.12,
            missing=380,
            words="The median rose by 22 % [20, 24]; missing rose from 0.4 % to 3.2 %.",
        ),
        number_column(
            "temperature_c",
            normal(12.05, 8, 12, 8),
            True,
            matters=False,
            psi=0.006,
            words="The mean rose by 0.05 [0.01, 0.09].",
        ),
        number_column("distance_km", normal(840, 300, 841, 301), False),
        number_column("tiny", normal(3.2e-7, 4e-8, 3.2e-7, 4e-8), False),
        number_column("bytes_total", normal(4.1e9, 6e8, 4.1e9, 6e8), False),
        number_column(
            "logins", (chance.poisson(2, ROWS) * 1.0, chance.poisson(2, REFERENCE_ROWS) * 1.0), False
        ),
        number_column("balance", normal(-250, 900, -255, 905), False),
        number_column(
            "probability",
            (chance.beta(2, 5, ROWS), chance.beta(2, 6, REFERENCE_ROWS)),
            True,
            role="probability",
            psi=0.09,
            words="The mean rose by 0.036 [0.033, 0.039].",
        ),
        number_column(
            "latency_s",
            (chance.gamma(2, 0.01, ROWS), chance.gamma(2, 0.01, REFERENCE_ROWS)),
            False,
            role="latency",
        ),
        number_column("booked_at", late, None, kind="time", role="time", reason="times are not compared"),
        number_column("constant", (np.full(ROWS, 7.0), np.full(REFERENCE_ROWS, 7.0)), False),
    ]


def _levels() -> list[Column]:
    forty = {f"shop {at:02d}": 1 / (at + 3) for at in range(40)}
    total = sum(forty.values())
    reference = {name: value / total for name, value in forty.items()}
    current = reference | {"shop 00": reference["shop 31"], "shop 31": reference["shop 00"]}
    return [
        level_column(
            "carrier",
            "category",
            {"AA": 0.3, "UA": 0.5, "DL": 0.2},
            {"AA": 0.4, "UA": 0.35, "DL": 0.25},
            True,
            words="UA rose from 35 % to 50 %.",
        ),
        level_column(
            "shop",
            "category",
            current,
            reference,
            True,
            words="shop 31 rose from 1.2 % to 13.1 %; shop 00 fell.",
        ),
        level_column(
            "region",
            "category",
            {"north": 0.25, "south": 0.35, "west": 0.4},
            {"north": 0.26, "south": 0.34, "west": 0.4},
            False,
        ),
        level_column(
            "is_member", "boolean", {"false": 0.62, "true": 0.38}, {"false": 0.63, "true": 0.37}, False
        ),
        level_column(
            "prediction",
            "category",
            {"0": 0.8, "1": 0.2},
            {"0": 0.84, "1": 0.16},
            True,
            role="prediction",
            words="1 rose from 16 % to 20 %.",
        ),
        level_column(
            "label", "category", {"0": 0.82, "1": 0.18}, {"0": 0.82, "1": 0.18}, False, role="label"
        ),
    ]


def _bare() -> list[Column]:
    empty = Side(ROWS, ROWS, 0, 0, None, None, {"missing_share": share(ROWS, ROWS)})
    text = [
        Side(
            rows,
            rows // 100,
            0,
            0,
            None,
            None,
            {"missing_share": share(rows // 100, rows), "distinct": about(0.9 * rows, rows / 100, rows)},
        )
        for rows in (ROWS, REFERENCE_ROWS)
    ]
    return [
        bare_column(
            "referrer", "text", None, text[1], changed=True, matters=True, words="The column vanished."
        ),
        bare_column(
            "campaign",
            "category",
            text[0],
            None,
            reason="the reference does not have it",
            words="The column appeared.",
        ),
        bare_column("comment", "text", text[0], text[1], changed=False, p_value=0.3),
        bare_column("id", "text", text[0], text[1], role="id", reason="identifiers are not compared"),
        bare_column("notes_2019", "numeric", empty, empty, reason="every value is missing"),
    ]


def sample() -> Comparison:
    """A report of about 25 columns of all kinds, sorted as the real one is: what changed first."""
    columns = [*_numbers(np.random.default_rng(5)), *_levels(), *_bare()]
    columns.sort(
        key=lambda one: (one.changed is not True, one.matters is False, one.changed is None, -one.score)
    )
    figures = (
        Figures("accuracy", "", share(10_944, 12_000), share(27_930, 30_000), 0.82, True, 1e-6),
        Figures("accuracy", "region=north", share(2_790, 3_000), share(7_254, 7_800), 0.82, False, 0.7),
        Figures("accuracy", "region=west", share(4_256, 4_800), share(11_160, 12_000), 0.81, True, 1e-7),
        Figures("roc_auc", "", about(0.871, 0.004, 12_000), about(0.893, 0.002, 30_000), 0.82, True, 1e-5),
        Figures("log_loss", "", about(0.2412, 0.003, 12_000), about(0.2214, 0.002, 30_000), 0.82, True, 1e-5),
        Figures(
            "latency_p99_s", "", about(0.0661, 0.001, 12_000), about(0.0664, 0.0006, 30_000), None, False, 0.8
        ),
        Figures(
            "pr_auc", "", Estimate(None, None, None, 4, "too few positives: 4, 20 are needed"), None, 0.82
        ),
    )
    findings = (
        Finding(Status.ALARM, "accuracy", "fell from 93.1 % [92.8, 93.4] to 91.2 % [90.7, 91.7]"),
        Finding(Status.ALARM, "age", "the mean rose by 5.0 years [4.7, 5.2], from 41.0 to 46.0"),
        Finding(Status.ALARM, "referrer", "the column vanished"),
        Finding(Status.WARN, "income", "the median rose by 22 % [20, 24]; missing rose from 0.4 % to 3.2 %"),
        Finding(Status.WARN, "shop", "shop 31 rose from 1.2 % to 13.1 % [12.5, 13.7]"),
        Finding(Status.UNKNOWN, "notes_2019", "every value is missing in both files"),
        Finding(Status.OK, "", "13 columns did not change"),
    )
    return Comparison(
        current="flights-2013-07.parquet",
        reference="flights-2013-01.parquet",
        rows=ROWS,
        reference_rows=REFERENCE_ROWS,
        made=datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
        verdict=Status.ALARM,
        rate=0.05,
        method="Benjamini and Yekutieli",
        hypotheses=61,
        columns=tuple(columns),
        figures=figures,
        findings=findings,
        confusion=Confusion(("0", "1"), ((9_600, 240), (816, 1_344))),
        notes=("2 rows of flights-2013-07.parquet could not be read and were left out.",),
    )


def many(count: int) -> Comparison:
    """A report of ``count`` columns: those of the sample again and again."""
    from dataclasses import replace

    base = sample()
    columns = tuple(
        replace(
            base.columns[at % len(base.columns)], name=f"{base.columns[at % len(base.columns)].name}_{at}"
        )
        for at in range(count)
    )
    return replace(base, columns=columns)
