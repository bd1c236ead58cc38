"""Places in an object store, as paths.

A place is written as `s3://bucket/prefix`. As a path it is `s3:/bucket/prefix`, so that names can
be put together as with folders. storage/objects.py reads and writes what lies there.
"""

from __future__ import annotations

import re
from pathlib import Path

SCHEME = "s3:"


def is_in_store(path: Path) -> bool:
    return path.parts[:1] == (SCHEME,)


def url_of(path: Path) -> str | None:
    """The URL of a place in a store, None for a path of this machine."""
    return f"s3://{'/'.join(path.parts[1:])}" if is_in_store(path) else None


def shown(path: Path) -> str:
    """A place as people write it."""
    return url_of(path) or str(path)


def shown_address(address: str) -> str:
    """A cluster's address as it may be told: without a token or a password in it."""
    return re.sub(r"(?<=://)[^/;]*@", "", address.split(";")[0]).rstrip("/")
