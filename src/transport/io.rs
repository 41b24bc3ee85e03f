//! A socket, plain or TLS, that can be written to without waiting.
//!
//! The fan-out writes to sockets outside of the tasks that own them, so writing must work without a task: what the
//! socket does not take now is the caller's to keep.

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::net::Shutdown;
use std::ops::DerefMut;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_tls::accept::rustls_0_23::TlsStream;
use rustls::{ConnectionCommon, SideData};
use socket2::SockRef;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client;

use super::upgrade::{LINGER, LINGER_BYTES};

pub enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// A connection that was made from here, to a server that speaks TLS.
    TlsOut(Box<client::TlsStream<TcpStream>>),
}

impl From<TcpStream> for Io {
    fn from(tcp: TcpStream) -> Self {
        Self::Plain(tcp)
    }
}

impl From<TlsStream<TcpStream>> for Io {
    fn from(tls: TlsStream<TcpStream>) -> Self {
        Self::Tls(Box::new(tls))
    }
}

impl From<client::TlsStream<TcpStream>> for Io {
    fn from(tls: client::TlsStream<TcpStream>) -> Self {
        Self::TlsOut(Box::new(tls))
    }
}

impl Io {
    /// Writes as much as the socket takes now. With TLS, what was taken may still wait for the socket: see [`Io::flush`].
    ///
    /// # Errors
    /// `WouldBlock` when nothing was taken; anything else: the connection is gone.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => NonWaiting(tcp).write(bytes),
            Self::Tls(tls) => write_tls(tls.get_mut(), |writer| writer.write(bytes)),
            Self::TlsOut(tls) => write_tls(tls.get_mut(), |writer| writer.write(bytes)),
        }
    }

    /// As [`Io::write`], several buffers in one go.
    pub fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => NonWaiting(tcp).write_vectored(buffers),
            Self::Tls(tls) => write_tls(tls.get_mut(), |writer| writer.write_vectored(buffers)),
            Self::TlsOut(tls) => write_tls(tls.get_mut(), |writer| writer.write_vectored(buffers)),
        }
    }

    /// Hands what was taken to the socket, as far as it takes it now.
    ///
    /// # Errors
    /// `WouldBlock` when something is left; anything else: the connection is gone.
    pub fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(tls) => flush_tls(tls.get_mut()),
            Self::TlsOut(tls) => flush_tls(tls.get_mut()),
        }
    }

    /// Something was taken that the socket has not got yet.
    pub fn has_unflushed(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.get_ref().1.wants_write(),
            Self::TlsOut(tls) => tls.get_ref().1.wants_write(),
        }
    }

    /// Wakes the task when the socket takes more. To be asked after `WouldBlock`.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp().poll_write_ready(cx)
    }

    /// Reads into `buffer`; nothing was read at the end of the stream.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Self::Tls(tls) => Pin::new(&mut **tls).poll_read(cx, buffer),
            Self::TlsOut(tls) => Pin::new(&mut **tls).poll_read(cx, buffer),
        }
    }

    /// Says that nothing more will be written. Best effort: the peer may be gone.
    pub fn finish(&mut self) {
        match self {
            Self::Plain(_) => {}
            Self::Tls(tls) => end_tls(tls.get_mut()),
            Self::TlsOut(tls) => end_tls(tls.get_mut()),
        }
        let _ = SockRef::from(self.tcp()).shutdown(Shutdown::Write);
    }

    /// Has the runtime of this thread look after the socket, which another's did. One with TLS stays where it is: its
    /// wake-ups come from there, its bytes are handled here.
    pub fn adopt(self) -> io::Result<Self> {
        match self {
            Self::Plain(tcp) => TcpStream::from_std(tcp.into_std()?).map(Self::Plain),
            tls @ (Self::Tls(_) | Self::TlsOut(_)) => Ok(tls),
        }
    }

    /// Writes the last bytes, and waits a moment for the peer to close, as [`super::upgrade::part`] does.
    pub async fn part(mut self, last: &[u8]) {
        // The peer may be gone, and with it everything that there was to do.
        let _ = timeout(LINGER, async {
            self.write_all(last).await?;
            self.finish();
            let (mut discarded, mut scratch) = (0, [0; 1024]);
            while discarded < LINGER_BYTES {
                let mut buffer = ReadBuf::new(&mut scratch);
                poll_fn(|cx| self.poll_read(cx, &mut buffer)).await?;
                match buffer.filled().len() {
                    0 => break,
                    n => discarded += n,
                }
            }
            Ok::<_, io::Error>(())
        })
        .await;
    }

    async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        loop {
            let written = if bytes.is_empty() { self.flush().map(|()| 0) } else { self.write(bytes) };
            match written {
                Ok(0) if bytes.is_empty() => return Ok(()),
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    poll_fn(|cx| self.poll_writable(cx)).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
            Self::TlsOut(tls) => tls.get_ref().0,
        }
    }
}

/// A socket and its TLS session, of either side.
type Halves<'a, S> = (&'a mut TcpStream, &'a mut S);

/// Encrypts into the session's own buffer and passes that on at once. Nothing is taken while something older waits,
/// so that no more than one write is ever kept there.
fn write_tls<S, D>(
    (tcp, session): Halves<'_, S>,
    write: impl FnOnce(&mut rustls::Writer<'_>) -> io::Result<usize>,
) -> io::Result<usize>
where
    S: DerefMut<Target = ConnectionCommon<D>>,
    D: SideData,
{
    flush_tls((tcp, session))?;
    let taken = write(&mut session.writer())?;
    match flush_tls((tcp, session)) {
        Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
        _ => Ok(taken),
    }
}

fn flush_tls<S, D>((tcp, session): Halves<'_, S>) -> io::Result<()>
where
    S: DerefMut<Target = ConnectionCommon<D>>,
    D: SideData,
{
    while session.wants_write() {
        session.write_tls(&mut NonWaiting(tcp))?;
    }
    Ok(())
}

fn end_tls<S, D>((tcp, session): Halves<'_, S>)
where
    S: DerefMut<Target = ConnectionCommon<D>>,
    D: SideData,
{
    session.send_close_notify();
    // The peer may be gone, and then there is nobody to be told.
    let _ = flush_tls((tcp, session));
}

/// Asks the kernel, and the runtime only where the kernel takes no more: what that remembers of a socket lies in memory that
/// a delivery need not touch, and may be older than a turn of the fan-out, in which a client may have read on.
struct NonWaiting<'a>(&'a TcpStream);

impl Write for NonWaiting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match SockRef::from(self.0).send(bytes) {
            // Asked through the runtime, so that it waits for the socket; which may have made room in between.
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.0.try_write(bytes),
            result => result,
        }
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        match SockRef::from(self.0).send_vectored(buffers) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.0.try_write_vectored(buffers),
            result => result,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
