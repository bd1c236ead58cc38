"""What differs between the manifests of two releases."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from types import SimpleNamespace
from typing import Any, cast

from callbill.queries.changes import changed_loads, changed_settings
from callbill.release.manifest import Manifest
from callbill.warehouse.loads import Retry, SourceLoad

DAY = date(2026, 3, 1)
LOAD = SourceLoad("a", "call_logs", "a.jsonl", "standard", DAY, DAY)


def manifest(*loads: SourceLoad, **changed: Any) -> Manifest:
    settings = {
        "versions": {"duckdb": "1"},
        "vars": {"max_usage_age_days": 62},
        "seeds": {"components": [["c", "p", "1000"]]},
    } | changed
    loads_by_key = {load.key: load for load in loads}
    return cast(Manifest, SimpleNamespace(loads=list(loads), loads_by_key=loads_by_key, **settings))


def test_files_that_are_new_withdrawn_or_read_again() -> None:
    other = replace(LOAD, source_file_id="b")
    withdrawn = replace(LOAD, quarantine_reason="wrong")
    retried = replace(LOAD, retries=(Retry(DAY, (1, 2)),))
    assert changed_loads(manifest(LOAD), manifest(LOAD)) == []
    assert changed_loads(manifest(LOAD), manifest(LOAD, other)) == [other]
    assert changed_loads(manifest(LOAD), manifest(withdrawn)) == [withdrawn]
    assert changed_loads(manifest(LOAD), manifest(retried)) == [retried]


def test_settings_that_differ() -> None:
    later = manifest(
        versions={"duckdb": "2"},
        vars={"max_usage_age_days": 62, "new": 1},
        seeds={"components": [["d", "p", "1"]]},
    )
    assert changed_settings(manifest(), later) == [
        ("version of duckdb", "1", "2"),
        ("var new", "None", "1"),
        ("seed components", "", "d,p,1"),
        ("seed components", "c,p,1000", ""),
    ]
    assert changed_settings(later, later) == []
