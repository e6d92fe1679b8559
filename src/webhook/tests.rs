//! Receivers that fail first, hang, send elsewhere or speak TLS; and the queue's bounds.

use super::queue::{Delivery, MAX_WAITING, Queue, delay};
use super::send::SendError;
use super::signature::signature;
use super::*;
use crate::config::{EVENTS, Secret};
use crate::control::{Events, What};
use crate::system::TrustError;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivateKeyDer;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const SECRET: &str = "0123456789abcdef";

fn hook(url: &str, events: &[&'static str]) -> WebhookConfig {
    WebhookConfig { url: url.parse().expect("a URL"), secret: Secret::new(SECRET), ca: None, events: events.to_vec() }
}

async fn receiver() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    (listener, address)
}

fn started(stream: &str) -> What {
    What::StreamStarted { stream: stream.to_owned() }
}

fn delivery() -> Delivery {
    Delivery { event: "disk_low", body: "{}".to_owned() }
}

/// Takes one request, whole, and answers it.
async fn answer(mut connection: impl AsyncRead + AsyncWrite + Unpin, head: &str) -> String {
    let mut request = String::new();
    loop {
        let mut bytes = [0; 4_096];
        let length = connection.read(&mut bytes).await.expect("readable");
        assert!(length > 0, "cut off after {request:?}");
        request += std::str::from_utf8(&bytes[..length]).expect("UTF-8");
        let Some((head, body)) = request.split_once("\r\n\r\n") else { continue };
        let told = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        if body.len() >= told.parse::<usize>().expect("a number") {
            break;
        }
    }
    let answer = format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\n\r\n");
    connection.write_all(answer.as_bytes()).await.expect("writable");
    connection.shutdown().await.expect("writable");
    request
}

async fn take(listener: &TcpListener, head: &str) -> String {
    let (connection, _) = listener.accept().await.expect("a connection");
    answer(connection, head).await
}

/// RFC 4231 section 4.3.
#[test]
fn the_signature_is_that_of_the_rfc() {
    let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(signature(b"Jefe", b"what do ya want for nothing?"), expected);
}

#[test]
fn the_queue_is_bounded_and_drops_the_oldest() {
    let mut queue = Queue::default();
    let numbered = |n: usize| Delivery { body: n.to_string(), ..delivery() };
    let dropped = (0..=MAX_WAITING).filter(|n| queue.push(numbered(*n))).count();
    assert_eq!(dropped, 1);
    assert_eq!(queue.pop(), Some(numbered(1)));
    assert_eq!(std::iter::from_fn(|| queue.pop()).count(), MAX_WAITING - 1);
}

#[test]
fn attempts_are_further_and_further_apart_and_end() {
    let delays: Vec<_> = (0..).map_while(delay).collect();
    assert!(delays.len() > 3 && delays.windows(2).all(|pair| pair[0] < pair[1]), "{delays:?}");
}

#[test]
fn the_configuration_knows_the_events() {
    let (stream, cause) = ("camera".to_owned(), None);
    let all = [
        started("camera"),
        What::StreamStopped { stream: stream.clone() },
        What::SourceState { stream: stream.clone(), kind: "video", state: "live", cause },
        What::ReaderJoined { stream: stream.clone(), readers: 1 },
        What::ReaderLeft { stream: stream.clone(), readers: 0 },
        What::Mark { stream: stream.clone(), mark: 1, media_us: 0 },
        What::Mute { stream: stream.clone(), on: true },
        What::Slate { stream, on: true },
        What::Address { address: "http://10.0.0.1/".to_owned() },
        What::Board { trouble: "too_hot", on: true },
        What::Load { load: "full" },
        What::ConfigurationChanged,
        What::DiskLow { path: "/".to_owned(), free_bytes: 0 },
        What::DiskOk { path: "/".to_owned(), free_bytes: 1 },
    ];
    assert_eq!(all.map(|what| what.name()), EVENTS);
}

