// Replays the golden traces in node.
// usage: node node.mjs MODULE.wasm

import { readFile } from "node:fs/promises";
import { replayAll } from "./replay.mjs";

const verdict = await replayAll(await readFile(process.argv[2]));
console.log(verdict);
process.exitCode = verdict.startsWith("PASS") ? 0 : 1;
