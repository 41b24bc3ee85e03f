//! Connections to upstreams, plain or over TLS.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::upstream::Target;

/// A connection to an upstream.
#[derive(Debug)]
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// How upstreams are connected to.
#[derive(Clone, Debug)]
pub struct Dialer {
    pub timeout: Duration,
    /// Whom to believe.
    pub tls: Arc<ClientConfig>,
}

impl Dialer {
    /// # Errors
    /// `TimedOut` where it took too long, TLS included.
    pub async fn dial(&self, target: &Target) -> io::Result<Stream> {
        let slow = |_| io::Error::new(io::ErrorKind::TimedOut, "the connection took too long");
        timeout(self.timeout, self.open(target)).await.map_err(slow)?
    }

    async fn open(&self, target: &Target) -> io::Result<Stream> {
        let host = target.host.trim_start_matches('[').trim_end_matches(']');
        let tcp = TcpStream::connect((host, target.port)).await?;
        tcp.set_nodelay(true)?;
        if !target.is_tls {
            return Ok(Stream::Plain(tcp));
        }
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let tls = TlsConnector::from(self.tls.clone()).connect(name, tcp).await.map_err(explained)?;
        Ok(Stream::Tls(Box::new(tls)))
    }
}

/// What can be done about an error of TLS stands behind it.
pub fn explained(error: io::Error) -> io::Error {
    let advice = match error.get_ref().and_then(|it| it.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::Other(_))) => {
            "gateway.upstream_ca names the authorities to trust instead of the system's"
        }
        Some(rustls::Error::InvalidMessage(_)) => "does it speak TLS? Where it does not, its URL begins with http://",
        _ => return error,
    };
    io::Error::new(error.kind(), format!("{error} ({advice})"))
}

impl Stream {
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Self::Tls(tls) => Pin::new(&mut **tls).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Self::Tls(tls) => Pin::new(&mut **tls).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, buffers),
            Self::Tls(tls) => Pin::new(&mut **tls).poll_write_vectored(cx, buffers),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(&mut **tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(&mut **tls).poll_shutdown(cx),
        }
    }
}
