# SPDX-License-Identifier: GPL-2.0-or-later
"""make bench: every router takes its turn in every series and round; see BENCHMARKS.md.

QUICK=1: one short round. ROUNDS=n. SERIES=text[;text] and ROWS=text[;text] narrow to what has one of the texts in its
name. Writes build/bench.md and build/bench.json.
"""
import datetime
import json
import os
import resource
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../netns"))

import machine  # noqa: E402
import rows  # noqa: E402
import table  # noqa: E402
import targets  # noqa: E402
from load import Failed  # noqa: E402
from lab import run  # noqa: E402
from results import STEPS, STEPS_OF, Results  # noqa: E402
from series import SERIES  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS") or (1 if rows.QUICK else 3))
ROW_S = 90  # then a row has failed


def wanted(variable):
    """Does a name have one of the texts in that variable in it? Without the variable: all do."""
    texts = [text for text in os.environ.get(variable, "").split(";") if text]
    return lambda name: not texts or any(text in name for text in texts)


def on_alarm(*_):
    raise Failed(f"no result within {ROW_S} s")


def reason_of(fault):
    return (str(fault).strip().splitlines() or [""])[0][:200] or type(fault).__name__


def measure(results, series, kind, chosen):
    """All rows of one router; one that fails says so, and the others go on."""
    try:
        router = kind(series.client, series.offloads)
    except Exception as fault:  # pylint: disable=broad-except
        for row in chosen:
            results.fail(series.name, row.name, kind.name, reason_of(fault))
        return
    with router:
        for row in chosen:
            begun = time.monotonic()
            try:
                signal.alarm(ROW_S)
                results.add(series.name, row.name, kind.name, row.measure(router))
                said = ""
            except Exception as fault:  # pylint: disable=broad-except
                results.fail(series.name, row.name, kind.name, reason_of(fault))
                said = f" FAILED: {reason_of(fault)}"
            finally:
                signal.alarm(0)
            if said or os.environ.get("VERBOSE"):
                print(f"    {row.name}: {time.monotonic() - begun:.1f} s{said}", flush=True)


def steps(results):
    """What single steps of the packet path cost, without kernel and wire: as make bench-micro, of the cipher in use."""
    print(f"      {STEPS}", flush=True)
    try:
        for program in ("crypto", "lookups", "packets"):
            for line in run(os.path.join("build/release/tests/bench/micro", program)).splitlines():
                piece, case, ns = line.split("\t")
                if "," in piece and not piece.startswith("* "):
                    continue
                piece = piece.removeprefix("* ").split(",")[0]
                results.add(STEPS, f"{piece}, {case}", STEPS_OF, {"ns": float(ns)})
    except Exception as fault:  # pylint: disable=broad-except
        results.fail(STEPS, STEPS, STEPS_OF, reason_of(fault))


def measure_all(results):
    begun = time.monotonic()
    for number in range(ROUNDS):
        asked = wanted("SERIES")(STEPS) and wanted("ROWS")(STEPS) and (os.environ.get("SERIES") or not rows.QUICK)
        if asked and number == 0:
            steps(results)
        for series in SERIES:
            chosen = series.rows_of(wanted("ROWS"), number)
            if not chosen or not wanted("SERIES")(series.name):
                continue
            for kind in series.routers:
                print(f"{time.monotonic() - begun:4.0f} s  round {number + 1}: {series.name}: {kind.name}", flush=True)
                measure(results, series, kind, chosen)


def write(results, seconds):
    verdicts = targets.judge(results)
    date = datetime.date.today().isoformat()
    head = f"{machine.words()}. {date}, {ROUNDS} round{'s' if ROUNDS > 1 else ''}, {seconds:.0f} s."
    measured = [*results.values, *(name for name in results.faults if name not in results.values)]
    parts = [head, *(table.series_table(results, series.name, [kind.name for kind in series.routers])
                     for series in SERIES if series.name in measured),
             *([table.series_table(results, STEPS, [STEPS_OF])] if STEPS in measured else []),
             table.targets_table(verdicts)]
    text = "\n\n".join(parts) + "\n"
    print("\n" + text)
    os.makedirs("build", exist_ok=True)
    with open("build/bench.md", "w", encoding="utf-8") as out:
        out.write(text)
    with open("build/bench.json", "w", encoding="utf-8") as out:
        json.dump({"machine": machine.words(), "date": date, "rounds": ROUNDS, "seconds": round(seconds),
                   "series": results.as_json(), "targets": verdicts}, out, indent=1)


def main():
    # Held flows need one each, in the load and in a router that relays them.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGALRM, on_alarm)
    results, begun = Results(), time.monotonic()
    try:
        measure_all(results)
    except KeyboardInterrupt:
        print("interrupted: this is what there is")
    write(results, time.monotonic() - begun)


main()
