"""The second computation as tasks: reading files of call logs, and going through the calls of a
bucket. Items and results are JSON values; between the two, records lie in files of the exchange."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from typing import Any
from uuid import uuid4

import polars as pl
from pydantic import TypeAdapter

from callbill.base.catalogue import Claim, Seeds
from callbill.base.errors import CallbillError
from callbill.base.settings import BillingVars, Settings
from callbill.ingest.landing import LandingFile
from callbill.tasks.exchange import Exchange, workplace
from callbill.tasks.workers import Workers, evenly
from callbill.verify.accepted import FileCounts, read_files
from callbill.verify.calls import Charges, Requests, Spill, charges_of
from callbill.verify.prices import AccountAttribute, PriceBook
from callbill.warehouse.loads import SourceLoad

_LOADS = TypeAdapter(list[SourceLoad])
_FILES = TypeAdapter(list[LandingFile])
_CLAIMS = TypeAdapter(list[Claim])
_ACCOUNT_ATTRIBUTES = TypeAdapter(list[AccountAttribute])
# By bucket: the names of the files with its records, how many those are, and the bytes.
_Parts = dict[int, list[tuple[str, int, int]]]


def run(item: dict[str, Any]) -> dict[str, Any]:
    """Do a task of this module.

    Raises UsageError or CallbillError if a file is not what the release was made from, or not what
    another task wrote.
    """
    return {"read": _read, "charge": _charge}[item["step"]](item)


class VerifyTasks:
    """The run's side: both steps of a verification, done by workers."""

    def __init__(
        self,
        settings: Settings,
        workers: Workers,
        billing_vars: BillingVars,
        folder: str,
        buckets: int,
    ) -> None:
        self._exchange = Exchange(settings)
        self._workers = workers
        self._vars = billing_vars
        self._folder = folder
        self._buckets = buckets
        self._parts: _Parts = defaultdict(list)

    def read(self, loads: Sequence[SourceLoad], files: Sequence[LandingFile]) -> list[FileCounts]:
        """Read files of call logs, each as its load says. The result has their counts, in order.

        Raises as `run` does.
        """
        groups = evenly([file.size for file in files], self._workers.count * 2)
        items = [
            {
                "step": "read",
                "root": str(self._exchange.root),
                "folder": self._folder,
                "loads": _LOADS.dump_python([loads[n] for n in group], mode="json"),
                "files": _FILES.dump_python([files[n] for n in group], mode="json"),
                "vars": asdict(self._vars),
                "buckets": self._buckets,
            }
            for group in groups
        ]
        counts: dict[int, FileCounts] = {}
        for group, answer in zip(groups, self._workers.run("verify", items), strict=True):
            for number, (lines_read, accepted) in zip(group, answer["counts"], strict=True):
                counts[number] = FileCounts(loads[number], lines_read, accepted)
            for bucket, name, records, size in answer["parts"]:
                self._parts[bucket].append((name, records, size))
        return [counts[n] for n in range(len(loads))]

    def charge(
        self,
        seeds: Seeds,
        claims: Sequence[Claim],
        account_attributes: Sequence[AccountAttribute],
        through: date,
        wait: date,
        requests: Requests,
    ) -> Charges:
        """The calls charged and taken back through a settlement date; see `charges_of`.

        Raises as `run` does.
        """
        items = [
            {
                "step": "charge",
                "root": str(self._exchange.root),
                "folder": self._folder,
                "bucket": bucket,
                "parts": parts,
                "seeds": seeds,
                "claims": _CLAIMS.dump_python(list(claims), mode="json"),
                "account_attributes": _ACCOUNT_ATTRIBUTES.dump_python(
                    list(account_attributes), mode="json"
                ),
                "vars": asdict(self._vars),
                "through": str(through),
                "calls_wait_from": str(wait),
                "requests": sorted(requests),
            }
            for bucket, parts in sorted(self._parts.items())
        ]
        charges: Charges = defaultdict(lambda: defaultdict(lambda: [0, 0]))
        for item, answer in zip(items, self._workers.run("verify", items), strict=True):
            expected = sum(records for _name, records, _size in self._parts[item["bucket"]])
            if (answer["bucket"], answer["records"]) != (item["bucket"], expected):
                raise CallbillError(
                    f"a worker saw {answer['records']} records of bucket {answer['bucket']}, there"
                    f" are {expected} of bucket {item['bucket']}; nothing was verified"
                )
            for *usage, day, charged, taken_back in answer["charges"]:
                owner_uin, component_code, usage_date = usage
                key = owner_uin, component_code, date.fromisoformat(usage_date)
                counts = charges[key][date.fromisoformat(day)]
                counts[0] += charged
                counts[1] += taken_back
            for request_id, *usage, day, calls in answer["requests"]:
                key = usage[0], usage[1], date.fromisoformat(usage[2])
                requests[request_id].setdefault(key, {})[date.fromisoformat(day)] = calls
        return charges


