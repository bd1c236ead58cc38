"""Servers for the tests of stores and clusters, each a process of its own: an S3 server, a Spark
master with workers, a Connect server, a Dask scheduler with workers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

BIN = Path(sys.executable).parent
# What any S3 client finds in its environment.
SECRET = "do-not-log-this-secret"  # noqa: S105
BUCKET = "logs"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def process(
    command: Sequence[object], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process with all its children, until this block ends."""
    with log.open("wb") as stream:
        started = subprocess.Popen(
            [*map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    try:
        yield started
    finally:
        with suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.wait()


def wait_until(holds: Callable[[], bool], what: str, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.02)


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def store_environment(port: int) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
    }


def s3_client(port: int) -> Any:
    import boto3

    environment = store_environment(port)
    return boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_REGION"],
    )


@contextmanager
def s3_server(folder: Path) -> Iterator[int]:
    """moto's S3 server with one bucket; its port."""
    port = free_port()
    with process([BIN / "moto_server", "-H", "127.0.0.1", "-p", port], folder / "s3.log"):
        wait_until(lambda: listens(port), "the S3 server listens")
        s3_client(port).create_bucket(Bucket=BUCKET)
        yield port


@contextmanager
def seaweed(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """SeaweedFS's S3 server with one bucket, whose objects lie in a folder: another server goes on
    with them."""
    data = folder / "seaweed"
    data.mkdir(exist_ok=True)
    environment = store_environment(port)
    command = [BIN / "weed", "mini", f"-dir={data}", "-ip=127.0.0.1", f"-s3.port={port}"]
    with process(command, folder / "weed.log", environment) as started:

        def has_bucket() -> bool:
            with suppress(Exception):
                client = s3_client(port)
                if BUCKET not in [b["Name"] for b in client.list_buckets()["Buckets"]]:
                    client.create_bucket(Bucket=BUCKET)
                # It answers before it has room.
                client.put_object(Bucket=BUCKET, Key="ready", Body=b"ready")
                return True
            return False

        wait_until(has_bucket, "SeaweedFS has a bucket")
        yield started


def _spark_environment(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    import pyspark

    return {
        **environment,
        "SPARK_HOME": str(Path(pyspark.__file__).parent),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_LOG_DIR": str(folder),
        "PYSPARK_PYTHON": sys.executable,
    }


def _spark_class(environment: dict[str, str], name: str, *arguments: object) -> list[object]:
    return [Path(environment["SPARK_HOME"]) / "bin" / "spark-class", name, *arguments]


def _without(hidden: Sequence[Path], command: Sequence[object]) -> list[object]:
    """A command for a process that sees empty folders instead of the hidden ones."""
    hide = " && ".join(f"mount -t tmpfs tmpfs '{path}'" for path in hidden)
    shell = " ".join(f"'{part}'" for part in command)
    # Who is not root is root in a namespace of his own.
    apart = "-m" if os.geteuid() == 0 else "-rm"
    return ["unshare", apart, "bash", "-c", f"{hide} && exec {shell}"]


@contextmanager
def spark_master(
    folder: Path,
    environment: Mapping[str, str] = MappingProxyType({}),
    hidden: Sequence[Sequence[Path]] = ((), ()),
) -> Iterator[str]:
    """A standalone master with two workers of a core each; its address. Of each worker, the folders
    that are hidden from it."""
    environment = _spark_environment(folder, environment)
    port, ui = free_port(), free_port()
    address = f"spark://127.0.0.1:{port}"
    master = _spark_class(
        environment, "org.apache.spark.deploy.master.Master",
        *("--host", "127.0.0.1", "--port", port, "--webui-port", ui),
    )  # fmt: skip
    with process(master, folder / "master.log", environment):
        wait_until(lambda: listens(port), "the Spark master listens")
        workers = []
        for number, hidden_from_it in enumerate(hidden, 1):
            command = _spark_class(
                environment, "org.apache.spark.deploy.worker.Worker",
                *("--cores", 1, "--memory", "1200m", "--webui-port", free_port()),
                *("--work-dir", folder / f"work-{number}", address),
            )  # fmt: skip
            if hidden_from_it:
                command = _without(hidden_from_it, command)
            workers.append(process(command, folder / f"worker-{number}.log", environment))
        with workers[0], workers[1]:
            log = folder / "master.log"
            wait_until(
                lambda: log.read_text().count("Registering worker") >= 2, "two workers register"
            )
            yield address


@contextmanager
def connect_server(
    folder: Path, environment: Mapping[str, str] = MappingProxyType({})
) -> Iterator[str]:
    """A Spark Connect server with two executors of a core each, processes of their own; its
    address."""
    environment = _spark_environment(folder, environment) | {"SPARK_DAEMON_MEMORY": "1g"}
    port = free_port()
    command = [
        Path(environment["SPARK_HOME"]) / "bin" / "spark-submit",
        *("--master", "local-cluster[2,1,1024]", "--driver-memory", "1g"),
        *("--conf", f"spark.connect.grpc.binding.port={port}"),
        *("--conf", "spark.ui.enabled=false"),
        *("--class", "org.apache.spark.sql.connect.service.SparkConnectServer"),
        "spark-internal",
    ]
    with process(command, folder / "connect.log", environment):
        wait_until(lambda: listens(port), "the Connect server listens", 120)
        yield f"sc://127.0.0.1:{port}"


@contextmanager
def dask_cluster(
    folder: Path,
    environment: Mapping[str, str] = MappingProxyType({}),
    hidden: Sequence[Path] = (),
) -> Iterator[str]:
    """A Dask scheduler with two workers of a thread each; its address. The workers do not see what
    lies in the hidden folders."""
    port = free_port()
    scheduler = [BIN / "dask", "scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"]
    worker: list[object] = [
        *(BIN / "dask", "worker", f"tcp://127.0.0.1:{port}", "--nworkers", 2, "--nthreads", 1),
        *("--no-dashboard", "--local-directory", folder / "dask"),
    ]
    with process(scheduler, folder / "scheduler.log"):
        wait_until(lambda: listens(port), "the Dask scheduler listens")
        if hidden:
            worker = _without(hidden, worker)
        with process(worker, folder / "workers.log", environment):
            log = folder / "workers.log"
            wait_until(lambda: log.read_text().count("Registered to") >= 2, "two workers register")
            yield f"dask://127.0.0.1:{port}"


def put_folder(folder: Path, place: str, port: int) -> None:
    """Copy a folder to a place in the store."""
    client = s3_client(port)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            key = f"{place}/{path.relative_to(folder).as_posix()}"
            client.upload_file(str(path), BUCKET, key)
