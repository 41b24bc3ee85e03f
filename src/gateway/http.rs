//! Requests that are passed on to an upstream, and its answers on the way back.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use actix_http::RequestHead;
use actix_web::body::{BodyStream, BoxBody, MessageBody as _, SizedStream};
use actix_web::dev::Payload;
use actix_web::http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue,
    TRANSFER_ENCODING, UPGRADE, VIA,
};
use actix_web::http::uri::Authority;
use actix_web::http::{Method, StatusCode, Uri, Version};
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;

use super::answer::AnswerBody;
use super::exchange::{Answer, Exchange, Length, Trouble};
use super::forward::Forward;
use super::metrics::Failure;
use super::pool::{Affinity, Lease};
use super::upstream::Upstream;
use super::{Gateway, gate, idle};
use crate::api::Problem;
use crate::api::request_id::X_REQUEST_ID;
use crate::transport::caller::Caller;

/// After a client has ended its side, an answer that is on its way is still sent for so long.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// When to ask again if no upstream can be used, in seconds.
const RETRY_SECS: u64 = 2;

/// What a connection says of itself, and not of what is sent on it (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

pub(super) async fn pass_on(request: HttpRequest, payload: web::Payload, gateway: Data<Gateway>) -> HttpResponse {
    let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    let forward = Forward::new(&gateway.authenticator, request.headers(), peer, gateway.is_tls)
        .with_authority(request.uri().authority().map(Authority::as_str));
    let quota = gate::count(&gateway, &request, &forward);
    let admitted = match &quota {
        Some(quota) if quota.is_used_up() => Err(quota.problem()),
        _ => gate::admit(&gateway, &request, peer, forward.client()),
    };
    let relayed = match admitted {
        Ok(identity) => {
            let sid = gate::session(&gateway, &request);
            let affinity = Affinity::of(forward.client(), identity.as_deref(), sid.as_deref());
            relay(&gateway, &request, payload.into_inner(), &forward, &affinity).await
        }
        Err(problem) => Err(problem),
    };
    let mut response = relayed.unwrap_or_else(|problem| gate::refusal(&gateway, &request, peer, &problem));
    if let Some(quota) = quota {
        quota.tell(response.headers_mut());
    }
    if let Ok(id) = HeaderValue::from_str(forward.request_id()) {
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
    gateway.metrics.answered(response.status().as_u16());
    response
}

/// How many upstreams are tried for one request.
const ATTEMPTS: usize = 2;

/// Tries an upstream, and another one if the first cannot be reached, or hangs before it has said anything to a request
/// that may be repeated.
async fn relay(
    gateway: &Data<Gateway>,
    request: &HttpRequest,
    payload: Payload,
    forward: &Forward,
    affinity: &Affinity<'_>,
) -> Result<HttpResponse, Problem> {
    let caller = request.conn_data::<Caller>().cloned().unwrap_or_default();
    // From here on it is the client who waits.
    let kept = caller.keep();
    let length = length(request)?;
    // Only its own hub knows what a session is to hear.
    let may_go_elsewhere = request.method().is_safe() && length == Length::None && affinity.sid.is_none();
    let mut payload = Some(payload);
    let mut failed: Option<Arc<Upstream>> = None;
    let (mut is_fresh, mut attempts) = (false, 0);
    let mut unheard = None;
    while attempts < ATTEMPTS {
        let Some(lease) = gateway.pool.lease(affinity, failed.as_ref()) else { break };
        let kept_stream = if is_fresh { None } else { idle::take(lease.upstream()).await };
        let is_reused = kept_stream.is_some();
        let stream = match kept_stream {
            Some(stream) => Ok(stream),
            None => lease.connect().await,
        };
        let Ok(stream) = stream else {
            gateway.metrics.count(Failure::Connect);
            failed = Some(lease.upstream().clone());
            attempts += 1;
            continue;
        };
        let head = head(gateway, request, forward, lease.upstream())?;
        let body = if length == Length::None { None } else { payload.take() };
        let mut exchange = Exchange::new(stream, is_reused, head, body, length)
            .map_err(|_| bad_gateway("The request cannot be passed on"))?;
        let answer = tokio::select! {
            answer = exchange.answer(lease.answer_timeout()) => answer,
            () = lease.lost() => Err(Trouble::Hung),
            () = left(&caller) => Err(Trouble::ClientLost),
        };
        match answer {
            Ok(answer) => {
                judge(&lease, answer.head.status);
                return Ok(respond(gateway, request, answer, AnswerBody::new(gateway, exchange, lease, caller, kept)));
            }
            // The same upstream may be asked again: only its connection was too old.
            Err(Trouble::Stale) if is_repeatable(request.method()) && length == Length::None => is_fresh = true,
            Err(Trouble::Hung) if may_go_elsewhere && exchange.is_unanswered() => {
                unheard = Some(told(gateway, forward, &lease, &Trouble::Hung));
                failed = Some(lease.upstream().clone());
                attempts += 1;
            }
            Err(trouble) => return Err(told(gateway, forward, &lease, &trouble)),
        }
    }
    if let Some(problem) = unheard {
        return Err(problem);
    }
    if failed.is_some() {
        return Err(bad_gateway("No hub can be reached right now"));
    }
    gateway.metrics.count(Failure::NoUpstream);
    let problem = Problem::unavailable(gateway.pool.excuse());
    Err(Problem { retry_after_secs: Some(RETRY_SECS), ..problem })
}

/// Comes some time after the client has gone.
pub(super) async fn left(caller: &Caller) {
    caller.gone().await;
    tokio::time::sleep(GRACE).await;
}

/// Whether sending a request twice does no more than sending it once (RFC 9110, section 9.2.2).
fn is_repeatable(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE].contains(method)
}

