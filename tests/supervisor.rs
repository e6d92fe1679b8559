//! What ends a whole process, seen from outside: signals, a second one, a panic in a core thread.
//!
//! The process is this test's own program, started again with [`ROLE`] set.

use capturebox::supervisor::{Supervisor, logging, notify, signals};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const ROLE: &str = "CAPTUREBOX_TEST_ROLE";
const LONG: Duration = Duration::from_secs(60);

/// Plays a part where there is one; else it is no test.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    logging::init(true);
    let supervisor = Supervisor::new();
    signals::watch(&supervisor).expect("signals can be watched");
    match role.as_str() {
        "orderly" => {
            let stop = supervisor.stop().clone();
            supervisor.spawn("camera", move |_| while !stop.wait_timeout(LONG) {}).expect("a thread");
        }
        "stubborn" => supervisor.spawn("stubborn", |_| std::thread::park_timeout(LONG)).expect("a thread"),
        "panicking" => supervisor.spawn("encoder", |_| panic!("as the test wants it")).expect("a thread"),
        other => panic!("no such part: {other}"),
    }
    notify::ready();
    println!("\nrunning");
    while !supervisor.stop().wait_timeout(LONG) {}
    println!("\nstopping");
    if let Err(error) = supervisor.join(LONG) {
        eprintln!("{error}");
        std::process::exit(1);
    }
    std::process::exit(0);
}

struct Played {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Played {
    fn start(role: &str, socket: Option<&std::path::Path>) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["child", "--exact", "--nocapture"]).env(ROLE, role).env_remove("NOTIFY_SOCKET");
        command.env_remove("RUST_LOG").env_remove("JOURNAL_STREAM");
        if let Some(socket) = socket {
            command.env("NOTIFY_SOCKET", socket);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, output }
    }

    fn wait_for(&mut self, line: &str) {
        let said = self.output.by_ref().lines().map_while(Result::ok).any(|said| said == line);
        assert!(said, "it ended without saying {line}");
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("it runs");
    }

    /// Exit code and standard error.
    fn end(mut self) -> (Option<i32>, String) {
        let mut errors = String::new();
        self.child.stderr.take().expect("piped").read_to_string(&mut errors).expect("UTF-8");
        (self.child.wait().expect("it ends").code(), errors)
    }
}

#[test]
fn each_signal_stops_it_in_order() {
    for (signal, name) in [(rustix::process::Signal::TERM, "SIGTERM"), (rustix::process::Signal::INT, "SIGINT")] {
        let mut played = Played::start("orderly", None);
        played.wait_for("running");
        played.signal(signal);
        played.wait_for("stopping");
        let (code, errors) = played.end();
        assert_eq!(code, Some(0), "{errors}");
        assert!(errors.contains(&format!("stopping on {name}")), "{errors}");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut played = Played::start("stubborn", None);
    played.wait_for("running");
    played.signal(rustix::process::Signal::TERM);
    played.wait_for("stopping");
    played.signal(rustix::process::Signal::INT);
    let (code, errors) = played.end();
    assert_eq!(code, Some(128 + 2), "{errors}");
}

#[test]
fn a_stop_that_does_not_end_is_ended() {
    let mut played = Played::start("stubborn", None);
    played.wait_for("running");
    played.signal(rustix::process::Signal::TERM);
    let (code, errors) = played.end();
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("not stopped after 10 s"), "{errors}");
}

#[test]
fn a_panic_in_a_core_thread_ends_it_and_is_named() {
    let (code, errors) = Played::start("panicking", None).end();
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("thread encoder panicked at tests/supervisor.rs"), "{errors}");
    assert!(errors.contains("as the test wants it"), "{errors}");
    assert!(errors.contains("the thread encoder panicked"), "{errors}");
}

#[test]
fn the_service_manager_hears_of_ready_and_stopping() {
    let path = std::env::temp_dir().join(format!("capturebox-notify-{}", std::process::id()));
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(LONG)).expect("a timeout");
    let heard = || {
        let mut message = [0; 256];
        let len = socket.recv(&mut message).expect("a message");
        String::from_utf8_lossy(&message[..len]).into_owned()
    };
    let mut played = Played::start("orderly", Some(&path));
    assert_eq!(heard(), "READY=1\n");
    played.wait_for("running");
    played.signal(rustix::process::Signal::TERM);
    assert_eq!(heard(), "STOPPING=1\n");
    assert_eq!(played.end().0, Some(0));
    std::fs::remove_file(&path).expect("the socket");
}
