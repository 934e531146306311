// The server of a run over node's `ws`: holds topics and says what it holds, as websockets_peer.py.

const readline = require("node:readline");
const { WebSocketServer } = require("ws");

const note = (...words) =>
  process.stdout.write([process.hrtime.bigint(), ...words].join(" ") + "\n");

const linkOf = (request) => Number(request.url.replaceAll("/", ""));
const { port } = JSON.parse(process.argv[2]);
const server = new WebSocketServer({
  port,
  host: "0.0.0.0",
  verifyClient: ({ req }) => {
    note("asked", linkOf(req));
    return true;
  },
});
let numbers = 0;

server.on("listening", () => note("listening"));
server.on("connection", (socket, request) => {
  const conn = ++numbers;
  let heard = true;
  const patience = setInterval(() => {
    if (!heard) socket.terminate();
    heard = false;
    socket.ping();
  }, 1000);
  note("opened", conn, linkOf(request));
  socket.on("pong", () => (heard = true));
  socket.on("ping", () => (heard = true));
  socket.on("message", (data) => {
    const [what, number] = data.toString().split(" ");
    note(what[0] === "+" ? "holds" : "frees", conn, what.slice(1));
    socket.send(`ok ${number}`);
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    clearInterval(patience);
    note("gone", conn);
  });
});

readline.createInterface({ input: process.stdin }).on("line", (order) => {
  const [, code] = order.split(" ");
  for (const socket of server.clients) socket.close(Number(code));
});
