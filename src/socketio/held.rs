//! Messages that came before they could be taken in, in order.

use std::collections::VecDeque;

/// A message of a client, without Engine.IO's type.
#[derive(Clone, Copy)]
pub(super) enum Message<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

/// One that is kept.
pub(super) enum Kept {
    Text(Box<str>),
    Binary(Box<[u8]>),
}

impl Kept {
    pub(super) fn as_message(&self) -> Message<'_> {
        match self {
            Self::Text(text) => Message::Text(text),
            Self::Binary(data) => Message::Binary(data),
        }
    }
}

#[derive(Default)]
pub(super) struct Held {
    messages: VecDeque<Kept>,
    bytes: usize,
}

/// What keeping a message costs beside its text.
const OVERHEAD: usize = 64;

impl Held {
    pub(super) fn push(&mut self, message: Message<'_>) {
        let (kept, len) = match message {
            Message::Text(text) => (Kept::Text(text.into()), text.len()),
            Message::Binary(data) => (Kept::Binary(data.into()), data.len()),
        };
        self.messages.push_back(kept);
        self.bytes += len + OVERHEAD;
    }

    pub(super) fn pop(&mut self) -> Option<Kept> {
        let kept = self.messages.pop_front()?;
        let len = match &kept {
            Kept::Text(text) => text.len(),
            Kept::Binary(data) => data.len(),
        };
        self.bytes -= len + OVERHEAD;
        Some(kept)
    }

    /// How much memory they take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}
