//! The gateway as these tests start it.

pub use crate::hub::SECRET;
pub use crate::hub::gateway::Gateway;

/// A gateway in front of these upstreams. Its sockets at `/echo` need no token: it takes that for Socket.IO's path.
pub fn before(upstreams: &[String], settings: &[&str]) -> Gateway {
    let upstreams = upstreams.iter().flat_map(|upstream| ["--upstream", upstream]);
    let settings = ["socketio.path=/echo"].iter().chain(settings).flat_map(|setting| ["--set", setting]);
    Gateway::with_arguments(upstreams.chain(settings))
}
