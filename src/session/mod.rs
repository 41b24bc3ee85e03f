//! One actor per connection: it owns the socket, keeps it alive, bounds what it may hold, and ends it for a reason.
//!
//! - What a connection says goes to its [`Peer`]; what it is told goes through its [`Outbox`], which the fan-out of
//!   its worker thread writes to directly.
//! - Everything a connection may hold is bounded by [`SessionLimits`]; an idle one holds no buffer at all.
//! - A session may be without a socket: then it is [`Polled`], and may move to a socket later, or it [only
//!   tells](start_streamed).
//! - Every connection ends exactly once, with an [`Ending`].

mod actor;
mod context;
pub mod dialect;
pub mod member;
pub mod merge;
mod offences;
pub mod offset;
mod outbox;
mod payload;
mod peer;
mod queue;
pub mod replay;
mod settings;
mod voice;
mod wheel;

pub use actor::polled::{GivenUp, Polled, start_polled};
pub use actor::streamed::start_streamed;
pub use actor::{Opening, start};
pub use context::SessionContext;
pub use outbox::{Outbox, Phrases, PollAnswer, PollName, Portion, Unserved};
pub use peer::{Drainer, Ending, Link, Peer, Speaker};
pub use settings::{SessionLimits, Sessions};
pub use voice::Voice;
