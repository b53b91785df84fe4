#!/usr/bin/env python3
"""CPU time and memory of counting a trace's events: oomph's reader against Go's own, measured in one run.

Needs Python 3.9, Rust and Go 1.26 or newer (OOMPH_GO or `go` on PATH), which fetches golang.org/x/exp/trace:

    benches/trace.py [--seconds 10] [--mode mixed] [--runs 5] [--trace FILE]

Builds `crates/trace/examples/count.rs` for release, benches/tracepeer (Go's reader as published) and lab/trace, which
writes a trace of itself (10 s of `mixed` give 300 MB or more), unless a trace is given. Prints a Markdown table:
medians of user+sys CPU seconds, CPU nanoseconds for each event, wall time on one core and on two, the largest
resident set, and the goals. The exit status is 1 when a goal is missed. Both tools run in turns, so that a noisy
machine disturbs both alike; one core means `taskset`, and the trace is read from the page cache.
"""
import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
GO = os.environ.get("OOMPH_GO") or "go"
CPU_GOAL, MEMORY_GOAL, SCALE_GOAL = 15, 4, 1.7


def run_once(command, cores):
    """(events, CPU seconds, wall seconds, RSS in MiB) of one run on these cores."""
    command = ["taskset", "-c", cores, *command]
    begin = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    text = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - begin
    child.returncode = os.waitstatus_to_exitcode(status)
    events = re.match(r"(\d+) events", text)
    if child.returncode or not events:
        sys.exit(f"{' '.join(command)} failed: status {child.returncode}: {text[:500]}")
    return int(events[1]), usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024


def build(work):
    """The executables: ours, Go's, and the program that writes the trace."""
    cargo = ["cargo", "build", "--release", "-p", "oomph-trace", "--example", "count"]
    out = subprocess.run([*cargo, "--message-format=json-render-diagnostics"], cwd=ROOT, check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    messages = (json.loads(line) for line in out.splitlines() if line.startswith("{"))
    ours = [m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "count"][-1]
    theirs, writer = os.path.join(work, "tracepeer"), os.path.join(work, "writer")
    subprocess.run([GO, "build", "-o", theirs, "."], cwd=os.path.join(ROOT, "benches/tracepeer"), check=True)
    subprocess.run([GO, "build", "-o", writer, "./trace"], cwd=os.path.join(ROOT, "lab"), check=True)
    return ours, theirs, writer


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=10, help="how long the program is traced")
    parser.add_argument("--mode", default="mixed", help="what it does (lab/trace/main.go)")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--trace", help="a trace to take instead")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        ours, theirs, writer = build(work)
        trace = args.trace
        if not trace:
            trace = os.path.join(work, "trace")
            subprocess.run([writer, args.mode, trace, str(args.seconds * 1000)], check=True)
        return report(ours, theirs, trace, args)


def report(ours, theirs, trace, args):
    first, two = "0", "0,1" if (os.cpu_count() or 1) > 1 else "0"
    kinds = {
        "oomph, one core": ([ours, trace, "1"], first),
        "oomph, two cores": ([ours, trace, "2"], two),
        "Go, one core": ([theirs, trace], first),
        "Go, two cores": ([theirs, trace], two),
    }
    results = {kind: [] for kind in kinds}
    for _ in range(args.runs):
        for kind, (command, cores) in kinds.items():
            results[kind].append(run_once(command, cores))
    counts = {r[0] for runs in results.values() for r in runs}
    size = os.path.getsize(trace)
    go = subprocess.run([GO, "version"], check=True, stdout=subprocess.PIPE, text=True).stdout.split()[2]
    what = os.path.basename(trace) if args.trace else f"{args.seconds} s of `{args.mode}`, {go}"
    print(f"{platform.machine()}, {os.cpu_count()} cores; {what}: {size / 1e6:.0f} MB, "
          f"{' / '.join(map(str, counts))} events; {args.runs} runs in turns, load {os.getloadavg()[0]:.1f}\n")
    print("| | CPU s (min to max) | CPU ns/event | wall s | MiB |\n|---|---|---|---|---|")
    middle = {}
    for kind, runs in results.items():
        cpu, wall = statistics.median(r[1] for r in runs), statistics.median(r[2] for r in runs)
        rss = max(r[3] for r in runs)
        middle[kind] = (cpu, wall, rss)
        low, high = min(r[1] for r in runs), max(r[1] for r in runs)
        print(f"| {kind} | {cpu:.2f} ({low:.2f} to {high:.2f}) | {cpu / runs[0][0] * 1e9:.1f} | {wall:.2f} | {rss:.1f} |")
    ratio = middle["Go, one core"][0] / middle["oomph, one core"][0]
    memory = min(middle["Go, one core"][2], middle["Go, two cores"][2]) / max(
        middle["oomph, one core"][2], middle["oomph, two cores"][2])
    scale = middle["oomph, one core"][1] / middle["oomph, two cores"][1]
    goals = [
        (f"CPU on one core {CPU_GOAL}x less", ratio, CPU_GOAL),
        (f"memory at most 1/{MEMORY_GOAL}", memory, MEMORY_GOAL),
        (f"two cores {SCALE_GOAL}x as fast as one", scale, SCALE_GOAL),
        ("the same number of events", 1 if len(counts) == 1 else 0, 1),
    ]
    print()
    for goal, value, least in goals:
        print(f"- {goal}: {value:.1f} {'met' if value >= least else 'MISSED'}")
    return 0 if all(value >= least for _, value, least in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
