#!/usr/bin/env python3
"""CPU and memory of `oomph gclog` on a large log, and how well the pacer's arithmetic predicts GC CPU.

    cargo build --release && benches/gclog.py [--oomph PATH] [--size BYTES] [--every N] [--model GOROOT]

Writes a log of --size bytes (default 1 GB, 10^9) in which one of --every lines (default 10) is a gctrace line amid
JSON log lines, with some cut, and reads it from a file, through a pipe and compressed. Prints CPU seconds (user and
system), MB per CPU second and the peak resident size, and checks the counts against what was written.

--model runs a program (crates/gclog/tests/corpus/program) with GOGC 50, 100, 200 and 400 at one allocation rate and
compares the GC CPU of each with what the one before predicts.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def gc_line(n, at_ms):
    live = 64 + n % 40
    return (
        f"gc {n} @{at_ms // 1000}.{at_ms % 1000:03d}s 4%: 0.037+2.2+0.28 ms clock, 0.074+0.27/0.27/1.6+0.56 ms cpu, "
        f"{live * 2}->{live * 2 + 3}->{live} MB, {live * 2 + 2} MB goal, 0 MB stacks, 1 MB globals, 2 P\n"
    )


def write(path, size, every):
    """The log; how many whole gctrace lines and how many cut ones it has."""
    rng = random.Random(1)
    words = "request done cache miss user order item retry backend timeout queue flush commit".split()
    jsons = [
        json.dumps(
            {
                "time": f"2026-11-21T18:{rng.randrange(60):02d}:{rng.randrange(60):02d}.{rng.randrange(10**9):09d}Z",
                "level": rng.choice(["INFO", "DEBUG", "WARN"]),
                "msg": " ".join(rng.choices(words, k=rng.randrange(2, 9))),
                "path": f"/v1/items/{rng.randrange(10**6)}",
                "status": rng.choice([200, 200, 200, 404, 500]),
                "took_ms": rng.randrange(1000),
                "trace_id": f"{rng.getrandbits(128):032x}",
            }
        )
        + "\n"
        for _ in range(5000)
    ]
    whole = cut = written = 0
    with open(path, "wb") as f:
        n = 0
        while written < size:
            lines = []
            for _ in range(1000):
                n += 1
                lines.extend(rng.choices(jsons, k=every - 1))
                line = gc_line(n, 100 * n)
                if n % 1000 == 0:
                    at = rng.randrange(10, len(line) - 2)
                    lines.append(line[:at] + "\n")
                    cut += 1
                else:
                    lines.append(line)
                    whole += 1
            block = "".join(lines).encode()
            f.write(block)
            written += len(block)
    return written, whole, cut


def run(command, stdin=None):
    """Its output, CPU seconds and peak resident MB."""
    p = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE)
    out = p.stdout.read()
    _, status, usage = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    if p.returncode != 0:
        sys.exit(f"{command}: exit code {p.returncode}")
    return out, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def speed(oomph, size, every):
    with tempfile.TemporaryDirectory() as tmp:
        path = Path(tmp) / "server.log"
        written, whole, cut = write(path, size, every)
        print(f"{written / 1e6:.0f} MB, {whole} whole gctrace lines, {cut} cut ones, one of {every} lines")
        packed = Path(tmp) / "server.log.gz"
        subprocess.run(["gzip", "-1", "-k", path], check=True)

        def show(what, out, cpu, rss):
            log = json.loads(out)
            seen = sum(p["cycles"] for p in log["processes"])
            ok = seen == whole and log["broken"]["count"] == cut and len(log["processes"]) == 1
            print(f"  {what:8} {cpu:6.2f} s CPU  {written / 1e6 / cpu:6.0f} MB/s  peak {rss:4.0f} MB  {'counts agree' if ok else f'COUNTS DIFFER: {seen}'}")

        for _ in range(3):
            show("file", *run([oomph, "gclog", str(path), "-f", "json"]))
        cat = subprocess.Popen(["cat", path], stdout=subprocess.PIPE)
        show("pipe", *run([oomph, "gclog", "-", "-f", "json", "-q"], cat.stdout))
        cat.wait()
        show("gzip", *run([oomph, "gclog", str(packed), "-f", "json"]))


def model(oomph, root, seconds):
    go = Path(root) / "bin" / "go"
    env = {**os.environ, "GOROOT": str(root), "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    with tempfile.TemporaryDirectory() as tmp:
        binary = Path(tmp) / "gctruth"
        subprocess.run([go, "build", "-o", binary, "."], cwd=ROOT / "crates/gclog/tests/corpus/program", env=env, check=True)
        logs = {}
        for gogc in [50, 100, 200, 400]:
            path = Path(tmp) / f"{gogc}.log"
            with open(path, "wb") as f:
                subprocess.run(
                    [binary, "-load", f"{seconds}s", "-live", "64", "-rate", "300"],
                    stderr=f, stdout=subprocess.DEVNULL, check=True, env={**env, "GODEBUG": "gctrace=1", "GOGC": str(gogc)},
                )
            out, _, _ = run([oomph, "gclog", str(path), "-f", "json"])
            logs[gogc] = json.loads(out)["processes"][0]["cost"]
        print("  GOGC  as read  GC CPU measured  predicted from the one before")
        for gogc, cost in logs.items():
            before = logs.get(gogc // 2)
            predicted = next(c["cpu_share"] for c in before["changes"] if c["id"] == "gogc-double") if before else None
            print(f"  {gogc:4}  {cost['gogc']:7.0f}  {cost['cpu_share'] * 100:13.1f} %  " + (f"{predicted * 100:.1f} %" if predicted else "-"))


p = argparse.ArgumentParser()
p.add_argument("--oomph", default=str(ROOT / "target/release/oomph"))
p.add_argument("--size", type=float, default=1e9)
p.add_argument("--every", type=int, default=10)
p.add_argument("--model", metavar="GOROOT")
p.add_argument("--seconds", type=int, default=15)
a = p.parse_args()
if a.model:
    model(a.oomph, a.model, a.seconds)
else:
    speed(a.oomph, a.size, a.every)
