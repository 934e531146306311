// The same story in a page and in node: subscribe, be cut, and have all subscriptions again.

import { Driver } from "./driver.mjs";

export const KEYS = 16;

/** What goes over the socket. See server.mjs for the other side. */
const protocol = {
  ping: () => ({ ping: true }),
  subscribe: (key, number) => ({ subscribe: key, number }),
  unsubscribe: (key, number) => ({ unsubscribe: key, number }),
  answer: ({ ok, number }) => (ok === undefined ? undefined : { key: ok, number }),
};

/** The verdict, which begins with PASS or FAIL. */
export async function tell(module, dial, log = () => {}) {
  const [restored, idle, account] = [waiting(), waiting(), waiting()];
  const driver = await Driver.load(module, {
    dial,
    protocol,
    onReport(phase, losses) {
      log(`${Math.round(performance.now())} ms: ${phase}, losses ${losses}`);
      if (phase === "live" && losses === 1) restored.resolve();
      if (phase === "idle") idle.resolve();
    },
    onData: (message) => message.account && account.resolve(message.account),
  });
  for (let key = 0; key < KEYS; key += 1) driver.subscribe(key);
  driver.start();
  await restored.promise;
  driver.send({ account: true });
  const held = await account.promise;
  driver.stop();
  await idle.promise;
  const whole = held.length === 2 && held.every((keys) => keys.length === KEYS);
  return `${whole ? "PASS" : "FAIL"} ${held.map((keys) => keys.length)} of ${KEYS} subscriptions`;
}

function waiting() {
  let resolve;
  const promise = new Promise((resolved) => (resolve = resolved));
  return { promise, resolve };
}
