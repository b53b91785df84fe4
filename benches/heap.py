#!/usr/bin/env python3
"""CPU time and memory of `oomph heap` on core files of growing heaps, and against its peers.

Needs Python 3.9 and Rust; Go (OOMPH_GO or `go` on PATH); kernel core files in the working directory
(`sysctl kernel.core_pattern` says `core`), about 1.6 times the largest heap of free disk:

    benches/heap.py --sizes 0.1,0.25,0.5,1,2,4 --out docs

Builds oomph for release and lab/heap/peerheap with debug information and stripped, has peerheap build
heaps of these sizes (GiB) and dump core, one after the other, and reads each with every view of `oomph
heap`. Prints Markdown tables and, with --out, writes heap-benchmarks.md and heap-benchmarks.svg there.

CPU s is the median of user plus system time; bytes per object are the largest anonymous resident memory
(RssAnon of /proc/PID/status, read every 4 ms) by the number of objects: pages of the core file are not
in it. With --viewcore or --goref (a command each, `{exe}` stands for the executable, the core file comes last)
these tools read the same core file in turns with oomph. --realtime runs everything as SCHED_FIFO, which keeps other processes of the machine out.
"""
import argparse
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# `all` is the command without a view: the overview, and suspects by all containers and chains.
VIEWS = {"overview": ["--show", "overview"], "containers": ["--show", "containers"], "chains": ["--show", "chains"],
         "all": []}
JOBS = [("holders, types, maps, goroutines, dominators", "overview"), ("the same, all containers, chains, suspects", "all")]


def run(command, realtime):
    """CPU seconds, wall seconds and largest RssAnon in bytes of one run."""
    if realtime:
        command = ["chrt", "-f", "1", *command]
    start = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while True:
        try:
            with open(f"/proc/{child.pid}/status", encoding="ascii") as status:
                text = status.read()
            if (at := text.find("RssAnon:")) >= 0:
                peak = max(peak, int(text[at + 8:at + 40].split()[0]) << 10)
        except (FileNotFoundError, ProcessLookupError):
            pass
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            break
        time.sleep(0.004)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{shlex.join(command)} failed: status {child.returncode}")
    return usage.ru_utime + usage.ru_stime, time.monotonic() - start, peak


def medians(commands, runs, realtime):
    """(CPU s, wall s, largest RssAnon) of each command, run in turns."""
    results = [[] for _ in commands]
    for _ in range(runs):
        for command, result in zip(commands, results):
            result.append(run(command, realtime))
    return [(statistics.median(r[0] for r in rs), statistics.median(r[1] for r in rs), max(r[2] for r in rs))
            for rs in results]


def build_oomph():
    """The release binary, wherever cargo puts it."""
    command = ["cargo", "build", "--release", "-p", "oomph", "--message-format=json-render-diagnostics"]
    out = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = (json.loads(line) for line in out.splitlines() if line.startswith("{"))
    return [m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "oomph"][-1]


def dump(binary, gib, directory):
    """Starts the program, waits until its heap stands, has it dump core."""
    os.makedirs(directory)
    child = subprocess.Popen(["bash", "-c", 'ulimit -c unlimited; exec "$@"', "-", binary, "-bare", "-gib", str(gib)],
                             cwd=directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True,
                             env={**os.environ, "GOTRACEBACK": "crash"})
    for line in child.stdout:
        if line.strip() == "READY":
            break
    child.send_signal(6)
    child.wait()
    found = [name for name in os.listdir(directory) if name.startswith("core")]
    if not found:
        sys.exit("no core file was written: kernel.core_pattern must be `core`")
    return os.path.join(directory, found[0])


