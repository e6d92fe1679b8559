//! coturn as the TURN server on this machine.

use crate::appliance::{Folder, PATIENCE, wait_until};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

const USER: &str = "box";
const PASSWORD: &str = "secret";

/// Ends with its owner.
pub struct Relay {
    process: Child,
    port: u16,
    _folder: Folder,
}

impl Relay {
    pub fn start() -> Self {
        // It takes a number and can't choose one itself.
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        let (port, folder) = (free.port(), Folder::new());
        let numbers = format!("listening-port={port}\nuser={USER}:{PASSWORD}\n");
        let files = format!("pidfile={}\nuserdb={}\n", folder.file("pid"), folder.file("db"));
        let config = "listening-ip=127.0.0.1\nrelay-ip=127.0.0.1\nallow-loopback-peers\nlt-cred-mech\nrealm=capturebox\n\
                      no-cli\nno-tls\nno-dtls\nlog-file=stdout\nsimple-log\n";
        let file = folder.file("turnserver.conf");
        std::fs::write(&file, format!("{config}{numbers}{files}")).expect("written");
        let process = Command::new("turnserver")
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("turnserver starts; scripts/deps test installs it");
        let relay = Self { process, port, _folder: folder };
        wait_until("the relay to listen", PATIENCE, || TcpStream::connect(("127.0.0.1", port)).is_ok());
        relay
    }

    /// What follows in [webrtc] for a box that tells of it.
    pub fn config(&self) -> String {
        let server = format!("turn:127.0.0.1:{}?transport=udp", self.port);
        format!("ice_servers = [\"{server}\"]\nturn_username = \"{USER}\"\nturn_credential = \"{PASSWORD}\"\n")
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
