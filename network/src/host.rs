//! Processes, and the two namespaces that they run in: the client's is this process's own, the
//! server's hangs on it by a pair of virtual interfaces.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Sender;

use rustix::process::{Pid, Signal, kill_process};

/// A process that talks in lines; killed when dropped.
pub(crate) struct Process {
    child: Child,
}

/// A line that a process said.
pub(crate) struct Line {
    /// As given to [`Process::start`].
    pub(crate) of: u32,
    pub(crate) text: String,
}

impl Process {
    /// Its lines go to `lines`, marked with `number`.
    pub(crate) fn start(command: &mut Command, number: u32, lines: Sender<Line>) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let said = BufReader::new(child.stdout.take().expect("it is piped"));
        std::thread::spawn(move || {
            for text in said.lines() {
                let Ok(text) = text else { return };
                // Nobody listens any more once the run is over.
                let _ = lines.send(Line { of: number, text });
            }
        });
        Self { child }
    }

    pub(crate) fn order(&mut self, order: &str) {
        let stdin = self.child.stdin.as_mut().expect("it is piped");
        writeln!(stdin, "{order}").expect("the process runs");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the process runs");
    }

    /// With SIGKILL.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Its memory in use.
    pub(crate) fn resident_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        kib.expect("the kernel says it in kB")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The server's network namespace, which lives as long as this.
pub(crate) struct Namespace {
    holder: Child,
}

impl Namespace {
    pub(crate) fn new() -> Self {
        let holder = Command::new("unshare")
            .args(["--net", "sleep", "infinity"])
            .spawn()
            .expect("unshare is there: scripts/check-network");
        let namespace = Self { holder };
        namespace.wait_until_apart();
        let pid = namespace.holder.id().to_string();
        run("ip link set lo up");
        run(&format!("ip link add client type veth peer name server netns {pid}"));
        run(&format!("ip addr add {CLIENT}/24 dev client"));
        run("ip link set client up");
        namespace.run("ip link set lo up");
        namespace.run(&format!("ip addr add {SERVER}/24 dev server"));
        namespace.run("ip link set server up");
        namespace
    }

    /// `unshare` has done its work.
    fn wait_until_apart(&self) {
        let net = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        while net(&self.holder.id().to_string()) == net("self") {
            std::thread::yield_now();
        }
    }

    /// A command that will run in it.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        let namespace = format!("--net=/proc/{}/ns/net", self.holder.id());
        command.args([namespace.as_str(), "--", program]);
        command
    }

    pub(crate) fn run(&self, words: &str) -> String {
        let (program, arguments) = words.split_once(' ').expect("a program and its arguments");
        finish(self.command(program).args(arguments.split(' ')))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // With the namespace it would go, too, but not at once.
        run("ip link del client");
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// In the client's namespace.
pub(crate) fn run(words: &str) -> String {
    let (program, arguments) = words.split_once(' ').expect("a program and its arguments");
    finish(Command::new(program).args(arguments.split(' ')))
}

fn finish(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const CLIENT: &str = "10.99.0.1";
pub(crate) const SERVER: &str = "10.99.0.2";
