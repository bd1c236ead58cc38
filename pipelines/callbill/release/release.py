"""A release, and the published folder that holds all releases.

data/published/
    current -> releases/<run id>     the current release; switching this link seals it
    releases/<run id>/
        callbill.duckdb              the marts, and tables about runs and files
        parquet/                     the marts as Parquet; calls only here, a folder per date
        site/                        the pages
        manifest.json                what the release was made from, and its hashes
    checkpoints/<sealed date>/       warehouses of before landing files were archived (`checkpoint`)
    status/                          the status of the last run

No other module knows these names. `writing` writes a release.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path

import duckdb

from callbill.base.errors import UsageError
from callbill.base.sql import literal
from callbill.release.manifest import Manifest, read_manifest
from callbill.storage.files import sync_folder

# A run id is the run's start in UTC, to the microsecond, so ids sort in order of time.
RUN_ID = "%Y%m%dT%H%M%S.%fZ"


@dataclass(frozen=True)
class Release:
    """A published release, or one that is being written."""

    folder: Path

    @property
    def run_id(self) -> str:
        return self.folder.name

    @property
    def database(self) -> Path:
        return self.folder / "callbill.duckdb"

    @property
    def parquet(self) -> Path:
        return self.folder / "parquet"

    @property
    def site(self) -> Path:
        """The pages; releases before 0.5 have none."""
        return self.folder / "site"

    @cached_property
    def manifest(self) -> Manifest:
        """The release's manifest. Raises UsageError if it cannot be read."""
        return read_manifest(self.folder)

    @property
    def calls(self) -> str:
        """SQL to select the calls from, at the release's present path. The view in its database has
        the paths of the folder in which it was published."""
        files = literal(str(self.parquet / "calls" / "*" / "*.parquet"))
        return (
            f"read_parquet({files}, hive_partitioning = true, hive_types = {{'settled_on': date}})"
        )

    def is_calls(self, path: Path) -> bool:
        """Whether a file of the release has calls."""
        return path.is_relative_to(self.parquet / "calls")

    def is_of_a_date(self, path: Path) -> bool:
        """Whether a file of the release has the rows of a settlement date or bill month alone:
        releases that have the same rows of it share it."""
        return path.is_relative_to(self.parquet) and path.parent != self.parquet

    def calls_of(self, settled_on: date) -> Path:
        return self.parquet / "calls" / f"settled_on={settled_on}"

    def table(self, name: str) -> Path:
        """The Parquet file of a mart other than calls."""
        return self.parquet / f"{name}.parquet"

    def of_month(self, name: str, month: date) -> Path:
        """The folder of a view's Parquet file of a bill month."""
        return self.parquet / name / f"bill_month={month}"

    def open(self) -> duckdb.DuckDBPyConnection:
        """Open the release's database for reading, with times in UTC.

        An open connection keeps reading this release, whatever is published meanwhile. Raises
        UsageError if the database cannot be opened.
        """
        try:
            con = duckdb.connect(str(self.database), read_only=True)
        except duckdb.Error as error:
            raise UsageError(
                f"{self.database} cannot be opened: {str(error).splitlines()[0]}"
            ) from error
        con.execute("set TimeZone = 'UTC'")
        return con

    def attach(self, con: duckdb.DuckDBPyConnection, name: str) -> None:
        """Attach the release's database to a connection, for reading."""
        con.execute(f"attach {literal(str(self.database))} as {name} (read_only)")


