"""Shows where the parts of a release lie."""

from __future__ import annotations

from callbill.cli.show.console import open_console
from callbill.release.release import Release


def show_release(release: Release) -> None:
    console = open_console()
    console.print(f"release {release.run_id}, sealed through {release.manifest.through}")
    for name, path in (
        ("site", release.site / "index.html"),
        ("database", release.database),
        ("parquet", release.parquet),
        ("manifest", release.folder / "manifest.json"),
    ):
        if path.exists():
            console.print(f"  {name:<9} {path}", soft_wrap=True)
    console.print(f"  to query  duckdb -readonly {release.database}", soft_wrap=True)
