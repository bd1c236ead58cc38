"""Has dbt parse the models as it does in a run, and keeps what it remembers of them in a file."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from callbill.base.settings import load_settings, load_vars
from callbill.warehouse.dbt import run_dbt

with TemporaryDirectory() as folder:
    settings = load_settings(warehouse=str(Path(folder, "warehouse.duckdb")))
    run_dbt(settings, load_vars(settings), "parse")
    parsed = settings.warehouse_files / "dbt" / "target" / "partial_parse.msgpack"
    shutil.copyfile(parsed, sys.argv[1])
