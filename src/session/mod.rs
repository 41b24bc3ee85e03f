//! One actor per connection: it owns the socket, keeps it alive, bounds what it may hold, and ends it for a reason.

pub mod dialect;
