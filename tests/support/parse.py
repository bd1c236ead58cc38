"""Has dbt parse the models as it does in a run, and keeps what it remembers of them in a file."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from callbill.base.settings import load_settings, load_vars
from callbill.warehouse.dbt import run_dbt
from callbill.warehouse.layout import Layout

with TemporaryDirectory() as folder:
    settings = load_settings(warehouse=str(Path(folder, "warehouse.duckdb")))
    layout = Layout(settings.warehouse)
    target = run_dbt(layout.database, layout.dbt, load_vars(settings), "parse")
    shutil.copyfile(target / "partial_parse.msgpack", sys.argv[1])
