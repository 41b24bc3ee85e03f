//! The audit log: who came, from where, and how it went.
//!
//! Strangers must not be able to make the hub write: what waits is bounded, and refusals of one address for one reason
//! within one minute are one line that says how often.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sqlite::Sqlite;

use super::batch::without_nul;
use super::connection::Connection;
use super::fixed::{Fixed, statement};
use super::parameters::{
    Single, number, numbers, optional_key, optional_number, optional_numbers, optional_text, optional_texts,
    optional_uuids, text, texts,
};
use super::values::Key;
use crate::domain::Timestamp;
use crate::domain::audit::{AuditAction, AuditEntry};

/// How many lines may wait, some 16 MB of them: as many as there are when everybody comes, or goes, at once.
const LINES: usize = 65_536;
/// How many addresses and reasons are counted at a time.
const REFUSALS: usize = 1_024;

/// A line of the log, as it stands in the table.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    at: i64,
    action: &'static str,
    reason: Option<&'static str>,
    dialect: &'static str,
    organization_id: Option<Key>,
    user_id: Option<Key>,
    address: IpAddr,
    origin: Option<Box<str>>,
    close_code: Option<i64>,
    lasted_ms: Option<i64>,
    times: i64,
}

#[derive(PartialEq, Eq, Hash, Clone, Copy)]
struct Refusal {
    minute: i64,
    address: IpAddr,
    reason: &'static str,
}

#[derive(Default)]
pub(crate) struct AuditLog {
    lines: VecDeque<Line>,
    refusals: HashMap<Refusal, Line>,
}

impl AuditLog {
    /// False: there is no room for it.
    pub(crate) fn push(&mut self, entry: AuditEntry) -> bool {
        if let AuditAction::Refused { reason } = entry.action {
            let key = Refusal { minute: minute(entry.at), address: entry.address, reason };
            if let Some(line) = self.refusals.get_mut(&key) {
                line.times += 1;
                return true;
            }
            let room = self.refusals.len() < REFUSALS;
            if room {
                self.refusals.insert(key, line(entry));
            }
            return room;
        }
        let room = self.lines.len() < LINES;
        if room {
            self.lines.push_back(line(entry));
        }
        room
    }

    /// Whether there is anything, complete or not.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.refusals.is_empty()
    }

    /// Whether something is complete and waits to be written.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        !self.lines.is_empty() || self.refusals.keys().any(|key| key.minute < minute(now))
    }

    /// At most about `limit` lines to be written: those that nothing can be added to, or `all`.
    pub(crate) fn take(&mut self, limit: usize, now: Timestamp, all: bool) -> Vec<Line> {
        let complete = self.refusals.extract_if(|key, _| all || key.minute < minute(now)).map(|(_, line)| line);
        self.lines.extend(complete);
        let taken = self.lines.drain(..limit.min(self.lines.len())).collect();
        if self.lines.is_empty() {
            // What a rush of them took is given back.
            self.lines = VecDeque::new();
        }
        taken
    }

    /// Puts lines back that could not be written, as far as there is room. Returns how many were dropped.
    pub(crate) fn put_back(&mut self, lines: Vec<Line>) -> usize {
        let room = LINES.saturating_sub(self.lines.len());
        let dropped = lines.len().saturating_sub(room);
        self.lines.extend(lines.into_iter().skip(dropped));
        dropped
    }
}

fn minute(at: Timestamp) -> i64 {
    at.as_secs().div_euclid(60)
}

fn line(entry: AuditEntry) -> Line {
    let (action, reason, close_code, lasted_ms) = match entry.action {
        AuditAction::Opened => ("opened", None, None, None),
        AuditAction::Refused { reason } => ("refused", Some(reason), None, None),
        AuditAction::Account { what } => (what, None, None, None),
        AuditAction::Closed { code, reason, lasted } => {
            ("closed", Some(reason), Some(i64::from(code)), i64::try_from(lasted.as_millis()).ok())
        }
    };
    Line {
        at: entry.at.as_micros(),
        action,
        reason,
        dialect: entry.dialect,
        organization_id: entry.organization.map(|it| Key(it.0)),
        user_id: entry.user.map(|it| Key(it.0)),
        address: entry.address,
        origin: entry.origin.map(without_nul),
        close_code,
        lasted_ms,
        times: 1,
    }
}

