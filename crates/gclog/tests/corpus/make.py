#!/usr/bin/env python3
"""Makes the corpus anew: what real Go programs print, with what their runtime counted.

    crates/gclog/tests/corpus/make.py [GOROOT ...]
    crates/gclog/tests/corpus/make.py --shapes GOROOT [NAME ...]
                       the logs in ../shapes, for the signals. CPU times are of a quiet machine, or of one that
                       runs this with priority (chrt -f 1)

Without arguments every toolchain below ~/.cache/oomph/go is used. For each: goVERSION.log (gctrace, gcpacertrace,
scavtrace; gctrace=2 from 1.25 on), goVERSION.jsonl (the program's own account), goVERSION.mixed.log and .jsonl (the
same with JSON logs written to the same pipe at the same time). Go 1.19: Debian's prometheus, when it is installed,
with what its /metrics says at the end. There is no toolchain of Go 1.20 to be had where this was made.
"""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent


def run(binary, args, debug, name, env=None):
    with open(HERE / f"{name}.log", "wb") as log, open(HERE / f"{name}.jsonl", "wb") as truth:
        subprocess.run([binary, *args], stdout=truth, stderr=log, check=True, env={**os.environ, "GODEBUG": debug, **(env or {})})


def toolchain(root):
    env = {**os.environ, "GOROOT": str(root), "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod", "CGO_ENABLED": "0"}
    go = root / "bin" / "go"
    version = subprocess.run([go, "env", "GOVERSION"], env=env, capture_output=True, text=True, check=True).stdout.strip()
    minor = int(re.match(r"go1\.(\d+)", version)[1])
    with tempfile.TemporaryDirectory() as tmp:
        binary = Path(tmp) / "gctruth"
        subprocess.run([go, "build", "-o", binary, "."], cwd=HERE / "program", env=env, check=True)
        level = 2 if minor >= 25 else 1
        run(binary, ["-cycles", "40"], f"gctrace={level},gcpacertrace=1,scavtrace=1", version)
        if minor >= 25:
            experiment = {**env, "GOEXPERIMENT": "nogreenteagc" if minor >= 26 else "greenteagc"}
            subprocess.run([go, "build", "-o", binary, "."], cwd=HERE / "program", env=experiment, check=True)
            run(binary, ["-cycles", "20"], "gctrace=2,gcpacertrace=1,scavtrace=1", f"{version}-{experiment['GOEXPERIMENT']}")
            subprocess.run([go, "build", "-o", binary, "."], cwd=HERE / "program", env=env, check=True)
        run_mixed(binary, version)
    print(version)


def run_mixed(binary, version):
    """Loggers and the runtime write to one file; of what they log, only the neighbourhood of gc lines is kept."""
    name = f"{version}.mixed"
    with tempfile.NamedTemporaryFile() as log, open(HERE / f"{name}.jsonl", "wb") as truth:
        subprocess.run([binary, "-cycles", "40", "-log", "2"], stdout=truth, stderr=log, check=True, env={**os.environ, "GODEBUG": "gctrace=1"})
        text = Path(log.name).read_bytes()
    lines = text.splitlines(keepends=True)
    whole = re.compile(rb'\{"time":"[^"]*","level":"INFO","msg":"request done",[^{}]*\}\n')
    # Whole JSON lines with whole ones around them say nothing new.
    plain = [bool(whole.fullmatch(l)) for l in lines]
    kept = [l for i, l in enumerate(lines) if not all(plain[max(0, i - 1) : i + 2])]
    (HERE / f"{name}.log").write_bytes(b"".join(kept))


def prometheus():
    path = "/usr/bin/prometheus"
    if not os.path.exists(path):
        print("no prometheus: Go 1.19 is left as it is")
        return
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with tempfile.TemporaryDirectory() as tmp, open(HERE / "go1.19.8.log", "wb") as log:
        (Path(tmp) / "p.yml").write_text("{}\n")
        args = [path, f"--config.file={tmp}/p.yml", f"--storage.tsdb.path={tmp}/d", f"--web.listen-address=127.0.0.1:{port}"]
        env = {**os.environ, "GODEBUG": "gctrace=1,gcpacertrace=1,scavtrace=1", "GOGC": "20"}
        p = subprocess.Popen(args, stderr=log, env=env)
        try:
            url, truth = f"http://127.0.0.1:{port}/metrics", []
            deadline = time.monotonic() + 60
            while len(truth) < 30 and time.monotonic() < deadline:
                try:
                    page = urllib.request.urlopen(url, timeout=5).read().decode()
                except OSError:
                    time.sleep(0.05)
                    continue
                value = lambda n: float(re.search(rf"^{n} (\S+)", page, re.M)[1])
                row = {"NumGC": int(value("go_gc_duration_seconds_count")), "NextGC": int(value("go_memstats_next_gc_bytes"))}
                if not truth or truth[-1]["NumGC"] != row["NumGC"]:
                    truth.append(row)
        finally:
            p.terminate()
            p.wait()
    (HERE / "go1.19.8.jsonl").write_text("".join(json.dumps(t) + "\n" for t in truth))
    print("go1.19.8")


# Programs with a known way of using memory, for the signals: name, arguments, environment.
SHAPES = [
    ("healthy", ["-load", "12s", "-live", "64", "-rate", "100"], {}),
    ("storm", ["-load", "24s", "-live", "8", "-rate", "16", "-burst", "40"], {}),
    ("limit", ["-load", "20s", "-live", "32", "-rate", "100", "-leak", "8"], {"GOMEMLIMIT": "200MiB"}),
    ("leak", ["-load", "20s", "-live", "16", "-rate", "60", "-leak", "3"], {}),
    ("assists", ["-load", "6s", "-live", "32", "-workers", "8"], {}),
    ("forced", ["-load", "12s", "-live", "32", "-rate", "20", "-force", "500ms"], {}),
    ("step", ["-load", "16s", "-live", "16", "-rate", "40", "-step", "100"], {}),
    ("big", ["-load", "24s", "-live", "8", "-rate", "16", "-big", "300"], {}),
    *((f"gogc{g}", ["-load", "15s", "-live", "64", "-rate", "200"], {"GOGC": str(g)}) for g in (50, 100, 200, 400)),
]


def shapes(root, only):
    env = {**os.environ, "GOROOT": str(root), "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    with tempfile.TemporaryDirectory() as tmp:
        binary = Path(tmp) / "gctruth"
        subprocess.run([root / "bin" / "go", "build", "-o", binary, "."], cwd=HERE / "program", env=env, check=True)
        for name, args, more in SHAPES:
            if only and name not in only:
                continue
            run(binary, args, "gctrace=1,gcpacertrace=1" if name.startswith("gogc") else "gctrace=1", f"../shapes/{name}", more)
            print(name)


if sys.argv[1:2] == ["--shapes"]:
    (HERE / "../shapes").mkdir(exist_ok=True)
    shapes(Path(sys.argv[2]), sys.argv[3:])
    sys.exit()
roots = [Path(a) for a in sys.argv[1:]] or sorted(Path.home().glob(".cache/oomph/go/*/go"))
for r in roots:
    toolchain(r)
prometheus()
