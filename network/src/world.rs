//! A client and a server with a network of their own between them, and what can be done to them.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use redial::Policy;
use rustix::process::Signal;

use crate::certificates::Certificates;
use crate::host::{Line, Namespace, Process, SERVER, run};
use crate::lines::{ClientSetting, Figures, Manner, Noted, ServerSetting};
use crate::watch::Watch;

/// How a world begins.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) policy: Policy,
    pub(crate) links: u32,
    pub(crate) topics: u32,
    pub(crate) program: Program,
    pub(crate) tls: bool,
    pub(crate) stores: bool,
    pub(crate) tick_ms: Option<u64>,
}

/// Who wrote the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Program {
    Ours,
    /// Python's `websockets`.
    Websockets,
    /// Node's `ws`.
    Ws,
}

pub(crate) struct World {
    pub(crate) setup: Setup,
    pub(crate) watch: Watch,
    pub(crate) wanted: BTreeSet<u32>,
    space: Namespace,
    certificates: Certificates,
    client_setting: ClientSetting,
    pub(crate) client: Process,
    client_number: u32,
    server: Process,
    server_number: u32,
    processes: u32,
    sender: Sender<Line>,
    lines: Receiver<Line>,
}

impl World {
    pub(crate) fn new(setup: Setup) -> Self {
        let space = Namespace::new();
        space.run(&format!("iptables -t raw -A PREROUTING -p tcp --dport {PORT} --syn"));
        let certificates = Certificates::new();
        let scheme = if setup.tls { "wss" } else { "ws" };
        let client_setting = ClientSetting {
            url: format!("{scheme}://{SERVER}:{PORT}"),
            links: setup.links,
            topics: setup.topics,
            policy: setup.policy,
            trust: setup.tls.then(|| certificates.authority()),
            store: setup.stores.then(|| certificates.path("snapshot")),
        };
        let (sender, lines) = channel();
        let setting = serving(&setup, &certificates);
        let server = server(&space, setup.program, &setting, 1, sender.clone());
        let client = client(&client_setting, 2, sender.clone());
        let mut world = Self {
            watch: Watch::default(),
            wanted: (0..setup.topics).collect(),
            setup,
            space,
            certificates,
            client_setting,
            client,
            client_number: 2,
            server,
            server_number: 1,
            processes: 2,
            sender,
            lines,
        };
        world.until_listening();
        world
    }

    /// Until it is so, at most so long; whether it was.
    pub(crate) fn wait(&mut self, at_most: Duration, done: impl Fn(&Watch) -> bool) -> bool {
        let end = Instant::now() + at_most;
        loop {
            while let Ok(line) = self.lines.try_recv() {
                self.take(&line);
            }
            if done(&self.watch) {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left.min(LOOK)) {
                Ok(line) => self.take(&line),
                Err(RecvTimeoutError::Timeout) if left > Duration::ZERO => {}
                Err(_) => return false,
            }
        }
    }

