//! Asks every upstream how it is, again and again, and takes those out that are not well.

use std::fmt;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep_until, timeout};

use super::dial::Dialer;
use super::pool::Pool;
use super::upstream::Upstream;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HealthSettings {
    pub interval: Duration,
    /// What is asked for.
    pub path: Box<str>,
    /// So many in a row take an upstream out.
    pub failures: u32,
    /// So many in a row take it in again.
    pub successes: u32,
}

/// Much longer than the line of a status.
const MAX_LINE: usize = 256;

const WRONG: &str = "no HTTP came back; where it speaks TLS, its URL begins with https://";

/// What a check found.
#[derive(Debug)]
enum Finding {
    Well,
    /// It answers that it is not well: nothing new goes there.
    Unwell(u16),
    /// It does not answer: what it has is lost, too.
    Dead(io::Error),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Well => f.write_str("it is well"),
            Self::Unwell(status) => write!(f, "it answers with the status {status}"),
            Self::Dead(error) => write!(f, "it does not answer: {error}"),
        }
    }
}

/// How many checks in a row found the same.
#[derive(Clone, Copy, Default, Debug)]
struct Series {
    failures: u32,
    /// Of these, the ones without an answer.
    silences: u32,
    successes: u32,
}

/// Checks for as long as the pool is there. The first round begins at once.
pub(super) async fn watch(pool: Weak<Pool>) {
    let mut watched: Vec<(Arc<Upstream>, Series)> = Vec::new();
    let mut next = Instant::now();
    let mut was_any_well = true;
    loop {
        let Some(roster) = pool.upgrade().map(|pool| pool.roster()) else { return };
        let health = &roster.settings.health;
        next = (next + health.interval).max(Instant::now());
        // One that is no longer in the list is watched until it has no connection left.
        watched.retain(|(it, _)| it.connections() > 0 || roster.upstreams.iter().any(|known| Arc::ptr_eq(known, it)));
        for upstream in &roster.upstreams {
            if !watched.iter().any(|(it, _)| Arc::ptr_eq(it, upstream)) {
                watched.push((upstream.clone(), Series::default()));
            }
        }
        let checks = watched.iter().map(|(upstream, _)| check(upstream, &roster.settings.dialer, health));
        let findings = join_all(checks).await;
        for ((upstream, series), finding) in watched.iter_mut().zip(findings) {
            series.take(upstream, &finding, health);
        }
        let is_any_well = roster.upstreams.iter().any(|it| it.is_healthy());
        match (std::mem::replace(&mut was_any_well, is_any_well), is_any_well) {
            (true, false) => log::warn!("no upstream is well: every request gets a 503 until one is"),
            (false, true) => log::info!("an upstream is well: requests are passed on again"),
            _ => {}
        }
        drop(roster);
        sleep_until(next).await;
    }
}

impl Series {
    fn take(&mut self, upstream: &Upstream, finding: &Finding, settings: &HealthSettings) {
        match finding {
            Finding::Well => *self = Self { successes: self.successes + 1, ..Self::default() },
            Finding::Unwell(_) => *self = Self { failures: self.failures + 1, ..Self::default() },
            Finding::Dead(_) => {
                *self = Self { failures: self.failures + 1, silences: self.silences + 1, successes: 0 };
            }
        }
        upstream.set_answers(!matches!(finding, Finding::Dead(_)));
        if upstream.is_healthy() && self.failures >= settings.failures {
            upstream.set_healthy(false);
            log::warn!("{} is taken out: {finding}", upstream.url());
        } else if !upstream.is_healthy() && self.successes >= settings.successes {
            upstream.set_healthy(true);
            // The checks have tried already what the breaker would try.
            upstream.succeeded();
            log::info!("{} is taken in again", upstream.url());
        }
        if self.silences >= settings.failures {
            upstream.give_up();
        }
    }
}

/// A busy machine is not taken for a dead one, however often it is asked.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);

const MOST_PATIENCE: Duration = Duration::from_secs(2);

async fn check(upstream: &Upstream, dialer: &Dialer, settings: &HealthSettings) -> Finding {
    let patience = settings.interval.clamp(LEAST_PATIENCE, MOST_PATIENCE);
    match timeout(patience, ask(upstream, dialer, &settings.path)).await {
        Ok(Ok(200..300)) => Finding::Well,
        Ok(Ok(status)) => Finding::Unwell(status),
        Ok(Err(error)) => Finding::Dead(error),
        Err(_) => Finding::Dead(io::Error::new(io::ErrorKind::TimedOut, "the check took too long")),
    }
}

/// The status of the answer; the rest of it is of no interest.
async fn ask(upstream: &Upstream, dialer: &Dialer, path: &str) -> io::Result<u16> {
    let mut stream = dialer.dial(upstream.target()).await?;
    let host = upstream.authority().to_str().unwrap_or_default();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: tertulia-gateway\r\naccept: */*\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut line = Vec::new();
    while !line.contains(&b'\n') && line.len() < MAX_LINE {
        if stream.read_buf(&mut line).await? == 0 {
            break;
        }
    }
    status(&line).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, WRONG))
}

fn status(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(b"HTTP/1.")?;
    let digits = rest.get(1..)?.strip_prefix(b" ")?.get(..3)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::upstream::Target;
    use super::*;

    #[test]
    fn a_status_is_read_from_the_first_line() {
        assert_eq!(status(b"HTTP/1.1 200 OK\r\n"), Some(200));
        assert_eq!(status(b"HTTP/1.0 503\r\n"), Some(503));
        for wrong in [&b"HTTP/2 200\r\n"[..], b"SSH-2.0", b"", b"HTTP/1.1 20"] {
            assert_eq!(status(wrong), None);
        }
    }

    #[test]
    fn an_upstream_goes_out_and_comes_in_by_series_and_is_given_up_only_when_it_is_silent() {
        let settings = HealthSettings { interval: Duration::from_secs(2), path: "/".into(), failures: 2, successes: 2 };
        let upstream = Upstream::new(Target { host: "hub".into(), port: 1, is_tls: false });
        let lost = upstream.enter(std::time::Instant::now());
        let mut series = Series::default();
        let mut after = |finding: Finding| {
            series.take(&upstream, &finding, &settings);
            (upstream.is_healthy(), lost.has_changed().expect("it is there"))
        };
        let dead = || Finding::Dead(io::ErrorKind::TimedOut.into());
        assert_eq!(after(dead()), (true, false));
        assert_eq!(after(Finding::Well), (true, false));
        assert_eq!(after(Finding::Unwell(503)), (true, false));
        assert_eq!(after(Finding::Unwell(503)), (false, false), "it answers, and keeps what it has");
        assert_eq!(after(Finding::Well), (false, false));
        assert_eq!(after(Finding::Well), (true, false));
        assert_eq!(after(dead()), (true, false));
        assert_eq!(after(dead()), (false, true));
    }
}
