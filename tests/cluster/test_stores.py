"""Logs and releases in an object store: the same bill; two runs cannot publish at once; a store
that fails, in whatever way, leaves nothing half published."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import pytest
from callbill.release.release import Published, Release
from callbill.storage.objects import _store as store_clients

from tests.bill.reference.inputs import World
from tests.cluster.conftest import RUNS, land, mirror
from tests.support.commands import callbill, succeed
from tests.support.faulty_store import Judge, Verdict, faulty_store
from tests.support.landing_files import write
from tests.support.places import figures
from tests.support.servers import (
    BUCKET,
    SECRET,
    free_port,
    put_folder,
    s3_client,
    seaweed,
    store_environment,
    wait_until,
)

pytestmark = pytest.mark.cluster


def places_in_store(place: Path, name: str) -> tuple[str, ...]:
    return (
        f"--landing=s3://{BUCKET}/{name}/landing",
        f"--warehouse={place / 'warehouse.duckdb'}",
        f"--published=s3://{BUCKET}/{name}/published",
    )


def releases_of(place: Path) -> list[Release]:
    return Published(place / "published").releases()


@pytest.fixture(autouse=True)
def _own_client() -> None:
    """Tests have stores of their own, and a process keeps a client for each bucket."""
    store_clients.cache_clear()


@pytest.fixture(scope="module")
def in_store(world: World, s3: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The nights, with logs and releases in the store under `nights`."""
    place = tmp_path_factory.mktemp("in-store")
    for after, through in zip((date.min, *RUNS), RUNS, strict=False):
        fresh = place / f"until {through}"
        land(world, fresh, after, through)
        put_folder(fresh, "nights/landing", s3)
        succeed(callbill("run", *places_in_store(place, "nights"), "--through", through))
    return mirror(place)


def test_logs_and_releases_in_a_store_give_the_same_bill(here: Path, in_store: Path) -> None:
    assert figures(in_store) == figures(here)
    succeed(callbill("verify", *places_in_store(in_store, "nights")))


def test_another_machine_reads_and_rebuilds(here: Path, in_store: Path, tmp_path: Path) -> None:
    """A machine that has nothing but the address."""
    succeed(callbill("arrears", *places_in_store(tmp_path, "nights")))
    assert figures(mirror(tmp_path)) == figures(here)
    opened = callbill("open", *places_in_store(tmp_path, "nights"))
    succeed(opened)
    database = next(line for line in opened.stdout.splitlines() if "database" in line).split()[1]
    # An analyst opens it as it lies there, calls included.
    with duckdb.connect(database, read_only=True) as con:
        [(calls,)] = con.execute("select sum(calls_billed) from billing.calls").fetchall()
        assert con.execute("select sum(calls) from billing.bill_lines").fetchall() == [(calls,)]
    first, last = (release.run_id for release in releases_of(in_store)[:2])
    diff = callbill("diff", first, last, *places_in_store(tmp_path, "nights"))
    succeed(diff)
    succeed(callbill("rebuild", *places_in_store(tmp_path, "nights")))


# --- one night of its own for each test ---


@pytest.fixture
def one_night(world: World, s3: int, tmp_path: Path) -> tuple[Path, str]:
    """Files of a night in the store, under a name of their own."""
    name = tmp_path.name
    land(world, tmp_path / "fresh", date.min, RUNS[0])
    put_folder(tmp_path / "fresh", f"{name}/landing", s3)
    return tmp_path, name


def objects(name: str) -> list[str]:
    from callbill.storage.objects import objects_below

    return [found.name for found in objects_below(Path("s3:") / BUCKET / name / "published")]


def publish_with_the_other(folder: Path) -> None:
    """This run puts its pointer as soon as another one wants to put its own."""
    from callbill.release import store

    put_if_absent = store.put_if_absent

    def put_at_once(path: Path, content: bytes) -> bool:
        (folder / str(os.getpid())).touch()
        wait_until(lambda: len(list(folder.iterdir())) == 2, "the other run publishes too")
        return put_if_absent(path, content)

    store.put_if_absent = put_at_once


def test_of_two_runs_that_publish_at_once_one_is_refused(
    one_night: tuple[Path, str], tmp_path: Path
) -> None:
    place, name = one_night
    waiting = tmp_path / "waiting"
    waiting.mkdir()

    def publish(place: Path) -> subprocess.CompletedProcess[str]:
        return callbill(
            "run", *places_in_store(place, name), "--through", RUNS[0],
            before=partial(publish_with_the_other, waiting),
        )  # fmt: skip

    machines = [place, tmp_path / "other"]
    with ThreadPoolExecutor(2) as pool:
        ended = dict(zip(machines, pool.map(publish, machines), strict=True))
    published, refused = sorted(ended, key=lambda machine: ended[machine].returncode)
    succeed(ended[published])
    assert ended[refused].returncode == 3, ended[refused].stderr
    assert "another run has published" in ended[refused].stderr
    assert [n for n in objects(name) if n.startswith("pointers/")] == ["pointers/000000000001.json"]
    # The refused one takes over what the other published, and has nothing to do any more.
    succeed(callbill("run", *places_in_store(refused, name), "--through", RUNS[0]))
    assert figures(mirror(refused)) == figures(mirror(published))


