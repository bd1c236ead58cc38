# `make run` and `make test` set themselves up; nothing needs to be installed by hand.
PYTHON ?= python3
BIN := .venv/bin
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
SAMPLE_THROUGH := 2026-10-02
# Twice quiet: errors alone are shown.
PIP_INSTALL := -m pip install --quiet --quiet --disable-pip-version-check
# The same, with a line for each package: what takes minutes shows that it goes on.
PIP_PROGRESS := -m pip install --disable-pip-version-check --progress-bar off --no-compile
# By all processors, which pip does not do. What packages hold for other Pythons cannot be compiled.
COMPILE := -m compileall -q -j 0
# Where an environment has its packages.
PACKAGES := 'import sysconfig; print(sysconfig.get_path("purelib"))'
SHOW_PACKAGES := | sed -un 's/^Collecting \([^ ]*\).*/  \1/p; s/^Installing collected.*/  unpacking them .../p'
# The place of `make run`: nothing of it lies where a real job works.
SAMPLE_PLACE := build/sample
# CI has two that may ask for packages at once.
APT_INSTALL := $(SUDO) apt-get install --quiet --yes --no-install-recommends \
	--option DPkg::Lock::Timeout=300
# What sqlfluff reads.
SQL := models pipelines
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
# How long each check took.
timed = TIMEFORMAT="$@: %1R s" && time

.PHONY: install install-browser install-cluster hooks run test test-long test-browser wheel test-wheel test-cluster test-dbt test-schedulers reliability bench bench-scale bench-site bench-engines lint ruff mypy sqlfluff docs picture lock clean

install: .venv/.installed

