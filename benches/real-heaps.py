#!/usr/bin/env python3
"""`oomph heap` on Go programs that its authors did not write, stripped as they are shipped.

Needs Python 3.9 and gdb's `gcore`; what else cannot be had is skipped with the reason:

    benches/real-heaps.py                                     # all of them
    benches/real-heaps.py --only etcd --oomph target/release/oomph
    benches/real-heaps.py --output docs/real-heaps.md

Debian's prometheus and etcd are those on PATH (`apt install prometheus etcd-server`); tsgo, esbuild and buf are
fetched from npm into target/real-heaps/; `go build` is the Go on PATH. Each runs under load. `oomph heap` reads
several copy-on-write snapshots at moments nobody chose, then a core file made by gcore. Each time:

- it ends by itself with status 0, and says nothing of a panic;
- the rows of `--show types` add up to the coverage, objects and bytes;
- spans and objects have the bytes that the runtime's own counters say (`coverage.runtime`), and every span as
  many slots in use as it says;
- of a service that tells `go_memstats_heap_alloc_bytes`, what was found lies between that before and after, when
  no collection came between;
- nothing retains more than the heap; no span contradicts itself.

The exit status is 1 when a check fails.
"""
import argparse
import contextlib
import http.server
import json
import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
# One allocation, or one span, may be half counted at any instant.
SLACK = 256 << 10
# /metrics reads the counters without what each P has yet to hand in: up to a span of each size class.
METRICS_SLACK = 1 << 20


class Skip(Exception):
    """Why a program is not looked at."""


# --- what is run -----------------------------------------------------------------------------------


def on_path(name, package):
    found = shutil.which(name)
    if not found:
        raise Skip(f"`{name}` is not installed (apt install {package})")
    return found


def from_npm(cache, package, binary):
    """An executable of an npm package for this platform."""
    where = cache / "npm"
    found = where / "node_modules" / package / binary
    if not found.is_file():
        if not shutil.which("npm"):
            raise Skip("npm is not installed")
        where.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["npm", "install", "--prefix", where, "--no-audit", "--no-fund", "--ignore-scripts", package],
                              capture_output=True, text=True, check=False)
        if done.returncode or not found.is_file():
            raise Skip(f"npm has no {package} for this machine: {done.stderr.strip().splitlines()[-1:]}")
    return str(found)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(url, data=None):
    request = urllib.request.Request(url, data=data)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read()


