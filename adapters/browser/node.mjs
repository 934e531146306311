// Tells the story in node.
// usage: node node.mjs MODULE.wasm

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { WebSocket } from "ws";
import { attach } from "./server.mjs";
import { KEYS, tell } from "./story.mjs";

const server = createServer();
attach(server, KEYS);
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const url = `ws://127.0.0.1:${server.address().port}`;
const timer = setTimeout(() => end("FAIL no verdict within a minute"), 60_000);
end(await tell(await readFile(process.argv[2]), () => new WebSocket(url)));

function end(verdict) {
  clearTimeout(timer);
  console.log(verdict);
  process.exit(verdict.startsWith("PASS") ? 0 : 1);
}
