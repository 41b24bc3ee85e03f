//! Values as people write them: rates (`50/1s`), durations (`25s`), sizes (`64KiB`), and plain words and numbers.
//!
//! A value is parsed from its text, wherever it came from. A failure says what was expected, never what was given:
//! that may be a secret, and whoever reports it knows the key.

use std::num::{NonZeroU16, NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use uuid::Uuid;

/// A type that settings can have.
pub(super) trait Value: Sized {
    /// Reads a value from trimmed text. `Err` continues the sentence "expected …".
    fn parse(text: &str) -> Result<Self, String>;
}

/// `events` per `period`, with up to `burst` at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    pub events: NonZeroU32,
    pub period: Duration,
    pub burst: NonZeroU32,
}

impl Value for Option<Rate> {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "0" {
            return Ok(None);
        }
        rate(text)
            .map(Some)
            .ok_or_else(|| "a rate such as `50/1s`, `300/min` or `50/1s burst 100`, or 0 for no limit".to_owned())
    }
}

fn rate(text: &str) -> Option<Rate> {
    let (rate, burst) = match text.split_once("burst") {
        Some((rate, burst)) => (rate, Some(burst.trim().parse().ok()?)),
        None => (text, None),
    };
    let (events, period) = rate.split_once('/')?;
    let (events, period) = (events.trim().parse().ok()?, period.trim());
    // `300/min` is `300/1min`.
    let has_number = period.starts_with(|c: char| c.is_ascii_digit());
    let period = if has_number { duration(period)? } else { unit(period)? };
    (period > Duration::ZERO).then(|| Rate { events, period, burst: burst.unwrap_or(events) })
}

impl Value for Option<Duration> {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "0" => Some(Duration::ZERO),
            text => duration(text),
        }
        .map(|it| Some(it).filter(|it| !it.is_zero()))
        .ok_or_else(|| "a duration such as `500ms`, `25s`, `15m` or `1h30m`, or 0 for no limit".to_owned())
    }
}

/// A span of time as people write it: `25s`, `15m`, `1h30m`.
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let tail = tail.trim_start();
        let word = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (name, tail) = tail.split_at(word);
        sum = sum.checked_add(unit(name)?.checked_mul(number.parse().ok()?)?)?;
        rest = tail.trim_start();
    }
    (!text.trim().is_empty()).then_some(sum)
}

fn unit(name: &str) -> Option<Duration> {
    Some(match name {
        "ms" => Duration::from_millis(1),
        "s" | "sec" | "second" | "seconds" => Duration::from_secs(1),
        "m" | "min" | "minute" | "minutes" => Duration::from_mins(1),
        "h" | "hour" | "hours" => Duration::from_hours(1),
        "d" | "day" | "days" => Duration::from_hours(24),
        _ => return None,
    })
}

/// A number of bytes. 0, which switches a limit off, reads as the most that memory could hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Size(pub usize);

impl Value for Size {
    fn parse(text: &str) -> Result<Self, String> {
        match size(text) {
            Some(0) => Ok(Self(isize::MAX.unsigned_abs())),
            Some(bytes) => Ok(Self(bytes)),
            None => Err("a size such as `64KiB`, `1MiB` or a number of bytes, or 0 for no limit".to_owned()),
        }
    }
}

fn size(text: &str) -> Option<usize> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim_start() {
        "" | "B" => 1,
        "KiB" | "K" => 1 << 10,
        "MiB" | "M" => 1 << 20,
        "GiB" | "G" => 1 << 30,
        "KB" | "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    number.parse::<usize>().ok()?.checked_mul(factor).filter(|&bytes| isize::try_from(bytes).is_ok())
}

/// What is on, off, or on together with `server.dev`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Switch {
    On,
    Off,
    WithDev,
}

impl Switch {
    pub(super) fn is_on(self, dev: bool) -> bool {
        self == Self::On || (self == Self::WithDev && dev)
    }
}

impl Value for Switch {
    fn parse(text: &str) -> Result<Self, String> {
        match bool::parse(text) {
            Ok(true) => Ok(Self::On),
            Ok(false) => Ok(Self::Off),
            Err(_) if text == "dev" => Ok(Self::WithDev),
            Err(expected) => Err(format!("{expected}, or `dev`")),
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    Text,
    Json,
}

impl Value for LogFormat {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("`text` or `json`".to_owned()),
        }
    }
}

/// The name of a role, as the hub spells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RoleName {
    Admin,
    Agent,
    Member,
    Bot,
}

impl RoleName {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Agent => "agent",
            Self::Member => "member",
            Self::Bot => "bot",
        }
    }
}

/// Who may make an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Registration {
    Open,
    Invite,
    Closed,
}

impl Value for Registration {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "open" => Ok(Self::Open),
            "invite" => Ok(Self::Invite),
            "closed" => Ok(Self::Closed),
            _ => Err("`open`, `invite` or `closed`".to_owned()),
        }
    }
}