def coverage(oomph, core, realtime):
    command = [*(["chrt", "-f", "1"] if realtime else []), *oomph, core, "--show", "goroutines", "--format", "json", "--no-index"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["coverage"]


def measure(oomph, binary, gib, tmp, args):
    form = os.path.basename(binary)
    if args.rows and os.path.exists(args.rows):
        with open(args.rows, encoding="utf-8") as rows:
            for row in map(json.loads, rows):
                if (row["gib"], row["form"]) == (gib, form):
                    return row
    core = dump(binary, gib, os.path.join(tmp, f"{gib}-{form}"))
    facts = coverage(oomph, core, args.realtime)
    views = list(VIEWS)
    # An index would answer from the second run on.
    commands = [[*oomph, core, "--no-index", *VIEWS[view]] for view in views]
    with_peers = form.endswith("dwarf") and gib == args.main
    peers = [shlex.split(p.replace("{exe}", binary)) + [core] for p in (args.viewcore, args.goref) if p and with_peers]
    found = medians(commands + peers, args.runs, args.realtime)
    os.unlink(core)
    row = {"gib": gib, "form": form, "objects": facts["objects"], "bytes": facts["bytes"],
           "typed": facts["typed_bytes"] / max(1, facts["bytes"]), "views": dict(zip(views, found)),
           "peers": found[len(views):]}
    if args.rows:
        with open(args.rows, "a", encoding="utf-8") as rows:
            rows.write(json.dumps(row) + "\n")
    return row


def table(rows):
    lines = ["| heap | objects | overview CPU s | wall s | ns per object | bytes per object "
             "| containers CPU s | bytes per object | chains CPU s | bytes per object | all CPU s | bytes per object |",
             "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"]
    for r in rows:
        n = r["objects"]
        cells = [f"{r['bytes'] / 2**20:,.0f} MiB", f"{n:,}"]
        for view in VIEWS:
            cpu, wall, peak = r["views"][view]
            cells += [f"{cpu:.2f}"] + ([f"{wall:.2f}", f"{cpu * 1e9 / n:.0f}"] if view == "overview" else [])
            cells += [f"{peak / n:.1f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def against(row, names):
    lines = ["| oomph | CPU s | peer | CPU s | ratio |", "|---|---:|---|---:|---:|"]
    for job, view in JOBS:
        ours = row["views"][view][0]
        for name, (theirs, _, _) in zip(names, row["peers"]):
            lines.append(f"| {job} | {ours:.2f} | {name} | {theirs:.2f} | {theirs / ours:.1f}x |")
    return "\n".join(lines)


def chart(rows):
    """CPU seconds over the size of the heap, as SVG; the straight line goes through the origin and the last point."""
    width, height, left, bottom = 720, 420, 60, 50
    most_x = max(r["bytes"] for r in rows) / 2**30 * 1.05
    most_y = max(r["views"]["all"][0] for r in rows) * 1.1
    x = lambda v: left + v / most_x * (width - left - 20)
    y = lambda v: height - bottom - v / most_y * (height - bottom - 20)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
           f'<rect width="{width}" height="{height}" fill="white"/>']
    for i in range(6):
        v = most_y / 5 * i
        out.append(f'<line x1="{left}" x2="{width - 20}" y1="{y(v):.1f}" y2="{y(v):.1f}" stroke="#ddd"/>'
                   f'<text x="{left - 8}" y="{y(v) + 4:.1f}" text-anchor="end">{v:.1f}</text>')
    for r in rows:
        gib = r["bytes"] / 2**30
        out.append(f'<text x="{x(gib):.1f}" y="{height - bottom + 18}" text-anchor="middle">{gib:.2g}</text>')
    for view, colour in (("overview", "#1f6feb"), ("all", "#d1242f")):
        points = [(r["bytes"] / 2**30, r["views"][view][0]) for r in rows]
        slope = points[-1][1] / points[-1][0]
        out.append(f'<line x1="{x(0):.1f}" y1="{y(0):.1f}" x2="{x(points[-1][0]):.1f}" '
                   f'y2="{y(slope * points[-1][0]):.1f}" stroke="{colour}" stroke-dasharray="4 4" opacity="0.5"/>')
        out.append('<polyline fill="none" stroke="%s" stroke-width="2" points="%s"/>'
                   % (colour, " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)))
        out += [f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="4" fill="{colour}"/>' for a, b in points]
        last = points[-1]
        out.append(f'<text x="{x(last[0]) - 10:.1f}" y="{y(last[1]) - 8:.1f}" text-anchor="end" '
                   f'fill="{colour}">{view}</text>')
    out.append(f'<text x="{(width + left) / 2}" y="{height - 10}" text-anchor="middle">live heap, GiB</text>')
    out.append(f'<text x="16" y="{height / 2}" transform="rotate(-90 16 {height / 2})" text-anchor="middle">CPU s</text></svg>')
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--oomph", help="command before the core file (default: `heap` of a release build)")
    parser.add_argument("--sizes", default="0.1,0.25,0.5,1,2,4", help="GiB of heap (default: %(default)s)")
    parser.add_argument("--main", type=float, default=1.0, help="the size that is compared with peers")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--viewcore", help="command that reads the core file named behind it")
    parser.add_argument("--goref", help="command that reads the core file named behind it")
    parser.add_argument("--realtime", action="store_true", help="run as SCHED_FIFO (needs root)")
    parser.add_argument("--rows", help="file that keeps what was measured; what it has is not measured again")
    parser.add_argument("--out", help="directory for heap-benchmarks.md and heap-benchmarks.svg")
    args = parser.parse_args()
    oomph = shlex.split(args.oomph) if args.oomph else [build_oomph(), "heap"]
    go = os.environ.get("OOMPH_GO", "go")
    version = subprocess.run([go, "version"], capture_output=True, text=True, check=True).stdout.strip()
    oomph_version = subprocess.run([oomph[0], "--version"], capture_output=True, text=True).stdout.strip()
    with tempfile.TemporaryDirectory(dir=".") as tmp:
        binaries = {}
        for form, flags in (("dwarf", ""), ("stripped", "-s -w")):
            binaries[form] = os.path.abspath(f"{tmp}/peerheap-{form}")
            subprocess.run([go, "build", "-trimpath", f"-ldflags={flags}", "-o", binaries[form], "./heap/peerheap"],
                           check=True, cwd=f"{ROOT}/lab", env={**os.environ, "GOTOOLCHAIN": "local"})
        sizes = [float(s) for s in args.sizes.split(",")]
        rows = [measure(oomph, binaries["dwarf"], gib, tmp, args) for gib in sizes]
        stripped = measure(oomph, binaries["stripped"], args.main, tmp, args)
    main_row = min(rows, key=lambda r: abs(r["gib"] - args.main))
    figures = "\n\n".join([
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs; {version}; {oomph_version}; "
        f"medians of {args.runs} runs{', SCHED_FIFO' if args.realtime else ''}.",
        "## With debug information\n\n" + table(rows),
        "## Stripped\n\n" + table([stripped]) + f"\n\n{stripped['typed']:.2%} of the bytes typed."])
    if main_row["peers"]:
        names = [shlex.split(p)[0].rsplit("/")[-1] + " " + shlex.split(p)[1] for p in (args.viewcore, args.goref) if p]
        figures += "\n\n## Side by side\n\n" + against(main_row, names)
    print(figures)
    if args.out:
        with open(f"{args.out}/heap-benchmarks.svg", "w", encoding="utf-8") as f:
            f.write(chart(rows))
        path = f"{args.out}/heap-benchmarks.md"
        head = open(path, encoding="utf-8").read().split("<!-- figures -->")[0] if os.path.exists(path) else ""
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"{head}<!-- figures -->\n\n{figures}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
