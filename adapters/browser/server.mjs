// A WebSocket server of a made-up protocol that cuts its first connection.

import { WebSocketServer } from "ws";

/**
 * Asked `{subscribe, number}`, `{unsubscribe, number}`, `{ping}` and `{account}` it answers
 * `{ok, number}`, `{pong}` and `{account}`: the keys that each connection held. It cuts the first
 * connection as soon as that holds `keys` of them.
 */
export function attach(server, keys) {
  const account = [];
  new WebSocketServer({ server }).on("connection", (socket) => {
    const held = new Set();
    const first = account.push(held) === 1;
    socket.on("message", (data) => {
      const answer = answerTo(JSON.parse(data), held, account);
      socket.send(JSON.stringify(answer), () => {
        // Without a close frame, as a process that dies.
        if (first && held.size === keys) socket.terminate();
      });
    });
  });
}

function answerTo({ subscribe, unsubscribe, number, account: asked }, held, account) {
  if (subscribe !== undefined) {
    held.add(subscribe);
    return { ok: subscribe, number };
  }
  if (unsubscribe !== undefined) {
    held.delete(unsubscribe);
    return { ok: unsubscribe, number };
  }
  if (asked) return { account: account.map((keys) => [...keys].sort((a, b) => a - b)) };
  return { pong: true };
}
