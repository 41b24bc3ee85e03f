//! What the tests stand on: servers in this process and clients that say exactly the bytes they are told to.

pub mod client;
pub mod echo;
mod patience;
pub mod store;
pub mod words;

pub use patience::eventually;
