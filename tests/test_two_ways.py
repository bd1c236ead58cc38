"""A line gives the same row whether its file is read whole or line by line.

Each generated line lies once in a file of its own kind, which is clean if the line is, and once in
a file that also holds a line nobody can read, which sends the file down the careful road.
"""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path

import duckdb
import pytest

from pipelines.ingest.load import load_landing
from pipelines.settings import load_settings, load_vars
from pipelines.warehouse import open_warehouse

HEADER = "request_id,called_at,owner_uin,action,http_status,region\n"
CSV_PARTS = ['"', " ", "a", "", '""', "\t", "'", "é", '"a"', '"a,b"', '"a""b"', "1", "\\",
             '"\n"', 'b" ', ' "c', "NULL", "\\N", ";", "#c"]  # fmt: skip
JSON_VALUES = ['"x"', "1", "1.50", "1e3", "-0", "true", "null", "{}", "[1]", '"\\u0041"', '""',
               '"\\ud83d\\ude00"', "12345678901234567890123", "NaN", '"{"', '" "', "01", "'x'",
               '"\\ud800"', '{"a":1}', "1e400", '"true"']  # fmt: skip
TIMES = ['"2026-03-01T10:00:00Z"', "1772330400", '"1772330400123"', '"2026-03-01 10:00"',
         '"2026-03-01T10:00:00.5+0530"', '"20260301T100000Z"', "1.7723304e9", '"later"',
         '"2026-03-09T10:00:00Z"']  # fmt: skip
STATUSES = ["200", '"200"', "200.0", "500", '"OK"', "null", "200.5", "true"]
TAILS = ["", "", "", ",", ',"tag":1,"tag":2', ',"owner_uin":"2"', ',"latency_ms":true',
         ',"Query":"secret"', ' ,"deep":{"a":[1,{"b":2}]}']  # fmt: skip


def csv_line(chance: random.Random, request_id: str) -> str:
    region = "".join(chance.choice(CSV_PARTS) for _ in range(chance.randint(0, 3)))
    owner = chance.choice(["100", '"100"', "200 ", " 200", '"3 0"', "", '""', '"', "1.00E+11"])
    action = chance.choice(["SearchByText", '"SearchByText"', 'S"x', '"S""q"'])
    end = chance.choice(["", "", "", ",", " ", "\r"])
    return f"{request_id},2026-03-01T10:00:00Z,{owner},{action},200,{region}{end}"


def json_line(chance: random.Random, request_id: str) -> str:
    value = chance.choice(['"100"', "100", chance.choice(JSON_VALUES)])
    code = chance.choice(["null", '""', '"InternalError"', chance.choice(JSON_VALUES)])
    line = (
        f'{{"request_id":"{request_id}","called_at":{chance.choice(TIMES)},"owner_uin":{value},'
        f'"action":"SearchByText","http_status":{chance.choice(STATUSES)},"error_code":{code}'
        f"{chance.choice(TAILS)}}}"
    )
    if chance.random() < 0.1:
        at = chance.randrange(len(line))
        line = line[:at] + chance.choice(['"', "{", "", " ", "\\"]) + line[at + 1 :]
    return line


def load(place: Path) -> duckdb.DuckDBPyConnection:
    settings = load_settings(landing=place / "landing", warehouse=place / "warehouse.duckdb")
    con = open_warehouse(settings)
    load_landing(
        con, settings, load_vars(settings), "run", date(2026, 3, 3), None, {}, lambda _n: _nothing
    )
    return con


def _nothing(_done: int) -> None:
    pass


def compare(place: Path, seed: int, count: int) -> None:
    chance = random.Random(seed)
    folder = place / "landing" / "call_logs" / "arrived_on=2026-03-02"
    folder.mkdir(parents=True)
    for n in range(count):
        state = chance.getstate()
        for road in ("whole", "lines"):
            chance.setstate(state)
            spoiler = road == "lines"
            text = csv_line(chance, f"{road}-{n}") + "\n" + ("bad\n" if spoiler else "")
            (folder / f"{n}-{road}.csv").write_bytes((HEADER + text).encode())
            text = json_line(chance, f"{road}-{n}j") + "\n" + ("[]\n" if spoiler else "")
            (folder / f"{n}-{road}.jsonl").write_bytes(text.encode())
    con = load(place)
    rows = """
        select split_part(request_id, '-', 2), called_at, owner_uin, operate_uin, action, region,
            http_status, error_code, latency_ms, usage_date, settled_on
        from raw.call_logs where request_id like '{}-%' order by all
    """
    whole = con.execute(rows.format("whole")).fetchall()
    assert whole == con.execute(rows.format("lines")).fetchall()
    assert len(whole) > count / 10
    reasons = """
        select regexp_extract(path, '([0-9]+)-', 1), reason from ops.rejected_records
        where path like ? and line_number = ? order by all
    """
    # The generated line is the first of a JSON file, and comes after the header of a CSV file.
    for ending, number in (("jsonl", 1), ("csv", 2)):
        whole, lines = (
            con.execute(reasons, [f"%-{road}.{ending}", number]).fetchall()
            for road in ("whole", "lines")
        )
        assert whole == lines
    wrong = con.execute(
        "select path from ops.source_files where lines_read <> records_accepted + records_rejected"
    ).fetchall()
    assert wrong == []


def test_both_roads_give_the_same_rows(tmp_path: Path) -> None:
    compare(tmp_path, seed=1, count=80)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 125))
def test_both_roads_give_the_same_rows_at_length(tmp_path: Path, seed: int) -> None:
    compare(tmp_path, seed, count=400)
