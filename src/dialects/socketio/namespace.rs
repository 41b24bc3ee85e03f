//! Frames of the namespace `/` in the words of another.

use bytes::Bytes;

use crate::transport::ws::Opcode;
use crate::transport::ws::writer::{frame_with, frames as each};

/// The type of the Engine.IO packet, and that of the Socket.IO packet in it.
const TYPES: usize = 2;

/// `frames` as they are told in `namespace`.
pub(super) fn translate(frames: &[u8], namespace: &str) -> Bytes {
    let mut all = Vec::with_capacity(frames.len() + namespace.len() + 1);
    for (_, payload) in each(frames) {
        let (types, rest) = payload.split_at(TYPES.min(payload.len()));
        let frame = frame_with(Opcode::Text, payload.len() + namespace.len() + 1, |out| {
            out.extend_from_slice(types);
            out.extend_from_slice(namespace.as_bytes());
            out.push(b',');
            out.extend_from_slice(rest);
            true
        });
        all.extend_from_slice(&frame.unwrap_or_default());
    }
    Bytes::from(all)
}
