//! A room and its one publisher: what was said there, when, and who has not heard it yet.

use memchr::memmem;

use super::frames;
use super::mark;
use super::wire::Wire;

/// The largest window of a closed loop.
pub const MOST_WINDOW: usize = 8;
/// So many times of publishes are kept; what is older is not looked up any more.
const TIMES: usize = 1024;

pub struct Room {
    pub name: String,
    pub publisher: usize,
    pub members: u32,
    /// The number of the next publish.
    pub next: u64,
    /// By number, modulo the window: how many have not heard of that publish.
    outstanding: [u32; MOST_WINDOW],
    sent: Vec<u64>,
    /// What the publisher sends, ready but for the mark.
    frame: Vec<u8>,
    payload: usize,
    mark: usize,
}

impl Room {
    pub fn new(name: String, publisher: usize, wire: Wire) -> Self {
        let blank = mark::mark(0, 0);
        let said = wire.publish(&name, &String::from_utf8_lossy(&blank));
        let frame = frames::from_client(frames::TEXT, said.as_bytes());
        Self {
            publisher,
            members: 0,
            next: 0,
            outstanding: [0; MOST_WINDOW],
            sent: Vec::new(),
            payload: frame.len() - said.len(),
            mark: memmem::find(said.as_bytes(), &blank).unwrap_or(0),
            name,
            frame,
        }
    }

    /// Whether fewer than `window` publishes are short of full delivery.
    pub fn may_publish(&self, window: usize) -> bool {
        self.outstanding[self.next as usize % window] == 0
    }

    /// The frame of the next publish, which `listeners` will hear; it counts from the moment `now`.
    pub fn publish(&mut self, room: u32, window: usize, listeners: u32, now: u64) -> &[u8] {
        frames::patch(&mut self.frame, self.payload, self.mark, &mark::mark(room, self.next));
        self.outstanding[self.next as usize % window] = listeners;
        if self.sent.is_empty() {
            self.sent = vec![0; TIMES];
        }
        self.sent[self.next as usize % TIMES] = now;
        self.next += 1;
        &self.frame
    }

    /// Someone has heard the `nth` publish. Whether they were the last.
    pub fn heard(&mut self, nth: u64, window: usize) -> bool {
        let outstanding = &mut self.outstanding[nth as usize % window];
        *outstanding = outstanding.saturating_sub(1);
        *outstanding == 0
    }

    /// Nothing is on its way any more: whatever has not arrived is lost.
    pub fn forget(&mut self) {
        self.outstanding = [0; MOST_WINDOW];
    }

    /// When the `nth` publish was sent, or should have been.
    pub fn sent(&self, nth: u64) -> Option<u64> {
        self.sent.get(nth as usize % TIMES).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_opens_when_everyone_has_heard() {
        let mut room = Room::new("r".to_owned(), 0, Wire::Raw);
        assert!(room.may_publish(2));
        room.publish(7, 2, 2, 100);
        room.publish(7, 2, 2, 200);
        assert!(!room.may_publish(2), "two are on their way");
        assert!(!room.heard(0, 2));
        assert!(!room.may_publish(2));
        assert!(room.heard(0, 2));
        assert!(room.may_publish(2));
        assert_eq!((room.sent(0), room.sent(1)), (Some(100), Some(200)));
    }

    #[test]
    fn every_publish_carries_its_mark() {
        for wire in Wire::ALL {
            let mut room = Room::new("r".to_owned(), 0, wire);
            room.publish(7, 1, 1, 0);
            let bytes = room.publish(7, 1, 1, 0).to_vec();
            let frame = frames::first(&bytes).unwrap().unwrap();
            let mut payload = bytes[frame.payload].to_vec();
            for (nth, byte) in payload.iter_mut().enumerate() {
                *byte ^= frames::MASK[nth % 4];
            }
            let marks: Vec<_> = mark::Finder::new().all(&payload).map(|(_, room, nth)| (room, nth)).collect();
            assert_eq!(marks, [(7, 1)], "{}", String::from_utf8_lossy(&payload));
        }
    }
}
