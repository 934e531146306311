// Tells the story in headless Chromium.
// usage: node chromium.mjs MODULE.wasm

import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { runPage } from "../../scripts/chromium.mjs";
import { attach } from "./server.mjs";
import { KEYS } from "./story.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const verdict = await runPage({
  folders: [here, dirname(resolve(process.argv[2]))],
  onServer: (server) => attach(server, KEYS),
});
console.log(verdict);
process.exitCode = verdict.startsWith("PASS") ? 0 : 1;