/// What is logged, as `env_logger` reads it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogFilter(Box<str>);

impl LogFilter {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for LogFilter {
    fn parse(text: &str) -> Result<Self, String> {
        match env_filter::Builder::new().try_parse(text) {
            Ok(_) => Ok(Self(text.into())),
            Err(_) => {
                Err("a level such as `info`, or levels by module such as `info,tertulia::store=debug`".to_owned())
            }
        }
    }
}

impl Value for RoleName {
    fn parse(text: &str) -> Result<Self, String> {
        [Self::Admin, Self::Agent, Self::Member, Self::Bot]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| "a role: admin, agent, member or bot".to_owned())
    }
}

impl Value for bool {
    fn parse(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "on" | "yes" => Ok(true),
            "false" | "0" | "off" | "no" => Ok(false),
            _ => Err("true or false".to_owned()),
        }
    }
}

impl Value for String {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl Value for PathBuf {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("a path".to_owned()) } else { Ok(text.into()) }
    }
}

impl Value for Option<PathBuf> {
    fn parse(text: &str) -> Result<Self, String> {
        Ok((!text.is_empty()).then(|| text.into()))
    }
}

impl Value for Option<String> {
    fn parse(text: &str) -> Result<Self, String> {
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }
}

impl Value for Option<Uuid> {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "" => Ok(None),
            text => Uuid::parse_str(text)
                .map(Some)
                .map_err(|_| "a UUID such as `5f0c3c1e-8a53-4e5f-9a44-6f2b1d3e7a10`".to_owned()),
        }
    }
}

macro_rules! numbers {
    ($($type:ty, $off:literal, $expected:literal;)*) => {$(
        impl Value for Option<$type> {
            fn parse(text: &str) -> Result<Self, String> {
                let digits = text.replace('_', "");
                match digits.as_str() {
                    "0" if $off => Ok(None),
                    digits => digits.parse().map(Some).map_err(|_| $expected.to_owned()),
                }
            }
        }
    )*};
}

numbers! {
    NonZeroU32, true, "a whole number, or 0 for no limit";
    NonZeroUsize, true, "a whole number, or 0";
}

impl Value for NonZeroU16 {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "a whole number from 1 to 65535".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse<T: Value>(text: &str) -> Option<T> {
        T::parse(text).ok()
    }

    fn a_rate(events: u32, secs: u64, burst: u32) -> Rate {
        let number = |n| NonZeroU32::new(n).expect("a positive number");
        Rate { events: number(events), period: Duration::from_secs(secs), burst: number(burst) }
    }

    #[test]
    fn rates_are_read_as_people_write_them() {
        assert_eq!(parse("50/1s"), Some(Some(a_rate(50, 1, 50))));
        assert_eq!(parse("50/1s burst 100"), Some(Some(a_rate(50, 1, 100))));
        assert_eq!(parse("300/min"), Some(Some(a_rate(300, 60, 300))));
        assert_eq!(parse("10 / 5s"), Some(Some(a_rate(10, 5, 10))));
        assert_eq!(parse::<Option<Rate>>("0"), Some(None));
        for wrong in ["", "50", "50/", "/1s", "0/1s", "50/0s", "50/1x", "-5/1s", "50/1s burst", "50/1s burst 0", "fast"]
        {
            assert_eq!(parse::<Option<Rate>>(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn durations_need_a_unit() {
        let secs = |n| Some(Some(Duration::from_secs(n)));
        assert_eq!(parse("25s"), secs(25));
        assert_eq!(parse("15m"), secs(900));
        assert_eq!(parse("1h30m"), secs(5_400));
        assert_eq!(parse("1h 30m"), secs(5_400));
        assert_eq!(parse("500ms"), Some(Some(Duration::from_millis(500))));
        assert_eq!(parse::<Option<Duration>>("0"), Some(None));
        assert_eq!(parse::<Option<Duration>>("0s"), Some(None));
        for wrong in ["", "25", "s", "1.5s", "-1s", "1y", "99999999999999999999s", "184467440737095516d"] {
            assert_eq!(parse::<Option<Duration>>(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes_know_binary_and_decimal_units() {
        assert_eq!(parse("65536"), Some(Size(65_536)));
        assert_eq!(parse("64KiB"), Some(Size(65_536)));
        assert_eq!(parse("64 KiB"), Some(Size(65_536)));
        assert_eq!(parse("1MB"), Some(Size(1_000_000)));
        assert!(parse::<Size>("0") > parse::<Size>("100GiB"));
        for wrong in ["", "KiB", "-1", "1.5MiB", "64kib", "99999999999GiB"] {
            assert_eq!(parse::<Size>(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn switches_have_the_usual_spellings() {
        assert!(["true", "1", "on", "YES"].into_iter().all(|it| parse(it) == Some(true)));
        assert!(["false", "0", "off", "No"].into_iter().all(|it| parse(it) == Some(false)));
        assert_eq!(parse::<bool>("maybe"), None);
    }
}