@pytest.fixture
def behind(s3: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Puts a faulty server before the store."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def put_before(judge: Judge) -> None:
            port = stack.enter_context(faulty_store(s3, judge))
            for key, value in store_environment(port).items():
                monkeypatch.setenv(key, value)

        yield put_before


def test_a_store_that_ignores_conditions_is_refused_before_anything_is_published(
    one_night: tuple[Path, str], behind
) -> None:
    place, name = one_night
    behind(lambda method, _path: "forget" if method == "PUT" else None)
    ended = callbill("run", *places_in_store(place, name), "--through", RUNS[0])
    assert ended.returncode == 4
    assert "writes over objects although it is asked not to" in ended.stderr
    assert [name for name in objects(name) if not name.startswith("status/")] == []


def test_errors_and_broken_connections_are_repeated(
    one_night: tuple[Path, str], behind, here: Path
) -> None:
    """Every fifth request fails in one way or another, and one in twenty is slow."""
    place, name = one_night
    count = iter(range(10**9))

    def judge(_method: str, _path: str) -> Verdict:
        n = next(count)
        return {4: 503, 9: "reset", 14: 500, 19: 0.5}.get(n % 20)

    behind(judge)
    succeed(callbill("run", *places_in_store(place, name), "--through", RUNS[0]))
    sealed = figures(mirror(place))["settlement_hashes"]
    assert sealed.items() <= figures(here)["settlement_hashes"].items()


def test_a_store_that_dies_while_a_run_publishes_leaves_nothing_half_published(
    world: World, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SeaweedFS is killed, and started again where it was."""
    port = free_port()
    place, name = tmp_path / "place", "nights"
    land(world, tmp_path / "fresh", date.min, RUNS[0])
    night = ("run", *places_in_store(place, name), "--through", RUNS[0])
    with seaweed(tmp_path, port) as server:
        at_once = threading.Lock()
        client = s3_client(port)

        def a_file_is_there() -> bool:
            of_releases = f"{name}/published/releases/"
            return client.list_objects_v2(Bucket=BUCKET, Prefix=of_releases)["KeyCount"] > 0

        def judge(method: str, path: str) -> Verdict:
            if method == "PUT" and "/bill_lines.parquet" in path:
                with at_once:
                    if server.returncode is None:
                        # Files go up side by side: not before another one of the release is there.
                        wait_until(a_file_is_there, "a file of the release is in the store")
                        os.killpg(server.pid, signal.SIGKILL)
                        server.wait()
            return None if server.returncode is None else "reset"

        put_folder(tmp_path / "fresh", f"{name}/landing", port)
        with faulty_store(port, judge) as before, monkeypatch.context() as patch:
            patch.setenv("CALLBILL_STORE_TIMEOUT", "2")
            for key, value in store_environment(before).items():
                patch.setenv(key, value)
            ended = callbill(*night)
    assert server.returncode == -signal.SIGKILL
    assert ended.returncode == 4, ended.stderr
    assert "cannot be reached" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert SECRET not in ended.stderr + ended.stdout
    for key, value in store_environment(port).items():
        monkeypatch.setenv(key, value)
    with seaweed(tmp_path, port):
        # Without a pointer there is no release, whatever lies there.
        left = objects(name)
        assert [n for n in left if n.startswith("releases/")]
        assert not [n for n in left if n.startswith("pointers/")]
        reader = places_in_store(tmp_path / "reader", name)
        assert callbill("arrears", *reader).returncode == 2
        succeed(callbill(*night))
        succeed(callbill("arrears", *reader))
    sealed = figures(mirror(place))["settlement_hashes"]
    assert sealed.items() <= figures(here)["settlement_hashes"].items()
    assert figures(mirror(tmp_path / "reader")) == figures(place)


def test_a_changed_object_is_not_taken_for_the_release(
    one_night: tuple[Path, str], tmp_path: Path
) -> None:
    from callbill.storage.objects import put

    place, name = one_night
    succeed(callbill("run", *places_in_store(place, name), "--through", RUNS[0]))
    [lines] = [n for n in objects(name) if n.endswith("parquet/bill_lines.parquet")]
    put(Path("s3:") / BUCKET / name / "published" / lines, b"something else")
    ended = callbill("arrears", *places_in_store(tmp_path / "reader", name))
    assert ended.returncode == 2
    assert "is not what was published (SHA-256)" in ended.stderr


def test_old_releases_go_and_their_calls_stay_as_long_as_they_are_needed(
    world: World, s3: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLBILL_KEEP_RELEASES", "2")
    name = tmp_path.name
    for after, through in zip((date.min, *RUNS), RUNS, strict=False):
        land(world, tmp_path / f"{through}", after, through)
        put_folder(tmp_path / f"{through}", f"{name}/landing", s3)
        succeed(callbill("run", *places_in_store(tmp_path, name), "--through", through))
    kept = objects(name)
    assert len([n for n in kept if n.startswith("pointers/")]) == 2
    assert len({n.split("/")[1] for n in kept if n.startswith("releases/")}) == 2
    reader = tmp_path / "reader"
    succeed(callbill("verify", *places_in_store(reader, name)))
    assert figures(mirror(reader)) == figures(mirror(tmp_path))


def test_a_wrong_key_is_one_sentence_without_the_key(one_night: tuple[Path, str], behind) -> None:
    place, name = one_night
    behind(lambda _method, _path: 403)
    ended = callbill("run", *places_in_store(place, name), "--through", RUNS[0])
    assert ended.returncode == 4
    assert "cannot be reached" in ended.stderr
    assert SECRET not in ended.stderr
    assert "tester" not in ended.stderr


def test_a_browser_gets_the_site_from_the_store(in_store: Path, s3: int) -> None:
    """As it lies there: each file of the site, and what it is."""
    [release] = releases_of(in_store)[-1:]
    kinds = {".html": "text/html", ".js": "text/javascript", ".css": "text/css",
             ".svg": "image/svg+xml", ".json": "application/json"}  # fmt: skip
    files = [path for path in (release.folder / "site").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".html", ".js", ".css"}
    client = s3_client(s3)
    for path in files:
        name = path.relative_to(release.folder).as_posix()
        key = f"nights/published/releases/{release.run_id}/{name}"
        url = client.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": key})
        with urllib.request.urlopen(url) as answer:  # noqa: S310
            assert answer.read() == path.read_bytes(), name
            expected = kinds.get(path.suffix)
            assert expected is None or answer.headers.get_content_type() == expected, name


@pytest.fixture
def role() -> Iterator[tuple[str, list[str]]]:
    """The address of a service that tells a machine its role's credentials, as that of a cloud
    does, and what it was asked."""
    asked: list[str] = []
    answers = {
        "/latest/api/token": "a-token",
        "/latest/meta-data/iam/security-credentials/": "billing",
        "/latest/meta-data/iam/security-credentials/billing": json.dumps(
            {
                "Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "tester",
                "SecretAccessKey": SECRET, "Token": "", "LastUpdated": "2026-01-01T00:00:00Z",
                "Expiration": "2099-01-01T00:00:00Z",
            }
        ),
    }  # fmt: skip

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            content = answers.get(self.path, "").encode()
            self.send_response(200 if content else 404)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_PUT = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()


def without_boto3() -> None:
    import sys

    sys.modules["boto3"] = None  # type: ignore[assignment]


def test_credentials_come_from_the_role_of_the_machine(
    in_store: Path,
    role: tuple[str, list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, asked = role
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(key)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", address)
    ended = callbill("arrears", *places_in_store(tmp_path, "nights"), before=without_boto3)
    succeed(ended)
    assert any(path.endswith("/billing") for path in asked)
    assert SECRET not in ended.stdout + ended.stderr


def test_credentials_come_from_a_profile(
    in_store: Path, behind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    behind(lambda _method, path: asked.append(path))
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(key)
    write(
        tmp_path / "credentials",
        f"[billing]\naws_access_key_id = tester\naws_secret_access_key = {SECRET}\n".encode(),
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "billing")
    ended = callbill("arrears", *places_in_store(tmp_path, "nights"))
    succeed(ended)
    assert asked
    assert SECRET not in ended.stdout + ended.stderr
    monkeypatch.setenv("AWS_PROFILE", "another")
    assert callbill("arrears", *places_in_store(tmp_path / "x", "nights")).returncode != 0


def test_status_is_put_into_the_store(in_store: Path) -> None:
    from callbill.storage.objects import read

    content = read(Path("s3:") / BUCKET / "nights" / "published" / "status" / "last_run.json")
    assert json.loads(content or b"{}")["outcome"] == "published"


def test_an_object_whose_name_cannot_be_read_is_named(
    one_night: tuple[Path, str], s3: int, tmp_path: Path
) -> None:
    place, name = one_night
    write(tmp_path / "odd" / "x.jsonl", b"{}")
    put_folder(tmp_path / "odd", f"{name}/landing/call_logs//", s3)
    ended = callbill("run", *places_in_store(place, name), "--through", RUNS[0])
    assert ended.returncode == 2, ended.stderr
    assert "lies an object whose name has an empty part" in ended.stderr


def test_a_place_in_a_store_with_nothing_in_it_is_warned_of(s3: int, tmp_path: Path) -> None:
    ended = callbill("run", *places_in_store(tmp_path, "mistyped"), "--through", RUNS[0])
    succeed(ended)
    assert f"nothing lies below s3://{BUCKET}/mistyped/landing" in ended.stdout + ended.stderr


def test_a_bucket_that_is_not_there_is_one_sentence(s3: int, tmp_path: Path) -> None:
    for option in ("--landing", "--published"):
        ended = callbill(
            "run",
            *places_in_store(tmp_path, "x"),
            f"{option}=s3://nobucket/x",
            "--through",
            RUNS[0],
        )
        assert ended.returncode == 2, ended.stderr
        assert "there is no bucket nobucket" in ended.stderr
        assert "why=\n" not in ended.stderr
