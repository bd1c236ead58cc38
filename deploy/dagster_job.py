"""Dagster: the nightly run as a job of one op, over the command and its exit codes.

`dagster dev -f dagster_job.py` shows it. Exit codes 1 (a control failed) and 2 (wrong settings)
come again on a retry, so the op fails at once. 3 (another run works) and 4 may not, so it tries
again.
"""

import subprocess

from dagster import (
    Definitions,
    Failure,
    OpExecutionContext,
    RetryPolicy,
    RetryRequested,
    ScheduleDefinition,
    job,
    op,
)

CALLBILL = "/opt/callbill/bin/callbill"
PLACE = "/var/lib/callbill"
COMES_AGAIN = (1, 2)


@op(retry_policy=RetryPolicy(max_retries=6, delay=600))
def run_callbill(context: OpExecutionContext) -> None:
    ended = subprocess.run(
        [CALLBILL, "run", "--place", PLACE, "--json-logs"],
        capture_output=True,
        text=True,
        check=False,
    )
    for line in ended.stderr.splitlines():
        context.log.info(line)
    if ended.returncode in COMES_AGAIN:
        raise Failure(f"exit code {ended.returncode}", allow_retries=False)
    if ended.returncode:
        raise RetryRequested(max_retries=6, seconds_to_wait=600)


@job
def callbill() -> None:
    run_callbill()


defs = Definitions(
    jobs=[callbill],
    schedules=[
        ScheduleDefinition(
            job=callbill, cron_schedule="30 1 * * *", execution_timezone="Asia/Shanghai"
        )
    ],
)
