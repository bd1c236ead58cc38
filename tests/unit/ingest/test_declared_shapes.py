"""Shapes that a place declares: the examples of docs/shapes.md are read as they say, by a run and
by `verify`, and a mistake is named with file and key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date
from pathlib import Path

import polars as pl
import pytest
from callbill.base.errors import UsageError
from callbill.base.settings import Settings, load_settings, load_vars
from callbill.ingest.shape_files import load_shape, load_shapes
from callbill.queries.try_file import Trial, try_file
from callbill.verify.records import accepted_records
from callbill.verify.texts import texts_of
from callbill.warehouse.loads import SourceLoad

GUIDE = Path(__file__).parents[3] / "docs" / "shapes.md"


@dataclass(frozen=True)
class Example:
    shape: str
    declaration: str
    file: str
    content: str
    expected: list[str]


def examples() -> list[Example]:
    found = []
    for section in re.split(r"(?m)^### \d+\. ", GUIDE.read_text("utf-8"))[1:]:
        blocks = re.findall(r"(?ms)^```(\w+)(?: (\S+))?\n(.*?)^```", section)
        (_, shape, declaration), (_, file, content), (_, _, expected) = blocks
        found.append(Example(Path(shape).stem, declaration, file, content, expected.splitlines()))
    return found


EXAMPLES = examples()


def put(folder: Path, example: Example) -> tuple[Settings, Path]:
    shapes = folder / "shapes"
    shapes.mkdir()
    (shapes / f"{example.shape}.yml").write_text(example.declaration, encoding="utf-8")
    file = folder / example.file
    file.write_text(example.content, encoding="utf-8")
    return load_settings(shapes=shapes), file


def told(trial: Trial) -> list[str]:
    """What became of a file's lines, as the guide writes it."""
    lines = []
    for row in trial.records:
        record = dict(zip(trial.columns, row, strict=True))
        at = record["called_at"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        status, code = record["http_status"], record["error_code"]
        lines.append(
            f"{record['request_id']} {at} {record['owner_uin']} {record['action']}"
            f" {'-' if status is None else status} {code or '-'}"
        )
    return lines + [f"line {line}: {reason}" for line, reason, _kept in trial.rejects]


def test_there_are_ten_examples() -> None:
    assert len(EXAMPLES) == 10


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one.shape)
def test_an_example_is_read_as_the_guide_says(tmp_path: Path, example: Example) -> None:
    settings, file = put(tmp_path, example)
    [trial] = try_file(settings, file, feed="call_logs", shape=example.shape, limit=50)
    assert told(trial) == example.expected


# A guess tries all shapes. These are of each kind: JSON, CSV, text.
GUESSED_IN_EVERY_RUN = ("message", "cls_csv", "text")


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(one, marks=() if one.shape in GUESSED_IN_EVERY_RUN else pytest.mark.long)
        for one in EXAMPLES
    ],
    ids=lambda one: one.shape,
)
def test_the_shape_of_an_example_is_guessed(tmp_path: Path, example: Example) -> None:
    settings, file = put(tmp_path, example)
    [trial] = try_file(settings, file, feed="call_logs", shape=None, limit=50)
    assert (trial.shape, trial.is_guess) == (example.shape, True)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one.shape)
def test_verify_reads_an_example_alike(tmp_path: Path, example: Example) -> None:
    settings, file = put(tmp_path, example)
    shape = load_shapes(settings.shapes)[example.shape]
    load = SourceLoad(
        "f" * 64, "call_logs", f"call_logs/format={example.shape}/{example.file}", example.shape,
        date(2026, 9, 2), date(2026, 9, 2), reading_rules=3, declaration=shape.declaration,
    )  # fmt: skip
    rows = pl.concat([rows for rows, _part in texts_of(file, load, tmp_path)])
    assert len(rows) == len(example.expected)
    records = accepted_records(rows, load, load_vars(settings))
    records = records.with_columns(at=pl.from_epoch("called_us", "us"))
    found = [
        f"{record['request_id']} {record['at']:%Y-%m-%dT%H:%M:%S}"
        f" {record['owner_uin']} {record['action']} {record['is_failure']}"
        for record in records.to_dicts()
    ]
    expected = []
    for line in example.expected:
        if not line.startswith("line "):
            *usual, status, code = line.split()
            expected.append(f"{' '.join(usual)} {status != '200' or code != '-'}")
    assert found == expected


GOOD = """
fields:
  request_id: id
  called_at: at
  owner_uin: account
  action: action
  http_status: status
"""


