# SPDX-License-Identifier: GPL-2.0-or-later
"""What was measured: values of every round, medians, and why something is missing."""
import statistics

STEPS, STEPS_OF = "steps in memory", "culvert"


class Results:
    """values[series][line][router] = one value a round; faults[series][row][router] = reasons."""

    def __init__(self):
        self.values, self.faults = {}, {}

    def add(self, series, row, router, figures):
        for figure, value in figures.items():
            line = f"{row}, {figure}"
            self.values.setdefault(series, {}).setdefault(line, {}).setdefault(router, []).append(value)

    def fail(self, series, row, router, reason):
        self.faults.setdefault(series, {}).setdefault(row, {}).setdefault(router, []).append(reason)

    def median(self, series, line, router):
        """None where there is none."""
        values = self.values.get(series, {}).get(line, {}).get(router)
        return statistics.median(values) if values else None

    def fault(self, series, line, router):
        """Why a line has no value, or None."""
        for row, routers in self.faults.get(series, {}).items():
            if line.startswith(f"{row}, ") and router in routers:
                return routers[router][0]
        return None

    def lines(self, series):
        return list(self.values.get(series, {}))

    def as_json(self):
        out = {}
        for series in dict.fromkeys([*self.values, *self.faults]):
            out[series] = {"rows": {line: {router: {"median": statistics.median(values), "min": min(values),
                                                    "max": max(values), "values": values}
                                           for router, values in routers.items()}
                                    for line, routers in self.values.get(series, {}).items()},
                           "failed": self.faults.get(series, {})}
        return out
