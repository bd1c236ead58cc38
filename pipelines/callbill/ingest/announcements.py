"""Senders' announcements: `<file>.manifest.json`, with a file's number of records and its SHA-256.

No figure depends on them. The control `files_are_as_announced` compares them with what was loaded.
Of a .zip it compares the records of all its members. Members have hashes of their own, so the hash
of the .zip is compared here, where it lies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import date

from callbill.base.errors import CallbillError
from callbill.ingest.landing import ANNOUNCEMENT_SUFFIX, ARCHIVE, Announcement
from callbill.storage.folder import digest_of
from callbill.warehouse.warehouse import Warehouse

_MAX_BYTES = 1 << 20
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_NO_ARCHIVE = "is of a .zip that is not there"


def keep_announcements(
    warehouse: Warehouse, announcements: Iterable[Announcement], through: date
) -> None:
    """Insert the announcements that arrived by `through` and are new or have changed."""
    kept = {
        tuple(entry)
        for entry in warehouse.rows(
            "select path, size_bytes, mtime_ns, inode from ops.landing_manifests"
            f" where problem is distinct from '{_NO_ARCHIVE}'"
        )
    }
    for announcement in announcements:
        if announcement.entry in kept or announcement.arrived_on > through:
            continue
        warehouse.execute(
            "insert or replace into ops.landing_manifests values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [*announcement.entry, announcement.file_name, *_content(announcement), through],
        )


def _content(announcement: Announcement) -> tuple[int | None, str | None, str | None]:
    """The number of records, the SHA-256, and the fault of the announcement itself."""
    if announcement.size > _MAX_BYTES:
        return None, None, "is too long to be a manifest"
    try:
        content = json.loads(announcement.read())
    except OSError as error:
        return None, None, f"cannot be read: {error.strerror}"
    except (ValueError, RecursionError):
        return None, None, "is not JSON"
    if not isinstance(content, dict) or not {"records", "sha256"} & content.keys():
        return None, None, "has neither records nor sha256"
    records, sha256 = content.get("records"), content.get("sha256")
    if records is not None and (
        not isinstance(records, int) or isinstance(records, bool) or not 0 <= records < 2**63
    ):
        return None, None, "records is not a number of records"
    if sha256 is not None and not (isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
        return None, None, "sha256 is not 64 hexadecimal digits"
    if announcement.file_name.lower().endswith(ARCHIVE):
        return records, sha256, _fault_of_archive(announcement, sha256)
    return records, sha256, None


def _fault_of_archive(announcement: Announcement, sha256: str | None) -> str | None:
    archive = announcement.path.with_name(announcement.path.name.removesuffix(ANNOUNCEMENT_SUFFIX))
    try:
        found = digest_of(archive)
    except (OSError, CallbillError):
        return _NO_ARCHIVE
    if sha256 is not None and sha256.lower() != found:
        return f"the .zip has the SHA-256 {found}"
    return None
