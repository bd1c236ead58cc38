"""Files of call logs as they might come: the same calls in generated forms and shapes."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

import cramjam
import polars as pl
import zstandard

Call = dict[str, Any]
# What a client notes of its own.
CLIENT = ("called_at", "owner_uin", "action")
FIELDS = ("request_id", "called_at", "owner_uin", "action", "http_status", "error_code")


@dataclass(frozen=True)
class GeneratedFile:
    """A file, below the folder of its shape, and the calls that it holds, as the shape tells of
    them. `bad` is how many of its lines are no records."""

    name: str
    shape: str
    content: bytes
    calls: list[Call]
    bad: int


def generate(seed: int) -> GeneratedFile:
    random = Random(seed)
    calls = [_call(random, seed, number) for number in range(random.randint(1, 6))]
    shape, ending, write = random.choice(_FORMS)
    bad = random.choice([0, 0, 1]) if ending in ("jsonl", "ndjson") else 0
    content = write(calls, random)
    if bad:
        wrong = [b"not JSON", b'{"a":', b"7", *_NEVER_REACHED.get(shape, [])]
        content = content.rstrip(b"\n") + b"\n" + random.choice(wrong) + b"\n"
    if shape in _STATUS_ALONE:
        calls = [call | {"error_code": None} for call in calls]
    elif shape in _CODE_ALONE:
        calls = [call | {"http_status": 200} for call in calls]
    name = random.choice([f"calls.{ending}", f"calls.{ending.upper()}", f"a.b-{seed}.{ending}"])
    if ending == "":
        name = f"2026090110_{seed}"
    packings = ["", "", ".gz", ".zst", ".bz2", ".GZ", ".snappy"]
    packed = random.choice(packings) if ending not in ("", "parquet") else ""
    if packed:
        content = _PACK[packed.lower()](content)
        name += packed
    elif not ending and random.random() < 0.5:
        content = random.choice([gzip.compress, bz2.compress])(content)
    if ending and random.random() < 0.3:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as members:
            members.writestr(random.choice(["", "in/a/"]) + name, content)
        name, content = f"packed-{seed}.{random.choice(['zip', 'ZIP'])}", archive.getvalue()
    return GeneratedFile(name, shape, content, calls, bad)


def _call(random: Random, seed: int, number: int) -> Call:
    return {
        "request_id": f"{seed:06d}-{number:02d}-{random.getrandbits(64):016x}",
        "called_at": f"2026-09-01T{random.randint(0, 23):02d}:{random.randint(0, 59):02d}:07+08:00",
        "owner_uin": str(100000000000 + random.randint(0, 99)),
        "action": "SearchByText",
        "http_status": random.choice([200, 200, 204, 500]),
        "error_code": random.choice([None, None, "InternalError", "RequestLimitExceeded.Uin"]),
    }


# Gateways know the status alone. Answers of the API and events of audits imply it.
_STATUS_ALONE = ("apisix", "combined", "kong")
_CODE_ALONE = (
    "cloudaudit", "cloudtrail", "describe_events", "envelope", "eventbridge", "sdk",
)  # fmt: skip
# An attempt that no server answered, as a client of the shape notes it.
_NEVER_REACHED = {
    "sdk": [b'{"action": "SearchByText", "code": "ClientNetworkError", "RequestId": null}'],
    "kong": [b'{"request": {"id": null}, "response": {"status": 0}}'],
}
_PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".zst": zstandard.ZstdCompressor().compress,
    ".snappy": lambda content: bytes(cramjam.snappy.compress_raw(content)),
}


def _dumped(value: object, random: Random) -> bytes:
    text = json.dumps(value, indent=random.choice([None, 1, 4]), ensure_ascii=random.random() < 0.5)
    return text.encode()


def _lines(records: list[Any]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def _spelled(calls: list[Call], random: Random) -> list[Call]:
    """Calls under keys of other capitals, with keys that nobody reads."""
    upper = random.random() < 0.3
    extra = {"tag": random.choice([1, None, "x", {"y": [1, "]"]}])} if random.random() < 0.5 else {}
    return [{(k.upper() if upper else k): v for k, v in call.items()} | extra for call in calls]


def _plain_lines(calls: list[Call], random: Random) -> bytes:
    return _lines(_spelled(calls, random))


def _batches(calls: list[Call], random: Random) -> bytes:
    return _lines([[call] for call in calls])


def _array(calls: list[Call], random: Random) -> bytes:
    return _dumped(_spelled(calls, random), random)


def _holder(calls: list[Call], random: Random) -> bytes:
    return _dumped({"total": len(calls), "data": calls, "next": None}, random)


def _pages(calls: list[Call], random: Random) -> bytes:
    cut = random.randint(1, len(calls))
    pages = [part for part in (calls[:cut], calls[cut:]) if part]
    return b"\n".join(json.dumps({"items": part}, indent=2).encode() for part in pages)


def _table(delimiter: str) -> Callable[[list[Call], Random], bytes]:
    def write(calls: list[Call], random: Random) -> bytes:
        text = io.StringIO(newline="")
        text.write(random.choice(["", "", "Calls of September\n\n", "# exported\n"]))
        writer = csv.DictWriter(
            text, FIELDS, delimiter=delimiter, lineterminator=random.choice(["\n", "\r\n"]),
            quoting=random.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        )  # fmt: skip
        writer.writeheader()
        writer.writerows(calls)
        return random.choice([b"", b"\xef\xbb\xbf"]) + text.getvalue().encode()

    return write


def _answer(call: Call) -> dict[str, Any]:
    error = {"Error": {"Code": call["error_code"], "Message": "no"}} if call["error_code"] else {}
    return {"RequestId": call["request_id"], **error}


def _own(call: Call) -> dict[str, Any]:
    return {name: call[name] for name in ("called_at", "owner_uin", "action", "http_status")}


def _cls(calls: list[Call], random: Random) -> bytes:
    return _lines(
        [
            _own(call)
            | {"Response": _answer(call) if random.random() < 0.5 else json.dumps(_answer(call))}
            for call in calls
        ]
    )


def _envelope(calls: list[Call], random: Random) -> bytes:
    return _lines(
        [{name: call[name] for name in CLIENT} | {"Response": _answer(call)} for call in calls]
    )


def _sdk(calls: list[Call], random: Random) -> bytes:
    """Answers without their frame, and exceptions."""

    def thrown(call: Call) -> dict[str, Any]:
        if random.random() < 0.5:
            return _answer(call)
        return {"code": call["error_code"], "message": "no", "RequestId": call["request_id"]}

    return _lines(
        [
            {name: call[name] for name in CLIENT}
            | (thrown(call) if call["error_code"] else _answer(call))
            for call in calls
        ]
    )


def _audited(call: Call, random: Random) -> dict[str, Any]:
    """An event of CloudAudit: with epoch or, as older ones, with a local time."""
    at = datetime.fromisoformat(call["called_at"])
    return {
        "requestID": call["request_id"],
        "eventTime": random.choice([int(at.timestamp()), at.strftime("%Y-%m-%d %H:%M:%S")]),
        "userIdentity": {"accountId": call["owner_uin"], "principalId": call["owner_uin"]},
        "eventName": call["action"],
        "errorCode": random.choice([0, "0", ""]),
        "apiErrorCode": call["error_code"] or random.choice(["", 0, None]),
    }


def _cloudaudit(calls: list[Call], random: Random) -> bytes:
    return _lines([_audited(call, random) for call in calls])


def _describe_events(calls: list[Call], random: Random) -> bytes:
    """Pages of the API, with or without the frame, one after the other."""
    cut = random.randint(1, len(calls))
    framed, indent = random.random() < 0.5, random.choice([None, 2])
    pages = []
    for part in (calls[:cut], calls[cut:]):
        events = [{"CloudAuditEvent": json.dumps(_audited(call, random))} for call in part]
        page = {"Events": events, "ListOver": False, "RequestId": "3f-page"}
        pages.append(json.dumps({"Response": page} if framed else page, indent=indent).encode())
    return b"\n".join(pages if calls[cut:] else pages[:1])


def _eventbridge(calls: list[Call], random: Random) -> bytes:
    events = [_audited(call, random) for call in calls]
    return _lines(
        [
            {"specversion": "1.0", "data": event if random.random() < 0.5 else json.dumps(event)}
            for event in events
        ]
    )


def _local(call: Call) -> str:
    return datetime.fromisoformat(call["called_at"]).strftime("%d/%b/%Y:%H:%M:%S %z")


def _milliseconds(call: Call) -> int:
    return int(datetime.fromisoformat(call["called_at"]).timestamp()) * 1000


def _nginx(calls: list[Call], random: Random) -> bytes:
    return _lines(
        [
            {
                "request_id": call["request_id"],
                random.choice(["time_iso8601", "time_local"]): _local(call)
                if random.random() < 0.5
                else call["called_at"],
                "remote_user": call["owner_uin"],
                "http_x_tc_action": call["action"],
                "status": random.choice([str, int])(call["http_status"]),
                "error_code": call["error_code"] or random.choice(["", "-"]),
            }
            for call in calls
        ]
    )


def _combined(calls: list[Call], random: Random) -> bytes:
    return "".join(
        f"192.0.2.1 - {call['owner_uin']} [{_local(call)}]"
        f' "POST /{random.choice(["", "v3"])}?{random.choice(["", "a=1&"])}Action={call["action"]}'
        f'{random.choice(["", "&Version=2025-11-06"])} HTTP/1.1" {call["http_status"]}'
        f' {random.choice(["512", "-"])} "-" "{random.choice(["curl/8.1", "-", "a b (c; d)"])}"'
        f' "{call["request_id"]}"\n'
        for call in calls
    ).encode()


def _gateway(calls: list[Call], random: Random, entry: Callable[[Call], Call]) -> bytes:
    """Entries of a logger plugin, one a line or in batches."""
    entries = [entry(call) for call in calls]
    if random.random() < 0.5:
        return _lines(entries)
    cut = random.randint(1, len(entries))
    return _lines([part for part in (entries[:cut], entries[cut:]) if part])


def _apisix(calls: list[Call], random: Random) -> bytes:
    def entry(call: Call) -> Call:
        name = {"x-request-id": call["request_id"]}
        side = random.choice(["request", "response"])
        action = {"x-tc-action": call["action"]}
        return {
            "start_time": _milliseconds(call),
            "request": {"headers": action | (name if side == "request" else {})},
            "response": {
                "status": call["http_status"], "headers": name if side == "response" else {},
            },
            "consumer": {"username": call["owner_uin"]},
        }  # fmt: skip

    return _gateway(calls, random, entry)


def _kong(calls: list[Call], random: Random) -> bytes:
    def entry(call: Call) -> Call:
        headers, query = {"x-tc-action": call["action"]}, {"Action": call["action"]}
        in_headers = random.random() < 0.5
        return {
            "started_at": _milliseconds(call),
            "request": {
                "id": call["request_id"],
                "headers": headers if in_headers else {},
                "querystring": {} if in_headers else query,
            },
            "response": {"status": call["http_status"]},
            "consumer": {random.choice(["custom_id", "username"]): call["owner_uin"]},
        }

    return _gateway(calls, random, entry)


def _envoy(calls: list[Call], random: Random) -> bytes:
    return _lines(
        [
            {
                random.choice(["x_request_id", "request_id"]): call["request_id"],
                "start_time": call["called_at"],
                random.choice(["owner_uin", "x_owner_uin"]): call["owner_uin"],
                "x_tc_action": call["action"],
                "response_code": call["http_status"],
                "duration": random.choice([52, "52"]),
                "error_code": call["error_code"] or random.choice(["-", None]),
            }
            for call in calls
        ]
    )


def _parquet(calls: list[Call], random: Random) -> bytes:
    sink = io.BytesIO()
    frame = pl.DataFrame(_spelled(calls, random), infer_schema_length=None, strict=False)
    frame.write_parquet(sink, compression=random.choice(["zstd", "snappy", "uncompressed"]))
    return sink.getvalue()


def _trail(calls: list[Call], random: Random) -> bytes:
    records = [
        {
            "requestID": call["request_id"],
            "eventTime": call["called_at"],
            "userIdentity": {"accountId": call["owner_uin"]},
            "eventName": call["action"],
            **({"errorCode": call["error_code"]} if call["error_code"] else {}),
        }
        for call in calls
    ]
    return _dumped({"Records": records}, random)


def _otel(calls: list[Call], random: Random) -> bytes:
    def attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {"key": name, "value": {"stringValue": str(value)}}
            for name, value in values.items()
            if value is not None
        ]

    records = [
        {
            "observedTimeUnixNano": call["called_at"],
            "attributes": attributes(
                {
                    "request_id": call["request_id"],
                    "owner_uin": call["owner_uin"],
                    "action": call["action"],
                    "http.response.status_code": call["http_status"],
                    "error.type": call["error_code"],
                }
            ),
        }
        for call in calls
    ]
    return _lines([{"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}])


_FORMS: list[tuple[str, str, Callable[[list[Call], Random], bytes]]] = [
    *(
        ("canonical", ending, _plain_lines)
        for ending in ("jsonl", "ndjson", "log", "txt", "json", "")
    ),
    ("canonical", "jsonl", _batches),
    *(("canonical", "json", write) for write in (_array, _holder, _pages, _batches)),
    *(("canonical", ending, _table(",")) for ending in ("csv", "txt")),
    *(("canonical", "csv", _table(delimiter)) for delimiter in (";", "\t", "|")),
    ("canonical", "tsv", _table("\t")),
    *(("cls", ending, _cls) for ending in ("json", "jsonl", "")),
    *(("cloudtrail", ending, _trail) for ending in ("json", "log", "")),
    ("otel", "jsonl", _otel),
    ("canonical", "parquet", _parquet),
    *(("envelope", ending, _envelope) for ending in ("jsonl", "json", "log")),
    *(("sdk", ending, _sdk) for ending in ("jsonl", "ndjson", "log")),
    *(("cloudaudit", ending, _cloudaudit) for ending in ("", "json", "jsonl")),
    *(("describe_events", ending, _describe_events) for ending in ("json", "")),
    *(("eventbridge", ending, _eventbridge) for ending in ("jsonl", "json", "")),
    *(("nginx", ending, _nginx) for ending in ("log", "jsonl")),
    *(("combined", ending, _combined) for ending in ("log", "txt")),
    *(("apisix", ending, _apisix) for ending in ("jsonl", "log")),
    *(("kong", ending, _kong) for ending in ("jsonl", "json")),
    *(("envoy", ending, _envoy) for ending in ("log", "jsonl")),
]
