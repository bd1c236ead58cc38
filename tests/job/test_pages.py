"""Pages whose commands are run as they are written, in an empty folder."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import callbill
from tests.support.pages import commands_of, run_commands
from tests.support.places import manifest, query
from tests.support.project import PROJECT, SAMPLE_THROUGH


def test_the_quick_start_of_the_readme(tmp_path: Path) -> None:
    install, *blocks = commands_of("README.md", "## Quick start")
    assert "uv tool install" in install
    shown = run_commands(blocks, tmp_path)
    bill, rest = shown.split("Bill of account 100000004002, 2026-09 (CNY)")
    assert "Dry run: would settle 2026-09-02 to 2026-09-02; nothing was kept." in bill
    assert "deducted 0.24 − rated 0.24000000 = 0.00000000" in rest
    assert "Equal: 1 bill lines" in rest
    assert f"place      {tmp_path / 'acme'}" in rest


def test_another_product_in_ten_minutes(tmp_path: Path) -> None:
    blocks = commands_of("docs/another-product.md")
    shown = run_commands(blocks, tmp_path)
    assert "Example Ltd\nBill of account 100000004002, 2026-09 (CNY)" in shown
    place = tmp_path / "acme"
    lines = "select product_code, component_name, calls, real_cost::varchar from billing.bill_lines"
    assert query(place, f"{lines} order by all") == [
        ("ocr", "文字识别", 2, "0.02000000"),
        ("wimgs", "文搜图", 1, "0.06000000"),
    ]
    [export] = place.glob("callbill-2026-09-cost_and_usage.csv")
    rows = list(csv.DictReader(export.read_text("utf-8-sig").splitlines()))
    assert {row["ServiceSubcategory"] for row in rows} == {
        "Search", "Other (AI and Machine Learning)",
    }  # fmt: skip
    # The price that was added at the end is known, and counts from its date.
    ended = callbill("run", "--through", "2026-09-03", cwd=place)
    assert ended.returncode == 0, ended.stderr
    counts = {tuple(row["row"]): row["counts_from"] for row in manifest(place)["counts_from"]}
    assert counts["ocr_text", "2026-10-01", "2026-09-03", "8.00000000"] == "2026-09-03"


def test_prices_that_depend_on_how_much(tmp_path: Path) -> None:
    """The commands of the page come to the tables of the page."""
    page = (PROJECT / "docs" / "prices.md").read_text("utf-8")
    run_commands(commands_of("docs/prices.md"), tmp_path)
    accounts = re.findall(r"^Lines of account (\d+):\n\n((?:\|.*\n)+)", page, re.MULTILINE)
    assert len(accounts) == 7
    for owner, table in accounts:
        _header, _rule, *rows = table.splitlines()
        shown = [tuple(cell.strip() for cell in row[1:-1].split("|")) for row in rows]
        lines = query(
            tmp_path / "prices",
            f"""
            select settled_on::varchar, usage_date::varchar, line_type,
                coalesce('after ' || tier_from, package_id, waiver_id, ''), calls,
                contract_price, real_cost
            from billing.bill_lines where owner_uin = '{owner}'
            order by settled_on, usage_date, package_id nulls last, tier_from, contract_price
            """,
        )
        assert [
            (*row[:4], str(row[4]), *(f"{value.normalize():f}" for value in row[5:]))
            for row in lines
        ] == shown


def test_what_focus_wants_to_know_is_asked_for(tmp_path: Path) -> None:
    blocks = commands_of("docs/another-product.md")
    without = [b for b in blocks if "focus" not in b]
    assert len(without) == len(blocks) - 2
    asked = "callbill run --through 2026-09-02"
    run_commands([*without, asked], tmp_path)
    ended = callbill("export", "--month=2026-09", "--layout=focus", cwd=tmp_path / "acme")
    assert ended.returncode == 2
    assert "focus_services.csv has no row for product ocr" in ended.stderr
    assert not list((tmp_path / "acme").glob("callbill-2026-09*"))


def test_make_run_is_harmless(
    sample_place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It works in a place of its own, whatever the environment says. The commands that it runs are
    written down, and run in a place that has everything: nothing is due."""
    real = tmp_path / "real"
    names = ("LANDING", "WAREHOUSE", "PUBLISHED", "PLACE", "CATALOGUE")
    environment = {f"CALLBILL_{name}": str(real) for name in names}
    environment |= {"CALLBILL_THROUGH": "2020-01-01", "CALLBILL_NO_SUCH_THING": "1"}
    sample, programs = tmp_path / "sample", tmp_path / "programs"
    programs.mkdir()
    script = '#!/bin/sh\n{ env -0; printf "ARGUMENTS\\0"; printf "%s\\0" "$@"; } > "$0-$1"\n'
    (programs / "callbill").write_text(script)
    (programs / "callbill").chmod(0o755)
    # What is installed is there already.
    make = ["make", "--old-file=install", "run", f"BIN={programs}", f"SAMPLE_PLACE={sample}"]
    ended = subprocess.run(
        make,
        cwd=PROJECT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    shutil.copytree(sample_place, sample, symlinks=True)
    for command in ("init", "run"):
        written = (programs / f"callbill-{command}").read_text("utf-8").split("\0")[:-1]
        said, arguments = written[: (at := written.index("ARGUMENTS"))], written[at + 1 :]
        with monkeypatch.context() as patch:
            for line in said:
                patch.setenv(*line.split("=", 1))
            assert [name for name in os.environ if name.startswith("CALLBILL_")] == [
                *(["CALLBILL_CATALOGUE"] if command == "run" else [])
            ]
            done = callbill(*arguments, cwd=PROJECT)
        assert done.returncode == 0, done.stderr
    assert not real.exists()
    assert manifest(sample)["through"] == SAMPLE_THROUGH
    assert (sample / "published/current/site/index.html").as_uri() in done.stdout
