//! The door for sockets: who comes in, to which upstream, and what is answered where that fails.
//!
//! Who may not come in is told so here, as a hub would tell it. The rest a hub decides: which paths there are, which keys
//! are good, whether a login has ended; its refusals are passed on as they are.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Url;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::web::Data;
use bytes::Bytes;
use tokio::time::timeout;

use super::dial::Stream;
use super::forward::Forward;
use super::gate::{CIRCLE, READ_ONLY, READ_ONLY_RETRY_SECS, is_circle};
use super::handshake::{Answer, Wish, ask};
use super::limits::Pass;
use super::metrics::Failure;
use super::pool::{Affinity, Lease};
use super::tunnel::Tunnel;
use super::upstream::Upstream;
use super::{Gateway, own};
use crate::auth::credentials::redact;
use crate::auth::{self, Knock};
use crate::clock;
use crate::domain::Identity;
use crate::transport::io::Io;
use crate::transport::listener::tune;
use crate::transport::upgrade::{HandOver, Refusal, UpgradeHandler, UpgradeRequest, Verdict};
use crate::transport::ws::handshake::offers;

/// How long a client should wait that is not let in for now, in seconds.
const RETRY_SECS: &str = "5";

/// How long an upstream may take to answer the request for a socket, unless it is to be less.
const ANSWER: Duration = Duration::from_secs(10);

/// How many upstreams are tried for one socket. To ask for one changes nothing, so another may be asked instead.
const ATTEMPTS: usize = 2;

/// Decides about requests for sockets.
pub fn handler(gateway: &Data<Gateway>) -> UpgradeHandler {
    let gateway = gateway.clone().into_inner();
    Arc::new(move |request| {
        let gateway = gateway.clone();
        Box::pin(async move {
            let knock = Knock { headers: request.headers(), query: request.query(), peer: request.peer().ip() };
            let forward = Forward::new(&gateway.authenticator, knock.headers, knock.peer, gateway.is_tls);
            let id = forward.request_id().to_owned();
            let verdict = match admit(&gateway, &request, &knock, forward) {
                Ok(visit) => connect(&gateway, &request, visit).await,
                Err(refusal) => Err(refusal),
            };
            verdict.unwrap_or_else(|refusal| Verdict::Refuse(refusal.header("x-request-id", id)))
        })
    })
}

/// A client that was let in.
struct Visit<'a> {
    forward: Forward,
    /// The Socket.IO session that it moves to a socket.
    session: Option<Cow<'a, str>>,
    pass: Pass,
    identity: Option<Arc<Identity>>,
}

