//! Which upstream holds which Socket.IO session, so that everything of a session goes there.
//!
//! What was not asked for in a while is forgotten. There is room for so many sessions and no more: the oldest give way.

use std::borrow::Cow;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use super::upstream::Upstream;
use crate::transport::query;

/// A session that is alive is heard of more often than this.
const IDLE: Duration = Duration::from_mins(3);

/// How many sessions each half holds.
const ROOM: usize = 100_000;

/// Longer names are none that a hub gives.
const MAX_SID: usize = 64;

type Half = FxHashMap<Box<str>, Weak<Upstream>>;

/// Two halves: what is asked for moves into the newer one, and the older one is forgotten as a whole.
#[derive(Debug)]
pub(super) struct Sticky {
    newer: Half,
    older: Half,
    turned: Instant,
}

impl Sticky {
    pub(super) fn new(now: Instant) -> Self {
        Self { newer: Half::default(), older: Half::default(), turned: now }
    }

    pub(super) fn note(&mut self, sid: &str, upstream: &Arc<Upstream>, now: Instant) {
        if sid.len() <= MAX_SID {
            self.turn(now);
            self.newer.insert(sid.into(), Arc::downgrade(upstream));
        }
    }

    pub(super) fn find(&mut self, sid: &str, now: Instant) -> Option<Arc<Upstream>> {
        self.turn(now);
        if let Some(upstream) = self.newer.get(sid) {
            return upstream.upgrade();
        }
        let (sid, upstream) = self.older.remove_entry(sid)?;
        let found = upstream.upgrade();
        self.newer.insert(sid, upstream);
        found
    }

    fn turn(&mut self, now: Instant) {
        if now - self.turned >= IDLE || self.newer.len() >= ROOM {
            self.older = std::mem::take(&mut self.newer);
            self.turned = now;
        }
    }
}

/// The name of the session that a handshake's answer opens: it begins with `0{"sid":"…"`.
pub(super) fn opened(answer: &[u8]) -> Option<&str> {
    let rest = answer.strip_prefix(b"0{\"sid\":\"")?;
    let end = rest.iter().take(MAX_SID + 1).position(|byte| *byte == b'"')?;
    std::str::from_utf8(&rest[..end]).ok().filter(|sid| !sid.is_empty())
}

/// The session that a request belongs to, by its query, as a hub reads that.
pub(super) fn session(query: &str) -> Option<Cow<'_, str>> {
    query::last(query, "sid").filter(|sid| (1..=MAX_SID).contains(&sid.len()))
}

#[cfg(test)]
mod tests {
    use super::super::upstream::Target;
    use super::*;

    #[test]
    fn a_session_is_known_by_its_opening() {
        assert_eq!(opened(br#"0{"sid":"abc","upgrades":[]}"#), Some("abc"));
        for wrong in [&br#"0{"sid":"abc"#[..], br#"0{"sid":""}"#, b"2", b"", br#"4{"sid":"abc"}"#] {
            assert_eq!(opened(wrong), None);
        }
        assert_eq!(opened(format!("0{{\"sid\":\"{}\"", "x".repeat(65)).as_bytes()), None);
        assert_eq!(session("EIO=4&sid=abc&t=1").as_deref(), Some("abc"));
        assert_eq!(session("EIO=4&sid=abc&%73id=d%65f").as_deref(), Some("def"));
        for none in ["EIO=4&sid=&xsid=abc", "sid=abc&sid=", "sid=abc&%73id=", "sid=abc&sid"] {
            assert_eq!(session(none), None, "{none}");
        }
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_is_forgotten() {
        let upstream = Arc::new(Upstream::new(Target { host: "a".into(), port: 1, is_tls: false }));
        let mut now = Instant::now();
        let mut sticky = Sticky::new(now);
        sticky.note("busy", &upstream, now);
        sticky.note("quiet", &upstream, now);
        for _ in 0..3 {
            now += IDLE;
            assert!(sticky.find("busy", now).is_some());
        }
        assert!(sticky.find("quiet", now).is_none());
    }

    #[test]
    fn there_is_only_so_much_room() {
        let upstream = Arc::new(Upstream::new(Target { host: "a".into(), port: 1, is_tls: false }));
        let now = Instant::now();
        let mut sticky = Sticky::new(now);
        for number in 0..3 * ROOM {
            sticky.note(&number.to_string(), &upstream, now);
        }
        assert!(sticky.newer.len() + sticky.older.len() <= 2 * ROOM);
        assert!(sticky.find("0", now).is_none() && sticky.find(&(3 * ROOM - 1).to_string(), now).is_some());
    }
}