def until(what, holds, seconds=60):
    """Waits for a condition that nothing announces."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError):
            if holds():
                return
        time.sleep(0.05)
    raise RuntimeError(f"{what}: not within {seconds} s")


class Load:
    """Calls functions over and over in threads of their own until it is closed."""

    def __init__(self, *calls):
        self.done = threading.Event()
        self.count = 0
        self.threads = [threading.Thread(target=self.run, args=(c,), daemon=True) for c in calls]
        for t in self.threads:
            t.start()

    def run(self, call):
        while not self.done.is_set():
            with contextlib.suppress(OSError):
                call()
                self.count += 1

    def close(self):
        self.done.set()
        for t in self.threads:
            t.join()


class Running:
    """A program under load: whom to look at, where it tells its own numbers."""

    def __init__(self, command, cwd, **options):
        self.log = open(pathlib.Path(cwd) / "log", "wb")
        options = {"stdin": subprocess.DEVNULL, "stdout": self.log, "stderr": self.log, **options}
        self.child = subprocess.Popen(command, cwd=cwd, **options)
        self.close_first = []
        self.metrics = None
        self.collect = None

    def pid(self):
        return self.child.pid

    def idle(self):
        for c in self.close_first:
            c.close()
        self.close_first = []

    def close(self):
        self.idle()
        self.child.kill()
        self.child.wait()
        self.log.close()


def prometheus(cache, work):
    """Scrapes 5,000 series each second, a tenth of them new each time; 4 clients query."""
    exe = on_path("prometheus", "prometheus")
    generation = [0]

    class Target(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            generation[0] += 1
            lines = [f'requests_total{{path="/p/{i}",code="200"}} {generation[0] * i}' for i in range(4500)]
            lines += [f'jobs{{id="{generation[0]}-{i}"}} 1' for i in range(500)]
            self.send_response(200)
            self.end_headers()
            self.wfile.write("\n".join(lines).encode() + b"\n")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Target)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = free_port()
    (work / "p.yml").write_text(
        "global: {scrape_interval: 1s}\nscrape_configs:\n"
        f"- {{job_name: self, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}\n"
        f"- {{job_name: load, static_configs: [{{targets: ['127.0.0.1:{server.server_port}']}}]}}\n")
    p = Running([exe, "--config.file=p.yml", "--storage.tsdb.path=data", f"--web.listen-address=127.0.0.1:{port}"], work)
    base = f"http://127.0.0.1:{port}"
    until("prometheus", lambda: get(base + "/-/ready"))
    p.metrics = base + "/metrics"
    p.collect = base + "/debug/pprof/heap?gc=1"
    query = "/api/v1/query_range?query=sum(rate(requests_total[10s]))by(code)&step=1&start={}&end={}"
    p.close_first = [Load(*[lambda: get(base + query.format(time.time() - 30, time.time()))] * 4)]
    return p


def etcd(cache, work):
    """4 clients put keys of 1 KiB and read them."""
    exe = on_path("etcd", "etcd-server")
    client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    p = Running([exe, "--enable-pprof", "--data-dir=data", "--log-outputs=stderr", "--listen-client-urls", client,
                 "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                 "--initial-cluster", f"default={peer}"], work)
    until("etcd", lambda: b"true" in get(client + "/health"))
    p.metrics = client + "/metrics"
    p.collect = client + "/debug/pprof/heap?gc=1"

    def put():
        key = "%016x" % random.getrandbits(64)
        body = {"key": to64(key), "value": to64("v" * 1024)}
        get(client + "/v3/kv/put", json.dumps(body).encode())
        get(client + "/v3/kv/range", json.dumps({"key": to64(key)}).encode())

    p.close_first = [Load(*[put] * 4)]
    return p


def to64(text):
    import base64
    return base64.b64encode(text.encode()).decode()


def typescript_project(work, files):
    """Modules of interfaces, generic classes and functions, each of which imports the one before."""
    (work / "src").mkdir()
    for i in range(files):
        uses = f'import {{ Shape{i-1}, Box{i-1} }} from "./m{i-1}";\n' if i else ""
        base = f" extends Shape{i-1}" if i % 7 else ""
        fields = "\n".join(f"  f{i}_{k}: {'string' if k % 2 else 'number'} | undefined;" for k in range(20))
        functions = "\n".join(
            f"export function fn{i}_{k}<T extends Shape{i}>(x: T, n: number): Array<Box{i}<T>> "
            f"{{ const r: Array<Box{i}<T>> = []; for (let j = 0; j < n; j++) r.push(new Box{i}(x)); return r; }}"
            for k in range(20))
        old = f"export const old{i} = (b: Box{i-1}<Shape{i-1}>) => b.value;\n" if i else ""
        (work / "src" / f"m{i}.ts").write_text(
            f"{uses}export interface Shape{i}{base} {{\n{fields}\n}}\n"
            f"export class Box{i}<T> {{ constructor(public value: T) {{}} map<U>(f: (t: T) => U) "
            f"{{ return new Box{i}(f(this.value)); }} }}\n{functions}\n{old}")
    (work / "tsconfig.json").write_text(json.dumps(
        {"compilerOptions": {"strict": True, "target": "es2022", "module": "esnext", "outDir": "out"}, "include": ["src"]}))


def tsgo_build(cache, work):
    """`tsgo` on 600 modules, over and over."""
    exe = from_npm(cache, "@typescript/native-preview-linux-x64", "lib/tsgo")
    typescript_project(work, 600)
    return Repeated([exe, "-p", "."], work, "tsgo", least=96 << 20)


def tsgo(cache, work):
    """`tsgo --watch` on 600 modules, waiting for changes."""
    exe = from_npm(cache, "@typescript/native-preview-linux-x64", "lib/tsgo")
    typescript_project(work, 600)
    p = Running([exe, "--watch", "-p", "."], work)
    until("tsgo", lambda: b"Found" in (work / "log").read_bytes(), 120)
    return p


def esbuild(cache, work):
    """`esbuild --serve` bundles 600 modules for 4 clients anew each time."""
    exe = from_npm(cache, "@esbuild/linux-x64", "bin/esbuild")
    typescript_project(work, 600)
    modules = "".join(f'export * from "./m{i}";\n' for i in range(600))
    (work / "src" / "all.ts").write_text(modules)
    port = free_port()
    p = Running([exe, "src/all.ts", "--bundle", "--sourcemap", "--outdir=www", f"--serve=127.0.0.1:{port}"], work,
                stdin=subprocess.PIPE)
    url = f"http://127.0.0.1:{port}/all.js"
    until("esbuild", lambda: len(get(url)) > 1000)
    p.close_first = [Load(*[lambda: get(url)] * 4)]
    return p


def proto_tree(work, files):
    (work / "buf.yaml").write_text("version: v2\n")
    for i in range(files):
        where = work / "tree" / f"p{i % 40}"
        where.mkdir(parents=True, exist_ok=True)
        # Chains of 30 files.
        uses = f'import "tree/p{(i - 1) % 40}/f{i - 1}.proto";\n' if i % 30 else ""
        old = f"  tree.f{i - 1}.M0 old = 100;\n" if i % 30 else ""
        messages = "\n".join(
            f"// The message {k} of file {i}.\nmessage M{k} {{\n{old}"
            + "\n".join(f"  {'string' if j % 2 else 'int64'} field_{j} = {j + 1};" for j in range(12))
            + "\n  map<string, bytes> extra = 50;\n}" for k in range(15))
        (where / f"f{i}.proto").write_text(f'syntax = "proto3";\npackage tree.f{i};\n{uses}{messages}\n'
                                           f"service S{i} {{ rpc Get(M0) returns (M1); }}\n")


class LanguageServer:
    """Speaks as an editor does: requests with lengths, answers thrown away."""

    def __init__(self, child):
        self.child = child
        self.lock = threading.Lock()
        self.number = 0
        threading.Thread(target=self.drain, daemon=True).start()

    def drain(self):
        while self.child.stdout.read1(1 << 16):
            pass

    def say(self, method, params, wants_answer=True):
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        with self.lock:
            if wants_answer:
                self.number += 1
                message["id"] = self.number
            body = json.dumps(message).encode()
            self.child.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            self.child.stdin.flush()


def buf(cache, work):
    """`buf lsp serve` on 300 files: an editor opens one after the other and asks for symbols and formatting."""
    exe = from_npm(cache, "@bufbuild/buf-linux-x64", "bin/buf")
    proto_tree(work, 300)
    p = Running([exe, "lsp", "serve"], work, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    server = LanguageServer(p.child)
    server.say("initialize", {"processId": os.getpid(), "rootUri": work.as_uri(), "capabilities": {},
                              "workspaceFolders": [{"uri": work.as_uri(), "name": "w"}]})
    server.say("initialized", {}, False)
    files, opened = sorted((work / "tree").rglob("*.proto")), iter(range(1 << 30))

    def open_one():
        n = next(opened)
        file = files[n * 7 % len(files)]
        uri = file.as_uri()
        if n < len(files):
            document = {"uri": uri, "languageId": "proto", "version": 1, "text": file.read_text()}
            server.say("textDocument/didOpen", {"textDocument": document}, False)
        server.say("textDocument/documentSymbol", {"textDocument": {"uri": uri}})
        options = {"tabSize": 2, "insertSpaces": True}
        server.say("textDocument/formatting", {"textDocument": {"uri": uri}, "options": options})
        time.sleep(0.05)

    p.close_first = [Load(open_one)]
    time.sleep(5)
    return p


class Repeated(Running):
    """A command that is started again whenever it ends; looked at is the largest of its processes."""

    def __init__(self, command, cwd, name, **options):
        self.command, self.cwd, self.options, self.name = command, cwd, options, name
        self.least = options.pop("least", 16 << 20)
        super().__init__(command, cwd, **options)
        self.again = Load(self.restart)
        self.close_first = [self.again]

    def restart(self):
        try:
            self.child.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            return
        self.child = subprocess.Popen(self.command, cwd=self.cwd, stdin=subprocess.DEVNULL, stdout=self.log,
                                      stderr=self.log, **self.options)

    def pid(self):
        """The largest process of that name among it and its children, once it is no beginner."""
        found = [0]

        def look():
            sizes = [(rss(pid), pid) for pid in family(self.child.pid) if name_of(pid) == self.name]
            size, found[0] = max(sizes, default=(0, 0))
            return size >= self.least

        until(self.name, look, 120)
        return found[0]


def family(pid):
    out = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in task.read_text().split():
                out += family(int(child))
    return out


def name_of(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def rss(pid):
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
    return 0


def go_build(name):
    def start(cache, work):
        exe = on_path("go", "golang")
        env = dict(os.environ, GOCACHE=str(work / "cache"), GOFLAGS="", GOENV="off")
        least = 40 << 20 if name == "compile" else 16 << 20
        return Repeated([exe, "build", "-a", "std", "cmd"], work, name, env=env, least=least)
    return start


def buf_build(cache, work):
    """`buf build` on 1,200 files, over and over."""
    exe = from_npm(cache, "@bufbuild/buf-linux-x64", "bin/buf")
    proto_tree(work, 1200)
    return Repeated([exe, "build", "-o", "image.binpb"], work, "buf", least=96 << 20)


PROGRAMS = [
    ("prometheus", "scrapes of 5,000 series a second, 500 of them new; 4 clients query", prometheus),
    ("etcd", "4 clients put keys of 1 KiB and read them", etcd),
    ("tsgo", "600 modules, amid the build", tsgo_build),
    ("tsgo --watch", "600 modules checked, waiting for changes", tsgo),
    ("esbuild --serve", "600 modules bundled anew for each of 4 clients", esbuild),
    ("buf lsp serve", "an editor walks through 300 files", buf),
    ("buf build", "1,200 files, amid the build", buf_build),
    ("go build", "`go build -a std cmd`, amid it", go_build("go")),
    ("compile", "its largest compiler process", go_build("compile")),
]


# --- what is looked at -----------------------------------------------------------------------------


def heap(oomph, target, *options):
    """The answer, and what the run took."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        command = [oomph, "heap", str(target), "--show", "types", "-n", "0", "-f", "json", "-q", *map(str, options)]
        child = subprocess.Popen(command, stdout=out, stderr=err)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        said = err.read().decode(errors="replace").strip()
        if child.returncode or "panicked" in said:
            return None, f"status {child.returncode}: {said}"
        answer = json.loads(out.read())
    answer["cpu"] = usage.ru_utime + usage.ru_stime
    answer["wall"] = time.monotonic() - started
    answer["rss"] = usage.ru_maxrss << 10
    return answer, ""


