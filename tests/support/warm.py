"""What a process has done before tests fork runs of the product from it.

Half of a small run's time is imports and what dbt works out once in every process: schemas, codecs
and where modules' sources lie.
"""

from __future__ import annotations

import inspect
import os
from pathlib import Path

import dbt.adapters.duckdb
import dbt.cli.main  # noqa: F401
import polars  # noqa: F401
from callbill.quality import import_expectations
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.project import Configuration, PackageConfig, ProfileConfig, Project, ProjectFlags
from dbt.contracts.selection import SelectorFile
from dbt.task.test import TestResultData

for described in (
    *(Configuration, DuckDBCredentials, PackageConfig, ProfileConfig, Project, ProjectFlags),
    *(SelectorFile, TestResultData),
):
    described.json_schema()
import_expectations()
inspect.stack()
Manifest.from_msgpack(Path(os.environ["CALLBILL_TESTS_PARSED"]).read_bytes())
