"""The versions of the rules, by which what is sealed stays as it was.

A change in what a record means, what a call costs or what a hash is made of is a new version. What
was loaded or sealed keeps the version that it was read, billed or hashed by; the manifest of each
release names it. New files are read, and new settlement dates billed and hashed, by the newest
versions.
"""

from __future__ import annotations

# How a line becomes a record: ingest/feeds, verify.
READING_RULES = 1
# What a record means and what a call costs: the models, the controls, verify, tests/reference.
BILLING_RULES = 1
# Which columns a content hash is made of, and how: release/hashes.py.
HASH_RECIPE = 1
