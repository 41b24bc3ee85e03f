//! Which program asks, as far as its requests say.

use actix_http::header::{HeaderMap, USER_AGENT};

/// How the programs call themselves that run `socket.io-client` for JavaScript: browsers, Node.js, Deno and Bun.
const RUNTIMES: [&str; 4] = ["Mozilla/", "node", "Deno/", "Bun/"];

/// Whether a client is one for JavaScript. `None`: it does not say what it is.
pub fn is_javascript(headers: &HeaderMap) -> Option<bool> {
    let agent = headers.get(USER_AGENT)?;
    Some(agent.to_str().is_ok_and(|agent| RUNTIMES.iter().any(|name| agent.starts_with(name))))
}
