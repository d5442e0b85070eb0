# SPDX-License-Identifier: GPL-2.0-or-later
"""Ping by each method that an unprivileged process can have."""
import os
import shutil
import stat

import pytest
from lab import Lab, run


def ping_is_privileged():
    """Debian 12 gives ping(8) a file capability; Debian 13 relies on ping sockets."""
    program = shutil.which("ping")
    return bool(os.stat(program).st_mode & stat.S_ISUID) or "cap_net_raw" in run("/sbin/getcap", program)


@pytest.mark.parametrize("group, method", [("0 2147483647", "ping_socket"), ("1 0", "exec")])
def test_method_is_told_and_works(group, method):
    if method == "exec" and not ping_is_privileged():
        method = "none"
    lab = Lab(ping_group=group)
    try:
        lab.add_client("laptop")
        assert lab.api.ok("GET", "/v1/dataplane")["capabilities"]["netstack"]["icmp"] == method
        works = method != "none"
        for address, dead in (("10.20.0.2", "10.20.0.99"), ("fd20::2", "fd20::99")):
            assert lab.ping(address, count=3) == 3 * works
            assert lab.ping(address, size=4000) == 1 * works
            assert lab.ping(dead, wait_s=4) == 0
    finally:
        lab.close()
