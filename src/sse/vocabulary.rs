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

impl Vocabularies {
    /// Those of the dialects whose messages are JSON texts. Called once per process.
    pub(super) fn of(registry: &'static [Registered]) -> Self {
        let json = registry.iter().filter(|it| it.dialect.carrier() == Carrier::WebSocket);
        let dialects: Vec<_> = json.map(|it| it.dialect).collect();
        let free = registry.iter().map(|it| it.form.0 + it.dialect.forms()).max().unwrap_or(0);
        let forms = u8::try_from(dialects.len()).unwrap_or(u8::MAX).saturating_add(1);
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