pub(crate) fn write(connection: &mut Connection, lines: &[Line]) -> QueryResult<()> {
    match connection {
        Connection::Sqlite(c) => write_sqlite(c, lines),
        Connection::Postgres(c) => write_postgres(c, lines),
    }
}

macro_rules! add {
    ($values:literal) => {
        concat!(
            "INSERT INTO audit_log (at, action, reason, dialect, organization_id, user_id, address, origin, \
             close_code, lasted_ms, times) ",
            $values
        )
    };
}

fn write_sqlite(connection: &mut SqliteConnection, lines: &[Line]) -> QueryResult<()> {
    statement!(Add, add!("VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
    for line in lines {
        let address = line.address.to_string();
        let binds: [Single<'_>; 11] = [
            &number(line.at),
            &text(line.action),
            &optional_text(line.reason),
            &text(line.dialect),
            &optional_key(line.organization_id),
            &optional_key(line.user_id),
            &text(&address),
            &optional_text(line.origin.as_deref()),
            &optional_number(line.close_code),
            &optional_number(line.lasted_ms),
            &number(line.times),
        ];
        Fixed::<Sqlite, Add, _>::new(&binds).execute(connection)?;
    }
    Ok(())
}

fn write_postgres(connection: &mut PgConnection, lines: &[Line]) -> QueryResult<()> {
    statement!(
        Add,
        add!(
            "SELECT unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), \
             unnest(?), unnest(?)"
        )
    );
    if lines.is_empty() {
        return Ok(());
    }
    let addresses: Vec<String> = lines.iter().map(|line| line.address.to_string()).collect();
    let binds = [
        numbers(lines.iter().map(|line| line.at)),
        texts(lines.iter().map(|line| line.action)),
        optional_texts(lines.iter().map(|line| line.reason)),
        texts(lines.iter().map(|line| line.dialect)),
        optional_uuids(lines.iter().map(|line| line.organization_id)),
        optional_uuids(lines.iter().map(|line| line.user_id)),
        texts(addresses.iter().map(|address| &**address)),
        optional_texts(lines.iter().map(|line| line.origin.as_deref())),
        optional_numbers(lines.iter().map(|line| line.close_code)),
        optional_numbers(lines.iter().map(|line| line.lasted_ms)),
        numbers(lines.iter().map(|line| line.times)),
    ];
    Fixed::<Pg, Add, _>::new(&binds).execute(connection)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn refused(seconds: i64, address: u8, reason: &'static str) -> AuditEntry {
        AuditEntry {
            at: Timestamp::from_secs(seconds),
            action: AuditAction::Refused { reason },
            dialect: "-",
            organization: None,
            user: None,
            address: Ipv4Addr::new(192, 0, 2, address).into(),
            origin: None,
        }
    }

    #[test]
    fn refusals_are_counted_per_address_reason_and_minute() {
        let mut log = AuditLog::default();
        for entry in [refused(61, 1, "a"), refused(119, 1, "a"), refused(62, 2, "a"), refused(63, 1, "b")] {
            assert!(log.push(entry));
        }
        assert!(log.take(100, Timestamp::from_secs(119), false).is_empty(), "the minute is not over");
        log.push(refused(120, 1, "a"));
        let mut times: Vec<i64> = log.take(100, Timestamp::from_secs(121), false).iter().map(|it| it.times).collect();
        times.sort_unstable();
        assert_eq!(times, [1, 1, 2]);
        assert_eq!(log.take(100, Timestamp::from_secs(121), true).len(), 1);
    }

    #[test]
    fn strangers_from_many_addresses_fill_a_bounded_table() {
        let mut log = AuditLog::default();
        let kept = (0..5_000u32).filter(|n| {
            let address = Ipv4Addr::from_bits(0xC633_0000 + n).into();
            log.push(AuditEntry { address, ..refused(1, 0, "a") })
        });
        assert_eq!(kept.count(), REFUSALS);
    }
}
