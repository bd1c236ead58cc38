"""Where the project and what tests take from it lie."""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
SAMPLE = PROJECT / "sample"
FIXTURES = PROJECT / "tests" / "fixtures"
# What judges lines.
INGEST = "pipelines/callbill/ingest"

# The last day of the sample's story.
SAMPLE_THROUGH = "2026-10-02"
