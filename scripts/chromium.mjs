// Runs a page in headless Chromium. The page posts its title to /verdict once that begins with PASS
// or FAIL.

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { text } from "node:stream/consumers";

/**
 * Serves the files of `folders`, the first that has one, opens `/index.html` and gives the verdict.
 * `onServer` is given the HTTP server before that, for a WebSocket server on the same port.
 */
export async function runPage({ folders, onServer = () => {}, withinMs = 60_000 }) {
  let decide;
  const verdict = new Promise((decided) => (decide = decided));
  const server = createServer(async (request, response) => {
    if (request.method !== "POST") return serve(folders, request, response);
    decide(await text(request));
    response.writeHead(204).end();
  });
  onServer(server);
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const profile = await mkdtemp(join(tmpdir(), "redial-chromium-"));
  const url = `http://127.0.0.1:${server.address().port}/index.html`;
  const close = open(url, profile, decide);
  const timer = setTimeout(() => decide(`FAIL no verdict within ${withinMs} ms`), withinMs);
  try {
    return await verdict;
  } finally {
    clearTimeout(timer);
    await close();
    server.closeAllConnections();
    server.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 10 });
  }
}

async function serve(folders, request, response) {
  const path = normalize(new URL(request.url, "http://localhost").pathname);
  for (const folder of folders) {
    const body = await readFile(join(folder, path)).catch(() => undefined);
    if (body !== undefined) {
      const type = TYPES[extname(path)] ?? "application/octet-stream";
      return response.writeHead(200, { "content-type": type }).end(body);
    }
  }
  response.writeHead(404).end();
}

function open(url, profile, decide) {
  const browser = spawn(BROWSER, [...FLAGS, `--user-data-dir=${profile}`, url], {
    stdio: "ignore",
    // In a group of its own, so that its children go with it.
    detached: true,
  });
  const gone = new Promise((exited) => {
    browser.once("exit", exited);
    browser.once("error", exited);
  });
  gone.then((why) => decide(`FAIL ${BROWSER} ended: ${why}`));
  return () => {
    if (browser.exitCode === null && browser.pid) process.kill(-browser.pid, "SIGKILL");
    return gone;
  };
}

const BROWSER = process.env.CHROMIUM ?? "chromium";

/** No sandbox: it does not start as root. The rest keeps it from calling anyone. */
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--disable-sync",
  "--disable-background-networking",
  "--disable-component-update",
  "--no-first-run",
];

const TYPES = {
  ".html": "text/html",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};
