//! The real program under test: started with a configuration of its own in a folder of its own on a
//! free port, stopped by its process id.

use crate::http::{self, Response};
use crate::playlist::Multivariant;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long anything may take to come about on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at a condition that can only be polled.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Free ports, on this machine only.
const HTTP: &str =
    "[http]\nlisten = \"127.0.0.1:0\"\nlisten_tls = \"127.0.0.1:0\"\n[webrtc]\nlisten = \"127.0.0.1:0\"\n";

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_capturebox");

/// A folder that goes away with its owner.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("capturebox-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a temporary folder");
        Self(path)
    }

    pub fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a temporary path is UTF-8").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

impl Log {
    /// A test that failed while it looked at the log has not spoilt it.
    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub struct Appliance {
    child: Child,
    started: Instant,
    address: SocketAddr,
    log: Arc<Log>,
    folder: Folder,
}

impl Appliance {
    /// Starts the program on the configuration's streams; the harness chooses where it listens.
    pub fn start(streams: &str) -> Self {
        Self::start_in(Folder::new(), streams)
    }

    /// The same, in a folder that already holds the configuration's files.
    pub fn start_in(folder: Folder, streams: &str) -> Self {
        Self::start_with(folder, HTTP, streams)
    }

    /// The same, with `[http]` as the test wants it.
    pub fn start_with(folder: Folder, http: &str, streams: &str) -> Self {
        Self::start_program(Command::new(PROGRAM), folder, http, streams)
    }

    /// The same, by a command that becomes the program, on an address that is good there.
    pub fn start_by(program: Command, folder: Folder, listen: &str, streams: &str) -> Self {
        let http = format!("[http]\nlisten = \"{listen}\"\n");
        Self::start_program(program, folder, &http, streams)
    }

    fn start_program(mut program: Command, folder: Folder, http: &str, streams: &str) -> Self {
        let config = folder.file("capturebox.toml");
        std::fs::write(&config, format!("{http}{streams}")).expect("a configuration");
        let started = Instant::now();
        let mut child = program
            .args(["run", "--config", &config])
            .env("RUST_LOG", "info")
            .env("STATE_DIRECTORY", folder.file("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("capturebox starts");
        let log = Arc::new(Log::default());
        collect(child.stdout.take().expect("stdout is piped"), &log);
        collect(child.stderr.take().expect("stderr is piped"), &log);
        let unbound = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut appliance = Self { child, started, address: unbound, log, folder };
        let line = appliance.wait_for_log("listening on http://", PATIENCE);
        appliance.address = parse_address(&line).unwrap_or_else(|| panic!("no address in {line:?}"));
        appliance
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn started(&self) -> Instant {
        self.started
    }

    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it speaks HTTPS.
    pub fn https_address(&mut self) -> SocketAddr {
        let line = self.wait_for_log("listening on https://", PATIENCE);
        parse_address(&line).unwrap_or_else(|| panic!("no address in {line:?}"))
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn get(&self, path: &str) -> Response {
        self.get_with(path, &[])
    }

    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        http::get(self.address, path, headers).unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// Waits until the path is served.
    pub fn wait_for(&self, path: &str) -> Response {
        let mut last = None;
        wait_until(&format!("GET {path} to answer 200"), PATIENCE, || {
            last = Some(self.get(path)).filter(|answer| answer.status == 200);
            last.is_some()
        });
        last.expect("waited for it")
    }

    /// Waits until every rendition of a stream has `count` whole segments, as players that know nothing of
    /// parts need, and returns the path of its multivariant playlist.
    pub fn wait_for_segments(&self, stream: &str, count: usize) -> String {
        let path = format!("/{stream}/index.m3u8");
        let master = self.wait_for(&path);
        for uri in Multivariant::parse(master.text()).uris() {
            let media = format!("/{stream}/{uri}");
            wait_until(&format!("{count} segments in {media}"), PATIENCE, || {
                self.get(&media).text().matches("#EXTINF").count() >= count
            });
        }
        path
    }

    pub fn log(&self) -> Vec<String> {
        self.log.lines().clone()
    }

    /// Waits for a log line that contains `text`.
    pub fn wait_for_log(&mut self, text: &str, patience: Duration) -> String {
        let give_up = Instant::now() + patience;
        let mut lines = self.log.lines();
        loop {
            if let Some(line) = lines.iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            let left = give_up.saturating_duration_since(Instant::now());
            if left.is_zero() {
                panic!("the log never said {text:?}");
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("capturebox ended with {status} before it said {text:?}: {lines:#?}");
            }
            let turn = left.min(Duration::from_millis(200));
            lines = self.log.grown.wait_timeout(lines, turn).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Asks it to stop, as the service manager does.
    pub fn terminate(&self) {
        let pid = Pid::from_child(&self.child);
        let _ = kill_process(pid, Signal::TERM);
    }

    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("capturebox to end", PATIENCE, || {
            status = self.child.try_wait().expect("a child can be waited for");
            status.is_some()
        });
        status.expect("waited for it")
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        // Politely first, so that the programs which it started end with it.
        self.terminate();
        let give_up = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < give_up {
            std::thread::sleep(LOOK_AGAIN);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("---- capturebox's log\n{}", self.log().join("\n"));
        }
    }
}

fn collect(pipe: impl std::io::Read + Send + 'static, log: &Arc<Log>) {
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            log.lines().push(line);
            log.grown.notify_all();
        }
    });
}

fn parse_address(line: &str) -> Option<SocketAddr> {
    let after = line.split("://").nth(1)?;
    after.split(|c: char| c == '/' || c.is_whitespace()).next()?.parse().ok()
}

/// Polls a condition of the outside world.
pub fn wait_until(what: &str, patience: Duration, mut condition: impl FnMut() -> bool) {
    let give_up = Instant::now() + patience;
    while !condition() {
        assert!(Instant::now() < give_up, "waited {patience:?} in vain for {what}");
        std::thread::sleep(LOOK_AGAIN);
    }
}
