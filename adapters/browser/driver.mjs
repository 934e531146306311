// A driver of one link over WebSockets: the browser's, or any other with the same interface. It owns
// sockets, clock and timer; when to dial, ping and subscribe again is the core's business.

const PHASES = [
  "idle", "waiting", "refreshing", "opening", "greeting",
  "restoring", "live", "degraded", "closing", "halted",
];

/** The longest time that setTimeout takes. An early timer is harmless: the core arms it again. */
const LONGEST_MS = 2 ** 31 - 1;

export class Driver {
  #core;
  #options;
  /** Sockets by the core's name for their connection. */
  #sockets = new Map();
  #timer;
  #draining = false;

  /**
   * `module` is the compiled core; `dial()` gives a new WebSocket; `protocol` says what goes over
   * it; `onReport(phase, losses)` is told of each change, `onData(message)` of what is no answer.
   */
  static async load(module, options) {
    const { instance } = await WebAssembly.instantiate(module, {});
    return new Driver(instance.exports, options);
  }

  constructor(core, options) {
    this.#core = core;
    this.#options = options;
    core.create(crypto.getRandomValues(new BigUint64Array(1))[0]);
    // In a page, the platform's hints about the network; node has none.
    globalThis.addEventListener?.("online", () => this.#tell("network_up"));
    globalThis.addEventListener?.("offline", () => this.#tell("network_down"));
  }

  start() {
    this.#tell("start");
  }

  stop() {
    this.#tell("stop");
  }

  subscribe(key) {
    this.#tell("subscribe", key);
  }

  unsubscribe(key) {
    this.#tell("unsubscribe", key);
  }

  /** Sends a message of the application on every open connection: one, but for a rotation. */
  send(message) {
    for (const conn of this.#sockets.keys()) this.#say(conn, message);
  }

  #tell(event, ...about) {
    if (this.#core[event](performance.now(), ...about) !== 0) throw new Error(`misuse: ${event} ${about}`);
    this.#drain();
  }

  /** What is told while this runs is drained by the loop that runs already. */
  #drain() {
    if (this.#draining) return;
    this.#draining = true;
    try {
      for (;;) {
        const at = this.#core.poll_action(performance.now());
        if (at === 0) return;
        this.#perform(...new Float64Array(this.#core.memory.buffer, at, 5));
      }
    } finally {
      this.#draining = false;
    }
  }

  #perform(kind, conn, key, number, fifth) {
    const { protocol, onReport } = this.#options;
    switch (kind) {
      case 1: return this.#open(conn);
      case 2: return this.#close(conn, fifth);
      case 3: return this.#say(conn, protocol.ping());
      case 4: return this.#say(conn, protocol.subscribe(key, number));
      case 5: return this.#say(conn, protocol.unsubscribe(key, number));
      case 6: return this.#tell("credentials_ready", number);
      case 7: return onReport(PHASES[fifth], number);
      case 8: return this.#arm(fifth);
      case 9: return clearTimeout(this.#timer);
      default: throw new Error(`the module knows an action that this driver does not: ${kind}`);
    }
  }

  #open(conn) {
    let socket;
    try {
      socket = this.#options.dial();
    } catch {
      // A browser refuses an address outright.
      return this.#tell("closed", conn, 0);
    }
    this.#sockets.set(conn, socket);
    socket.addEventListener("open", () => this.#from(conn, socket, "opened", conn));
    socket.addEventListener("message", ({ data }) => this.#arrived(conn, socket, data));
    socket.addEventListener("close", ({ code }) => {
      if (this.#forget(conn, socket)) this.#tell("closed", conn, code);
    });
    // A close event follows each error event, and says more.
    socket.addEventListener("error", () => {});
  }

  /** A browser cannot drop a socket at once: it is closed, and what it still says is not heard. */
  #close(conn, code) {
    const socket = this.#sockets.get(conn);
    if (socket === undefined) return;
    if (code === 0) this.#forget(conn, socket);
    socket.close(...(code === 0 ? [] : [code]));
  }

  /** A socket that still connects takes no message; the core sends none before `opened`. */
  #say(conn, message) {
    const socket = this.#sockets.get(conn);
    if (socket?.readyState === 1) socket.send(JSON.stringify(message));
  }

  #arrived(conn, socket, data) {
    const { protocol, onData } = this.#options;
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      // The core learns the rest from the close event.
      return socket.close(3001);
    }
    const answer = protocol.answer(message);
    if (answer === undefined) {
      this.#from(conn, socket, "received", conn);
      onData(message);
    } else {
      this.#from(conn, socket, "acked", conn, answer.key, answer.number);
    }
  }

  #from(conn, socket, event, ...about) {
    if (this.#sockets.get(conn) === socket) this.#tell(event, ...about);
  }

  #forget(conn, socket) {
    return this.#sockets.get(conn) === socket && this.#sockets.delete(conn);
  }

  #arm(at) {
    clearTimeout(this.#timer);
    const wait = Math.min(Math.max(at - performance.now(), 0), LONGEST_MS);
    this.#timer = setTimeout(() => this.#tell("timer_fired"), wait);
  }
}
