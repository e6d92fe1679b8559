//! The server when the process runs out of file descriptors: a process of its own, for it lowers its limit.
#![allow(clippy::disallowed_methods, reason = "measures that nothing spins")]

use capturebox::access::{Access, Policies};
use capturebox::control::Control;
use capturebox::http::{Limits, Server, Site};
use capturebox::supervisor::Supervisor;
use capturebox::time::{Epoch, MonoTime};
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use std::net::{SocketAddr, TcpStream as Blocking};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Few enough to use up, enough for the runtime.
const DESCRIPTORS: u64 = 96;
const REQUEST: &[u8] = b"GET /api/v1/time HTTP/1.1\r\nhost: box\r\nconnection: close\r\n\r\n";
const LOOK: Duration = Duration::from_millis(500);

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).expect("below a second"))
}

#[tokio::test]
async fn without_descriptors_the_listener_waits_without_spinning_and_comes_back() {
    setrlimit(Resource::Nofile, Rlimit { current: Some(DESCRIPTORS), maximum: Some(DESCRIPTORS) }).expect("lowered");
    let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0)), Limits::default()).expect("a free port");
    let address = server.address();
    let control = Control::new(Supervisor::new(), tokio::runtime::Handle::current(), Epoch::new(MonoTime::ZERO, 0));
    let access = Access::open(None, Policies::default(), None).expect("nothing to read");
    let site = Arc::new(Site::new(control, Arc::new(access)));
    let run = tokio::spawn(server.run(site, std::future::pending()));

    // Everything that is left, then one connection that only needs a descriptor on the server's side.
    let mut waiting = TcpStream::connect(address).await.expect("a descriptor");
    let mut hoard = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        hoard.push(file);
    }
    waiting.write_all(REQUEST).await.expect("the kernel takes it");
    let (cpu, start) = (cpu_time(), Instant::now());
    let mut byte = [0];
    let early = tokio::time::timeout(LOOK, waiting.read(&mut byte)).await;
    assert!(early.is_err(), "accepted without a descriptor? {early:?}");
    assert!(cpu_time() - cpu < start.elapsed() / 4, "it spins: {:?} of CPU", cpu_time() - cpu);

    drop(hoard);
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(Blocking::connect(address).is_ok());
    run.abort();
}