def check(o, bounds):
    """What is wrong with an answer."""
    c, wrong = o["coverage"], []
    for key, total in (("objects", c["objects"]), ("bytes", c["bytes"])):
        said = sum(t[key] for t in o["types"])
        if said != total:
            wrong.append(f"types have {said} {key}, the heap {total}")
    found, runtime = c["bytes"] + c["unswept_bytes"], c.get("runtime")
    if not runtime:
        wrong.append("the runtime's counters were not found")
    else:
        if abs(found - runtime["bytes"]) > SLACK:
            wrong.append(f"objects of {found} bytes, the runtime counts {runtime['bytes']}")
        if abs(c["span_bytes"] - runtime["span_bytes"]) > SLACK:
            wrong.append(f"spans of {c['span_bytes']} bytes, the runtime counts {runtime['span_bytes']}")
    # One slot of each P may be on its way, one span may be half swept.
    if c["miscounted_objects"] > 1024:
        wrong.append(f"spans count {c['miscounted_objects']} slots otherwise")
    if c["distrusted_spans"]:
        wrong.append(f"{c['distrusted_spans']} spans contradict themselves")
    o["compared"] = bool(bounds)
    if bounds and not bounds[0] - METRICS_SLACK <= found <= bounds[1] + METRICS_SLACK:
        wrong.append(f"objects of {found} bytes, /metrics says {bounds[0]:.0f} to {bounds[1]:.0f}")
    reachable = c["bytes"] - c["unreachable_bytes"]
    if not c["typed_reachable_bytes"] <= reachable <= c["bytes"] <= c["span_bytes"]:
        wrong.append("sums contradict each other")
    for t in o["types"]:
        if t["retained_bytes"] > reachable or t["bytes"] > c["bytes"]:
            wrong.append(f"{t['name']} has more than the heap")
    return wrong


