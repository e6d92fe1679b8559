//! TLS as a client speaks it, byte by byte, trusting whom the test trusts.

use crate::http::{self, Response};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// Longer than any answer may be held back.
const TIMEOUT: Duration = Duration::from_secs(30);

pub type Connection = StreamOwned<ClientConnection, TcpStream>;

/// Trusts the certificates in the files (PEM) and offers these protocols.
pub fn client(trusted: &[&str], protocols: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for file in trusted {
        for certificate in CertificateDer::pem_file_iter(file).expect("a certificate file") {
            roots.add(certificate.expect("PEM")).expect("a certificate");
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = builder.expect("versions").with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// Connects to the box as localhost, and shakes hands.
pub fn connect(client: &Arc<ClientConfig>, address: SocketAddr) -> io::Result<Connection> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.set_write_timeout(Some(TIMEOUT))?;
    let name = ServerName::try_from("localhost").expect("a name");
    let mut connection = ClientConnection::new(Arc::clone(client), name).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(connection, socket))
}

/// One request on a connection of its own, over HTTP/1.1.
pub fn get(client: &Arc<ClientConfig>, address: SocketAddr, path: &str) -> io::Result<Response> {
    let mut connection = connect(client, address)?;
    connection.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer)?;
    http::parse(&answer, false)
}