fn admit<'a>(
    gateway: &Gateway,
    request: &'a UpgradeRequest,
    knock: &Knock<'_>,
    forward: Forward,
) -> Result<Visit<'a>, Refusal> {
    let address = forward.client();
    log::info!(request:% = forward.request_id(); "WebSocket proxy: New connection from {address}");
    let refused = |failure: Failure, reason: &str, refusal: Refusal| {
        log::info!("refused {address} on {}?{}: {reason}", request.path(), redact(request.query()));
        gateway.metrics.count(failure);
        refusal
    };
    // By the path as it is decoded, like a request's: what is checked must not depend on how it is spelt.
    let url = Url::new(request.uri().clone());
    let is_socketio = gateway.is_socketio(url.path());
    let session = gateway.session(url.path(), request.query());
    // Who is moving from polling to a socket is no newcomer.
    let goes_on = session.is_some();
    let unavailable = |code, message| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, code, message);
    if gateway.is_draining() {
        let refusal = unavailable("unavailable", "The server is restarting").header("retry-after", RETRY_SECS);
        return Err(refused(Failure::ReadOnly, "restarting", refusal));
    }
    if gateway.is_read_only() && !goes_on {
        let refusal = unavailable("read_only", READ_ONLY).header("retry-after", READ_ONLY_RETRY_SECS.to_string());
        return Err(refused(Failure::ReadOnly, "read_only", refusal));
    }
    if own::is_own(request.path()) {
        return Err(refused(Failure::Protocol, "not_found", Refusal::not_found()));
    }
    if is_circle(gateway, knock.headers) {
        let refusal = Refusal::new(StatusCode::LOOP_DETECTED, "loop_detected", CIRCLE);
        return Err(refused(Failure::Protocol, "loop_detected", refusal));
    }
    // Where nobody has to say who they are, only so many sessions are opened in a while.
    let limiter = gateway.limiter.as_ref().filter(|_| is_socketio && !goes_on && !gateway.is_exempt(address));
    if let Some(Err(wait)) = limiter.map(|limiter| limiter.take(address)) {
        let refusal =
            Refusal::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many sessions from your address");
        let refusal = refusal.header("retry-after", wait.as_secs().max(1).to_string());
        return Err(refused(Failure::RateLimited, "rate_limited", refusal));
    }
    let identity = if is_socketio {
        // They say later who they are; a hub asks them.
        gateway.authenticator.check_origin(knock).map(|()| None)
    } else {
        gateway.authenticator.admit_in_front(knock, clock::now())
    };
    let identity = identity.map_err(|refusal| {
        let failure = if refusal == auth::Refusal::Origin { Failure::Origin } else { Failure::Unauthorized };
        let answer = Refusal::unauthorized(refusal.status(), refusal.code().as_str(), refusal.message());
        refused(failure, refusal.reason(), answer)
    })?;
    let pass = gateway.gatehouse.admit(address, identity.as_deref()).map_err(|full| {
        let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too_many_connections", full.message());
        refused(Failure::TooManyConnections, "too_many_connections", refusal.header("retry-after", RETRY_SECS))
    })?;
    Ok(Visit { forward, session, pass, identity })
}

async fn connect(gateway: &Arc<Gateway>, request: &UpgradeRequest, visit: Visit<'_>) -> Result<Verdict, Refusal> {
    let Visit { forward, session, pass, identity } = visit;
    let address = forward.client();
    let affinity = Affinity::of(address, identity.as_deref(), session.as_deref());
    let (lease, answer) =
        reach(gateway, request, &forward, &affinity).await.map_err(|failure| unreachable(gateway, failure))?;
    let (stream, protocol, greeting) = match answer {
        Answer::Open { stream, protocol, rest } => (stream, protocol, rest),
        Answer::Refused { status, headers, body } => {
            gateway.metrics.count(Failure::UpstreamRefused);
            log::info!("{} refused {address} on {}: {status}", lease.upstream().url(), request.path());
            return Err(passed_on(status, &headers, body));
        }
    };
    if protocol.as_deref().is_some_and(|protocol| !offers(request.headers(), protocol)) {
        gateway.metrics.count(Failure::Protocol);
        log::warn!("{} chose a subprotocol that its client has not offered", lease.upstream().url());
        return Err(unreachable(gateway, Failure::Protocol));
    }
    log::info!("WebSocket proxy: Connected to backend successfully");
    let upstream = match stream {
        Stream::Plain(tcp) => Io::Plain(tcp),
        Stream::Tls(tls) => Io::TlsOut(tls),
    };
    let (tunnels, metrics) = (gateway.tunnels.clone(), gateway.metrics.clone());
    let to = Box::new(move |client, answer, early| {
        Tunnel { tunnels, metrics, pass, lease, client, early, answer, upstream, greeting }.start();
    });
    Ok(Verdict::HandOver(HandOver { protocol, to }))
}

