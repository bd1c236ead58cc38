"""Reading call logs with Spark: lines of JSON that leave no doubt. Files with any other are read as
DuckDB reads them, so that a line is accepted or rejected alike whatever the engine."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.errors import CallbillError
from pipelines.ingest.queries import TEMPLATES
from pipelines.ingest.shapes import Shape, spark_keys, spark_schema, spark_texts
from pipelines.settings import Settings
from pipelines.spark import hadoop_path, session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class SparkLines:
    """The lines of some files of one shape, each under its hash, with the arrival date and the
    settlement floor that are known of it."""

    shape: Shape
    billing_timezone: str
    paths: Mapping[str, Path]
    known: Mapping[str, tuple[date, date]]

    def records(self, settings: Settings) -> DataFrame:
        """One row per line that is not blank."""
        spark = session(settings)
        (
            spark.read.text([_as_pattern(path) for path in self.paths.values()], lineSep="\n")
            .selectExpr("value as line", "_metadata.file_name as file_name")
            .createOrReplaceTempView("lines")
        )
        spark.createDataFrame(
            [(name, arrived_on, floor) for name, (arrived_on, floor) in self.known.items()],
            "source_file_id string, arrived_on date, settlement_floor date",
        ).createOrReplaceTempView("known_files")
        query = TEMPLATES.get_template("clean_lines.sql").render(
            schema=spark_schema(self.shape),
            keys=spark_keys(self.shape),
            texts=spark_texts(self.shape),
            offset=r"(Z|[+-](0\d|1[0-3]):[0-5]\d)",
            timezone=self.billing_timezone,
        )
        return spark.sql(query)


def _as_pattern(path: Path) -> str:
    """What Spark reads from are patterns: this one means just the path."""
    return re.sub(r"([\\{}])", r"\\\1", hadoop_path(path))


def write_clean(settings: Settings, lines: SparkLines, folder: Path) -> list[Path] | None:
    """Write the records into a folder per settlement floor; None, and nothing, if any line is not
    clean."""
    records = lines.records(settings)
    from pyspark.errors import PySparkException
    from pyspark.sql import Observation
    from pyspark.sql.functions import count_if, expr

    seen = Observation()
    records = records.observe(seen, count_if(expr("not is_clean")).alias("odd"))
    try:
        (
            records.where("is_clean")
            .drop("is_clean")
            .write.partitionBy("settlement_floor")
            .parquet(hadoop_path(folder))
        )
    except PySparkException as error:
        raise _stopped(error) from error
    if seen.get["odd"]:
        shutil.rmtree(folder)
        return None
    return sorted(folder.glob("settlement_floor=*/*.parquet"))


def not_clean(settings: Settings, lines: SparkLines) -> set[str]:
    """The files with a line that is not."""
    records = lines.records(settings)
    from pyspark.errors import PySparkException

    try:
        found = records.where("not is_clean").select("source_file_id").distinct()
        return {row[0] for row in found.collect()}
    except PySparkException as error:
        raise _stopped(error) from error


def _stopped(error: Any) -> CallbillError:
    return CallbillError(f"Spark stopped: {' '.join(str(error).split())[:500]}")