MISTAKES = [
    ("", "declares no shape"),
    ("- a\n", "declares no shape"),
    ("fields: [a\n", "line 2: is not YAML"),
    ("describes: x\n", "key fields is missing"),
    (
        GOOD.replace("request_id", "request_ids"),
        "key fields.request_ids is no field: is request_id meant?",
    ),
    (GOOD.replace("  request_id: id\n", ""), "key fields.request_id is missing"),
    (GOOD.replace("http_status: status", "region: r"), "key fields.http_status is missing"),
    (GOOD + "no_error_codes: [0]\n", "key no_error_codes has 0 in it: write it in quotes, '0'"),
    (
        GOOD.replace("status\n", "status\n  error_code: [error.code, error]\n"),
        "key fields.error_code",
    ),
    (
        GOOD + "implied_status: 200\n",
        "key implied_status is unknown: is implied_http_status meant?",
    ),
    (GOOD + "delimiter: '||'\n", "key delimiter must be one character"),
    (GOOD + "delimiter: '|'\nquote: '|'\n", "key quote is the delimiter too, '|'"),
    (GOOD + "delimiter: '\"'\n", "key quote is the delimiter too"),
    (GOOD + "delimiter: '|'\nescape: '|'\n", "key escape is the delimiter too"),
    (GOOD + "records: a\nrecords: b\n", "key records is there twice"),
    (
        GOOD.replace("status\n", "status\n  action: operation\n"),
        "line 8: key fields.action is there twice",
    ),
    (GOOD + "time_formats: ['%d %B %Y %H']\n", "key time_formats has %B"),
    (GOOD + "time_formats: '%H:%M'\n", "key time_formats has '%H:%M', which does not name"),
    (GOOD + "pattern: '(?P<id>'\n", "key pattern is no regular expression"),
    (GOOD + "pattern: '(?P<id>.*)'\n", "names at, but the pattern has the groups id"),
    (GOOD + "files: xml\n", "key files must be one of json, csv, lines"),
    (GOOD + "files: lines\n", "key files says lines"),
    (GOOD + "columns: [id, at]\n", "key fields.owner_uin names none of the columns"),
    (GOOD + "constants: {request_id: x}\n", "key constants.request_id cannot be the same"),
    (GOOD + "constants: {acton: x}\n", "key constants.acton is no field: is action meant?"),
    (GOOD.replace("id: id", "id: ''"), "key fields.request_id must be a text"),
    (GOOD.replace("id: id", "id: a..b"), "key fields.request_id has the path 'a..b'"),
    (GOOD.replace("id: id", "id: [1]"), "key fields.request_id has 1 in it"),
    (GOOD.replace("id: id", "id: {a: b}"), "key fields.request_id must be a text or a list"),
]


@pytest.mark.parametrize(("text", "key"), MISTAKES)
def test_a_mistake_is_named_with_file_and_key(tmp_path: Path, text: str, key: str) -> None:
    file = tmp_path / "mine.yml"
    file.write_text(text)
    with pytest.raises(UsageError) as error:
        load_shape(file)
    assert str(error.value).startswith(str(file))
    assert key in str(error.value)


def test_a_shape_may_not_have_the_name_of_one_that_ships(tmp_path: Path) -> None:
    (tmp_path / "cloudaudit.yml").write_text(GOOD)
    with pytest.raises(UsageError, match="callbill ships a shape named cloudaudit"):
        load_shapes(tmp_path)


def test_a_folder_that_is_not_there_has_no_shapes(tmp_path: Path) -> None:
    assert load_shapes(tmp_path / "nothing") == {}


KEYS_ALIKE = """
fields:
  request_id: id
  called_at: at
  owner_uin: account
  action: action
  error_code: [Error.Code, code]
constants: {http_status: 200}
"""


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        ('"Error": {"Code": "InternalError"}', "InternalError"),
        ('"ERROR": {"CODE": "InternalError"}', "InternalError"),
        ('"code": "ClientError"', "ClientError"),
        ('"Code": "ClientError"', "ClientError"),
        ('"a": {"Code": "of another"}', "-"),
    ],
)
def test_keys_that_differ_in_capitals_alone_are_told_apart_by_their_place(
    tmp_path: Path, outcome: str, code: str
) -> None:
    line = f'{{"id": "a-1", "at": 1788228000, "account": 1, "action": "SearchByText", {outcome}}}\n'
    example = Example("mine", KEYS_ALIKE, "calls.jsonl", line, [])
    settings, file = put(tmp_path, example)
    [trial] = try_file(settings, file, feed="call_logs", shape="mine", limit=50)
    assert told(trial) == [f"a-1 2026-09-01T02:00:00 1 SearchByText 200 {code}"]
