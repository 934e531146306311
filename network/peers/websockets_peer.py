"""The server of a run over Python's `websockets`: holds topics and says what it holds.

`+topic number` and `-topic number` are answered by `ok number`. Each line on standard output is
`TIME WORD NUMBER…`, with the monotonic clock's nanoseconds. The order `close CODE` on standard input
closes every connection with that code.
"""

import asyncio, itertools, json, sys, time

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

numbers = itertools.count(1)


def note(*words):
    print(time.monotonic_ns(), *words, flush=True)


def asked(connection, request):
    note("asked", int(request.path.strip("/")))


async def attend(connection):
    conn = next(numbers)
    note("opened", conn, int(connection.request.path.strip("/")))
    try:
        async for message in connection:
            what, number = message.split(" ")
            sign, topic = what[0], int(what[1:])
            note("holds" if sign == "+" else "frees", conn, topic)
            await connection.send(f"ok {number}")
    except ConnectionClosed:
        pass
    finally:
        note("gone", conn)


async def main():
    port = json.loads(sys.argv[1])["port"]
    stdin = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    # Two seconds without a pong and a client is gone.
    async with serve(
        attend, "0.0.0.0", port, process_request=asked, ping_interval=1, ping_timeout=2, close_timeout=1
    ) as server:
        note("listening")
        while order := await stdin.readline():
            _, code = order.split()
            for connection in list(server.connections):
                asyncio.create_task(connection.close(int(code)))


asyncio.run(main())
