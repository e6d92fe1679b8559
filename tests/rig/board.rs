//! An emulated board: boots it, runs commands on it, switches it off. Nothing here knows the program.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// How long anything may take to come about on an emulated processor.
pub const PATIENCE: Duration = Duration::from_secs(40);
/// Between two looks at a condition that can only be polled.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Where the program listens on the board.
pub const GUEST_PORT: u16 = 8080;

pub struct Board {
    emulator: Child,
    agent: Mutex<Agent>,
    address: SocketAddr,
    console: PathBuf,
}

/// See guest/init: a line of base64 in, "EXIT-CODE BYTES" and the bytes out.
struct Agent {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Board {
    pub fn boot() -> Self {
        let port = free_port();
        let console = std::env::temp_dir().join(format!("capturebox-rig-{}-{port}", std::process::id()));
        let mut emulator = emulator("quiet")
            .args(["-serial", &format!("file:{}", console.display())])
            .args(["-chardev", "stdio,id=agent,signal=off"])
            .args(["-device", "virtserialport,chardev=agent,name=agent"])
            .args(["-netdev", &format!("user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:{GUEST_PORT}")])
            .args(["-device", "virtio-net-pci,netdev=net,romfile="])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("qemu-system-aarch64 starts; scripts/rig installs it");
        let input = emulator.stdin.take().expect("stdin is piped");
        let output = BufReader::new(emulator.stdout.take().expect("stdout is piped"));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let board = Self { emulator, agent: Mutex::new(Agent { input, output }), address, console };
        board.run("true");
        board
    }

    /// A shell on the board's console instead, until it is left.
    pub fn shell() {
        let arguments = ["-chardev", "stdio,id=console,mux=off,signal=off", "-serial", "chardev:console"];
        emulator("quiet shell").args(arguments).status().expect("qemu-system-aarch64 starts; scripts/rig installs it");
    }

    /// Where [`GUEST_PORT`] is reached from outside.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs a shell command, which must succeed, and returns what it printed.
    pub fn run(&self, command: &str) -> String {
        let (code, said) = self.attempt(command);
        assert_eq!(code, 0, "on the board, {command:?} said {said}");
        said
    }

    /// Runs a shell command and returns its exit code and what it printed.
    pub fn attempt(&self, command: &str) -> (i32, String) {
        let mut agent = self.agent.lock().unwrap_or_else(PoisonError::into_inner);
        let _guard = Guard::over(self.emulator.id());
        agent.ask(command).unwrap_or_else(|error| panic!("the board doesn't answer {command:?}: {error}"))
    }

    /// Runs a shell command in the background until the board is switched off; returns its process id.
    pub fn spawn(&self, command: &str, log: &str) -> u32 {
        let pid = self.run(&format!("{{ {command}; }} >{log} 2>&1 & echo $!"));
        pid.trim().parse().expect("a process id")
    }

    pub fn write(&self, path: &str, bytes: &[u8]) {
        // Short enough for a command line.
        for (index, piece) in bytes.chunks(60_000).enumerate() {
            let redirect = if index == 0 { ">" } else { ">>" };
            self.run(&format!("echo {} | base64 -d {redirect}{path}", base64(piece)));
        }
    }

    /// Lets time pass, where that is what a scenario is about.
    pub fn pass(&self, seconds: u64) {
        std::thread::sleep(Duration::from_secs(seconds));
    }

    /// Polls a condition of the board.
    pub fn wait_until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let give_up = Instant::now() + PATIENCE;
        while !condition() {
            assert!(Instant::now() < give_up, "waited {PATIENCE:?} in vain for {what}");
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}

/// Longer than any command takes that a scenario runs, by far.
const STUCK: Duration = Duration::from_secs(120);

/// Switches a board off that doesn't answer, so that who waits for it fails instead of waiting for ever.
struct Guard {
    answered: mpsc::Sender<()>,
}

impl Guard {
    fn over(emulator: u32) -> Self {
        let (answered, wait) = mpsc::channel::<()>();
        std::thread::spawn(move || {
            if wait.recv_timeout(STUCK) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = Command::new("kill").args(["-KILL", &emulator.to_string()]).status();
            }
        });
        Self { answered }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // The thread has gone when it was too late.
        let _ = self.answered.send(());
    }
}

impl Agent {
    fn ask(&mut self, command: &str) -> std::io::Result<(i32, String)> {
        writeln!(self.input, "{}", base64(command.as_bytes()))?;
        self.input.flush()?;
        let mut header = String::new();
        self.output.read_line(&mut header)?;
        let (code, length) = header
            .trim()
            .split_once(' ')
            .and_then(|(code, length)| Some((code.parse().ok()?, length.trim().parse().ok()?)))
            .ok_or_else(|| std::io::Error::other(format!("no header: {header:?}")))?;
        let mut said = vec![0; length];
        self.output.read_exact(&mut said)?;
        Ok((code, String::from_utf8_lossy(&said).into_owned()))
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut agent = self.agent.lock().unwrap_or_else(PoisonError::into_inner);
            let _guard = Guard::over(self.emulator.id());
            match agent.ask("dmesg | tail -n 30") {
                Ok((_, said)) => eprintln!("---- the board's kernel\n{said}"),
                Err(_) => eprintln!("---- its console\n{}", std::fs::read_to_string(&self.console).unwrap_or_default()),
            }
        }
        let _ = self.emulator.kill();
        let _ = self.emulator.wait();
        let _ = std::fs::remove_file(&self.console);
    }
}

/// The board but for its connections: two slow cores, a gigabyte, no disk.
fn emulator(kernel_arguments: &str) -> Command {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run scripts/rig"));
    let mut command = Command::new("qemu-system-aarch64");
    command
        .args(["-machine", "virt,gic-version=3", "-cpu", "cortex-a72", "-accel", "tcg,thread=multi"])
        .args(["-smp", "2", "-m", "1024", "-nodefaults", "-display", "none", "-no-reboot"])
        .args(["-kernel", &variable("RIG_KERNEL"), "-initrd", &variable("RIG_BOARD")])
        .args(["-append", &format!("console=ttyAMA0 panic=-1 {kernel_arguments}")])
        .args(["-device", "virtio-serial-pci", "-device", "virtio-rng-pci"]);
    command
}

/// Free a moment ago; the emulator ends at once if it is taken again.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, index| bits << 8 | u32::from(*group.get(index).unwrap_or(&0)));
        for digit in 0..4 {
            let value = bits >> (18 - 6 * digit) & 63;
            let letter = if digit <= group.len() { char::from(DIGITS[value as usize]) } else { '=' };
            text.write_char(letter).expect("a string takes it");
        }
    }
    text
}
