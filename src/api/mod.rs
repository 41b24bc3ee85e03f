//! What the hub answers over plain HTTP: how it is, what it has counted, and a helpful word on everything else.
//!
//! Handlers are thin, one file per resource. Errors are problem details (RFC 9457). Calls under `/api/` count against
//! the caller's rate limit.

mod accounts;
mod caller;
mod chat;
mod compression;
mod docs;
mod events;
mod health;
mod idempotency;
mod input;
mod limit;
mod metrics;
mod openapi;
mod origins;
mod problem;
pub mod request_id;
mod resource;
mod sockets;
mod stats;
mod validators;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::{Compress, DefaultHeaders, from_fn};
use actix_web::{App, Error, web};

pub use chat::Chat;
pub use health::Memory;
pub use limit::{Attempts, Limiter, counts, one_host};
pub use problem::{Problem, read_only};

use crate::auth::Authenticator;
use crate::auth::accounts::Accounts;
use crate::domain::Timestamp;
use crate::hub::handle::Snapshot;
use crate::metrics::Metrics;
use resource::{Place, at};

pub type Pending<T> = Pin<Box<dyn Future<Output = T>>>;

/// What the API asks of the running process.
pub trait Vitals: Send + Sync + 'static {
    /// Counts of the hub as of now. `None`: it has stopped.
    fn snapshot(&self) -> Pending<Option<Snapshot>>;

    /// Asks the database something. False: it does not answer.
    fn database(&self) -> Pending<bool>;

    /// The process is about to end and takes no one in.
    fn is_draining(&self) -> bool;
}

/// What the handlers of one process share.
pub struct Context {
    pub authenticator: Arc<Authenticator>,
    pub vitals: Arc<dyn Vitals>,
    pub metrics: Arc<Metrics>,
    pub limiter: Option<Limiter>,
    /// Counts attempts to log in or register.
    pub login_limiter: Option<Attempts>,
    pub accounts: Arc<Accounts>,
    /// Nobody but this machine reaches the hub, unless through a proxy.
    pub only_local: bool,
    /// Requests from loopback are not limited (`--dev`).
    pub trust_loopback: bool,
    /// Whether `/metrics` is answered beside the API, and not on an address of its own.
    pub serve_metrics: bool,
    /// Where dialects answer WebSocket upgrades.
    pub sockets: Vec<&'static str>,
    /// Where Engine.IO is served, which has words of its own for pages that may not ask. Without a slash at the end.
    pub engines: Vec<Box<str>>,
    /// The name of this process among others.
    pub node: Box<str>,
    pub started: Timestamp,
    pub health: health::Memory,
}

impl Context {
    fn is_engine(&self, path: &str) -> bool {
        self.engines.iter().any(|it| path.strip_prefix(&**it).is_some_and(|rest| matches!(rest, "" | "/")))
    }
}

/// The whole of what is served over plain HTTP. Without `chat` there are no rooms and no people; `pages` adds what is
/// not part of the API.
pub fn app(
    context: web::Data<Context>,
    chat: Option<web::Data<Chat>>,
    pages: impl FnOnce(&mut web::ServiceConfig),
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    App::new()
        .configure(|routes| configure(routes, &context, chat))
        .configure(pages)
        .app_data(context)
        .wrap(from_fn(compression::spare_small))
        .wrap(Compress::default())
        .wrap(from_fn(compression::forget_identity))
        .wrap(from_fn(origins::share))
        .wrap(from_fn(limit::enforce))
        .wrap(from_fn(request_id::echo))
        .wrap(security_headers())
}

/// What is served where `--metrics-listen` says.
pub fn metrics_app(
    context: web::Data<Context>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    App::new()
        .service(at("/metrics").get(metrics::metrics))
        .default_service(web::to(problem::not_found))
        .app_data(context)
        .wrap(security_headers())
}

fn configure(routes: &mut web::ServiceConfig, context: &Context, chat: Option<web::Data<Chat>>) {
    routes.app_data(web::Data::new(openapi::Description::of(context, chat.is_some())));
    for place in places(context, chat.is_some()) {
        routes.service(place);
    }
    for path in &context.sockets {
        routes.service(at(path).get(sockets::upgrade_required));
    }
    if let Some(chat) = chat {
        routes.app_data(chat);
    }
    routes.default_service(web::to(problem::not_found));
}

/// Everything that there is to call.
fn places(context: &Context, with_chat: bool) -> Vec<Place> {
    let mut places = vec![
        at("/health").get(health::all),
        at("/health/live").get(health::live),
        at("/health/ready").get(health::ready),
        at("/health/db").get(health::database),
        at("/health/redis").get(health::redis),
        at("/api/v1/ws/stats").get(stats::stats),
        at("/openapi.json").get(docs::description),
        at("/docs").get(docs::page),
        at("/docs/viewer.js").get(docs::viewer),
    ];
    places.extend(accounts::places());
    if with_chat {
        places.extend(chat::places());
        places.extend(events::places());
    }
    if context.serve_metrics {
        places.push(at("/metrics").get(metrics::metrics));
    }
    places
}

/// None of this is a page: nothing in it may be framed, guessed at or run.
fn security_headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("X-Content-Type-Options", "nosniff"))
        .add(("X-Frame-Options", "DENY"))
        .add(("Referrer-Policy", "no-referrer"))
        .add(("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"))
        .add(("Cache-Control", "no-store"))
}
