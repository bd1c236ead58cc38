"""What is to become of workers. Those of the tests' clusters have this folder on their PYTHONPATH:
Python runs this file whenever one starts.

A worker does its tasks as always, until a file in the folder TESTS_FATES has the name of one
(`tests/support/fate.py` writes it). Of all workers, the first that does such a task takes the file
away and meets what it says:

worker      this process is killed
executor    so is the process of Spark that it works for
hang        the task does not return as long as the file `hanging` is there
elsewhere   it sees an empty folder where the others see the warehouse's files
"""

from __future__ import annotations

import importlib
import os
import signal
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

_FATES = Path(os.environ["TESTS_FATES"])
_TASKS = {
    "callbill.tasks.ingest": "ingest",
    "callbill.tasks.bucket": "bucket",
    "callbill.verify.tasks": "verify",
}
_import_module = importlib.import_module


def _import(name: str, package: str | None = None) -> Any:
    module = _import_module(name, package)
    if name not in _TASKS:
        return module
    return SimpleNamespace(run=lambda item: _do(module, _TASKS[name], item))


def _do(module: Any, task: str, item: dict[str, Any]) -> Any:
    name = f"{task}-{item['step']}" if "step" in item else task
    fate = _taken(name)
    if fate is None:
        return module.run(item)
    if fate == "elsewhere":
        return module.run(item | {"root": tempfile.mkdtemp()})
    from callbill.tasks import exchange

    # In the middle of the task: it has written what it has to, and not said so yet. The last step
    # of a verification writes nothing.
    method = "at_hand" if name == "verify-charge" else "hand_over"
    original = getattr(exchange.Workplace, method)

    def meet(*arguments: Any) -> Any:
        setattr(exchange.Workplace, method, original)
        result = original(*arguments)
        _meet(fate)
        return result

    setattr(exchange.Workplace, method, meet)
    return module.run(item)


def _taken(name: str) -> str | None:
    """What is to become of this worker, None if it is another one's turn."""
    for path in sorted(_FATES.glob(f"{name}.*")):
        fate = path.read_text() if path.exists() else ""
        try:
            path.rename(_FATES / "met" / path.name)
        except FileNotFoundError:
            continue
        return fate
    return None


def _meet(fate: str) -> None:
    if fate == "executor":
        # Its daemon started this process, and the executor that.
        [parent] = [
            line.split()[1]
            for line in Path(f"/proc/{os.getppid()}/status").read_text().splitlines()
            if line.startswith("PPid:")
        ]
        os.kill(int(parent), signal.SIGKILL)
    if fate in ("worker", "executor"):
        os.kill(os.getpid(), signal.SIGKILL)
    while (_FATES / "hanging").exists():
        time.sleep(0.1)


importlib.import_module = _import