def told(metrics):
    """What a service says of itself: bytes of its heap, number of collections."""
    if not metrics:
        return None
    text = get(metrics)
    found = [re.search(rb"^%s (\S+)" % name, text, re.M)
             for name in (b"go_memstats_heap_alloc_bytes", b"go_gc_duration_seconds_count")]
    return [float(f[1]) for f in found] if all(found) else None


def snapshot(oomph, running):
    before = told(running.metrics)
    for _ in range(5):
        answer, error = heap(oomph, running.pid())
        # A build has many processes, which end at any moment.
        if answer or "has ended" not in error:
            break
    after = told(running.metrics)
    if not answer:
        return None, [error]
    # Between two collections the heap only grows. A page has its numbers one after the other: a collection amid
    # the second page shows in a third one.
    last = told(running.metrics)
    comparable = before and after and last and before[1] == after[1] == last[1]
    return answer, check(answer, (before[0], after[0]) if comparable else None)


def core(oomph, running, work):
    why = "the process ended"
    for _ in range(5):
        pid = running.pid()
        try:
            exe = os.readlink(f"/proc/{pid}/exe")
        except OSError:
            continue
        done = subprocess.run(["gcore", "-o", work / "core", str(pid)], capture_output=True, text=True, check=False)
        file = work / f"core.{pid}"
        if file.is_file():
            break
        # It may have ended just now: a build has many processes.
        why = (done.stderr.strip().splitlines() or ["no core file"])[-1]
    else:
        return None, [f"gcore: {why}"]
    try:
        answer, error = heap(oomph, file, "--exe", exe, "--no-index")
    finally:
        file.unlink()
    return (answer, check(answer, None)) if answer else (None, [error])


