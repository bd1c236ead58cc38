"""Object stores that speak S3, through obstore: Amazon's, Tencent's COS, MinIO, SeaweedFS, ...

Places are paths, as base/places.py has them.

Where the store is, and with which credentials, comes from the environment (`AWS_ENDPOINT_URL`,
`AWS_REGION`, `AWS_ACCESS_KEY_ID`, ...), from a profile if boto3 is installed, or from the role of
the machine. None of it is ever logged. The client repeats what fails for want of an answer.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, cast
from uuid import uuid4

from callbill.base.errors import CallbillError, UsageError
from callbill.base.places import url_of
from callbill.base.settings import Settings

_BLOCK = 16 * 1024 * 1024
# After so many seconds without an answer, repeated as often as it may be, a request has failed. The
# variable CALLBILL_STORE_TIMEOUT says otherwise: commands set it from their settings, for the
# processes of workers too.
_RETRY_SECONDS = Settings.model_fields["store_timeout"].default
# Of the files of a release's site. A store says nothing of a file's name to a browser, which would
# save a page instead of showing it.
_CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class StoredObject:
    """An object, as the store described it."""

    # Relative to the place that was listed.
    name: str
    size: int
    modified_ns: int
    # A number that stands for its ETag: as long as both are the same, so is the content.
    etag: int


def objects_below(place: Path) -> Iterator[StoredObject]:
    """All objects below a place, in order of their names, without the empty one that some tools
    write for the place itself. Raises CallbillError."""
    store, prefix = _store_and_key(place)
    prefix = prefix.rstrip("/") + "/" if prefix else ""
    found = []
    with _one_sentence(place):
        for chunk in store.list(prefix or None):
            found += [
                _described(meta, meta["path"].removeprefix(prefix))
                for meta in chunk
                if meta["path"].startswith(prefix)
            ]
    return iter(sorted(found, key=lambda one: one.name))


def describe(path: Path) -> StoredObject | None:
    """An object, None if it is not there. Raises CallbillError if the store does not answer."""
    store, key = _store_and_key(path)
    try:
        with _one_sentence(path):
            return _described(store.head(key), path.name)
    except FileNotFoundError:
        return None


def chunks_of(path: Path) -> Iterator[bytes]:
    """An object's bytes. Raises FileNotFoundError if it is not there, CallbillError otherwise."""
    store, key = _store_and_key(path)
    with _one_sentence(path):
        for chunk in store.get(key).stream(min_chunk_size=_BLOCK):
            yield bytes(chunk)


def fetch(path: Path, target: Path) -> str:
    """Copy an object to this machine. The result is the SHA-256 of what came. Raises as
    `chunks_of`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(target.name + ".part")
    digest = hashlib.sha256()
    with unfinished.open("wb") as stream:
        for chunk in chunks_of(path):
            digest.update(chunk)
            stream.write(chunk)
    unfinished.replace(target)
    return digest.hexdigest()


def open_object(path: Path) -> BinaryIO:
    """An object as a stream that can be read at any place. Raises as `chunks_of`."""
    import obstore

    store, key = _store_and_key(path)
    with _one_sentence(path):
        return cast(BinaryIO, _ObjectStream(obstore.open_reader(store, key), path))


class _ObjectStream(io.RawIOBase):
    """obstore's reader, whose errors are one sentence."""

    def __init__(self, reader: Any, path: Path) -> None:
        self._reader = reader
        self._path = path

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        with _one_sentence(self._path):
            return bytes(self._reader.read(None if size is None or size < 0 else size))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return int(self._reader.seek(offset, whence))

    def tell(self) -> int:
        return int(self._reader.tell())


def digest_of_object(path: Path) -> str:
    """The SHA-256 of an object's bytes. Raises as `chunks_of`."""
    digest = hashlib.sha256()
    for chunk in chunks_of(path):
        digest.update(chunk)
    return digest.hexdigest()


def put(path: Path, content: bytes | Path) -> None:
    """Write an object, from bytes or from a file. Raises CallbillError."""
    store, key = _store_and_key(path)
    content_type = _CONTENT_TYPES.get(path.suffix)
    with _one_sentence(path):
        store.put(key, content, attributes={"Content-Type": content_type} if content_type else None)


def put_if_absent(path: Path, content: bytes) -> bool:
    """Write an object unless there is one of this name. Whether it was written.

    Raises CallbillError.
    """
    from obstore.exceptions import AlreadyExistsError, PreconditionError

    store, key = _store_and_key(path)
    try:
        with _one_sentence(path):
            store.put(key, content, mode="create", use_multipart=False)
    except (AlreadyExistsError, PreconditionError):
        # A write whose answer was lost is repeated, and then finds itself.
        return read(path) == content
    return True


