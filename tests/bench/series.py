# SPDX-License-Identifier: GPL-2.0-or-later
"""The series: which rows are measured with which client, over which kind of wire."""
import dataclasses
import os

import rows
from clients import GoClient, LeanClient
from routers import ROUTERS, Plain


@dataclasses.dataclass
class Series:
    name: str
    client: type
    rows: list
    routers: tuple = ROUTERS
    offloads: bool = True
    rounds_max: int = 99
    in_quick: bool = True

    def rows_of(self, wanted, number):
        """The rows of a round, from 0. What is asked for by name is measured in a quick run, too."""
        quick = rows.QUICK and not os.environ.get("ROWS")
        if number >= self.rounds_max or (quick and not self.in_quick and not os.environ.get("SERIES")):
            return []
        return [row for row in self.rows if (row.in_quick or not quick) and wanted(row.name) and number < row.rounds_max]


# Without a tunnel, the client makes no difference.
TUNNELS = tuple(kind for kind in ROUTERS if kind is not Plain)
PATH = rows.LATENCY + rows.CONNECTS + rows.TCP + rows.TCP_MORE

SERIES = [
    Series("lean client", LeanClient, PATH + rows.UDP + rows.CHECKED),
    Series("wireguard-go client", GoClient, rows.TCP[2:] if rows.QUICK else PATH, TUNNELS),
    Series("lean client, offloads off", LeanClient, rows.TCP + [row for row in rows.UDP if row.in_quick],
           offloads=False, rounds_max=2, in_quick=False),
    Series("wireguard-go client, offloads off", GoClient, rows.TCP, TUNNELS, offloads=False, rounds_max=1,
           in_quick=False),
    Series("resources", LeanClient, rows.RESOURCES, TUNNELS, rounds_max=2),
]
