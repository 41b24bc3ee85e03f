//! Follows what a client sends to its upstream, without changing a byte of it.
//!
//! The frames go on as they came, however they were cut: what breaks a rule is the upstream's to refuse, with the code
//! that it has for it and as early as without a gateway. What is learned on the way is how many messages there were,
//! whether the stream stands between two frames, and whether the client has said goodbye.

use super::header::{Header, MAX};
use super::{Farewell, Seen};
use crate::transport::ws::Opcode;

/// The reading of one client's stream.
#[derive(Default, Debug)]
pub struct Watch {
    state: State,
    /// A message of several frames is under way.
    within: bool,
    head: [u8; MAX],
    head_len: u8,
    /// The first bytes of a Close frame's payload, where its code stands.
    code: [u8; 2],
}

#[derive(Clone, Copy, Default, Debug)]
enum State {
    #[default]
    Header,
    Payload(Header, u64),
    /// A rule was broken, and where frames begin and end is not known any more.
    Lost,
    Over(Farewell),
}

impl Watch {
    /// Looks at the next piece of the stream, and tells of each frame that ends in it. Returns how much of the piece
    /// is to go on: all of it, but nothing behind a Close frame.
    pub fn look(&mut self, piece: &[u8], mut tell: impl FnMut(Seen)) -> usize {
        let mut rest = piece;
        loop {
            rest = match self.state {
                State::Over(_) => return piece.len() - rest.len(),
                State::Lost => return piece.len(),
                _ if rest.is_empty() => return piece.len(),
                State::Header => self.begin(rest, &mut tell),
                State::Payload(header, left) => self.go_on(header, left, rest, &mut tell),
            };
        }
    }

    /// Whether a frame could be added here.
    pub fn is_between_frames(&self) -> bool {
        matches!(self.state, State::Header) && self.head_len == 0
    }

    /// What the client took its leave with.
    pub fn farewell(&self) -> Option<Farewell> {
        match self.state {
            State::Over(farewell) => Some(farewell),
            _ => None,
        }
    }

    /// The client broke a rule.
    pub fn is_lost(&self) -> bool {
        matches!(self.state, State::Lost)
    }

    fn begin<'a>(&mut self, bytes: &'a [u8], tell: &mut impl FnMut(Seen)) -> &'a [u8] {
        let before = usize::from(self.head_len);
        let parsed = if before == 0 {
            Header::parse(bytes, true, self.within)
        } else {
            self.keep(bytes);
            Header::parse(&self.head[..usize::from(self.head_len)], true, self.within)
        };
        match parsed {
            Err(_) => {
                self.state = State::Lost;
                bytes
            }
            Ok(None) => {
                if before == 0 {
                    self.keep(bytes);
                }
                &[]
            }
            Ok(Some(header)) => {
                self.head_len = 0;
                self.state = State::Payload(header, header.len);
                if header.len == 0 {
                    self.end(header, tell);
                }
                &bytes[header.size - before..]
            }
        }
    }

    fn go_on<'a>(&mut self, header: Header, left: u64, bytes: &'a [u8], tell: &mut impl FnMut(Seen)) -> &'a [u8] {
        let here = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let (payload, rest) = bytes.split_at(here);
        if header.opcode == Opcode::Close {
            let mask = header.mask.unwrap_or_default();
            let came = usize::try_from(header.len - left).unwrap_or(usize::MAX);
            for ((slot, mask), byte) in self.code.iter_mut().zip(mask).skip(came).zip(payload) {
                *slot = byte ^ mask;
            }
        }
        let left = left - here as u64;
        self.state = State::Payload(header, left);
        if left == 0 {
            self.end(header, tell);
        }
        rest
    }

    fn end(&mut self, header: Header, tell: &mut impl FnMut(Seen)) {
        if !header.opcode.is_control() {
            self.within = !header.fin;
        }
        self.state = match header.opcode {
            Opcode::Close => State::Over(Farewell { code: (header.len >= 2).then(|| u16::from_be_bytes(self.code)) }),
            _ => State::Header,
        };
        tell(Seen { opcode: header.opcode, fin: header.fin, len: header.len });
    }

    /// Keeps the beginning of a header, as much as one can have.
    fn keep(&mut self, bytes: &[u8]) {
        for (slot, &byte) in self.head[usize::from(self.head_len)..].iter_mut().zip(bytes) {
            *slot = byte;
            self.head_len += 1;
        }
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
