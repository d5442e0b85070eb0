# SPDX-License-Identifier: GPL-2.0-or-later
"""One laboratory per module; a failing test shows the daemon's log."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import Lab  # noqa: E402

if os.geteuid() != 0:
    pytest.skip("missing: root, to make network namespaces", allow_module_level=True)


@pytest.fixture(scope="module")
def lab():
    made = Lab()
    try:
        made.laptop = made.add_client("laptop")
        made.laptop.allow_all()
        yield made
    finally:
        made.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    lab_used = getattr(item, "funcargs", {}).get("lab")
    if report.failed and lab_used is not None:
        report.sections.append(("culvert's log", lab_used.culvert.logged()))
