//! Just enough of HTTP/1.1 over TLS to ask and to count: one request at a time, answers with a stated length.

use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::target::Target;

/// No answer of the gateway is longer; its OpenAPI document is the longest and nobody asks for it here.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Broken {
    /// The kernel gave no socket: no ports, no file descriptors.
    NoSocket,
    /// The connection was refused or did not come about.
    Unconnected,
    /// It ended in the TLS handshake.
    Handshake,
    /// The certificate is not the pinned one.
    Certificate,
    /// It ended before the answer did.
    Cut,
    /// What came is no answer.
    Malformed,
    /// Nothing came for so long that it was given up.
    Late,
}

/// What to ask.
pub(super) struct Request<'a> {
    pub method: &'static str,
    pub path: &'static str,
    pub token: Option<&'a str>,
    pub body: Option<&'a str>,
}

/// What was answered.
pub(super) struct Reply {
    pub status: u16,
    pub retry_after_s: Option<u32>,
    pub body: Vec<u8>,
}

/// A connection over TLS.
pub(super) struct Wire<'a> {
    target: &'a Target,
    stream: TlsStream<TcpStream>,
}

/// A TCP connection from that address, with a receive buffer of its own size if one is given.
pub(super) async fn connect(
    target: &Target,
    from: Ipv4Addr,
    buffer_bytes: Option<u32>,
) -> Result<TcpStream, Broken> {
    let socket = TcpSocket::new_v4().map_err(|_| Broken::NoSocket)?;
    if let Some(bytes) = buffer_bytes {
        socket.set_recv_buffer_size(bytes).map_err(|_| Broken::NoSocket)?;
    }
    socket.bind(SocketAddr::V4(SocketAddrV4::new(from, 0))).map_err(|_| Broken::NoSocket)?;
    let stream = socket.connect(SocketAddr::V4(target.address)).await.map_err(|_| Broken::Unconnected)?;
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// TLS on that connection.
pub(super) async fn secure(target: &Target, stream: TcpStream) -> Result<TlsStream<TcpStream>, Broken> {
    let connector = TlsConnector::from(std::sync::Arc::clone(&target.tls));
    connector.connect(target.name.clone(), stream).await.map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData if is_certificate(&error) => Broken::Certificate,
        _ => Broken::Handshake,
    })
}

fn is_certificate(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}

impl<'a> Wire<'a> {
    /// Connects from that address.
    pub async fn open(target: &'a Target, from: Ipv4Addr) -> Result<Self, Broken> {
        let stream = secure(target, connect(target, from, None).await?).await?;
        Ok(Self { target, stream })
    }

    /// The connection itself, to be kept where the target is known anyway.
    pub fn into_stream(self) -> TlsStream<TcpStream> {
        self.stream
    }

    /// A connection that was kept.
    pub fn of(target: &'a Target, stream: TlsStream<TcpStream>) -> Self {
        Self { target, stream }
    }

    /// Asks, and waits for the answer.
    pub async fn ask(&mut self, request: &Request<'_>) -> Result<Reply, Broken> {
        let text = request.text(&self.target.host);
        self.stream.write_all(text.as_bytes()).await.map_err(|_| Broken::Cut)?;
        self.stream.flush().await.map_err(|_| Broken::Cut)?;
        let mut bytes = Vec::with_capacity(1024);
        loop {
            if let Some(reply) = Reply::parse(&bytes)? {
                return Ok(reply);
            }
            if bytes.len() > ANSWER_BYTES_MAX {
                return Err(Broken::Malformed);
            }
            match self.stream.read_buf(&mut bytes).await {
                Ok(0) | Err(_) => return Err(Broken::Cut),
                Ok(_) => {}
            }
        }
    }
}

impl Request<'_> {
    /// The bytes of it, as text.
    pub fn text(&self, host: &str) -> String {
        let Self { method, path, token, body } = self;
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n");
        // Writing to a string cannot fail.
        if let Some(token) = token {
            let _ = write!(text, "authorization: Bearer {token}\r\n");
        }
        if let Some(body) = body {
            let _ = write!(
                text,
                "content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
        } else {
            text.push_str("\r\n");
        }
        text
    }
}

impl Reply {
    /// The answer at the beginning of `bytes`, once it is whole.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, Broken> {
        let Some(head_bytes) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = std::str::from_utf8(&bytes[..head_bytes]).map_err(|_| Broken::Malformed)?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
        let status: u16 = status.ok_or(Broken::Malformed)?;
        let (mut body_bytes, mut retry_after_s) = (None, None);
        for line in lines {
            let (name, value) = line.split_once(':').ok_or(Broken::Malformed)?;
            if name.eq_ignore_ascii_case("content-length") {
                body_bytes = Some(value.trim().parse::<usize>().map_err(|_| Broken::Malformed)?);
            } else if name.eq_ignore_ascii_case("retry-after") {
                retry_after_s = value.trim().parse().ok();
            }
        }
        let body_bytes = match (status, body_bytes) {
            (204, None) => 0,
            (_, Some(bytes)) if bytes <= ANSWER_BYTES_MAX => bytes,
            _ => return Err(Broken::Malformed),
        };
        let body = &bytes[head_bytes + 4..];
        if body.len() < body_bytes {
            return Ok(None);
        }
        // One request at a time: more than one answer is none.
        if body.len() > body_bytes {
            Err(Broken::Malformed)
        } else {
            Ok(Some(Self { status, retry_after_s, body: body.to_vec() }))
        }
    }
}
