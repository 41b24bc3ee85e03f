//! The mark in everything that is published: which room's publisher said it, and as its how-many-th.
//!
//! It looks like a UUID, so that it can stand in a text as well as in a field that takes ids.

use memchr::memmem;

/// Between the room (eight hexadecimal digits) and the number (twelve).
const MIDDLE: &[u8; 16] = b"-be9c-4a7c-8b3d-";
const BEFORE: usize = 8;
pub const LENGTH: usize = 36;

pub fn mark(room: u32, nth: u64) -> [u8; LENGTH] {
    let mut mark = [0; LENGTH];
    hexadecimal(&mut mark[..BEFORE], u64::from(room));
    mark[BEFORE..BEFORE + MIDDLE.len()].copy_from_slice(MIDDLE);
    hexadecimal(&mut mark[BEFORE + MIDDLE.len()..], nth);
    mark
}

fn hexadecimal(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number % 16) as usize];
        number /= 16;
    }
}

/// Finds marks; it is made once, because making it costs more than finding.
pub struct Finder(memmem::Finder<'static>);

impl Finder {
    pub fn new() -> Self {
        Self(memmem::Finder::new(MIDDLE))
    }

    /// Every mark in `bytes`: where it stands, the room and the number.
    pub fn all(&self, bytes: &[u8]) -> impl Iterator<Item = (usize, u32, u64)> {
        self.0.find_iter(bytes).filter_map(|middle| {
            let at = middle.checked_sub(BEFORE)?;
            let room = parse(bytes.get(at..middle)?)?;
            let nth = parse(bytes.get(middle + MIDDLE.len()..at + LENGTH)?)?;
            Some((at, u32::try_from(room).ok()?, nth))
        })
    }
}

fn parse(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_wherever_they_stand() {
        let mut bytes = b"{\"text\":\"".to_vec();
        bytes.extend_from_slice(&mark(250, 77));
        bytes.extend_from_slice(b"\"}\n");
        bytes.extend_from_slice(&mark(u32::MAX, 0xffff_ffff_ffff));
        let found: Vec<_> = Finder::new().all(&bytes).collect();
        assert_eq!(found, [(9, 250, 77), (48, u32::MAX, 0xffff_ffff_ffff)]);
    }

    #[test]
    fn a_mark_is_a_uuid() {
        let mark = mark(1, 2);
        let text = std::str::from_utf8(&mark).unwrap();
        assert_eq!(uuid::Uuid::parse_str(text).unwrap().to_string(), text);
    }

    #[test]
    fn what_only_looks_like_a_mark_is_none() {
        let mut cut = mark(1, 2)[1..].to_vec();
        assert_eq!(Finder::new().all(&cut).count(), 0, "cut at its beginning");
        cut = mark(1, 2)[..35].to_vec();
        assert_eq!(Finder::new().all(&cut).count(), 0, "cut at its end");
        assert_eq!(Finder::new().all(b"0000000x-be9c-4a7c-8b3d-000000000000").count(), 0);
    }
}