def read(path: Path) -> bytes | None:
    """An object's bytes, None if it is not there. Raises CallbillError."""
    try:
        return b"".join(chunks_of(path))
    except FileNotFoundError:
        return None


def delete(paths: list[Path]) -> None:
    """Delete objects of one bucket. Raises CallbillError."""
    if paths:
        store, _key = _store_and_key(paths[0])
        with _one_sentence(paths[0]):
            store.delete([_store_and_key(path)[1] for path in paths])


def check_conditions(place: Path) -> None:
    """Make sure that a store keeps its word when it is asked to write only what is absent.

    Raises CallbillError if it writes all the same: two runs could then publish at once.
    """
    # A name of its own: another run that asks at the same time removes only its own probe.
    probe = place / f".probe-{uuid4().hex}"
    try:
        kept = put_if_absent(probe, b"first") and not put_if_absent(probe, b"second")
        if not kept or read(probe) != b"first":
            raise CallbillError(
                f"{url_of(place)} writes over objects although it is asked not to (If-None-Match): "
                "two runs could publish at once, so nothing is published there; use a store that "
                "keeps conditions"
            )
    finally:
        delete([probe])


def _described(meta: Any, name: str) -> StoredObject:
    modified: datetime = meta["last_modified"]
    etag = hashlib.sha256((meta["e_tag"] or "").encode()).digest()
    since_1970 = modified - datetime(1970, 1, 1, tzinfo=UTC)
    return StoredObject(
        name,
        meta["size"],
        since_1970 // timedelta(microseconds=1) * 1000,
        int.from_bytes(etag[:7], "big"),
    )


def _store_and_key(path: Path) -> tuple[Any, str]:
    _scheme, bucket, *key = path.parts
    return _store(bucket), "/".join(key)


@cache
def _store(bucket: str) -> Any:
    from obstore.store import S3Store

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    options: dict[str, Any] = {"endpoint": endpoint} if endpoint else {}
    if not os.environ.get("AWS_ACCESS_KEY_ID") and (provider := _profile()):
        options["credential_provider"] = provider
    return S3Store(
        bucket,
        client_options={
            "allow_http": endpoint.startswith("http://"),
            "timeout": "60s",
            "connect_timeout": "10s",
        },
        retry_config={
            "max_retries": 1000,
            "retry_timeout": timedelta(
                seconds=int(os.environ.get("CALLBILL_STORE_TIMEOUT") or _RETRY_SECONDS)
            ),
            "backoff": {
                "init_backoff": timedelta(milliseconds=200),
                "max_backoff": timedelta(seconds=10),
                "base": 2,
            },
        },
        **options,
    )


def _profile() -> Any:
    """Credentials as boto3 finds them, which knows profiles; None without boto3."""
    try:
        import boto3
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        return None
    session = boto3.Session()
    return Boto3CredentialProvider(session) if session.get_credentials() else None


@contextmanager
def _one_sentence(path: Path) -> Iterator[None]:
    """Within this block, what obstore raises becomes one sentence. That nothing is there becomes a
    FileNotFoundError; that something is there, or is not what it was, is left as it is."""
    from obstore.exceptions import (
        AlreadyExistsError,
        BaseError,
        NotFoundError,
        PreconditionError,
    )

    try:
        yield
    except (FileNotFoundError, NotFoundError) as error:
        raise FileNotFoundError(f"{url_of(path)} is not there") from error
    except (AlreadyExistsError, PreconditionError, CallbillError):
        raise
    except (BaseError, OSError) as error:
        text = str(error)
        if "NoSuchBucket" in text:
            raise UsageError(f"there is no bucket {path.parts[1]}") from error
        if "invalid path" in text:
            raise UsageError(
                f"below {url_of(path)} lies an object whose name has an empty part, such as a//b: "
                f"rename it, or name a prefix without it ({_reason(error)})"
            ) from error
        raise CallbillError(f"{url_of(path)} cannot be reached: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """The part of obstore's message that is for people."""
    text = str(error).split("Debug source")[0]
    # An answer in XML can repeat parts of the request, names of keys among them.
    reason, _, answer = text.partition("<?xml")
    code = re.search(r"<Code>(\w+)</Code>", answer)
    reason = " ".join(reason.split()).rstrip(": ")[:300]
    return (f"{reason} ({code[1]})" if code else reason) or type(error).__name__