/// What an answer tells of the upstream.
fn judge(lease: &Lease, status: StatusCode) {
    // 503 is what a hub says that is well and cannot do this one thing; health checks know more.
    match status {
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => lease.failed(),
        _ => lease.succeeded(),
    }
}

/// What the client is told of trouble.
fn told(gateway: &Gateway, forward: &Forward, lease: &Lease, trouble: &Trouble) -> Problem {
    let (failure, problem) = match trouble {
        Trouble::Stale | Trouble::Lost(_) => {
            (Failure::UpstreamLost, bad_gateway("The hub ended the connection before it had answered"))
        }
        Trouble::Hung => (Failure::UpstreamLost, bad_gateway("The hub stopped answering")),
        Trouble::Slow => {
            let detail = "The hub took too long to answer";
            (Failure::UpstreamTimeout, Problem::new(StatusCode::GATEWAY_TIMEOUT, "gateway_timeout", detail))
        }
        Trouble::ClientLost => {
            let detail = "The request's body is not in good chunks, or ended before it was whole";
            (Failure::ClientLost, Problem::new(StatusCode::BAD_REQUEST, "bad_request", detail))
        }
        Trouble::ClientSlow => {
            let detail = "The request's body took too long to come";
            (Failure::ClientLost, Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail))
        }
    };
    gateway.metrics.count(failure);
    if matches!(failure, Failure::ClientLost) {
        return problem;
    }
    lease.failed();
    let detail = match trouble {
        Trouble::Lost(error) => error.to_string(),
        Trouble::Hung => "it does not answer any more".to_owned(),
        _ => "no answer".to_owned(),
    };
    log::warn!("{} failed at request {}: {detail}", lease.upstream().url(), forward.request_id());
    problem
}

fn bad_gateway(detail: &'static str) -> Problem {
    Problem::new(StatusCode::BAD_GATEWAY, "bad_gateway", detail)
}

/// How long the request's body is. The HTTP stack has refused already what says it in two ways.
fn length(request: &HttpRequest) -> Result<Length, Problem> {
    let announced =
        request.headers().get(CONTENT_LENGTH).map(|it| it.to_str().ok().and_then(|it| it.trim().parse().ok()));
    Ok(match announced {
        Some(Some(bytes)) => Length::Exactly(bytes),
        Some(None) => return Err(Problem::invalid("Content-Length", "Content-Length must be a number of bytes")),
        None if request.headers().contains_key(TRANSFER_ENCODING) => Length::Open,
        // HTTP/2 needs to say nothing of a body that comes.
        None if request.version() == Version::HTTP_2 && !is_repeatable(request.method()) => Length::Open,
        None if request.version() == Version::HTTP_2 && request.method() == Method::PUT => Length::Open,
        None => Length::None,
    })
}

