"""The manifest of a release: what the release was made from, and the hashes of its content.

With it a run knows what is sealed, a rebuild repeats the release, and `verify` computes it again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from callbill.base.catalogue import CountsFrom, known_from
from callbill.base.errors import UsageError
from callbill.base.rules import DateRules, RuleRange, as_rule_ranges, rules_by_date
from callbill.base.settings import BillingVars
from callbill.warehouse.loads import FileKey, Retry, SourceLoad, later_delivery

MANIFEST = "manifest.json"
# Format 1 (callbill 0.1) does not list rejected lines, withdrawals and retries. Releases of formats
# 1 and 2 (up to 0.6) follow version 1 of all rules, and their prices count from `known_from` on.
FORMAT = 3


@dataclass(frozen=True)
class Manifest:
    """The content of a release's manifest."""

    run_id: str
    through: date
    versions: dict[str, str]
    vars: dict[str, Any]
    seeds: dict[str, list[list[str]]]
    loads: list[SourceLoad]
    settlement_hashes: dict[date, str]
    table_hashes: dict[str, str]
    # The versions of the rules by which each settlement date was billed and hashed.
    date_rules: dict[date, DateRules]
    # The first settlement date that each row of the catalogue counts for.
    counts_from: CountsFrom

    @cached_property
    def loads_by_key(self) -> dict[FileKey, SourceLoad]:
        """The loads by feed and id."""
        return {load.key: load for load in self.loads}

    def write(self, folder: Path) -> None:
        """Write the manifest into a release's folder."""
        content = {
            "format": FORMAT,
            "run_id": self.run_id,
            "through": self.through,
            "versions": self.versions,
            "vars": self.vars,
            "seeds": self.seeds,
            "counts_from": [
                {"seed": seed, "row": list(row), "counts_from": day}
                for (seed, row), day in sorted(self.counts_from.items())
            ],
            "rules": [
                {"from": r.first, **asdict(r.rules)} for r in as_rule_ranges(self.date_rules)
            ],
            "table_hashes": self.table_hashes,
            "settlement_hashes": {str(day): text for day, text in self.settlement_hashes.items()},
            "shapes": self._shapes(),
            "loads": [_as_item(load) for load in self.loads],
        }
        text = json.dumps(content, indent=1, default=str, ensure_ascii=False)
        (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")

    def _shapes(self) -> dict[str, str]:
        """The log shapes of a place's own, by the SHA-256 of the files that declared them."""
        texts = {load.declaration for load in self.loads}
        texts |= {retry.declaration for load in self.loads for retry in load.retries}
        return {_sha256(text): text for text in sorted(texts - {""})}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _as_item(load: SourceLoad) -> dict[str, Any]:
    """A load in the form of a manifest, which has the texts of shapes once."""
    item = asdict(load) | {"source_file_id": load.sha256}
    del item["declaration"]
    for retry in item["retries"]:
        text = retry.pop("declaration")
        if text:
            retry["shape_sha256"] = _sha256(text)
    return item


def read_manifest(folder: Path) -> Manifest:
    """The manifest in a release's folder, of any format. Raises UsageError if it cannot be read."""
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if content["format"] not in range(1, FORMAT + 1):
            raise UsageError(
                f"release {folder} has manifest format {content['format']}; "
                f"this callbill reads formats up to {FORMAT}"
            )
        hashes = {
            date.fromisoformat(day): text for day, text in content["settlement_hashes"].items()
        }
        return Manifest(
            run_id=content["run_id"],
            through=date.fromisoformat(content["through"]),
            versions=content["versions"],
            vars=content["vars"],
            seeds=content["seeds"],
            loads=_loads(content["loads"], content.get("shapes", {})),
            settlement_hashes=hashes,
            table_hashes=content["table_hashes"],
            date_rules=rules_by_date(map(_rule_range, content.get("rules", ())), hashes),
            counts_from=_counts_from(content),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"the manifest of release {folder} cannot be read: {error}") from error


def _loads(loads: list[dict[str, Any]], shapes: dict[str, str]) -> list[SourceLoad]:
    """The loads. Of deliveries with the same content, the first arrival is known by its SHA-256."""
    first: dict[tuple[str, str], str] = {}
    for load in loads:
        key = (load["feed"], load["source_file_id"])
        first[key] = min(first.get(key, load["arrived_on"]), load["arrived_on"])
    return [
        _load(
            load,
            shapes,
            is_first=load["arrived_on"] == first[load["feed"], load["source_file_id"]],
        )
        for load in loads
    ]


def _load(load: dict[str, Any], shapes: dict[str, str], *, is_first: bool) -> SourceLoad:
    sha256, arrived_on = load["source_file_id"], date.fromisoformat(load["arrived_on"])
    return SourceLoad(
        source_file_id=sha256 if is_first else later_delivery(sha256, arrived_on),
        feed=load["feed"],
        path=load["path"],
        format=load["format"],
        arrived_on=arrived_on,
        settlement_floor=date.fromisoformat(load["settlement_floor"]),
        quarantine_reason=load.get("quarantine_reason"),
        rejected_lines=load.get("rejected_lines"),
        reading_rules=load.get("reading_rules", 1),
        shape_sha256=load.get("shape_sha256"),
        arrival=load.get("arrival"),
        declaration=shapes.get(load.get("shape_sha256") or "", ""),
        retries=tuple(
            Retry(
                settlement_floor=date.fromisoformat(retry["settlement_floor"]),
                line_numbers=tuple(retry["line_numbers"]),
                reading_rules=retry.get("reading_rules", 1),
                declaration=shapes.get(retry.get("shape_sha256") or "", ""),
            )
            for retry in load.get("retries", ())
        ),
    )


def _rule_range(rules: dict[str, Any]) -> RuleRange:
    first = date.fromisoformat(rules["from"])
    return RuleRange(first, first, DateRules(rules["billing_rules"], rules["hash_recipe"]))


def _counts_from(content: dict[str, Any]) -> CountsFrom:
    if content["format"] < 3:
        seeds = content["seeds"].items()
        return {(seed, tuple(row)): known_from(seed, row) for seed, rows in seeds for row in rows}
    return {
        (row["seed"], tuple(row["row"])): date.fromisoformat(row["counts_from"])
        for row in content["counts_from"]
    }


def figure_vars(billing_vars: BillingVars) -> dict[str, Any]:
    """The vars that figures depend on, in the form of a manifest."""
    return asdict(billing_vars)
