//! The wire formats that clients may speak, and the one list of them.
//!
//! Routes, metrics and tests iterate the list. A dialect is a folder here and a line in [`registry`]; it knows no other.

mod message;
pub mod messages;
mod object;
mod payload;
pub mod socketio;
pub mod status;

use crate::domain::MessageId;
use crate::hub::handle::WireForm;
use crate::session::dialect::{Dialect, Registered};

/// What dialects need to be told.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The longest text of a message, in bytes of UTF-8.
    pub max_text_bytes: usize,
    /// Makes ids for messages that clients hand in.
    pub message_ids: fn() -> MessageId,
    /// Where Socket.IO clients connect to.
    pub socketio_path: &'static str,
}

/// Every dialect with its place. Called once per process: the dialects live as long as it does.
pub fn registry(options: &Options) -> &'static [Registered] {
    let dialects: Vec<Box<dyn Dialect>> = vec![
        Box::new(messages::Messages::new(options)),
        Box::new(socketio::SocketIo::new(options)),
        Box::new(status::Status),
    ];
    let mut forms = 0;
    let dialects = dialects.into_iter().map(|dialect| {
        let dialect: &'static dyn Dialect = Box::leak(dialect);
        let form = WireForm(forms);
        forms += dialect.forms();
        Registered { dialect, form }
    });
    dialects.collect::<Vec<_>>().leak()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::hub::handle::WIRE_FORMS;

    #[test]
    fn every_dialect_has_a_place_a_name_and_a_path_of_its_own() {
        let registry = registry(&Options {
            max_text_bytes: 10_240,
            message_ids: crate::clock::message_id,
            socketio_path: "/socket.io/",
        });
        assert!(registry.iter().all(|it| usize::from(it.form.0 + it.dialect.forms()) <= WIRE_FORMS));
        let names: HashSet<_> = registry.iter().map(|it| (it.dialect.name(), it.form.0)).collect();
        let paths: HashSet<_> = registry.iter().map(|it| it.dialect.path()).collect();
        assert_eq!((names.len(), paths.len()), (registry.len(), registry.len()));
    }
}