def stripped(pid):
    """Whether the executable has neither symbols nor debug information."""
    names = subprocess.run(["readelf", "-SW", f"/proc/{pid}/exe"], capture_output=True, text=True, check=False).stdout
    return ".symtab" not in names and "debug_info" not in names


def look_at(name, state, start, args):
    """Rows of one program."""
    with tempfile.TemporaryDirectory(prefix="real-heaps-") as work:
        work = pathlib.Path(work)
        running = start(args.cache, work)
        try:
            pid = running.pid()
            about = {"name": name, "state": state, "stripped": stripped(pid)}
            for _ in range(args.snapshots):
                # Anywhere in the cycle of the collector.
                time.sleep(random.uniform(0.2, args.apart))
                yield {**about, "source": "snapshot", "result": snapshot(args.oomph, running)}
            if shutil.which("gcore"):
                yield {**about, "source": "core", "result": core(args.oomph, running, work)}
            if running.collect:
                running.idle()
                # The second one clears what only sync.Pool held.
                get(running.collect), get(running.collect)
                yield {**about, "source": "idle, after GC", "result": snapshot(args.oomph, running)}
        finally:
            running.close()


# --- what is told ----------------------------------------------------------------------------------


def mib(n):
    return f"{n / (1 << 20):.1f}"


