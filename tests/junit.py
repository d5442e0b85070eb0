# SPDX-License-Identifier: GPL-2.0-or-later
"""Prints "passed failed skipped" of a JUnit file."""
import sys
import xml.etree.ElementTree as tree

suite = next(tree.parse(sys.argv[1]).getroot().iter("testsuite"))
total, skipped = int(suite.get("tests")), int(suite.get("skipped"))
failed = int(suite.get("failures")) + int(suite.get("errors"))
if total == 0:
    sys.exit("no test ran")
print(total - failed - skipped, failed, skipped)
