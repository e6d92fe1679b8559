//! Start, stop, start again, as an operator and the service manager see it.

use crate::appliance::{Appliance, Folder, PATIENCE, PROGRAM, wait_until};
use crate::http;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::{Duration, Instant};

const STREAM: &str = "[streams.camera]\ninput = { source = \"test\", size = \"640x360\", fps = 30 }\n";

fn first_media_playlist(box_: &Appliance) -> String {
    let master = crate::playlist::Multivariant::parse(box_.wait_for("/camera/index.m3u8").text());
    format!("/camera/{}", master.variants[0].1)
}

#[test]
fn a_stop_closes_the_last_part_and_exits_with_0() {
    let mut box_ = Appliance::start(STREAM);
    let path = first_media_playlist(&box_);
    let before = crate::playlist::Media::parse(box_.wait_for(&path).text());
    // A player that waits for what comes next when the box is stopped.
    let (address, query) = (box_.address(), format!("{path}?_HLS_msn={}", before.open_msn() + 1));
    let waiting = std::thread::spawn(move || http::get(address, &query, &[]));
    box_.terminate();
    let asked = Instant::now();
    let status = box_.wait();
    assert_eq!(status.code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(5), "it took {:?} to stop", asked.elapsed());
    let last = waiting.join().expect("the player's thread ends").expect("the player is not cut off");
    let last = crate::playlist::Media::parse(last.text());
    assert!(last.ended, "the player is told that it is over: {last:?}");
    assert!(last.hint.is_none() && last.open_parts.is_empty(), "nothing is left open: {last:?}");
}

#[test]
fn an_interrupt_stops_it_too() {
    let mut box_ = Appliance::start(STREAM);
    box_.wait_for("/camera/index.m3u8");
    let pid = rustix::process::Pid::from_raw(box_.pid() as i32).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    assert_eq!(box_.wait().code(), Some(0));
}

#[test]
fn a_second_start_has_urls_of_its_own() {
    let folder = Folder::new();
    let mut first = Appliance::start_in(folder, STREAM);
    let old = first_media_playlist(&first);
    first.terminate();
    assert!(first.wait().success());
    let second = Appliance::start(STREAM);
    let new = first_media_playlist(&second);
    assert_ne!(old, new, "what was cached under the old URLs must not be mixed with the new");
}

#[test]
fn the_picture_is_there_soon_after_the_start() {
    let box_ = Appliance::start("[streams.camera]\ninput = { source = \"test\" }\n");
    wait_until("the first playable playlist", PATIENCE, || box_.get("/camera/index.m3u8").status == 200);
    let took = box_.started().elapsed();
    println!("first playlist {} ms after the start", took.as_millis());
    // The goal is 2 s to the picture on the page, on an idle machine; this only notices a disaster.
    assert!(took < Duration::from_secs(6), "{took:?}");
}

#[test]
fn a_port_that_is_taken_is_a_clear_message() {
    let box_ = Appliance::start(STREAM);
    let folder = Folder::new();
    let config = folder.file("capturebox.toml");
    let address = box_.address();
    std::fs::write(&config, format!("[http]\nlisten = \"{address}\"\nlisten_tls = \"off\"\n{STREAM}"))
        .expect("a configuration");
    let output = Command::new(PROGRAM)
        .args(["run", "--config", &config])
        .env("STATE_DIRECTORY", folder.file("state"))
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains(&address.to_string()), "it says which address: {said}");
}

#[test]
fn the_service_manager_is_told_when_it_is_ready() {
    let folder = Folder::new();
    let socket_path = folder.file("notify");
    let socket = UnixDatagram::bind(&socket_path).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let config = folder.file("capturebox.toml");
    std::fs::write(&config, format!("[http]\nlisten = \"127.0.0.1:0\"\nlisten_tls = \"off\"\n{STREAM}"))
        .expect("a configuration");
    let mut child = Command::new(PROGRAM)
        .args(["run", "--config", &config])
        .env("STATE_DIRECTORY", folder.file("state"))
        .env("NOTIFY_SOCKET", &socket_path)
        .env("WATCHDOG_USEC", "2000000")
        .spawn()
        .expect("it starts");
    let mut seen = String::new();
    let give_up = Instant::now() + PATIENCE;
    while !(seen.contains("READY=1") && seen.contains("WATCHDOG=1")) && Instant::now() < give_up {
        let mut message = [0; 1_024];
        let Ok(length) = socket.recv(&mut message) else { break };
        seen += &String::from_utf8_lossy(&message[..length]);
        seen += "\n";
    }
    let pid = rustix::process::Pid::from_child(&child);
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    let status = child.wait().expect("it ends");
    assert!(seen.contains("READY=1") && seen.contains("WATCHDOG=1"), "{seen}");
    assert!(status.success());
}