/// The head of the request as the upstream gets it.
fn head(
    gateway: &Gateway,
    request: &HttpRequest,
    forward: &Forward,
    upstream: &Upstream,
) -> Result<RequestHead, Problem> {
    let path = request.uri().path_and_query().map_or("/", |it| it.as_str());
    let authority = upstream.authority().to_str().unwrap_or_default();
    let uri = format!("http://{authority}{path}").parse::<Uri>();
    let mut head = RequestHead::default();
    head.uri = uri.map_err(|_| Problem::invalid("path", "The path must begin with a slash"))?;
    head.method = request.method().clone();
    let opens_session = gate::opens_session(gateway, request);
    let named = named_by_connection(request.headers());
    for (name, value) in request.headers() {
        let is_ours = Forward::replaces(name) || [EXPECT, CONTENT_LENGTH].contains(name);
        // The answer tells the session's name, which has to be read.
        let is_hidden = opens_session && *name == ACCEPT_ENCODING;
        if !is_ours && !is_hidden && *name != COOKIE && !is_hop_by_hop(name, &named) {
            head.headers.append(name.clone(), value.clone());
        }
    }
    // HTTP/2 may send them in pieces (RFC 9113, section 8.2.3).
    let cookies: Vec<_> = request.headers().get_all(COOKIE).map(HeaderValue::as_bytes).collect();
    if let Some(cookies) = HeaderValue::from_bytes(&cookies.join(&b"; "[..])).ok().filter(|it| !it.is_empty()) {
        head.headers.insert(COOKIE, cookies);
    }
    head.headers.insert(HOST, upstream.authority().clone());
    head.headers.append(VIA, gateway.via.clone());
    for (name, value) in forward.headers() {
        head.headers.insert(name, value);
    }
    Ok(head)
}

/// The upstream's answer as the client gets it.
fn respond(gateway: &Data<Gateway>, request: &HttpRequest, answer: Answer, body: AnswerBody) -> HttpResponse {
    let Answer { head, length } = answer;
    let opens_session = gate::opens_session(gateway, request);
    let body = if opens_session { body.reading_session() } else { body };
    let is_bare = request.method() == Method::HEAD || head.status == StatusCode::NOT_MODIFIED;
    let mut response = HttpResponse::with_body(head.status, BoxBody::new(()));
    let named = named_by_connection(&head.headers);
    for (name, value) in &head.headers {
        if !is_hop_by_hop(name, &named) && *name != CONTENT_LENGTH {
            response.headers_mut().append(name.clone(), value.clone());
        }
    }
    // It belongs to the connection as well, but such an answer must say what is wanted (RFC 9110, section 15.5.22), and
    // sockets are opened here as they are there.
    if head.status == StatusCode::UPGRADE_REQUIRED
        && let Some(wanted) = head.headers.get(UPGRADE)
    {
        response.headers_mut().insert(UPGRADE, wanted.clone());
    }
    match length {
        Length::Exactly(bytes) if head.status == StatusCode::NOT_MODIFIED => {
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(bytes));
            response.set_body(actix_web::body::None::new().boxed())
        }
        // Says how long the body would be.
        Length::Exactly(bytes) if is_bare => {
            response.set_body(SizedStream::new(bytes, stream::empty::<std::io::Result<web::Bytes>>()).boxed())
        }
        Length::Exactly(bytes) => response.set_body(SizedStream::new(bytes, body).boxed()),
        Length::Open if !is_bare => response.set_body(BodyStream::new(body).boxed()),
        _ => response.set_body(actix_web::body::None::new().boxed()),
    }
}

/// Further headers that belong to the connection, as `Connection` says.
fn named_by_connection(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(CONNECTION).filter_map(|it| it.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect()
}

fn is_hop_by_hop(name: &HeaderName, named: &[String]) -> bool {
    HOP_BY_HOP.contains(&name.as_str()) || named.iter().any(|it| it == name.as_str())
}