/// Asks one upstream, and another one if that does not answer.
async fn reach(
    gateway: &Gateway,
    request: &UpgradeRequest,
    forward: &Forward,
    affinity: &Affinity<'_>,
) -> Result<(Lease, Answer), Failure> {
    let mut silent: Option<(Arc<Upstream>, Failure)> = None;
    for _ in 0..ATTEMPTS {
        let not = silent.as_ref().map(|(upstream, _)| upstream);
        let Some(lease) = gateway.pool.lease(affinity, not) else { break };
        log::info!("WebSocket proxy: Connecting to backend {}", url(lease.upstream(), request));
        match ask_one(gateway, &lease, request, forward).await {
            Ok(answer) => return Ok((lease, answer)),
            Err(failure) => {
                gateway.metrics.count(failure);
                silent = Some((lease.upstream().clone(), failure));
            }
        }
    }
    Err(silent.map_or_else(
        || {
            gateway.metrics.count(Failure::NoUpstream);
            log::warn!("no upstream can be used for {}", forward.client());
            Failure::NoUpstream
        },
        |(_, failure)| failure,
    ))
}

async fn ask_one(
    gateway: &Gateway,
    lease: &Lease,
    request: &UpgradeRequest,
    forward: &Forward,
) -> Result<Answer, Failure> {
    let stream = lease.connect().await.map_err(|_| Failure::Connect)?;
    let wish = Wish {
        uri: request.uri(),
        headers: request.headers(),
        host: lease.upstream().authority().clone(),
        via: gateway.via.clone(),
    };
    let asked = async {
        tune(stream.tcp())?;
        ask(stream, wish, forward.headers()).await
    };
    let patience = lease.answer_timeout().map_or(ANSWER, |it| it.min(ANSWER));
    let (failure, why) = tokio::select! {
        answer = timeout(patience, asked) => match answer {
            Ok(Ok(answer)) => {
                match &answer {
                    Answer::Refused { status, .. } if status.is_server_error() => lease.failed(),
                    _ => lease.succeeded(),
                }
                return Ok(answer);
            }
            Ok(Err(error)) => (Failure::UpstreamLost, error.to_string()),
            Err(_) => (Failure::UpstreamTimeout, format!("no answer within {} s", patience.as_secs())),
        },
        () = lease.lost() => (Failure::UpstreamLost, "it does not answer any more".to_owned()),
    };
    log::warn!("{} opens no socket: {why}", lease.upstream().url());
    lease.failed();
    Err(failure)
}

/// As it may be logged: without tokens.
fn url(upstream: &Upstream, request: &UpgradeRequest) -> String {
    let target = upstream.target();
    let scheme = if target.is_tls { "wss" } else { "ws" };
    let mark = if request.query().is_empty() { "" } else { "?" };
    format!("{scheme}://{}:{}{}{mark}{}", target.host, target.port, request.path(), redact(request.query()))
}

/// The answer to a client whose socket no upstream has opened.
fn unreachable(gateway: &Gateway, failure: Failure) -> Refusal {
    let (status, code, message) = match failure {
        Failure::NoUpstream => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", gateway.pool.excuse()),
        Failure::UpstreamTimeout => (StatusCode::GATEWAY_TIMEOUT, "gateway_timeout", "The hub took too long to answer"),
        Failure::UpstreamLost => (StatusCode::BAD_GATEWAY, "bad_gateway", "The hub stopped answering"),
        Failure::Protocol => (StatusCode::BAD_GATEWAY, "bad_gateway", "The hub answered something wrong"),
        _ => (StatusCode::BAD_GATEWAY, "bad_gateway", "The hub could not be reached"),
    };
    Refusal::new(status, code, message).header("retry-after", RETRY_SECS)
}

/// What an upstream answered that opens no socket.
fn passed_on(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Refusal {
    let text = |name: &HeaderName| headers.get(name).and_then(|it| it.to_str().ok()).map(str::to_owned);
    let names = [("retry-after", header::RETRY_AFTER), ("www-authenticate", header::WWW_AUTHENTICATE)];
    let refusal = Refusal::new(status, "refused", "The hub opens no socket here");
    let refusal = names.into_iter().fold(refusal, |refusal, (name, header)| match text(&header) {
        Some(value) => refusal.header(name, value),
        None => refusal,
    });
    match text(&header::CONTENT_TYPE) {
        Some(content_type) => refusal.content(content_type, body),
        None => refusal.content("application/octet-stream".to_owned(), body),
    }
}
