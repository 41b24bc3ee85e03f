//! What a client costs. What it does is tested over a socket, in `tests/socketio_protocol`.

use super::*;

#[test]
fn an_idle_client_takes_little_memory() {
    assert!(size_of::<Client>() <= 144, "{}", size_of::<Client>());
    assert!(size_of::<Seat>() <= 40, "{}", size_of::<Seat>());
}
