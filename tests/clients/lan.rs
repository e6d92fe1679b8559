//! The box on the LAN by its name, on a LAN of network namespaces.

use crate::appliance::{Appliance, Folder, PATIENCE, PROGRAM, wait_until};
use crate::https::authority;
use crate::network::{Lan, Machine, done};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc;

const STREAM: &str = "[streams.camera]\ninput = { source = \"test\", size = \"320x180\", fps = 5 }\n";

fn start(machine: &Machine, listen: &str, discovery: &str) -> Appliance {
    Appliance::start_by(machine.command(PROGRAM), Folder::new(), listen, &format!("{discovery}{STREAM}"))
}

/// What `capturebox find` lists on the machine.
fn find(machine: &Machine, seconds: u32) -> Vec<serde_json::Value> {
    let output = done(machine.command(PROGRAM).args(["find", "--json", "--seconds", &seconds.to_string()]));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Looks until as many boxes as expected are there and have names of their own.
fn find_named(machine: &Machine, count: usize) -> Vec<serde_json::Value> {
    let mut boxes = Vec::new();
    wait_until(&format!("{count} boxes"), PATIENCE, || {
        boxes = find(machine, 2);
        let hosts: std::collections::BTreeSet<_> = boxes.iter().map(|found| found["host"].as_str()).collect();
        hosts.len() == count
    });
    boxes
}

/// A host name's IPv4 addresses, as a client that isn't ours resolves them.
fn resolve(machine: &Machine, name: &str) -> Vec<String> {
    let output = done(machine.command("python3").args(["-c", include_str!("mdns_query.py"), name]));
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

#[test]
fn a_box_is_found_by_the_name_of_its_machine() {
    let lan = Lan::new();
    let (machine, visitor) = (lan.machine("Attic", 1), lan.machine("visitor", 9));
    let box_ = start(&machine, "0.0.0.0:8080", "");
    let expected = serde_json::json!([{
        "name": "attic",
        "host": "attic.local",
        "addresses": ["10.55.0.1"],
        "version": env!("CARGO_PKG_VERSION"),
        "http": "http://attic.local:8080/",
        "https": "https://attic.local:8443/",
        "url": "http://10.55.0.1:8080/",
    }]);
    // One service is announced after the other.
    let mut found = serde_json::Value::Null;
    wait_until("both services", PATIENCE, || {
        found = serde_json::Value::Array(find(&visitor, 2));
        found[0]["http"].is_string() && found[0]["https"].is_string()
    });
    assert_eq!(found, expected);
    assert_eq!(resolve(&visitor, "attic.local"), ["10.55.0.1"]);
    assert_eq!(find_named(&machine, 1).len(), 1, "from the machine itself too");
    let text = done(visitor.command(PROGRAM).args(["find", "--seconds", "2"])).stdout;
    let text = String::from_utf8(text).expect("UTF-8");
    assert!(text.contains("http://10.55.0.1:8080/"), "{text}");
    drop(box_);
    assert_eq!(find(&visitor, 2), Vec::<serde_json::Value>::new(), "it has said good-bye");
}

/// What must hold for two boxes whose machines have one name.
fn have_names_of_their_own(visitor: &Machine) {
    let boxes = find_named(visitor, 2);
    assert_eq!(boxes.len(), 2, "{boxes:#?}");
    let mut names: Vec<_> = boxes.iter().map(|found| found["name"].as_str().expect("a name")).collect();
    names.sort_unstable();
    assert_eq!(names, ["box", "box (2)"]);
    for found in &boxes {
        let host = found["host"].as_str().expect("a host");
        assert!(["box.local", "box-2.local"].contains(&host), "{host}");
        assert_eq!(serde_json::json!(resolve(visitor, host)), found["addresses"], "{host} is that box alone");
    }
}

#[test]
fn two_boxes_of_one_name_get_names_of_their_own_and_certificates_for_them() {
    let lan = Lan::new();
    let (one, two, visitor) = (lan.machine("box", 1), lan.machine("box", 2), lan.machine("visitor", 9));
    let _first = start(&one, "0.0.0.0:8080", "");
    assert_eq!(find_named(&visitor, 1)[0]["host"], "box.local");
    let mut second = start(&two, "0.0.0.0:8080", "");
    second.wait_for_log("or at http://box-2.local:8080/", PATIENCE);
    have_names_of_their_own(&visitor);

    let file = authority(&second);
    wait_until("a certificate for box-2.local", PATIENCE, || {
        let mut curl = visitor.command("curl");
        curl.args(["--silent", "--fail", "--cacert", &file, "--resolve", "box-2.local:8443:10.55.0.2"]);
        curl.arg("https://box-2.local:8443/api/v1/time").output().expect("curl is installed").status.success()
    });
}

#[test]
fn two_boxes_of_one_name_that_start_in_the_same_instant_get_names_of_their_own() {
    let lan = Lan::new();
    let (one, two, visitor) = (lan.machine("box", 1), lan.machine("box", 2), lan.machine("visitor", 9));
    // At the same time, as after a power cut.
    std::thread::scope(|both| {
        let first = both.spawn(|| start(&one, "0.0.0.0:8080", ""));
        let _second = start(&two, "0.0.0.0:8080", "");
        let _first = first.join().expect("it starts");
        have_names_of_their_own(&visitor);
    });
}

#[test]
fn two_boxes_of_one_name_that_could_not_hear_each_other_get_names_of_their_own_when_they_can() {
    let lan = Lan::new();
    let (one, two, visitor) = (lan.machine("box", 1), lan.machine("box", 2), lan.machine("visitor", 9));
    // After a power cut the switch takes longer than the boxes.
    lan.part(&[1, 2], true);
    let mut both = [&one, &two].map(|machine| start(machine, "0.0.0.0:8080", ""));
    for box_ in &mut both {
        box_.wait_for_log("or at http://box.local:8080/", PATIENCE);
    }
    lan.part(&[1, 2], false);
    have_names_of_their_own(&visitor);
}

#[test]
fn a_configured_name_is_shown_and_off_is_off() {
    let lan = Lan::new();
    let (named, hidden, local) = (lan.machine("a", 1), lan.machine("b", 2), lan.machine("c", 3));
    let _hidden = start(&hidden, "0.0.0.0:8080", "[discovery]\nenabled = false\n");
    let _local = start(&local, "127.0.0.1:8080", "");
    let _named = start(&named, "10.55.0.1:8080", "[discovery]\nname = \"Küche 2.0\"\n");
    let boxes = find_named(&lan.machine("visitor", 9), 1);
    assert_eq!(boxes[0]["name"], "Küche 2.0");
    assert_eq!(boxes[0]["http"], "http://a.local:8080/");
    assert_eq!(boxes[0]["addresses"], serde_json::json!(["10.55.0.1"]));
}

/// Ends with its owner.
struct Avahi(Child);

impl Drop for Avahi {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_machine_with_avahi_keeps_its_name() {
    let lan = Lan::new();
    let (machine, visitor) = (lan.machine("attic", 1), lan.machine("visitor", 9));
    let folder = Folder::new();
    let config = folder.file("avahi.conf");
    // Without D-Bus, which this machine hasn't; all else as Debian has it.
    std::fs::write(
        &config,
        "[server]\nenable-dbus=no\nuse-ipv4=yes\nuse-ipv6=yes\n[publish]\npublish-workstation=no\n",
    )
    .expect("a configuration");
    // It wants its run folder to be its own account's; in the namespace there is only root.
    for (file, line) in [("passwd", "avahi:x:0:0::/:/bin/false\n"), ("group", "avahi:x:0:\n")] {
        let stands_in = folder.file(file);
        std::fs::write(&stands_in, line).expect("a file");
        done(machine.command("mount").args(["--bind", &stands_in, &format!("/etc/{file}")]));
    }
    let mut avahi = machine.command("avahi-daemon");
    avahi.args(["--no-drop-root", "--no-chroot", "--no-rlimits", "--file", &config]).stderr(Stdio::piped());
    let mut avahi = Avahi(avahi.spawn().expect("avahi-daemon is installed"));
    let (line, lines) = mpsc::channel();
    let log = BufReader::new(avahi.0.stderr.take().expect("piped"));
    std::thread::spawn(move || log.lines().map_while(Result::ok).try_for_each(|text| line.send(text)));
    let mut said = Vec::new();
    while !said.iter().any(|text: &String| text.contains("Server startup complete")) {
        said.push(lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("avahi is up: {said:#?}")));
    }

    let _box = start(&machine, "0.0.0.0:8080", "");
    let boxes = find_named(&visitor, 1);
    assert_eq!(boxes[0]["http"], "http://attic.local:8080/", "the box takes the machine's name");
    assert_eq!(resolve(&visitor, "attic.local"), ["10.55.0.1"]);
    said.extend(lines.try_iter());
    assert!(!said.iter().any(|text| text.to_lowercase().contains("conflict")), "and avahi keeps it: {said:#?}");
}
