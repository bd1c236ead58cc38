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
from random import Random
from typing import Any

import cramjam
import zstandard

Call = dict[str, Any]
FIELDS = ("request_id", "called_at", "owner_uin", "action", "http_status", "error_code")


@dataclass(frozen=True)
class GeneratedFile:
    """A file, below the folder of its shape, and the calls that it holds. `bad` is how many of its
    lines are no records."""

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
        content = (
            content.rstrip(b"\n") + b"\n" + random.choice([b"not JSON", b'{"a":', b"7"]) + b"\n"
        )
    name = random.choice([f"calls.{ending}", f"calls.{ending.upper()}", f"a.b-{seed}.{ending}"])
    if ending == "":
        name = f"2026090110_{seed}"
    packed = random.choice(["", "", ".gz", ".zst", ".bz2", ".GZ", ".snappy"]) if ending else ""
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
]
