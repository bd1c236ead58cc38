"""Judges records by the feed's judge.sql, whichever reader they came from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from zoneinfo import ZoneInfo

import duckdb

from callbill.base.sql import literal
from callbill.ingest.output import Output
from callbill.ingest.read_task import ReadTask
from callbill.ingest.relation import Relation
from callbill.ingest.shapes import Shape
from callbill.ingest.templates import judging_query


class Judge:
    """Judges the records of a task's files, and passes accepted and rejected ones to the output."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, task: ReadTask, shape: Shape, output: Output
    ) -> None:
        self.con = con
        self.shape = shape
        self.output = output
        self.zone = ZoneInfo(task.billing_timezone)
        self.reading_rules = task.reading_rules
        self.files = {file.source_file_id: file for file in task.files}

    def judge(self, texts: Relation, source_file_ids: Sequence[str]) -> None:
        """Judge records, keep the accepted ones, and keep the reasons for the others. A line with
        several records is accepted only if all of them are."""
        judged = self.judged(texts, source_file_ids, keep_fields=True)
        self.con.execute(
            f"create or replace temp table judged as {judged.query}", judged.parameters
        )
        for name in source_file_ids:
            rejected = self.files[name].rejected
            if rejected:
                self.con.execute(
                    "update judged set reason = 'rejected_when_first_loaded'"
                    f" where reason is null and source_file_id = ? and {rejected.condition}",
                    [name],
                )
        self.con.execute(
            """
            insert into rejects (source_file_id, line_number, reason, fields)
            select distinct on (source_file_id, line_number)
                source_file_id, line_number, reason, fields
            from judged where reason is not null
            order by source_file_id, line_number, reason, fields
            """
        )
        self.output.keep_accepted(self.floors(source_file_ids))
        if self.reading_rules >= 2:
            self.output.count_cleaned()

    def judged(
        self,
        texts: Relation,
        source_file_ids: Iterable[str],
        *,
        keep_fields: bool,
        are_plain: bool = False,
    ) -> Relation:
        """The judging query over records, each with its file's arrival date and floor.

        With `are_plain` identifiers are taken as they are.
        """
        files = [self.files[name] for name in source_file_ids]
        dates = {(file.arrived_on, file.settlement_floor) for file in files}
        if len(dates) == 1:
            [(arrived_on, floor)] = dates
            file_dates = (
                f"(select date '{arrived_on}' as arrived_on, {_date(floor)} as settlement_floor)"
            )
            source = f"select * from ({texts.query}) cross join {file_dates}"
        else:
            values = ", ".join(
                f"({literal(file.source_file_id)}, date '{file.arrived_on}',"
                f" {_date(file.settlement_floor)})"
                for file in files
            )
            source = f"""
                select *
                from ({texts.query})
                inner join (values {values}) as f (source_file_id, arrived_on, settlement_floor)
                    using (source_file_id)
            """
        query = judging_query(
            self.shape,
            source,
            self.zone,
            self.reading_rules,
            keep_fields=keep_fields,
            are_plain=are_plain,
        )
        return Relation(query, texts.parameters)

    def floors(self, source_file_ids: Iterable[str]) -> set[date | None]:
        """The settlement floors of some files. None: each record has its own."""
        return {self.files[name].settlement_floor for name in source_file_ids}


def _date(day: date | None) -> str:
    return f"date '{day}'" if day else "cast(null as date)"