#[tokio::test]
async fn what_is_wanted_arrives_signed_in_order_and_again_after_a_failure() {
    let (listener, address) = receiver().await;
    let (events, hooks) = (Events::default(), watch::Sender::new(Vec::new()));
    hooks.send_replace(vec![hook(&format!("http://{address}/hook?a=b"), &["stream_started", "stream_stopped"])]);
    let task = tokio::spawn(keep(hooks.subscribe(), events.listen()));
    events.tell(5, started("camera"));
    events.tell(6, What::ReaderJoined { stream: "camera".to_owned(), readers: 1 });
    events.tell(7, What::StreamStopped { stream: "camera".to_owned() });
    let failed = take(&listener, "503 Service Unavailable").await;
    let again = take(&listener, "204 No Content").await;
    assert_eq!(failed, again, "the same once more");
    let (head, body) = again.split_once("\r\n\r\n").expect("a body");
    assert!(head.starts_with("POST /hook?a=b HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("x-capturebox-event: stream_started"), "{head}");
    let signed = format!("x-capturebox-signature: {}", signature(SECRET.as_bytes(), body.as_bytes()));
    assert!(head.contains(&signed), "{head}");
    assert_eq!(body, r#"{"id":1,"unix_ms":5,"event":"stream_started","stream":"camera"}"#);
    let next = take(&listener, "200 OK").await;
    assert!(next.contains("stream_stopped"), "what it didn't ask for is left out: {next}");
    drop(events);
    task.await.expect("it ends with the box");
}

#[tokio::test]
async fn a_receiver_that_hangs_holds_up_nobody_and_changes_apply_at_once() {
    let (hanging, hangs_at) = receiver().await;
    let (first, first_at) = receiver().await;
    let (second, second_at) = receiver().await;
    let to = |address: &str| hook(&format!("http://{address}/"), &EVENTS);
    let (events, hooks) = (Events::default(), watch::Sender::new(vec![to(&hangs_at), to(&first_at)]));
    let task = tokio::spawn(keep(hooks.subscribe(), events.listen()));
    events.tell(1, started("one"));
    let (mut held, _) = hanging.accept().await.expect("it is told too");
    assert!(take(&first, "200 OK").await.contains("one"));

    hooks.send_replace(vec![to(&hangs_at), to(&second_at)]);
    events.tell(2, started("two"));
    assert!(take(&second, "200 OK").await.contains("two"), "who is new hears what comes after the change");
    let gone = tokio::time::timeout(Duration::from_millis(50), first.accept()).await;
    assert!(gone.is_err(), "who was taken away hears nothing more");

    let mut request = vec![0; 64];
    held.read_exact(&mut request).await.expect("who stayed was not disturbed");
    hooks.send_replace(vec![to(&second_at)]);
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(5), held.read_to_end(&mut rest)).await.expect("closed").expect("readable");
    drop(hooks);
    task.await.expect("it ends with the box");
}

#[tokio::test]
async fn a_redirection_is_a_failure_and_goes_nowhere() {
    let (listener, address) = receiver().await;
    let (elsewhere, other) = receiver().await;
    let (sender, hook) = (Sender::default(), hook(&format!("http://{address}/"), &[]));
    let delivery = delivery();
    let head = format!("307 Temporary Redirect\r\nlocation: http://{other}/");
    let (posted, _) = tokio::join!(sender.post(&hook, &delivery), take(&listener, &head));
    assert!(matches!(posted, Err(SendError::Status(status)) if status == 307), "{posted:?}");
    let followed = tokio::time::timeout(Duration::from_millis(50), elsewhere.accept()).await;
    assert!(followed.is_err());
}

/// A certificate for `localhost`, and its authority in a file that goes away with its owner.
struct Authority {
    file: PathBuf,
    tls: TlsAcceptor,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        let leaf = leaf.signed_by(&key, &issuer).expect("a certificate");
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has them")
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).expect("a key"))
            .expect("they go together");
        let file = std::env::temp_dir().join(format!("capturebox-webhook-{}.pem", std::process::id()));
        std::fs::write(&file, pem).expect("a file");
        Self { file, tls: TlsAcceptor::from(Arc::new(config)) }
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

#[tokio::test]
async fn https_is_for_receivers_whose_authority_is_trusted() {
    let authority = Authority::new();
    let (listener, address) = receiver().await;
    let port = address.rsplit(':').next().expect("a port");
    let (sender, delivery) = (Sender::default(), delivery());
    let untrusted = hook(&format!("https://localhost:{port}/"), &[]);
    let trusted = WebhookConfig { ca: Some(authority.file.clone()), ..untrusted.clone() };
    let other_name = WebhookConfig { url: format!("https://{address}/").parse().expect("a URL"), ..trusted.clone() };
    let accept = || async { authority.tls.accept(listener.accept().await.expect("a connection").0).await };

    let (posted, request) = tokio::join!(sender.post(&trusted, &delivery), async {
        answer(accept().await.expect("a handshake"), "204 No Content").await
    });
    assert!(posted.is_ok(), "{posted:?}");
    assert!(request.contains(&format!("host: localhost:{port}\r\n")) && request.ends_with("\r\n\r\n{}"), "{request}");
    for refused in [untrusted, other_name] {
        let (posted, handshake) = tokio::join!(sender.post(&refused, &delivery), accept());
        assert!(matches!(posted, Err(SendError::Connect(_))), "{posted:?}");
        assert!(handshake.is_err(), "nothing of the event went out");
    }
    std::fs::write(&authority.file, "no PEM").expect("a file");
    let posted = sender.post(&trusted, &delivery).await;
    assert!(
        matches!(posted, Err(SendError::Trust(TrustError::Authorities { .. }))),
        "read again each time: {posted:?}"
    );
}