@dataclass
class Published:
    """The published folder."""

    folder: Path

    @property
    def link(self) -> Path:
        """The link that names the current release."""
        return self.folder / "current"

    @property
    def status(self) -> Path:
        return self.folder / "status"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def lock(self) -> Path:
        return self.folder / ".lock"

    @property
    def _releases(self) -> Path:
        return self.folder / "releases"

    def releases(self) -> list[Release]:
        """All releases, in order of time. Folders with other names are left out."""
        if not self._releases.is_dir():
            return []
        return [Release(path) for path in sorted(self._releases.iterdir()) if _is_run_id(path.name)]

    def current(self) -> Release | None:
        """The release that `current` leads to, None if nothing was published yet.

        Raises UsageError if `current` is not a link to a release, as after a copy that does not
        keep links.
        """
        if not self.link.is_symlink() and not self.link.exists():
            return None
        if not self.link.is_symlink():
            raise UsageError(
                f"{self.link} is not a link: put it away, and link the newest release instead "
                f"(ln -s releases/RUN_ID {self.link})"
            )
        if not self.link.is_dir() or not _is_run_id(self.link.resolve().name):
            raise UsageError(f"{self.link} leads to {self.link.readlink()}, which is no release")
        return Release(self.link.resolve())

    def require_current(self, advice: str | None = None) -> Release:
        """The current release.

        Raises UsageError if there is none, with `advice` at its end, or with what is there to read.
        """
        release = self.current()
        if release is None:
            if advice is None and (candidates := self.candidates()):
                # Not to be sealed by `callbill run` before anybody has looked at it.
                name = candidates[-1].run_id
                advice = f"candidate {name} waits: read it with --candidate {name}"
            elif advice is None:
                advice = "run `callbill run`, or name another place with --published"
            raise UsageError(f"nothing was published in {self.folder} yet; {advice}")
        return release

    def current_manifest(self) -> Manifest | None:
        release = self.current()
        return None if release is None else release.manifest

    def find(self, name: str) -> Release:
        """The release whose run id begins with `name`, or the current one for `current`.

        Raises UsageError if there is none or more than one.
        """
        if name == "current":
            return self.require_current()
        paths = sorted(self._releases.glob("*"))
        named = [path for path in paths if path.name.startswith(name)]
        if len(named) != 1:
            kept = [path.name for path in named or paths]
            raise UsageError(
                f"{'several releases begin' if named else 'no release begins'} with {name!r}; "
                f"there are {', '.join(kept[-5:]) or 'none'}"
            )
        return Release(named[0])

    def candidates(self) -> list[Release]:
        """The releases that lack the seal, in order of time."""
        folder = self.folder / "candidates"
        if not folder.is_dir():
            return []
        return [Release(path) for path in sorted(folder.iterdir()) if _is_run_id(path.name)]

    def new_candidate(self, run_id: str) -> Release:
        """The candidate of a run, whose folder does not exist yet."""
        return Release(self.folder / "candidates" / run_id)

    def find_candidate(self, name: str) -> Release:
        """The candidate whose run id begins with `name`. Raises UsageError if there is none or more
        than one."""
        candidates = self.candidates()
        named = [c for c in candidates if c.run_id.startswith(name)]
        if len(named) != 1:
            kept = ", ".join(c.run_id for c in (named or candidates)[-5:])
            raise UsageError(
                f"{'several candidates begin' if named else 'no candidate begins'} with {name!r}; "
                f"there are {kept or 'none: `callbill run --candidate` makes one'}"
            )
        return named[0]

    def new(self, run_id: str) -> Release:
        """The release of a run, whose folder does not exist yet."""
        return Release(self._releases / run_id)

    def switch_to(self, release: Release) -> None:
        """Let `current` lead to a release, in one step. This seals the release's figures."""
        building = self.folder / ".current.tmp"
        building.unlink(missing_ok=True)
        building.symlink_to(release.folder.relative_to(self.folder))
        building.replace(self.link)
        sync_folder(self.folder)

    def check(self) -> None:
        """Whether one run at a time can publish here. In a folder, a lock sees to that."""

    def remove_unfinished(self) -> None:
        """Remove the releases of runs that ended before the switch. They are newer than the current
        release."""
        current = self.current()
        for release in self.releases():
            if current is None or release.run_id > current.run_id:
                shutil.rmtree(release.folder, ignore_errors=True)

    def remove_old(self, keep: int) -> None:
        """Remove all but the newest `keep` releases."""
        for release in self.releases()[:-keep]:
            shutil.rmtree(release.folder, ignore_errors=True)


_COLUMNS_OF_CALLS = """
    select column_name from duckdb_columns()
    where schema_name = 'billing' and table_name = 'calls' order by column_index
"""


def point_to_calls(release: Release) -> None:
    """Have the view of calls in a release's database read the files that lie beside it here."""
    release.database.chmod(0o644)
    with duckdb.connect(str(release.database)) as con:
        columns = ", ".join(row[0] for row in con.execute(_COLUMNS_OF_CALLS).fetchall())
        con.execute(
            f"create or replace view billing.calls as select {columns} from {release.calls}"
        )
    release.database.chmod(0o444)


def new_run_id(current: Manifest | None) -> str:
    """A run id later than that of the current release, even if the clock was set back."""
    instant = datetime.now(UTC)
    if current is not None:
        last = datetime.strptime(current.run_id, RUN_ID).replace(tzinfo=UTC)
        instant = max(instant, last + timedelta(microseconds=1))
    return instant.strftime(RUN_ID)


def _is_run_id(name: str) -> bool:
    try:
        return datetime.strptime(name, RUN_ID).replace(tzinfo=UTC).strftime(RUN_ID) == name
    except ValueError:
        return False
