//! A LAN on this machine: network namespaces on a bridge, made without privileges (user namespaces) and
//! gone with their owner. Nothing of it reaches the real network.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Output, Stdio};

/// A process that holds namespaces open; it ends when its input does, so also when the test is killed.
struct Holder {
    child: Child,
    _input: ChildStdin,
}

impl Holder {
    /// `command` must make the namespaces and run the shell script that is appended.
    fn start(mut command: Command) -> Self {
        let mut child = command
            .args(["sh", "-c", "mount -t tmpfs tmpfs /run && ip link set lo up && echo ready && exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare and nsenter are there (util-linux)");
        let (input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).expect("its output");
        assert_eq!(line, "ready\n", "this machine lets nobody make network namespaces");
        Self { child, _input: input }
    }

    /// A command in its namespaces; the namespaces stand in `which`.
    fn command(&self, which: &[&str], program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.child.id())).args(["--user", "--preserve-credentials"]);
        command.args(which).arg("--").arg(program);
        command
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The bridge.
pub struct Lan {
    switch: Holder,
}

/// A machine on it.
pub struct Machine {
    holder: Holder,
}

impl Lan {
    pub fn new() -> Self {
        let mut unshare = Command::new("unshare");
        unshare.args(["--user", "--map-root-user", "--net", "--mount", "--"]);
        let lan = Self { switch: Holder::start(unshare) };
        lan.ip("link add switch type bridge");
        lan.ip("link set switch up");
        lan
    }

    fn ip(&self, arguments: &str) {
        let mut ip = self.switch.command(&["--net"], "ip");
        done(ip.args(arguments.split(' ')));
    }

    /// Whether these machines, by their addresses' last numbers, can't hear each other.
    pub fn part(&self, machines: &[u8], apart: bool) {
        let isolated = if apart { "on" } else { "off" };
        for last in machines {
            self.ip(&format!("link set dev port{last} type bridge_slave isolated {isolated}"));
        }
    }

    /// Plugs in a machine as 10.55.0.`last`.
    pub fn machine(&self, host_name: &str, last: u8) -> Machine {
        let mut unshare = self.switch.command(&[], "unshare");
        unshare.args(["--net", "--uts", "--mount", "--"]);
        let machine = Machine { holder: Holder::start(unshare) };
        let pid = machine.holder.child.id();
        self.ip(&format!("link add port{last} type veth peer name eth0 netns {pid}"));
        self.ip(&format!("link set port{last} master switch up"));
        done(machine.command("hostname").arg(host_name));
        for line in
            [&format!("address add 10.55.0.{last}/24 dev eth0"), "link set eth0 up", "route add default dev eth0"]
        {
            done(machine.command("ip").args(line.split(' ')));
        }
        machine
    }
}

impl Machine {
    /// A command on this machine.
    pub fn command(&self, program: &str) -> Command {
        self.holder.command(&["--net", "--uts", "--mount"], program)
    }
}

/// Runs it to its end, which must be a good one.
pub fn done(command: &mut Command) -> Output {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}
