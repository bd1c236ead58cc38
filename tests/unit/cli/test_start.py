"""What the command loads before it knows what to do."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("duckdb", "polars", "dbt", "great_expectations", "openpyxl", "pandas", "jinja2")


def test_the_command_loads_nothing_heavy_to_show_its_help() -> None:
    code = (
        "import sys\n"
        "from callbill.cli.main import cli\n"
        "cli.main(['--help'], standalone_mode=False)\n"
        f"print([name for name in {HEAVY} if name in sys.modules])\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"
    for command in ("bill", "explain", "rebuild", "reconcile", "retry", "run", "verify"):
        assert f"\n  {command} " in ended.stdout
    assert "..." not in ended.stdout.partition("Options:")[2]
    groups = [line for line in ended.stdout.splitlines() if line[:1].isalpha() and line[-1] == ":"]
    assert groups == ["Options:", "Run:", "Look:", "Check:", "Mend:"]