@contextmanager
def verify_tasks(
    settings: Settings, workers: Workers, billing_vars: BillingVars, buckets: int
) -> Iterator[VerifyTasks]:
    """The tasks of a verification, with a folder for what they write, until this block ends."""
    exchange = Exchange(settings)
    folder = f"verify/{uuid4().hex[:12]}"
    try:
        yield VerifyTasks(settings, workers, billing_vars, folder, buckets)
    finally:
        exchange.remove(folder)


def _read(item: dict[str, Any]) -> dict[str, Any]:
    loads = _LOADS.validate_python(item["loads"])
    files = _FILES.validate_python(item["files"])
    with workplace(item["root"], f"{item['folder']}/read") as place:
        scratch = place.folder / "scratch"
        scratch.mkdir()
        for load, file in zip(loads, files, strict=True):
            if file.digest() != load.sha256:
                raise CallbillError(f"a worker sees another content of {file.name} than was loaded")
        spill = Spill(place.folder, item["buckets"])
        accepted = read_files(
            zip(loads, files, strict=True),
            spill,
            BillingVars(**item["vars"]),
            scratch,
            lambda _bytes: None,
        )
        shutil.rmtree(scratch)
        parts = spill.parts()
        names = {path: f"{item['folder']}/{place.token}/{path.name}" for _n, path, _rows in parts}
        handed = place.hand_over(names)
    return {
        "counts": [(file.lines_read, file.accepted) for file in accepted.files],
        "parts": [
            (bucket, where, rows, size)
            for bucket, path, rows in parts
            for where, size, _sha256 in [handed[names[path]]]
        ],
    }


def _charge(item: dict[str, Any]) -> dict[str, Any]:
    with workplace(item["root"], f"{item['folder']}/charge") as place:
        sizes = {name: size for name, _rows, size in item["parts"]}
        paths = place.at_hand(sizes, sizes)
        records = pl.read_parquet(list(paths.values()), glob=False)
        requests: Requests = {request_id: {} for request_id in item["requests"]}
        charges = charges_of(
            [records],
            PriceBook(
                item["seeds"],
                (),
                _CLAIMS.validate_python(item["claims"]),
                _ACCOUNT_ATTRIBUTES.validate_python(item["account_attributes"]),
            ),
            BillingVars(**item["vars"]),
            date.fromisoformat(item["through"]),
            date.fromisoformat(item["calls_wait_from"]),
            requests,
        )
    return {
        "bucket": item["bucket"],
        "records": len(records),
        "charges": [
            (owner_uin, component_code, str(usage_date), str(day), charged, taken_back)
            for (owner_uin, component_code, usage_date), by_day in charges.items()
            for day, (charged, taken_back) in by_day.items()
        ],
        "requests": [
            (request_id, owner_uin, component_code, str(usage_date), str(day), calls)
            for request_id, by_usage in requests.items()
            for (owner_uin, component_code, usage_date), by_day in by_usage.items()
            for day, calls in by_day.items()
        ],
    }
