# SPDX-License-Identifier: GPL-2.0-or-later
"""The results as tables of Markdown."""

RATIOS = (("culvert kernel", "wireguard-go"), ("culvert netstack", "wireguard-go"),
          ("culvert netstack", "culvert kernel"))


def number(value):
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def cell(results, series, line, router):
    values = results.values[series][line].get(router)
    if not values:
        return "failed" if results.fault(series, line, router) else "–"
    spread = f" ({number(min(values))}–{number(max(values))})" if len(values) > 1 else ""
    return f"{number(results.median(series, line, router))}{spread}"


def ratio(results, series, line, a, b):
    top, bottom = (results.median(series, line, router) for router in (a, b))
    return f"{top / bottom:.2f}" if top is not None and bottom else "–"


def markdown(head, rows):
    return "\n".join(["| " + " | ".join(head) + " |", "|---" * len(head) + "|",
                      *("| " + " | ".join(row) + " |" for row in rows)])


def series_table(results, series, routers):
    ratios = [pair for pair in RATIOS if set(pair) <= set(routers)]
    head = [series, *routers, *(f"{a} ÷ {b}" for a, b in ratios)]
    rows = [[line, *(cell(results, series, line, router) for router in routers),
             *(ratio(results, series, line, a, b) for a, b in ratios)] for line in results.lines(series)]
    text = markdown(head, rows)
    faults = [f"- {row}, {router}: failed {len(reasons)} ×: {reasons[0]}"
              for row, by_router in results.faults.get(series, {}).items() for router, reasons in by_router.items()]
    return text + ("\n\n" + "\n".join(faults) if faults else "")


def targets_table(verdicts):
    return markdown(["target", "wanted", "measured", "verdict"],
                    [[v["target"], v["wanted"], v["measured"], v["verdict"]] for v in verdicts])
