// Replays the golden traces in the module of src/bin/wasm.rs. Runs in node and in a browser.

/** The verdict on a module, given as bytes: a line of text that begins with PASS or FAIL. */
export async function replayAll(bytes) {
  const { instance } = await WebAssembly.instantiate(bytes, {});
  let traces = 0;
  let lines = 0;
  for (;;) {
    const result = instance.exports.replay_golden(traces);
    if (result === 0) break;
    if (result < 0) return `FAIL trace ${traces + 1} differs in line ${-result}`;
    traces += 1;
    lines += result;
  }
  return traces > 0 ? `PASS ${traces} traces, ${lines} lines` : "FAIL no traces";
}
