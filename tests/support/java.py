"""Java for tests: processes that live for some seconds, many of them, each of Spark's classes.

Most of their processor time goes into loading classes and into compiling them for a long life.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.shared import make_once

# Nothing else may be said on standard output: Spark's scripts read commands from there.
_SHORT_LIFE = "-XX:+IgnoreUnrecognizedVMOptions -XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
_QUIET = "-Xlog:disable"
_ARCHIVE = "spark.jsa"
# What runs do on Spark, with the classes that it takes.
_WORK = """
import sys
from callbill.tasks.workers.spark import Spark
from pyspark.sql import SparkSession

archive = f"-XX:ArchiveClassesAtExit={sys.argv[1]}"
builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
builder.config("spark.driver.extraJavaOptions", archive).getOrCreate()
spark = Spark("local[1]", 120)
columns = "number long, item string"
spark.partitions([(0, "a"), (1, "b")]).mapInArrow(lambda batches: batches, columns).collect()
spark.close()
"""


def java_environment() -> dict[str, str]:
    """Has Java start quickly, with an archive of Spark's classes as they are once loaded. A Java
    that cannot use the archive goes without it."""

    def make(folder: Path) -> None:
        spark = {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
        # Java writes it when Python has ended, and holds the output until then.
        ended = subprocess.run(
            [sys.executable, "-c", _WORK, folder / _ARCHIVE],
            env=os.environ | _options() | spark,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        assert (folder / _ARCHIVE).exists()

    return _options(f"-XX:SharedArchiveFile={make_once('java', make) / _ARCHIVE}")


def _options(*others: str) -> dict[str, str]:
    return {"JAVA_TOOL_OPTIONS": " ".join((_SHORT_LIFE, _QUIET, *others))}
