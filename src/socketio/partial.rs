//! A packet whose attachments are still to come.

use bytes::Bytes;

use super::client::ClientSettings;
use super::packet::Payload;
use super::socket::Packet;
use crate::clock;
use crate::domain::Timestamp;

pub(super) struct Partial {
    /// Its number among the settings' namespaces.
    pub(super) namespace: u16,
    /// Else it is an ACK.
    pub(super) is_event: bool,
    args: Box<str>,
    id: Option<u64>,
    /// How many it announced.
    due: usize,
    attachments: Vec<Bytes>,
    bytes: usize,
    /// When the next has to be there.
    pub(super) due_by: Timestamp,
}

/// Its attachments are more than they may be together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TooBig;

impl Partial {
    pub(super) fn new(namespace: u16, is_event: bool, payload: Payload<'_>, settings: &ClientSettings) -> Self {
        Self {
            namespace,
            is_event,
            args: payload.args.into(),
            id: payload.id,
            due: payload.attachments,
            attachments: Vec::new(),
            bytes: 0,
            due_by: clock::now() + settings.attachment_timeout,
        }
    }

    /// Takes the next attachment. True: it was the last.
    pub(super) fn add(&mut self, data: &[u8], settings: &ClientSettings) -> Result<bool, TooBig> {
        self.bytes = self.bytes.saturating_add(data.len());
        if self.bytes > settings.max_payload {
            return Err(TooBig);
        }
        self.attachments.push(Bytes::copy_from_slice(data));
        self.due_by = clock::now() + settings.attachment_timeout;
        Ok(self.attachments.len() >= self.due)
    }

    pub(super) fn packet(&self) -> Packet<'_> {
        Packet { args: &self.args, ack: self.id, attachments: &self.attachments }
    }
}