    /// Takes in what is said for so long.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.wait(time, |_| false);
    }

    pub(crate) fn until_restored(&mut self, at_most: Duration) -> bool {
        let (links, wanted) = (self.setup.links as usize, self.wanted.clone());
        self.wait(at_most, |watch| watch.is_restored(links, &wanted))
    }

    fn take(&mut self, line: &Line) {
        if line.of == self.client_number {
            let told = serde_json::from_str(&line.text);
            self.watch.told(told.unwrap_or_else(|_| panic!("{}", line.text)));
        } else if let Some((at, noted)) = Noted::read(&line.text) {
            // A server's last lines may come after its end, and those of a client that is gone.
            let counts = matches!(noted, Noted::Dialled | Noted::Asked { .. });
            if line.of == self.server_number || counts {
                self.watch.noted(line.of, at, noted);
            }
        }
    }

    fn next_number(&mut self) -> u32 {
        self.processes += 1;
        self.processes
    }

    // The server.

    pub(crate) fn kill_server(&mut self) {
        self.server.kill();
        self.watch.server_died(self.server_number);
        // Its last lines may be unread yet, and tell of connections that went with it.
        self.server_number = self.next_number();
    }

    pub(crate) fn start_server(&mut self) {
        self.start_server_with(serving(&self.setup, &self.certificates));
    }

    /// In place of the one that runs, or ran.
    pub(crate) fn replace_server(&mut self, manner: Manner) {
        let setting = ServerSetting { manner, ..serving(&self.setup, &self.certificates) };
        self.kill_server();
        self.start_server_with(setting);
    }

    pub(crate) fn replace_certificate(&mut self, name: &str) {
        let certificate = Some(self.certificates.server(name));
        let setting = ServerSetting { certificate, ..serving(&self.setup, &self.certificates) };
        self.kill_server();
        self.start_server_with(setting);
    }

    fn start_server_with(&mut self, setting: ServerSetting) {
        self.server_number = self.next_number();
        let (number, sender) = (self.server_number, self.sender.clone());
        self.server = server(&self.space, self.setup.program, &setting, number, sender);
        self.until_listening();
    }

    fn until_listening(&mut self) {
        let server = self.server_number;
        let listens = self.wait(STARTING, |watch| watch.listening.contains(&server));
        assert!(listens, "the server process does not listen");
    }

    pub(crate) fn stop_server(&self) {
        self.server.signal(Signal::STOP);
    }

    pub(crate) fn continue_server(&self) {
        self.server.signal(Signal::CONT);
    }

    pub(crate) fn order_server(&mut self, order: &str) {
        self.server.order(order);
    }

    // The client.

    pub(crate) fn kill_client(&mut self) {
        self.client.kill();
    }

    pub(crate) fn start_client(&mut self) {
        self.client_number = self.next_number();
        self.watch.client_began();
        self.client = client(&self.client_setting, self.client_number, self.sender.clone());
    }

    /// What the first link counts.
    pub(crate) fn figures(&mut self) -> Figures {
        self.watch.link(0).figures = None;
        self.client.order("figures");
        self.wait(STARTING, |watch| watch.first().is_some_and(|link| link.figures.is_some()));
        self.watch.link(0).figures.expect("the client answers")
    }

    /// Moves its `CLOCK_BOOTTIME` ahead, as a suspended machine's is once it wakes.
    pub(crate) fn jump(&mut self, by: Duration) {
        let seconds = by.as_secs().to_string();
        let mut holder = Command::new("unshare");
        holder.args(["--time", "--boottime", &seconds, "--fork", "--kill-child", "sleep", "9"]);
        let mut holder = holder.spawn().expect("unshare is there: scripts/check-network");
        let pid = holder.id();
        let children = format!("/proc/{pid}/task/{pid}/children");
        let asleep = loop {
            let children = std::fs::read_to_string(&children).unwrap_or_default();
            if let Some(child) = children.split_whitespace().next() {
                break child.to_owned();
            }
            std::thread::yield_now();
        };
        self.client.order(&format!("jump /proc/{asleep}/ns/time"));
        // It answers once it has moved.
        self.figures();
        let _ = holder.kill();
        let _ = holder.wait();
    }

    // The network.

    pub(crate) fn rule(&self, rule: &str) {
        self.space.run(&format!("iptables {rule}"));
    }

    /// Undoes every [`rule`](Self::rule).
    pub(crate) fn no_rules(&self) {
        self.space.run("iptables -F");
    }

    /// As if each connection had been reset on its way.
    pub(crate) fn reset_connections(&self) {
        self.space.run(&format!("ss -K sport = {PORT}"));
    }

    pub(crate) fn link_down(&self) {
        run("ip link set client down");
    }

    pub(crate) fn link_up(&self) {
        run("ip link set client up");
    }

    /// How many attempts have reached the server's kernel.
    pub(crate) fn syns(&self) -> usize {
        let rules = self.space.run("iptables -t raw -nvxL PREROUTING");
        let packets = rules.lines().nth(2).and_then(|rule| rule.split_whitespace().next());
        packets.and_then(|packets| packets.parse().ok()).expect("the rule counts")
    }
}

fn serving(setup: &Setup, certificates: &Certificates) -> ServerSetting {
    ServerSetting {
        port: PORT,
        manner: Manner::Serves,
        certificate: setup.tls.then(|| certificates.server("good")),
        tick_ms: setup.tick_ms,
    }
}

fn server(
    space: &Namespace,
    program: Program,
    setting: &ServerSetting,
    number: u32,
    lines: Sender<Line>,
) -> Process {
    let mut command = match program {
        Program::Ours => space.command(&this()),
        Program::Websockets => space.command("python3"),
        Program::Ws => space.command("node"),
    };
    let peers = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");
    match program {
        Program::Ours => command.arg("serve"),
        Program::Websockets => command.arg(format!("{peers}/websockets_peer.py")),
        Program::Ws => command.arg(format!("{peers}/ws_peer.cjs")),
    };
    command.arg(serde_json::to_string(setting).expect("it is plain data"));
    Process::start(&mut command, number, lines)
}

fn client(setting: &ClientSetting, number: u32, lines: Sender<Line>) -> Process {
    let mut command = Command::new(this());
    command.arg("client").arg(serde_json::to_string(setting).expect("it is plain data"));
    Process::start(&mut command, number, lines)
}

fn this() -> String {
    let path = std::env::current_exe().expect("the system knows it");
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// Free, as nobody else is in the namespace.
pub(crate) const PORT: u16 = 8000;
const STARTING: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);
