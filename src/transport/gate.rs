//! Holds connections back from the HTTP stack until the head of their first request is there.
//!
//! Until then the bytes stay in the kernel: ten thousand clients that never finish their request take no buffer, and
//! what the HTTP stack would not take, or would refuse without a word, is told so here.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_http::StatusCode;
use memchr::memchr_iter;
use tokio::io::{Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::upgrade::{Refusal, part};

/// How long a request's head may be, in bytes: a token too long for any use is still refused as one. The HTTP stack
/// takes up to 128 KiB, with whatever came behind the head.
pub(super) const MAX_HEAD: usize = 120 * 1024;

/// How long its first line may be. The HTTP stack takes URIs of up to 65,534 bytes.
const MAX_LINE: usize = 65_534;

/// Each look at a head begins at its beginning, so one longer than this is looked at only so often.
const LONG_HEAD: usize = 16 * 1024;
const GLANCE: Duration = Duration::from_millis(20);

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; MAX_HEAD].into_boxed_slice());
}

/// Waits until a request's head is there. `None`: it will not be; the client has been told why.
pub(super) async fn admit(tcp: TcpStream, patience: Duration) -> Option<TcpStream> {
    let refusal = match timeout(patience, head(&tcp)).await {
        Ok(Ok(Head::Complete)) => return Some(tcp),
        Ok(Ok(Head::Never) | Err(_)) => return None,
        Ok(Ok(Head::NotHttp)) => {
            Refusal::new(StatusCode::BAD_REQUEST, "bad_request", "Expected an HTTP request, without TLS")
        }
        Ok(Ok(Head::LineTooLong)) => {
            Refusal::new(StatusCode::URI_TOO_LONG, "uri_too_long", "The URI must be shorter than 64 KiB")
        }
        Ok(Ok(Head::TooLong)) => Refusal::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "headers_too_large",
            "The request's head must be shorter than 120 KiB",
        ),
        Err(_) => {
            Refusal::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", "The request's head took too long to come")
        }
    };
    part(tcp, &refusal.response()).await;
    None
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Head {
    Complete,
    NotHttp,
    LineTooLong,
    TooLong,
    /// The client has closed before it said anything.
    Never,
}

async fn head(tcp: &TcpStream) -> io::Result<Head> {
    let mut seen = 0;
    loop {
        if let Some(head) = poll_fn(|cx| poll_head(tcp, &mut seen, cx)).await? {
            return Ok(head);
        }
        sleep(GLANCE).await;
    }
}

/// `seen`: how much was looked at already, without finding the end. Ready with `None`: not to be looked at again at
/// once.
fn poll_head(tcp: &TcpStream, seen: &mut usize, cx: &mut Context<'_>) -> Poll<io::Result<Option<Head>>> {
    SCRATCH.with_borrow_mut(|scratch| {
        loop {
            let mut buffer = ReadBuf::new(scratch);
            let len = ready!(tcp.poll_peek(cx, &mut buffer))?;
            if len == 0 {
                return Poll::Ready(Ok(Some(Head::Never)));
            }
            if let Some(head) = judge(buffer.filled(), *seen) {
                return Poll::Ready(Ok(Some(head)));
            }
            *seen = len;
            // What was looked at is still there, so the socket counts as readable. It shall not, until more comes:
            // the kernel tells of that whether or not the rest was read.
            let _ = tcp.try_io(Interest::READABLE, || Err::<(), _>(ErrorKind::WouldBlock.into()));
            if len > LONG_HEAD {
                return Poll::Ready(Ok(None));
            }
        }
    })
}

/// What can be said of the beginning of a stream, nothing having been said of its first `seen` bytes.
fn judge(bytes: &[u8], seen: usize) -> Option<Head> {
    // Empty lines before a request are to be ignored (RFC 9112, section 2.2).
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
    let head = &bytes[start..];
    if head.first().is_some_and(|first| !first.is_ascii_uppercase()) {
        return Some(Head::NotHttp);
    }
    if head.len() > MAX_LINE && !head[..=MAX_LINE].contains(&b'\n') {
        return Some(Head::LineTooLong);
    }
    if has_end(&bytes[start.max(seen.saturating_sub(2))..]) {
        return Some(Head::Complete);
    }
    (bytes.len() >= MAX_HEAD).then_some(Head::TooLong)
}

/// An empty line ends a head; its CR may be missing (RFC 9112, section 2.2).
fn has_end(bytes: &[u8]) -> bool {
    memchr_iter(b'\n', bytes).any(|at| matches!(bytes[at + 1..], [b'\n', ..] | [b'\r', b'\n', ..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_line_ends_a_head() {
        assert_eq!(judge(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0), Some(Head::Complete));
        assert_eq!(judge(b"GET / HTTP/1.1\nHost: a\n\nbody", 0), Some(Head::Complete));
        assert_eq!(judge(b"GET / HTTP/1.1\r\nHost: a\r\n\r", 0), None);
        assert_eq!(
            judge(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 26),
            Some(Head::Complete),
            "all but the last byte were seen"
        );
    }

    #[test]
    fn empty_lines_before_a_head_are_no_part_of_it() {
        assert_eq!(judge(b"\r\n\r\n", 0), None);
        assert_eq!(judge(b"\r\n\r\nGET / HTTP/1.1\r\n", 4), None);
        assert_eq!(judge(b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", 0), Some(Head::Complete));
    }

    #[test]
    fn what_is_not_http_is_known_by_its_first_byte() {
        assert_eq!(judge(b"\x16\x03\x01", 0), Some(Head::NotHttp));
        assert_eq!(judge(b"\r\n{", 2), Some(Head::NotHttp));
        assert_eq!(judge(b"G", 0), None);
    }

    #[test]
    fn lines_and_heads_have_their_limits() {
        let line = [b"GET /".as_slice(), &vec![b'x'; MAX_LINE - 5]].concat();
        assert_eq!(judge(&line, 0), None);
        assert_eq!(judge(&[&line[..], b"\n"].concat(), 0), None);
        assert_eq!(judge(&[&line[..], b"x\n\n"].concat(), 0), Some(Head::LineTooLong));
        let mut head = [b"GET / HTTP/1.1\r\nX: ".as_slice(), &vec![b'x'; MAX_HEAD]].concat();
        head.truncate(MAX_HEAD);
        assert_eq!(judge(&head[..MAX_HEAD - 1], 0), None);
        assert_eq!(judge(&head, 0), Some(Head::TooLong));
        head[MAX_HEAD - 2..].copy_from_slice(b"\n\n");
        assert_eq!(judge(&head, MAX_HEAD - 1), Some(Head::Complete));
    }
}
