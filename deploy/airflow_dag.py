"""Airflow: the nightly run as a DAG of one task, over the command and its exit codes.

Put this file into Airflow's folder of DAGs. Exit codes 1 (a control failed) and 2 (wrong settings)
come again on a retry, so the task fails at once. 3 (another run works) and 4 may not, so Airflow
tries again.
"""

from __future__ import annotations

import subprocess
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException

CALLBILL = "/opt/callbill/bin/callbill"
PLACE = "/var/lib/callbill"
COMES_AGAIN = (1, 2)


@dag(
    schedule="30 1 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=ZoneInfo("Asia/Shanghai")),
    catchup=False,
    max_active_runs=1,
)
def callbill() -> None:
    @task(retries=6, retry_delay=timedelta(minutes=10), execution_timeout=timedelta(hours=6))
    def run() -> None:
        ended = subprocess.run([CALLBILL, "run", "--place", PLACE, "--json-logs"], check=False)
        if ended.returncode in COMES_AGAIN:
            raise AirflowFailException(f"exit code {ended.returncode}")
        if ended.returncode:
            raise AirflowException(f"exit code {ended.returncode}")

    run()


callbill()
