//! In which words a stream tells of events: those of one JSON dialect, or of all of them.
//!
//! What one dialect says of an event is a block of its own. The blocks of a stored event end with its place in the order
//! of all changes: behind the last one, so that a client that was cut off between two hears both again.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::domain::{Event, Reject, RejectCode, Timestamp};
use crate::hub::handle::WireForm;
use crate::session::dialect::{Carrier, Dialect, Inbound, Misread, Registered};
use crate::session::offset::Offset;

/// Where streams are.
pub const PATH: &str = "/api/v1/events";

/// Most events fit in two vocabularies; a longer one costs another allocation.
const TYPICAL: usize = 1_000;

/// All vocabularies there are.
pub(super) struct Vocabularies {
    registered: &'static Registered,
    dialects: Vec<&'static dyn Dialect>,
}

#[derive(Clone)]
pub(super) struct Vocabulary {
    dialects: SmallVec<[&'static dyn Dialect; 2]>,
    pub(super) form: WireForm,
}

/// How many wire forms there are when there are streams.
pub fn wire_forms(registry: &'static [Registered]) -> usize {
    let registered = Vocabularies::of(registry).registered;
    usize::from(registered.form.0 + registered.dialect.forms())
}

impl Vocabularies {
    /// Those of the dialects whose messages are JSON texts. Called once per process.
    pub(super) fn of(registry: &'static [Registered]) -> Self {
        let json = registry.iter().filter(|it| it.dialect.carrier() == Carrier::WebSocket);
        let dialects: Vec<_> = json.map(|it| it.dialect).collect();
        let free = registry.iter().map(|it| it.form.0 + it.dialect.forms()).max().unwrap_or(0);
        let forms = u8::try_from(1 + dialects.len()).unwrap_or(u8::MAX);
        let dialect = Box::leak(Box::new(Streams { forms }));
        Self { registered: Box::leak(Box::new(Registered { dialect, form: WireForm(free) })), dialects }
    }

    /// All of them, as the hub knows them.
    pub(super) fn registered(&self) -> &'static Registered {
        self.registered
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.dialects.iter().map(|it| it.name())
    }

    /// The one of this dialect, or of all. `None`: there is none of this name.
    pub(super) fn named(&self, name: Option<&str>) -> Option<Vocabulary> {
        let first = self.registered.form.0;
        let Some(name) = name else {
            return Some(Vocabulary { dialects: self.dialects.iter().copied().collect(), form: WireForm(first) });
        };
        let index = self.dialects.iter().position(|it| it.name() == name)?;
        let dialects = [self.dialects[index]].into_iter().collect();
        Some(Vocabulary { dialects, form: WireForm(first + 1 + u8::try_from(index).ok()?) })
    }
}

impl Vocabulary {
    /// The blocks that tell `event`; empty where there is no word for it. `pos`: where a client that has heard all of them
    /// goes on.
    pub(super) fn blocks(&self, event: &Event, pos: Option<u64>, at: Timestamp) -> Bytes {
        let mut out = Vec::with_capacity(TYPICAL);
        let mut last = None;
        for dialect in &self.dialects {
            let start = out.len();
            out.extend_from_slice(b"data: ");
            if dialect.encode(event, None, at, &mut out) {
                out.extend_from_slice(b"\n\n");
                last = Some(start);
            } else {
                out.truncate(start);
            }
        }
        if let (Some(start), Some(pos)) = (last, pos) {
            let mut id = b"id: ".to_vec();
            Offset { pos, half: false }.write(&mut id);
            id.push(b'\n');
            out.splice(start..start, id);
        }
        out.into()
    }
}

/// Streams, where connections are counted by dialects.
struct Streams {
    forms: u8,
}

impl Dialect for Streams {
    fn name(&self) -> &'static str {
        "sse"
    }

    fn path(&self) -> &'static str {
        PATH
    }

    fn carrier(&self) -> Carrier {
        Carrier::Answer
    }

    fn forms(&self) -> u8 {
        self.forms
    }

    /// Nothing ever comes this way.
    fn decode(&self, _: &str) -> Result<Inbound, Misread> {
        let reject = Reject::new(RejectCode::UnknownType, "A stream only tells");
        Err(Misread { reject, tag: None })
    }

    /// What is told, a [`Vocabulary`] says.
    fn encode(&self, _: &Event, _: Option<&str>, _: Timestamp, _: &mut Vec<u8>) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RoomId;

    /// Says the names of some events.
    struct Says(&'static [&'static str], Carrier);

    impl Dialect for Says {
        fn name(&self) -> &'static str {
            self.0[0]
        }

        fn path(&self) -> &'static str {
            self.0[0]
        }

        fn carrier(&self) -> Carrier {
            self.1
        }

        fn forms(&self) -> u8 {
            2
        }

        fn decode(&self, _: &str) -> Result<Inbound, Misread> {
            unreachable!("nothing is decoded here")
        }

        fn encode(&self, event: &Event, _: Option<&str>, _: Timestamp, out: &mut Vec<u8>) -> bool {
            out.extend_from_slice(event.name().as_bytes());
            self.0.contains(&event.name())
        }
    }

    fn vocabularies() -> Vocabularies {
        let says = |names, carrier| -> &'static dyn Dialect { Box::leak(Box::new(Says(names, carrier))) };
        let dialects = [
            says(&["a", "left"], Carrier::WebSocket),
            says(&["engine", "left"], Carrier::EngineIo),
            says(&["b", "pong", "left"], Carrier::WebSocket),
        ];
        let registry = dialects.into_iter().zip([0, 2, 4]);
        Vocabularies::of(
            registry.map(|(dialect, form)| Registered { dialect, form: WireForm(form) }).collect::<Vec<_>>().leak(),
        )
    }

    fn told(name: Option<&str>, event: &Event, pos: Option<u64>) -> String {
        let blocks = vocabularies().named(name).unwrap().blocks(event, pos, Timestamp::default());
        String::from_utf8(blocks.to_vec()).unwrap()
    }

    #[test]
    fn each_word_is_a_block_and_the_last_is_named() {
        let left = Event::Left { room: RoomId(uuid::Uuid::nil()) };
        assert_eq!(told(None, &left, Some(37)), "data: left\n\nid: 11\ndata: left\n\n");
        assert_eq!(told(Some("a"), &left, Some(37)), "id: 11\ndata: left\n\n");
        assert_eq!(told(None, &Event::Pong, Some(35)), "id: z\ndata: pong\n\n");
        assert_eq!(told(Some("b"), &left, None), "data: left\n\n");
        assert_eq!(told(Some("a"), &Event::Pong, Some(1)), "");
        assert_eq!(told(None, &Event::Watching, Some(1)), "");
    }

    #[test]
    fn each_vocabulary_has_a_form_behind_those_of_the_dialects() {
        let all = vocabularies();
        assert_eq!(all.names().collect::<Vec<_>>(), ["a", "b"]);
        let form = |name| all.named(name).map(|it| it.form.0);
        assert_eq!(
            [form(None), form(Some("a")), form(Some("b")), form(Some("engine"))],
            [Some(6), Some(7), Some(8), None]
        );
        let registered = all.registered();
        assert_eq!((registered.form.0, registered.dialect.forms()), (6, 3));
    }
}
