//! A keep-alive HTTP/1.1 connection that costs next to nothing: what is measured is the server.

use crate::Result;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// No answer's head is longer, bytes.
const MAX_HEAD: usize = 16 << 10;
/// What is read at once, bytes.
const READ: usize = 64 << 10;

/// Where a URL leads: loopback only.
#[derive(Debug, Clone)]
pub struct Target {
    pub address: SocketAddr,
    pub path: String,
}

impl Target {
    pub fn parse(url: &str) -> Result<Self> {
        let rest = url.strip_prefix("http://").ok_or_else(|| format!("{url}: only http://"))?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = host.replace("localhost", "127.0.0.1");
        let host = if host.contains(':') { host } else { format!("{host}:80") };
        let address: SocketAddr = host.parse().map_err(|_| format!("{url}: not an address and port"))?;
        if !address.ip().is_loopback() {
            return Err(format!("{url}: load is for this machine only").into());
        }
        Ok(Self { address, path: format!("/{path}") })
    }

    /// The path that `uri` means in a document at `self.path`.
    pub fn join(&self, uri: &str) -> String {
        if uri.starts_with('/') {
            return uri.to_owned();
        }
        let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{folder}/{uri}")
    }
}

pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer; its body is [`Client::body`].
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    pub status: u16,
    pub gzip: bool,
    pub len: usize,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(READ) })
    }

    /// Asks and reads the whole answer. `keep`: its body stays in [`Client::buffer`], from the start.
    pub async fn ask(&mut self, request: &[u8], keep: bool) -> Result<Answer> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head_len = loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server closed the connection".into());
            }
            // Heads are short; searching anew after a rare split costs nothing.
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if self.buffer.len() > MAX_HEAD {
                return Err("the answer's head doesn't end".into());
            }
        };
        let answer = parse_head(&self.buffer[..head_len])?;
        let mut missing = answer.len.saturating_sub(self.buffer.len() - head_len);
        if keep {
            self.buffer.drain(..head_len);
        }
        while missing > 0 {
            if !keep {
                self.buffer.clear();
            }
            let count = self.stream.read_buf(&mut self.buffer).await?;
            if count == 0 {
                return Err("the server closed the connection in an answer".into());
            }
            missing = missing.saturating_sub(count);
        }
        Ok(answer)
    }

    pub fn body(&self) -> &[u8] {
        &self.buffer
    }
}

pub fn request(target: &Target, path: &str, gzip: bool) -> Vec<u8> {
    let encoding = if gzip { "accept-encoding: gzip\r\n" } else { "" };
    format!("GET {path} HTTP/1.1\r\nhost: {}\r\nuser-agent: load\r\n{encoding}\r\n", target.address).into_bytes()
}

pub fn post(target: &Target, path: &str, content_type: &str, body: &str) -> Vec<u8> {
    let (host, len) = (target.address, body.len());
    format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: load\r\ncontent-type: {content_type}\r\n\
         content-length: {len}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn parse_head(head: &[u8]) -> Result<Answer> {
    let text = std::str::from_utf8(head)?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).ok_or("no status")?.parse()?;
    let mut answer = Answer { status, gzip: false, len: 0 };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            answer.len = value.trim().parse()?;
        } else if name.eq_ignore_ascii_case("content-encoding") {
            answer.gzip = value.trim() == "gzip";
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err("a chunked answer".into());
        }
    }
    Ok(answer)
}
