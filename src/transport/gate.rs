//! Holds connections back from the HTTP stack until the head of their first request is there.
//!
//! Until then the bytes stay in the kernel: ten thousand clients that never finish their request take no buffer, and
//! a head beyond the limit is refused without having been read.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::upgrade::part;

/// How long a request's head may be, in bytes.
const MAX_HEAD: usize = 16 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; MAX_HEAD].into_boxed_slice());
}

/// Waits until a request's head is there. `None`: it will not be; the client has been told why.
pub(super) async fn admit(tcp: TcpStream, patience: Duration) -> Option<TcpStream> {
    let mut seen = 0;
    let answer = match timeout(patience, poll_fn(|cx| poll_head(&tcp, &mut seen, cx))).await {
        Ok(Ok(Head::Complete)) => return Some(tcp),
        Ok(Ok(Head::TooLong)) => {
            "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        }
        Ok(Ok(Head::Never) | Err(_)) => return None,
        Err(_) => "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    };
    part(tcp, answer.as_bytes()).await;
    None
}

enum Head {
    Complete,
    TooLong,
    /// The client has closed before it said anything.
    Never,
}

/// `seen`: how much was looked at already, without finding the end.
fn poll_head(tcp: &TcpStream, seen: &mut usize, cx: &mut Context<'_>) -> Poll<io::Result<Head>> {
    SCRATCH.with_borrow_mut(|scratch| {
        loop {
            let mut buffer = ReadBuf::new(scratch);
            let len = ready!(tcp.poll_peek(cx, &mut buffer))?;
            if len == 0 {
                return Poll::Ready(Ok(Head::Never));
            }
            if has_end(&buffer.filled()[seen.saturating_sub(2)..]) {
                return Poll::Ready(Ok(Head::Complete));
            }
            if len == MAX_HEAD {
                return Poll::Ready(Ok(Head::TooLong));
            }
            *seen = len;
            // What was looked at is still there, so the socket counts as readable. It shall not, until more comes:
            // the kernel tells of that whether or not the rest was read.
            let _ = tcp.try_io(Interest::READABLE, || Err::<(), _>(ErrorKind::WouldBlock.into()));
        }
    })
}

/// An empty line ends a head; its CR may be missing (RFC 9112, section 2.2).
fn has_end(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|window| window == b"\n\n") || bytes.windows(3).any(|window| window == b"\n\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_line_ends_a_head() {
        assert!(has_end(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(has_end(b"GET / HTTP/1.1\nHost: a\n\nbody"));
        assert!(!has_end(b"GET / HTTP/1.1\r\nHost: a\r\n\r"));
    }
}
