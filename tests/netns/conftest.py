# SPDX-License-Identifier: GPL-2.0-or-later
"""One laboratory per module; a failing test shows the daemon's log."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import Lab  # noqa: E402

if os.geteuid() != 0:
    pytest.skip("missing: root, to make network namespaces", allow_module_level=True)


# The same cases in both modes; CULVERT_TEST_MODES narrows them down.
MODES = os.environ.get("CULVERT_TEST_MODES", "netstack,kernel").split(",")


@pytest.fixture(scope="module", params=MODES)
def lab(request):
    made = Lab(request.param)
    try:
        made.laptop = made.add_client("laptop")
        made.laptop.allow_all()
        yield made
    finally:
        made.close()


@pytest.fixture(params=MODES)
def own(request):
    """A laboratory for one test alone, to break things in."""
    made = Lab(request.param)
    try:
        made.laptop = made.add_client("laptop")
        made.ping("10.20.0.2")
        yield made
    finally:
        made.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    lab_used = next((v for k, v in getattr(item, "funcargs", {}).items() if k in ("lab", "own")), None)
    if report.failed and lab_used is not None:
        report.sections.append(("culvert's log", lab_used.culvert.logged()))
