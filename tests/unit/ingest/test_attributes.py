"""Attributes of records: what a shape maps is read alike by every reader, and by `verify`."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from callbill.base.errors import UsageError
from callbill.base.settings import load_settings, load_vars
from callbill.ingest.shape_files import check_shape
from callbill.ingest.shapes import shape_of
from callbill.verify.records import accepted_records
from callbill.warehouse.loads import SourceLoad

from tests.support.single_files import contents, numbered, read, verified

ARRIVED_ON = date(2026, 3, 3)
# What is there, and what it counts as.
EDITIONS: list[tuple[object, str | None]] = [
    ("flagship", "edition=flagship"),
    (None, None),
    ("", None),
    ("旗舰版", "edition=旗舰版"),
    ("a;b=c", "edition=a%3Bb=c"),
]
# These have their file read line by line.
ODD_EDITIONS: list[tuple[object, str | None]] = [
    (" flagship\u00a0", "edition=flagship"),
    ("'flagship", "edition=flagship"),
    ("NULL", None),
    ("n/a", None),
    ("   ", None),
]


def lines(editions: list[tuple[object, str | None]]) -> list[dict[str, Any]]:
    return numbered(
        "call_logs",
        [
            {
                "request_id": f"request-{n}",
                "owner_uin": "100000000001",
                "action": "SearchPro",
                "http_status": "200",
                "edition": edition,
            }
            for n, (edition, _text) in enumerate(editions)
        ],
    )


@pytest.mark.parametrize("kind", ["json", "csv", "parquet"])
@pytest.mark.parametrize("editions", [EDITIONS, EDITIONS + ODD_EDITIONS], ids=["clean", "odd"])
def test_every_reader_keeps_what_the_shape_maps(
    tmp_path: Path, kind: str, editions: list[tuple[object, str | None]]
) -> None:
    content = contents("call_logs", "canonical", kind, lines(editions))
    rows = read(tmp_path, "call_logs", "canonical", kind, content, reading_rules=3).rows
    expected = [text for _edition, text in editions]
    assert [rows[n]["attributes"] for n in range(1, len(editions) + 1)] == expected
    texts = verified(tmp_path, "call_logs", "canonical", kind, reading_rules=3)
    load = SourceLoad(
        "f" * 64, "call_logs", "call_logs/file", "canonical", ARRIVED_ON, ARRIVED_ON,
        reading_rules=3,
    )  # fmt: skip
    records = accepted_records(texts, load, load_vars(load_settings())).sort("called_us")
    assert records["attributes"].to_list() == [text or "" for text in expected]


@pytest.mark.parametrize("kind", ["json", "csv", "parquet"])
def test_older_rules_kept_none(tmp_path: Path, kind: str) -> None:
    content = contents("call_logs", "canonical", kind, lines(EDITIONS))
    rows = read(tmp_path, "call_logs", "canonical", kind, content, reading_rules=2).rows
    assert {row["attributes"] for row in rows.values()} == {None}


def test_a_document_is_taken_apart_for_them_too(tmp_path: Path) -> None:
    response = {"RequestId": "request-1", "Version": "standard"}
    line = {
        "called_at": "2026-03-02T10:00:01+08:00",
        "owner_uin": "100000000001",
        "action": "SearchPro",
        # A text that holds JSON.
        "Response": json.dumps(response),
    }
    content = (json.dumps(line) + "\n").encode()
    [row] = read(tmp_path, "call_logs", "cls", "json", content, reading_rules=3).rows.values()
    assert row["attributes"] == "edition=standard"


def test_a_value_that_is_no_text_is_rejected_with_its_name(tmp_path: Path) -> None:
    good, odd = lines([("flagship", None), (True, None)])
    content = contents("call_logs", "canonical", "json", [good, odd])
    found = read(tmp_path, "call_logs", "canonical", "json", content, reading_rules=3)
    assert list(found.reasons.values()) == ["invalid_attribute_edition"]


def test_attributes_stand_in_the_order_of_their_names() -> None:
    declaration = (
        "fields: {request_id: id, called_at: at, owner_uin: o, action: a, http_status: s}\n"
        "attributes: {zone: z, edition: [e, e2], region: region}\n"
    )
    check_shape("shapes/own.yml", declaration)
    shape = shape_of("call_logs", "own", 3, declaration)
    assert shape.attributes == ("edition", "region", "zone")
    assert shape.fields["attribute_edition"] == ("e", "e2")


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        ("[edition]", "key attributes must map names to paths"),
        ("{Edition: e}", "key attributes.Edition is no name of an attribute"),
        ("{edition: 1}", "key attributes.edition must be a text"),
        ("{edition: 'a..b'}", "key attributes.edition has the path"),
    ],
)
def test_what_is_wrong_with_them_is_said(attributes: str, says: str) -> None:
    fields = "fields: {request_id: id, called_at: at, owner_uin: o, action: a, http_status: s}"
    with pytest.raises(UsageError, match=says):
        check_shape("shapes/own.yml", f"{fields}\nattributes: {attributes}\n")
