//! Passes on what an upstream sends to its client, so that a Close frame of the gateway's own fits in at any time.
//!
//! - A frame that came in one read goes on as it is. A small one of which a part is missing is held until it is whole.
//! - A large one goes on as far as it has come, as a fragment of its own: whatever the length that its header names,
//!   no more is kept than one read brings, and no frame is begun that could not be ended.

use std::ops::Range;

use super::header::{Header, MAX_UNMASKED, Violation, unmasked};
use super::{Farewell, Seen};
use crate::transport::ws::Opcode;
use crate::transport::ws::reader::close_code;

/// How long a frame may be that is held until it is whole, in bytes.
pub const HELD: usize = 16 * 1024;

/// The room before what was read, in which the header of a fragment finds its place.
pub const HEADROOM: usize = MAX_UNMASKED;

/// The reading of one upstream's stream.
#[derive(Default, Debug)]
pub struct Relay {
    /// How much of a large frame is still to come.
    left: u64,
    /// That frame.
    large: Option<Header>,
    /// A message of several frames is under way, as the upstream sends it.
    within: bool,
    farewell: Option<Farewell>,
}

/// What follows from a read.
#[derive(PartialEq, Eq, Debug)]
pub struct Passed {
    /// What is to go on, whole frames only.
    pub out: Range<usize>,
    /// The beginning of a frame, which is to stand before what is read next.
    pub held: Range<usize>,
    /// What came behind `out` breaks a rule; nothing is to be read any more.
    pub is_wrong: bool,
}

impl Relay {
    /// Works on a buffer in which the next piece of the stream stands behind [`HEADROOM`], the bytes that were held the
    /// last time at its beginning. Tells of each frame that ends in it.
    pub fn pass(&mut self, buffer: &mut [u8], mut tell: impl FnMut(Seen)) -> Passed {
        let mut passed = Passed { out: HEADROOM..HEADROOM, held: 0..0, is_wrong: false };
        if self.left > 0 {
            self.go_on(buffer, &mut passed.out, &mut tell);
        }
        while self.farewell.is_none() && self.left == 0 && passed.out.end < buffer.len() {
            let at = passed.out.end;
            match Header::parse(&buffer[at..], false, self.within) {
                Ok(Some(header)) => {
                    let here = buffer.len() - at - header.size;
                    match usize::try_from(header.len) {
                        Ok(len) if len <= here => {
                            let end = at + header.size + len;
                            if self.note_farewell(header, &buffer[at + header.size..end]).is_err() {
                                passed.is_wrong = true;
                                break;
                            }
                            passed.out.end = end;
                            self.end(header, &mut tell);
                        }
                        Ok(..=HELD) => {
                            passed.held = at..buffer.len();
                            break;
                        }
                        _ if here == 0 => {
                            passed.held = at..buffer.len();
                            break;
                        }
                        _ => passed.out.end = self.begin(header, buffer, at),
                    }
                }
                Ok(None) => {
                    passed.held = at..buffer.len();
                    break;
                }
                Err(Violation) => {
                    passed.is_wrong = true;
                    break;
                }
            }
        }
        passed
    }

    /// What the upstream took its leave with; what comes behind it does not count.
    pub fn farewell(&self) -> Option<Farewell> {
        self.farewell
    }

    /// Makes a fragment of the beginning of a large frame, which lies at `at`, and returns where it ends. Its header is
    /// no longer than the one that it replaces, as it names fewer bytes.
    fn begin(&mut self, header: Header, buffer: &mut [u8], at: usize) -> usize {
        let (from, len) = (at + header.size, buffer.len() - at - header.size);
        let (fragment, size) = unmasked(header.opcode, false, len);
        buffer[at..at + size].copy_from_slice(&fragment[..size]);
        buffer.copy_within(from.., at + size);
        self.left = header.len - len as u64;
        self.large = Some(header);
        at + size + len
    }

    /// Makes a fragment of what goes on with a large frame.
    fn go_on(&mut self, buffer: &mut [u8], out: &mut Range<usize>, tell: &mut impl FnMut(Seen)) {
        let here = buffer.len() - HEADROOM;
        let len = usize::try_from(self.left).map_or(here, |left| left.min(here));
        let Some(header) = self.large.filter(|_| len > 0) else { return };
        self.left -= len as u64;
        let is_end = self.left == 0;
        let (fragment, size) = unmasked(Opcode::Continuation, header.fin && is_end, len);
        buffer[HEADROOM - size..HEADROOM].copy_from_slice(&fragment[..size]);
        *out = HEADROOM - size..HEADROOM + len;
        if is_end {
            self.large = None;
            self.end(header, tell);
        }
    }

    fn end(&mut self, header: Header, tell: &mut impl FnMut(Seen)) {
        if !header.opcode.is_control() {
            self.within = !header.fin;
        }
        tell(Seen { opcode: header.opcode, fin: header.fin, len: header.len });
    }

    fn note_farewell(&mut self, header: Header, payload: &[u8]) -> Result<(), Violation> {
        if header.opcode == Opcode::Close {
            let code = close_code(payload).map_err(|_| Violation)?;
            self.farewell = Some(Farewell { code });
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
