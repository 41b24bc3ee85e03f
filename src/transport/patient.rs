//! An HTTP connection on which the server waits for its client only so long, for each request as for the first.
//!
//! The HTTP stack limits the time for the head of the first request; a client that got one answer could take for ever
//! over the next request, byte by byte. What is limited here is the time since the server last wrote anything, which
//! needs no knowledge of what is said; but where a handler says that it lets the client wait, that is no fault of its.

use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::caller::Caller;

pub(super) struct Patient<T> {
    io: T,
    patience: Duration,
    end: Pin<Box<Sleep>>,
    caller: Caller,
}

impl<T> Patient<T> {
    /// Reading fails when `patience` has passed since something was written, or since now.
    pub(super) fn new(io: T, patience: Duration) -> Self {
        Self { io, patience, end: Box::pin(sleep(patience)), caller: Caller::default() }
    }

    /// The client, for those who let it wait.
    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    pub(super) fn into_inner(self) -> T {
        self.io
    }

    fn note(&mut self, written: usize) -> usize {
        if written > 0 {
            self.end.as_mut().reset(Instant::now() + self.patience);
        }
        written
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Patient<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.caller.take_release() {
            let end = Instant::now() + self.patience;
            self.end.as_mut().reset(end);
        }
        while self.end.as_mut().poll(cx).is_ready() {
            if !self.caller.is_kept() {
                self.caller.note_end();
                return Poll::Ready(Err(ErrorKind::TimedOut.into()));
            }
            let end = Instant::now() + self.patience;
            self.end.as_mut().reset(end);
        }
        let before = buffer.remaining();
        let result = ready!(Pin::new(&mut self.io).poll_read(cx, buffer));
        if result.is_err() || (before > 0 && buffer.remaining() == before) {
            self.caller.note_end();
        }
        Poll::Ready(result)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Patient<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, bytes))?;
        Poll::Ready(Ok(self.note(written)))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, buffers))?;
        Poll::Ready(Ok(self.note(written)))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[test]
    fn a_client_that_only_trickles_is_cut_whether_or_not_it_was_answered_before() {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let (server, mut client) = duplex(1024);
            let mut server = Patient::new(server, Duration::from_millis(100));
            server.write_all(b"an answer").await.unwrap();
            let trickle = async {
                while client.write_all(b"x").await.is_ok() {
                    sleep(Duration::from_millis(5)).await;
                }
            };
            let read = async {
                let mut piece = [0; 16];
                loop {
                    if let Err(error) = server.read(&mut piece).await {
                        break error;
                    }
                }
            };
            let error = tokio::select! {
                error = read => error,
                () = trickle => unreachable!("the server's end is still there"),
            };
            assert_eq!(error.kind(), ErrorKind::TimedOut);
        });
    }

    #[test]
    fn one_that_is_kept_waiting_has_all_the_time_and_its_end_is_noticed() {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let (server, client) = duplex(1024);
            let mut server = Patient::new(server, Duration::from_millis(20));
            let caller = server.caller().clone();
            let kept = caller.keep();
            let mut piece = [0; 16];
            tokio::select! {
                _ = server.read(&mut piece) => unreachable!("nothing came and no time is up"),
                () = caller.gone() => unreachable!("the client is there"),
                () = sleep(Duration::from_millis(100)) => {}
            }
            drop(client);
            assert_eq!(server.read(&mut piece).await.unwrap(), 0);
            caller.gone().await;
            drop(kept);
            sleep(Duration::from_millis(40)).await;
            assert_eq!(server.read(&mut piece).await.unwrap(), 0, "its time begins when it has waited");
            sleep(Duration::from_millis(40)).await;
            assert_eq!(server.read(&mut piece).await.unwrap_err().kind(), ErrorKind::TimedOut);
        });
    }

    #[test]
    fn each_answer_gives_a_client_its_time_anew() {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let (server, mut client) = duplex(1024);
            let mut server = Patient::new(server, Duration::from_secs(60));
            let before = server.end.deadline();
            sleep(Duration::from_millis(5)).await;
            client.write_all(b"a request").await.unwrap();
            server.read_exact(&mut [0; 9]).await.unwrap();
            assert_eq!(server.end.deadline(), before);
            server.write_all(b"an answer").await.unwrap();
            assert!(server.end.deadline() > before);
        });
    }
}
