"""Drives redial through an outage of two minutes, with a clock and a server made up here.

cargo build --release -p redial-lab && python3 examples/drive.py target/release/redial-lab
"""

import heapq, itertools, json, subprocess, sys

MS, SECOND = 10**6, 10**9
DOWN, UP, END = 60 * SECOND, 180 * SECOND, 300 * SECOND
PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
core = subprocess.Popen([sys.argv[1], "drive"], **PIPES)


def say(line):
    core.stdin.write(json.dumps(line) + "\n")
    core.stdin.flush()


def ask(at, event):
    """The actions that follow from an event, and the deadline after them."""
    say({"at": at, "event": event})
    actions = []
    for line in map(json.loads, core.stdout):
        if "error" in line:
            sys.exit(line["error"])
        if "deadline" in line:
            return actions, line["deadline"]
        actions.append(line["action"])


def server(now, action):
    """What comes of an action: when, and which event."""
    kind, conn = action["type"], action.get("conn")
    if kind == "open" and DOWN <= now < UP:
        yield now + 20 * MS, {"type": "closed", "conn": conn, "by": "unknown", "io": "refused"}
    elif kind == "open":
        yield now + 40 * MS, {"type": "opened", "conn": conn}
        if now < DOWN:
            yield DOWN, {"type": "closed", "conn": conn, "by": "unknown", "io": "reset"}
    elif kind == "subscribe":
        yield now + 30 * MS, {"type": "acked", "conn": conn, "request": action["request"]}
    elif kind == "ping":
        yield now + 30 * MS, {"type": "received", "conn": conn}


say({"type": "trace", "version": 1, "policy": {}, "seed": 42, "subscriptions": 1})
order, now, deadline, opens, lives = itertools.count(), 0, None, [], []
todo = [(0, next(order), {"type": "subscribe", "key": 0}), (0, next(order), {"type": "start"})]
while now < END:
    if not todo or deadline is not None and deadline < todo[0][0]:
        now, event = deadline, {"type": "timer_fired"}
    else:
        now, _, event = heapq.heappop(todo)
    actions, deadline = ask(now, event)
    for action in actions:
        for at, event in server(now, action):
            heapq.heappush(todo, (at, next(order), event))
        opens += [now] if action["type"] == "open" else []
        if action["type"] == "report":
            print(f"{now / SECOND:8.3f}s  {action['phase']}")
            lives += [now] if action["phase"] == "live" else []

vain = sum(DOWN <= at < UP for at in opens)
print(f"{vain} attempts in vain, live again {(lives[-1] - UP) / SECOND:.1f} s after the outage")
assert len(lives) == 2 and vain <= 5 + (UP - DOWN) // (10 * SECOND)
