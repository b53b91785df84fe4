#!/usr/bin/env python3
"""CPU time and memory of `oomph pprof` against `go tool pprof`, measured in one run.

Needs Python 3.9, Rust and Go (OOMPH_GO or `go` on PATH):

    benches/pprof-vs-go.py

Builds oomph for release, then two Go programs that write heap profiles of their own: benches/heapgen
(deep stacks of a few recursive functions) and the service that benches/servicegen.py generates
(3,000 functions in 60 packages). Each writes 100 profiles of one process, new stacks in each. Prints a
Markdown table: medians of user+sys CPU seconds, the largest resident set, the ratios and the goals.
The exit status is 1 when a goal is missed. The runs of both tools alternate, so that a
noisy machine disturbs both alike; profiles are read from the page cache.
"""
import argparse
import glob
import json
import os
import platform
import re
import shlex
import statistics
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import servicegen  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MERGE_MIB = 300


def run_once(command):
    """CPU seconds and RSS in MiB of one run."""
    with open(os.devnull, "w", encoding="utf-8") as null:
        child = subprocess.Popen(command, stdout=null, stderr=null)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{shlex.join(command[:6])} ... failed: status {child.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def measure(ours, theirs, runs):
    """(median CPU seconds, largest RSS) of each, run in turns."""
    results = ([], [])
    for _ in range(runs):
        for command, result in zip((ours, theirs), results):
            result.append(run_once(command))
    return [(statistics.median(cpu for cpu, _ in r), max(rss for _, rss in r)) for r in results]


def build_oomph():
    """The release binary, wherever cargo puts it."""
    command = ["cargo", "build", "--release", "-p", "oomph", "--message-format=json-render-diagnostics"]
    out = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = (json.loads(line) for line in out.splitlines() if line.startswith("{"))
    return [m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "oomph"][-1]


def build_go(go, directory, binary):
    subprocess.run([go, "build", "-o", binary, "."], check=True, cwd=directory,
                   env={**os.environ, "GOTOOLCHAIN": "local", "GO111MODULE": "auto"})


def describe(peer, path):
    """Distinct stacks, mean depth and functions of a profile, by the peer's own reading of it."""
    stacks, functions, frames = set(), set(), 0
    # Line by line and by hash: a child counts as at least as large as this process was.
    with subprocess.Popen([*peer, "-raw", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as raw:
        for line in raw.stdout:
            if m := re.match(r"[ \d]+: ([\d ]+)$", line):
                if (key := hash(m[1])) not in stacks:
                    stacks.add(key)
                    frames += len(m[1].split())
            elif m := re.search(r"(?:M=\d+ | {13,})(\S+) \S+:\d+", line):
                functions.add(hash(m[1]))
    return len(stacks), frames / len(stacks), len(functions)


def compare(oomph, peer, many, out, runs):
    """Rows of the table for one shape, and whether a goal was missed."""
    one = many[0]
    work = [
        ("top", ["top", one], ["-top", one], runs, 20, None),
        ("rewrite one", ["merge", one, "-o", out], ["-proto", f"-output={out}", one], runs, 4, None),
        (f"merge {len(many)}", ["merge", *many, "-o", out], ["-proto", f"-output={out}", *many],
         max(1, runs // 2), 20, MERGE_MIB),
    ]
    rows, missed = [], False
    for name, ours, theirs, n, goal, ceiling in work:
        (a, a_rss), (b, b_rss) = measure([*oomph, *ours], [*peer, *theirs], n)
        limit = min(b_rss, ceiling or b_rss)
        met = b / a >= goal and a_rss <= limit
        missed |= not met
        memory = f"at most {ceiling} MiB" if ceiling else "less memory"
        rows.append(f"| {name} | {a:.3f} | {a_rss:.0f} | {b:.2f} | {b_rss:.0f} | {b / a:.1f}x "
                    f"| {goal}x, {memory} | {'met' if met else '**missed**'} |")
    return rows, missed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--oomph", help="command before `top`, `merge` (default: `pprof` of a release build)")
    parser.add_argument("--stacks", type=int, default=25000, help="distinct stacks, about (default: %(default)s)")
    parser.add_argument("--copies", type=int, default=100)
    parser.add_argument("--runs", type=int, default=7)
    args = parser.parse_args()
    go = os.environ.get("OOMPH_GO", "go")
    oomph = shlex.split(args.oomph) if args.oomph else [build_oomph(), "pprof"]
    version = subprocess.run([go, "version"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs; {version}; "
          f"{subprocess.run([oomph[0], '--version'], capture_output=True, text=True).stdout.strip()}")
    failed = False
    with tempfile.TemporaryDirectory() as tmp:
        # The tool itself, not the go command that finds and starts it: the kinder comparison.
        tool = subprocess.run([go, "tool", "-n", "pprof"], capture_output=True, text=True).stdout.strip()
        peer = ([tool] if os.path.exists(tool) else [go, "tool", "pprof"]) + ["-symbolize=none"]
        servicegen.write(f"{tmp}/service")
        build_go(go, f"{tmp}/service", f"{tmp}/service.bin")
        build_go(go, f"{ROOT}/benches/heapgen", f"{tmp}/heapgen.bin")
        # A call chain of the service ends in 1.8 allocation sites on average.
        shapes = [("Few functions, deep recursion", "heapgen", args.stacks),
                  ("Service of 3,000 functions", "service", int(args.stacks / 1.75))]
        for title, name, stacks in shapes:
            os.mkdir(f"{tmp}/{name}.profiles")
            subprocess.run([f"{tmp}/{name}.bin", "-stacks", str(stacks), "-copies", str(args.copies),
                            "-o", f"{tmp}/{name}.profiles/heap.pb.gz"], check=True)
            many = sorted(glob.glob(f"{tmp}/{name}.profiles/heap-*.pb.gz"))
            count, depth, functions = describe(peer, many[0])
            print(f"\n### {title}\n\n{count:,} distinct stacks, {depth:.0f} locations deep on "
                  f"average, {functions:,} functions, {os.path.getsize(many[0]) / 1e6:.1f} MB compressed\n")
            print("| work | oomph CPU s | RSS MiB | go tool pprof CPU s | RSS MiB | ratio | goal | |")
            print("|---|---:|---:|---:|---:|---:|---|---|", flush=True)
            rows, missed = compare(oomph, peer, many, f"{tmp}/out.pb.gz", args.runs)
            print("\n".join(rows), flush=True)
            failed |= missed
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