def percent(part, whole):
    return f"{100 * part / whole:.1f} %" if whole else "-"


def line(row):
    answer, wrong = row["result"]
    if not answer:
        return f"| {row['name']} | {row['source']} | - | - | - | - | - | - | - | - | {'; '.join(wrong)} |"
    c = answer["coverage"]
    runtime = c.get("runtime") or {}
    reachable = c["bytes"] - c["unreachable_bytes"]
    found = c["bytes"] + c["unswept_bytes"]
    off = found - runtime.get("bytes", 0)
    pause = f"{answer['pause_ms']:.1f}" if answer.get("pause_ms") else "-"
    cells = [
        row["name"], row["source"], pause, f"{c['objects']:,}", mib(found), f"{off:+,}",
        percent(c["typed_reachable_bytes"], reachable), percent(c["unreachable_bytes"], c["bytes"]),
        percent(c["unswept_bytes"], found), f"{answer['cpu']:.2f}",
        "; ".join(wrong + answer["limits"]) or "-",
    ]
    return f"| {' | '.join(cells)} |"


HEAD = """| program | read from | pause, ms | objects | MiB | off by, bytes | typed | unreachable | unswept | CPU s | remarks |
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---|"""


INTRO = """
Go programs as they are shipped, under load. Several copy-on-write snapshots at moments nobody chose, then a core file by
gcore; of services that can be asked to collect, one more after that. Written by `benches/real-heaps.py --output
docs/real-heaps.md`, which says what is checked each time.

*off by*: bytes found less bytes that the runtime counts. *typed*: of the reachable bytes. *unreachable*: made and dropped
since the last collection began. *unswept*: found dead by it and not yet freed.
"""


def document(rows, skipped):
    programs = {}
    for row in rows:
        answer = row["result"][0]
        if answer and row["name"] not in programs:
            kind = "stripped" if row["stripped"] else "not stripped"
            programs[row["name"]] = f"- {row['name']}: {answer['go_version']}, {kind}; {row['state']}"
    out = ["# `oomph heap` on programs it was not written for", ""]
    out += INTRO.strip().splitlines() + [""]
    out += sorted(programs.values()) + [""] + [HEAD] + [line(r) for r in rows]
    out += [""] + [f"- {name}: skipped: {why}" for name, why in skipped]
    return "\n".join(out).rstrip() + "\n"


def build_oomph():
    command = ["cargo", "build", "--release", "-p", "oomph", "--message-format=json-render-diagnostics"]
    out = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = (json.loads(text) for text in out.splitlines() if text.startswith("{"))
    return [m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "oomph"][-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--oomph", help="the binary; built for release by default")
    parser.add_argument("--only", default="", help="only programs whose name contains this")
    parser.add_argument("--snapshots", type=int, default=5)
    parser.add_argument("--apart", type=float, default=3.0, help="most seconds between two")
    parser.add_argument("--output", help="write the tables here")
    parser.add_argument("--cache", type=pathlib.Path, default=ROOT / "target" / "real-heaps")
    args = parser.parse_args()
    args.oomph = os.path.abspath(args.oomph) if args.oomph else build_oomph()
    rows, skipped = [], []
    print(HEAD)
    for name, state, start in PROGRAMS:
        if args.only not in name:
            continue
        try:
            for row in look_at(name, state, start, args):
                rows.append(row)
                print(line(row), flush=True)
        except Skip as why:
            skipped.append((name, str(why)))
            print(f"{name}: skipped: {why}", flush=True)
    if args.output:
        pathlib.Path(args.output).write_text(document(rows, skipped))
    failed = [r for r in rows if r["result"][1]]
    print(f"{len(rows)} heaps read, {len(failed)} with faults, {len(skipped)} programs skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
