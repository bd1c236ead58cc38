"""The manifest of a release: what it was made of, and the hashes of what it says."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from callbill.base.errors import UsageError
from callbill.base.settings import BillingVars
from callbill.warehouse.loads import FileKey, Retry, SourceLoad

MANIFEST = "manifest.json"
# 1 (callbill 0.1) does not say which lines were rejected, withdrawn or read again.
FORMAT = 2


@dataclass(frozen=True)
class Manifest:
    """What `published/current` says of itself."""

    run_id: str
    through: date
    versions: dict[str, str]
    vars: dict[str, Any]
    seeds: dict[str, list[list[str]]]
    loads: list[SourceLoad]
    settlement_hashes: dict[date, str]
    table_hashes: dict[str, str]

    @property
    def first_settlement(self) -> date:
        return min(self.settlement_hashes)

    @property
    def known(self) -> dict[FileKey, SourceLoad]:
        """The loads by feed and content."""
        return {load.key: load for load in self.loads}

    def write(self, folder: Path) -> None:
        said = {
            "format": FORMAT,
            "run_id": self.run_id,
            "through": self.through,
            "versions": self.versions,
            "vars": self.vars,
            "seeds": self.seeds,
            "table_hashes": self.table_hashes,
            "settlement_hashes": {str(day): text for day, text in self.settlement_hashes.items()},
            "loads": [asdict(load) for load in self.loads],
        }
        text = json.dumps(said, indent=1, default=str, ensure_ascii=False)
        (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a release folder; UsageError if it cannot be made out."""
    try:
        said = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if said["format"] not in (1, FORMAT):
            raise UsageError(
                f"release {folder} has manifest format {said['format']}; "
                f"this callbill reads formats up to {FORMAT}"
            )
        return Manifest(
            run_id=said["run_id"],
            through=date.fromisoformat(said["through"]),
            versions=said["versions"],
            vars=said["vars"],
            seeds=said["seeds"],
            loads=[
                SourceLoad(
                    source_file_id=load["source_file_id"],
                    feed=load["feed"],
                    path=load["path"],
                    format=load["format"],
                    arrived_on=date.fromisoformat(load["arrived_on"]),
                    settlement_floor=date.fromisoformat(load["settlement_floor"]),
                    quarantine_reason=load.get("quarantine_reason"),
                    rejected_lines=load.get("rejected_lines"),
                    retries=tuple(
                        Retry(
                            settlement_floor=date.fromisoformat(retry["settlement_floor"]),
                            line_numbers=tuple(retry["line_numbers"]),
                        )
                        for retry in load.get("retries", ())
                    ),
                )
                for load in said["loads"]
            ],
            settlement_hashes={
                date.fromisoformat(day): text for day, text in said["settlement_hashes"].items()
            },
            table_hashes=said["table_hashes"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"the manifest of release {folder} cannot be read: {error}") from error


def figure_vars(billing_vars: BillingVars) -> dict[str, Any]:
    """The vars that figures depend on, as a manifest keeps them."""
    return asdict(billing_vars)