# The project itself needs no build environment of its own: hatchling is in the lock file.
.venv/.installed: requirements.lock pyproject.toml
	@echo "Installing callbill and $$(wc -l < requirements.lock) packages into .venv, some minutes:"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python $(PIP_PROGRESS) -r requirements.lock $(SHOW_PACKAGES)
	@$(BIN)/python $(COMPILE) .venv/lib > /dev/null || true
	@$(BIN)/python $(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

# Debian's Chromium and letters for Chinese, if they are not there, and what drives it.
install-browser: .venv/.installed-browser

.venv/.installed-browser: .venv/.installed requirements-browser.lock
	command -v chromium fc-list && fc-list :lang=zh | grep -q . || { \
		$(SUDO) apt-get update --quiet && $(APT_INSTALL) chromium fontconfig fonts-wqy-microhei; }
	$(BIN)/python $(PIP_INSTALL) -r requirements-browser.lock
	touch $@

# Has git look at what is to be committed, as CI does.
hooks:
	git config core.hooksPath hooks

# Bills the sample in a place of its own, whatever the environment says.
run: install
	@unset $${!CALLBILL_@}; \
	[ -e $(SAMPLE_PLACE)/callbill.toml ] || $(BIN)/callbill init $(SAMPLE_PLACE) > /dev/null && \
	CALLBILL_CATALOGUE=sample/catalogue $(BIN)/callbill run --place $(SAMPLE_PLACE) \
		--landing sample/landing --through $(SAMPLE_THROUGH)

test: install
	$(BIN)/python -m pytest

# Leaves pictures of the pages in screenshots/.
test-browser: install-browser
	$(BIN)/python -m pytest -m 'browser and not long'

# What is installed elsewhere: dist/callbill-VERSION-py3-none-any.whl.
wheel: install
	rm -rf dist
	$(BIN)/python -m hatchling build --target wheel --directory dist

# The wheel, in a fresh environment of its own.
test-wheel: install
	$(BIN)/python -m pytest -n 0 -m wheel tests/job/test_wheel.py

# Spark and Dask for workers on other machines, and an S3 server to try them with. Spark needs Java.
install-cluster: .venv-cluster/.installed

# They stand beside what is installed already: that is not installed a second time.
.venv-cluster/.installed: .venv/.installed requirements-cluster.lock
	command -v java || { \
		$(SUDO) apt-get update --quiet && $(APT_INSTALL) openjdk-17-jre-headless; }
	$(PYTHON) -m venv --clear .venv-cluster
	$(BIN)/python -c $(PACKAGES) > "$$(.venv-cluster/bin/python -c $(PACKAGES))/installed.pth"
	.venv-cluster/bin/python $(PIP_INSTALL) --no-compile -r requirements-cluster.lock
	.venv-cluster/bin/python $(COMPILE) .venv-cluster/lib > /dev/null || true
	.venv-cluster/bin/python $(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	touch $@

test-cluster: install-cluster
	.venv-cluster/bin/python -m pytest -n 0 -m cluster tests/cluster

# dbt by hand, in a warehouse that a run left. Nothing of it stays.
test-dbt: install
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	export CALLBILL_WAREHOUSE="$$folder/warehouse.duckdb" && \
	export CALLBILL_WAREHOUSE_FILES="$$folder/warehouse.duckdb.files" && \
	$(BIN)/callbill run --landing sample/landing --published "$$folder/published" \
		--through $(SAMPLE_THROUGH) && \
	DO_NOT_TRACK=1 $(BIN)/dbt build --exclude-resource-type unit_test --profiles-dir . \
		--target-path "$$folder/target" --log-path "$$folder/logs"

# Airflow and Dagster, each by itself, to parse the examples in deploy with.
.venv-schedulers/.installed:
	$(PYTHON) -m venv .venv-schedulers/airflow
	.venv-schedulers/airflow/bin/python $(PIP_INSTALL) 'apache-airflow>=3,<4'
	$(PYTHON) -m venv .venv-schedulers/dagster
	.venv-schedulers/dagster/bin/python $(PIP_INSTALL) 'dagster>=1.11,<2'
	touch $@

test-schedulers: install .venv-schedulers/.installed
	$(BIN)/python -m pytest -n 0 tests/job/test_deploy.py

test-long: install-browser
	$(BIN)/python -m pytest -m long

# The long campaign against the job, and the page that tells of it.
reliability: install
	$(BIN)/python -m pytest -m long tests/campaigns/test_reliability.py \
		tests/campaigns/test_many_lines.py tests/campaigns/test_generated_files.py \
		--junitxml=reliability.xml
	$(BIN)/python -m tests.support.reliability_page reliability.xml > docs/reliability.md

lint: ruff sqlfluff mypy

ruff: install
	@$(timed) { $(BIN)/ruff check . && $(BIN)/ruff format --check .; }

sqlfluff: install
	@$(timed) $(BIN)/sqlfluff lint --disable-progress-bar $(SQL)

mypy: install
	@$(timed) $(BIN)/mypy

# What a night costs, beside other engines if `make bench-engines` was run before (Spark needs Java).
bench: install
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.page > docs/performance.md

# The same nights by one process, by bucket, by two processes and on Spark.
bench-scale: install-cluster
	.venv-cluster/bin/python -m benchmarks scale
	.venv-cluster/bin/python -m benchmarks.page scale > docs/scale.md

# The pages of 100,000 accounts over 24 months: what a night costs them, how large and quick they are.
bench-site: install-browser
	$(BIN)/python -m benchmarks site

bench-engines:
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python $(PIP_INSTALL) hatchling editables
	.venv-bench/bin/python $(PIP_INSTALL) --no-build-isolation --editable '.[bench]'

# Pages that are made of what runs.
docs: install
	$(BIN)/python -m callbill.quality.page > docs/controls.md
	$(MAKE) run
	$(BIN)/python -m tests.support.guide $(SAMPLE_PLACE)

# The picture of a bill in README.md, made from the sample.
picture: run install-browser
	chromium --headless --no-sandbox --disable-gpu --hide-scrollbars \
		--force-device-scale-factor=0.8 --window-size=1280,1180 --virtual-time-budget=5000 \
		--screenshot=docs/images/bill.png \
		"file://$(CURDIR)/$(SAMPLE_PLACE)/published/current/site/bill.html#owner=100000000002&month=2026-08&language=en"

# Writes requirements.lock anew from what pyproject.toml allows today.
lock:
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --upgrade '.[dev]' hatchling editables
	.venv-lock/bin/python -m pip freeze --all --exclude callbill --exclude pip > requirements.lock
	.venv-lock/bin/python -m pip install --quiet --no-build-isolation '.[browser]'
	.venv-lock/bin/python -m pip freeze --all --exclude callbill --exclude pip \
		| grep --invert-match --line-regexp --file requirements.lock > requirements-browser.lock
	.venv-lock/bin/python -m pip install --quiet --no-build-isolation '.[beside]'
	.venv-lock/bin/python -m pip freeze --all --exclude callbill --exclude pip \
		| grep --invert-match --line-regexp --file requirements.lock \
		| grep --invert-match --line-regexp --file requirements-browser.lock \
		> requirements-beside.lock
	.venv-lock/bin/python -m pip install --quiet --no-build-isolation '.[cluster]'
	.venv-lock/bin/python -m pip freeze --all --exclude callbill --exclude pip \
		| grep --invert-match --line-regexp --file requirements.lock \
		| grep --invert-match --line-regexp --file requirements-browser.lock \
		> requirements-cluster.lock
	rm -rf .venv-lock

clean:
	rm -rf build dist target logs screenshots .pytest_cache .mypy_cache .ruff_cache
