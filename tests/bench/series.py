# SPDX-License-Identifier: GPL-2.0-or-later
"""The series: which rows are measured with which client, over which kind of wire."""
import dataclasses
import os

import rows
from clients import GoClient, LeanClient


@dataclasses.dataclass
class Series:
    name: str
    client: type
    rows: list
    offloads: bool = True
    rounds_max: int = 99
    in_quick: bool = True

    def rows_of(self, wanted):
        """What is asked for by name is measured in a quick run, too."""
        quick = rows.QUICK and not os.environ.get("ROWS")
        return [row for row in self.rows if (row.in_quick or not quick) and wanted(row.name)]


PATH = rows.LATENCY + rows.CONNECTS + rows.TCP + rows.TCP_MORE + rows.UDP

SERIES = [
    Series("lean client", LeanClient, PATH + rows.CHECKED),
    Series("wireguard-go client", GoClient, PATH if not rows.QUICK else rows.TCP[2:]),
    Series("lean client, offloads off", LeanClient, rows.TCP + rows.UDP, offloads=False, in_quick=False),
    Series("wireguard-go client, offloads off", GoClient, rows.TCP, offloads=False, rounds_max=2, in_quick=False),
    Series("resources", LeanClient, rows.RESOURCES, rounds_max=2),
]
