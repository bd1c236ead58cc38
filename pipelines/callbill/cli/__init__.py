"""The `callbill` command.

main.py                 the entry: groups the commands; shows an error once, and exits
errors.py               which sentence and exit code an error stands for
options.py              options that several commands take
place_commands.py       init, config
job_commands.py         run, seal, rebuild, drill
bill_commands.py        bill, arrears, export, explain
check_commands.py       verify, reconcile
history_commands.py     status, runs, rejects, diff, open
correction_commands.py  quarantine, retry
show/                   how what they find is printed, a module for each thing shown

A command imports what it works with when it is called: `callbill --help`, and a night with nothing
due, load neither dbt nor polars.
"""
