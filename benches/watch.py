#!/usr/bin/env python3
"""What `oomph watch` costs: its own CPU and memory at many targets, and the latency of the services it watches.

Starts N Go services (benches/watchload) and one load for all, at a fixed rate. The watch is off, on, and off again in
one run. Its CPU is that of all its threads by /proc/PID/task/*/schedstat, its memory VmRSS and VmHWM.

    benches/watch.py                           50 services, 3 minutes off, 10 on, 3 off
    benches/watch.py --on 60 --off 30          shorter
    benches/watch.py --output docs/watch-cost.md
"""

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def cpu_nanos(pid):
    """CPU of each thread, by its number."""
    out = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            out[task] = int(pathlib.Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
        except (OSError, ValueError):
            pass
    return out


def memory(pid):
    fields = {}
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in ("VmRSS", "VmHWM", "RssAnon", "Threads"):
            fields[name] = int(value.split()[0])
    return fields


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--oomph", default=str(ROOT / "target/release/oomph"))
    parser.add_argument("--go", default=shutil.which("go"))
    parser.add_argument("--services", type=int, default=50)
    parser.add_argument("--rate", type=float, default=400, help="requests a second in all")
    parser.add_argument("--off", type=float, default=180)
    parser.add_argument("--on", type=float, default=600)
    parser.add_argument("--output")
    args = parser.parse_args()
    if not args.go:
        raise SystemExit("no Go toolchain: name one with --go")
    work = pathlib.Path(tempfile.mkdtemp(prefix="watchload-"))
    program = work / "watchload"
    env = dict(os.environ, GOTOOLCHAIN="local")
    subprocess.run([args.go, "build", "-o", program, "."], cwd=ROOT / "benches/watchload", check=True, env=env)
    services, addresses, others = [], [], []
    try:
        for _ in range(args.services):
            p = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            services.append(p)
            addresses.append(p.stdout.readline().strip())
        log = open(work / "latencies", "w")
        load = subprocess.Popen([program, "-load", ",".join(addresses), "-rate", str(args.rate)], stdout=log)
        others.append(load)
        time.sleep(15)
        phases = [("off", time.time(), time.time() + args.off)]
        time.sleep(args.off)
        command = [args.oomph, "watch", "--state-dir", str(work / "state"), "watchload"]
        watch = subprocess.Popen(command, stderr=open(work / "watch.stderr", "w"))
        others.append(watch)
        time.sleep(10)
        peak_start = memory(watch.pid)["VmHWM"]
        begun, before = time.time(), cpu_nanos(watch.pid)
        most = 0
        while time.time() < begun + args.on:
            time.sleep(5)
            most = max(most, memory(watch.pid)["VmRSS"])
        after = cpu_nanos(watch.pid)
        seconds = time.time() - begun
        phases.append(("on", begun, time.time()))
        nanos = sum(v - before.get(k, 0) for k, v in after.items())
        last = memory(watch.pid)
        targets = len(list((work / "state/series").iterdir()))
        watch.terminate()
        watch.wait(20)
        phases.append(("off again", time.time(), time.time() + args.off))
        time.sleep(args.off)
        load.terminate()
        log.close()
        alive = sum(p.poll() is None for p in services)
        rows = [line.split() for line in open(work / "latencies")]
    finally:
        for p in others + services:
            if p.poll() is None:
                p.kill()
    lines = [
        f"{targets} targets watched for {seconds:.0f} s at intervals of 5 s; {alive} of {args.services} services alive at the end.",
        "",
        f"- CPU of the watch: {nanos / 1e9 / seconds * 100:.2f} % of one core",
        f"- resident: {most / 1024:.1f} MiB at most ({last['RssAnon'] / 1024:.1f} MiB of it anonymous at the end), "
        f"{peak_start / 1024:.1f} MiB in the first ten seconds; {last['Threads']} threads",
        "",
        "| watch | seconds | requests | errors | p50, ms | p99, ms (median of 10 s) | p99, least to most |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, begin, end in phases:
        inside = [r for r in rows if begin * 1000 + 10_000 <= int(r[0]) <= end * 1000]
        if not inside:
            continue
        p50 = statistics.median(float(r[2]) for r in inside)
        p99 = [float(r[3]) for r in inside]
        requests, errors = sum(int(r[1]) for r in inside), sum(int(r[4]) for r in inside)
        lines.append(
            f"| {name} | {end - begin:.0f} | {requests:,} | {errors} | {p50:.2f} | {statistics.median(p99):.2f} "
            f"| {min(p99):.2f} to {max(p99):.2f} |"
        )
    text = "\n".join(lines) + "\n"
    print(text)
    if args.output:
        head = "# What `oomph watch` costs\n\n`benches/watch.py`, in one run: the load goes on while the watch is off, on and off again.\n\n"
        pathlib.Path(args.output).write_text(head + text)
    shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
