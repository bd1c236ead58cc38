"""What Spark says of its own work: its event log, summed up."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.spark import LOCAL


@contextmanager
def event_log(folder: Path) -> Iterator[dict[str, int]]:
    """Have Spark write one, in runs that are started meanwhile; its sums are there afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    logs = folder / "logs"
    logs.mkdir(parents=True)
    (folder / "spark-defaults.conf").write_text(
        f"spark.eventLog.enabled true\nspark.eventLog.compress false\n"
        f"spark.eventLog.rolling.enabled false\nspark.eventLog.dir {logs.as_uri()}\n"
        # What callbill says where nobody configures Spark.
        + "".join(f"{name} {value}\n" for name, value in LOCAL.items())
    )
    os.environ["SPARK_CONF_DIR"] = str(folder)
    work: dict[str, int] = {}
    try:
        yield work
    finally:
        del os.environ["SPARK_CONF_DIR"]
    work |= summed(logs)


def summed(logs: Path) -> dict[str, int]:
    """Of all tasks together, and of the one that had most."""
    work = dict.fromkeys(
        ("tasks", "bytes_read", "shuffled_records", "shuffled_bytes", "most_records_of_a_task",
         "most_bytes_of_a_task", "spilled_bytes", "bytes_written"), 0,
    )  # fmt: skip
    for path in logs.iterdir():
        with path.open(encoding="utf-8") as events:
            for line in events:
                if not line.startswith('{"Event":"SparkListenerTaskEnd"'):
                    continue
                said = json.loads(line).get("Task Metrics")
                if not said:
                    continue
                written, read = said["Shuffle Write Metrics"], said["Shuffle Read Metrics"]
                records = read["Total Records Read"]
                size = read["Remote Bytes Read"] + read["Local Bytes Read"]
                work["tasks"] += 1
                work["bytes_read"] += said["Input Metrics"]["Bytes Read"]
                work["bytes_written"] += said["Output Metrics"]["Bytes Written"]
                work["shuffled_records"] += written["Shuffle Records Written"]
                work["shuffled_bytes"] += written["Shuffle Bytes Written"]
                work["spilled_bytes"] += said["Disk Bytes Spilled"]
                work["most_records_of_a_task"] = max(work["most_records_of_a_task"], records)
                work["most_bytes_of_a_task"] = max(work["most_bytes_of_a_task"], size)
    return work
