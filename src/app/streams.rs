//! The door for streams of events: how many may come in, and what they may ask for.

use std::num::NonZeroUsize;
use std::sync::Arc;

use actix_web::web::Data;

use super::admission::Admission;
use crate::config::Config;
use crate::session::Sessions;
use crate::session::dialect::Registered;
use crate::session::member::Club;
use crate::sse::{Desk, Rules};

pub(super) fn desk(
    config: &Config,
    registry: &'static [Registered],
    club: &Arc<Club>,
    sessions: &Sessions,
    admission: &Arc<Admission>,
) -> Data<Arc<Desk>> {
    let rules = Rules {
        max_rooms: config.limits.max_rooms_per_connection.map_or(0, NonZeroUsize::get),
        auto_create: config.auto_creates_rooms(),
    };
    let admission = admission.clone();
    let admit = Box::new(move |address, origin| admission.let_in(address, origin));
    Data::new(Desk::new(club.clone(), registry, sessions, admit, rules))
}

#[cfg(test)]
mod tests {
    use crate::dialects::{Options, registry};
    use crate::hub::handle::WIRE_FORMS;
    use crate::sse::wire_forms;

    #[test]
    fn there_are_wire_forms_for_all_vocabularies() {
        let options = Options { max_text_bytes: 1, message_ids: crate::clock::message_id, socketio_path: "/" };
        assert!(wire_forms(registry(&options)) <= WIRE_FORMS);
    }
}
