# SPDX-License-Identifier: GPL-2.0-or-later
"""One daemon per module; a failing test shows its log."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from daemon import Daemon  # noqa: E402
import spec  # noqa: E402


@pytest.fixture(scope="module")
def daemon():
    made = Daemon()
    yield made
    made.remove()


@pytest.fixture
def call(daemon):
    """Calls an operation and checks the answer against openapi.yaml."""
    def checked(method, path, body=None, query="", headers=None, tcp=False, **names):
        target = path.format(**names) + query
        reply = daemon.call(method, target, body, headers, tcp)
        reply.target = target
        spec.check(method, path, reply)
        return reply
    return checked


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    used = getattr(item, "funcargs", {}).get("daemon")
    if report.failed and used is not None:
        report.sections.append(("end of the log", "\n".join(used.logged().splitlines()[-20:])))
