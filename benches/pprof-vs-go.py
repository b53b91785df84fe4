#!/usr/bin/env python3
"""CPU time and memory of `oomph pprof` against `go tool pprof`, measured in one run.

Needs Go (OOMPH_GO or `go` on PATH) and a release build of oomph:

    cargo build --release && benches/pprof-vs-go.py

Builds benches/heapgen, writes a heap profile of 25,000 stacks and 100 more of the same process, and
prints medians of user+sys CPU seconds, the largest resident set, and the ratios. Each figure has the
goal it must reach behind it; the exit status is 1 when one is missed.
"""
import argparse
import glob
import os
import shlex
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def measure(command, runs):
    """Median CPU seconds and largest RSS in MiB of `runs` runs."""
    cpu, rss = [], []
    for _ in range(runs):
        with open(os.devnull, "w") as null:
            child = subprocess.Popen(command, stdout=null, stderr=null)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            sys.exit(f"{shlex.join(command[:6])} ... failed: status {child.returncode}")
        cpu.append(usage.ru_utime + usage.ru_stime)
        rss.append(usage.ru_maxrss / 1024)
    return statistics.median(cpu), max(rss)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--oomph", default=f"{ROOT}/target/release/oomph pprof",
                        help="command before top/merge (default: %(default)s)")
    parser.add_argument("--stacks", type=int, default=25000)
    parser.add_argument("--copies", type=int, default=100)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    go = os.environ.get("OOMPH_GO", "go")
    oomph = shlex.split(args.oomph)
    with tempfile.TemporaryDirectory() as tmp:
        gen = f"{tmp}/heapgen"
        subprocess.run([go, "build", "-o", gen, "main.go"], check=True, cwd=f"{ROOT}/benches/heapgen",
                       env={**os.environ, "GOTOOLCHAIN": "local"})
        subprocess.run([gen, "-stacks", str(args.stacks), "-copies", str(args.copies),
                        "-o", f"{tmp}/heap.pb.gz"], check=True)
        many = sorted(glob.glob(f"{tmp}/heap-*.pb.gz"))
        one = many[0]
        print(subprocess.run([go, "version"], capture_output=True, text=True).stdout.strip())
        print(f"{len(many)} profiles of {args.stacks} stacks, {os.path.getsize(one) / 1e6:.1f} MB each\n")
        # The tool itself, not the go command that finds and starts it: the kinder comparison.
        tool = subprocess.run([go, "tool", "-n", "pprof"], capture_output=True, text=True).stdout.strip()
        peer = ([tool] if os.path.exists(tool) else [go, "tool", "pprof"]) + ["-symbolize=none"]
        out = f"{tmp}/out.pb.gz"
        rows = [
            ("top", [*oomph, "top", one], [*peer, "-top", one], args.runs, 20, None),
            ("rewrite one", [*oomph, "merge", "-o", out, one],
             [*peer, "-proto", f"-output={out}", one], args.runs, 4, None),
            (f"merge {len(many)}", [*oomph, "merge", "-o", out, *many],
             [*peer, "-proto", f"-output={out}", *many], max(1, args.runs // 2), 20, 300),
        ]
        print(f"{'work':<12} {'oomph CPU s':>12} {'RSS MiB':>8} {'go CPU s':>10} {'RSS MiB':>8} {'ratio':>7}  goal")
        missed = False
        for name, ours, theirs, runs, goal, ceiling in rows:
            a, a_rss = measure(ours, runs)
            b, b_rss = measure(theirs, runs)
            ok = b / a >= goal and a_rss <= (ceiling or b_rss)
            missed |= not ok
            limit = f", <= {ceiling} MiB" if ceiling else ", less memory"
            print(f"{name:<12} {a:>12.3f} {a_rss:>8.0f} {b:>10.2f} {b_rss:>8.0f} {b / a:>6.1f}x"
                  f"  >= {goal}x{limit}: {'met' if ok else 'MISSED'}")
        return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
