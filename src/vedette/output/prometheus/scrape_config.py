"""The part of ``prometheus.yml`` that has a server's metrics scraped."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from vedette.output.prometheus.yaml import document, duration

__all__ = ["JOB", "SCRAPE_S", "scrape_config"]

JOB = "vedette"
SCRAPE_S = 60
"""Figures change once a window, a minute or longer: what is scraped more often is the same again."""
TOKEN_FILE = "/etc/prometheus/vedette.token"  # noqa: S105 - a path


def scrape_config(
    url: str,
    models: Sequence[str],
    *,
    scrape_s: float = SCRAPE_S,
    token_file: str = TOKEN_FILE,
    rules_file: str = "vedette_rules.yml",
) -> str:
    """``prometheus.yml`` with one job: the server's address, its token by file, and the series of some models alone.

    Without models there is no choice: all that the server tells is kept. ``scrape_s`` seconds lie between two scrapes.
    Raises ``ValueError`` for what is no web address.

    >>> "- 'localhost:8470'" in scrape_config("http://localhost:8470", [])
    True
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"url={url!r}: must begin with http:// or https:// and name a host")
    job: dict[str, object] = {
        "job_name": JOB,
        "scheme": parts.scheme,
        "metrics_path": f"{parts.path.rstrip('/')}/metrics",
        "scrape_interval": duration(scrape_s),
        "scrape_timeout": duration(min(30.0, scrape_s)),
        "authorization": {"type": "Bearer", "credentials_file": token_file},
        "static_configs": [{"targets": [parts.netloc.rpartition("@")[2]]}],
    }
    if models:
        # what has no label `model` is of the server itself, and is kept
        job["metric_relabel_configs"] = [
            {
                "source_labels": ["model"],
                "regex": "|".join(["", *(one.replace(".", "\\.") for one in models)]),
                "action": "keep",
            }
        ]
    comment = (
        "vedette prometheus scrape: the job belongs into prometheus.yml. The token is an API key whose scope is to read,\n"
        f"in {token_file}, which only Prometheus may read."
    )
    return document({"rule_files": [rules_file], "scrape_configs": [job]}, comment)
