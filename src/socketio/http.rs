//! Engine.IO over plain requests: the one that opens a session, polls, and posts.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_REQUEST_HEADERS, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, VARY,
};
use actix_web::web::{self, Bytes, BytesMut, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::StreamExt as _;

use super::agent::is_javascript;
use super::engine::{Cors, Engine, Entry, Transport, Wanted};
use super::host::Visit;
use super::refusal::Wrong;
use crate::session::{GivenUp, PollAnswer, Portion, Unserved, start_polled};
use crate::transport::caller::Caller;

impl Engine {
    /// Has an application answer the requests at the engine's path, with and without a slash at its end.
    pub fn routes(self: &Arc<Self>, config: &mut ServiceConfig) {
        let engine = self.clone();
        let path = &self.settings().path;
        let resource = web::resource([format!("{path}/"), path.clone()]);
        config.service(resource.route(web::route().to(move |request: HttpRequest, payload: Payload| {
            let engine = engine.clone();
            async move { engine.respond(&request, payload).await }
        })));
    }

    async fn respond(self: &Arc<Self>, request: &HttpRequest, payload: Payload) -> HttpResponse {
        if self.settings().cors == Cors::Outside {
            return self.answer(request, payload).await;
        }
        let mut response = match *request.method() {
            Method::OPTIONS => preflight(request),
            _ => self.answer(request, payload).await,
        };
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        response
    }

    async fn answer(self: &Arc<Self>, request: &HttpRequest, payload: Payload) -> HttpResponse {
        self.serve(request, payload).await.unwrap_or_else(Wrong::response)
    }

    async fn serve(self: &Arc<Self>, request: &HttpRequest, payload: Payload) -> Result<HttpResponse, Wrong> {
        let peer = request.peer_addr().unwrap_or_else(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        let visit = Visit { headers: request.headers(), query: request.uri().query().unwrap_or_default(), peer };
        let Wanted { transport, session, name } = self.wanted(&visit)?;
        let caller = request.conn_data::<Caller>().cloned().unwrap_or_default();
        let is_polling = transport == Transport::Polling;
        match (session, request.method()) {
            (None, &Method::GET) if is_polling => {
                let (sid, opening) = self.open(&visit, true)?;
                let takes_all = is_javascript(request.headers()) == Some(true);
                let (session, answered) = start_polled(opening, if takes_all { Portion::All } else { Portion::Few });
                self.list(sid, session);
                wait(async { answered.await.unwrap_or(Err(Unserved::Ended)) }, &caller).await
            }
            // Whoever sees to CORS puts in the rest.
            (_, &Method::OPTIONS) => Ok(HttpResponse::NoContent().finish()),
            (None, method) if method != Method::GET => Err(Wrong::BadHandshakeMethod),
            (Some(entry), &Method::GET) if is_polling => wait(entry.session.poll(name), &caller).await,
            (Some(entry), &Method::POST) if is_polling => self.post(&entry, request, payload, &caller).await,
            _ => Err(Wrong::BadRequest),
        }
    }

    async fn post(
        &self,
        entry: &Arc<Entry>,
        request: &HttpRequest,
        payload: Payload,
        caller: &Caller,
    ) -> Result<HttpResponse, Wrong> {
        let Some(posting) = Posting::claim(entry) else {
            entry.session.give_up(GivenUp::Misused);
            return Err(Wrong::BadRequest);
        };
        let content_type = request.headers().get(CONTENT_TYPE);
        if content_type.is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"application/octet-stream")) {
            posting.end();
            // Only an older revision of the protocol posted bytes.
            entry.session.give_up(GivenUp::Misused);
            return Err(Wrong::BadRequest);
        }
        let read = read(request, payload, self.settings().max_payload);
        let body = tokio::select! {
            body = read => body,
            // Whoever is still to send it sends it to nobody, and what came of it is let go of.
            () = entry.over() => Err(Wrong::UnknownSid),
        };
        let body = match body {
            Ok(body) => body,
            Err(wrong) => {
                if wrong == Wrong::TooLarge {
                    posting.end();
                    // As a message that is too long ends a session with a socket.
                    entry.session.give_up(GivenUp::TooBig);
                }
                return Err(wrong);
            }
        };
        let _kept = caller.keep();
        let heard = tokio::select! {
            heard = entry.session.post(body) => heard,
            () = caller.gone() => return Err(Wrong::BadRequest),
        };
        posting.end();
        heard?;
        // Some browsers offer plain text for download.
        Ok(HttpResponse::Ok().content_type("text/html").insert_header((CACHE_CONTROL, "no-store")).body("ok"))
    }
}

/// Lets a poll wait, for as long as its client does.
async fn wait(poll: impl Future<Output = PollAnswer>, caller: &Caller) -> Result<HttpResponse, Wrong> {
    let _kept = caller.keep();
    let payload = tokio::select! {
        answer = poll => answer?,
        () = caller.gone() => return Err(Wrong::BadRequest),
    };
    let mut response = HttpResponse::Ok();
    Ok(response.content_type("text/plain; charset=UTF-8").insert_header((CACHE_CONTROL, "no-store")).body(payload))
}

/// Reads a body, and stops where it is too long.
async fn read(request: &HttpRequest, mut payload: Payload, limit: usize) -> Result<Bytes, Wrong> {
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|len| usize::try_from(len).is_ok_and(|len| len > limit)) {
        return Err(Wrong::TooLarge);
    }
    let mut body = BytesMut::new();
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(|_| Wrong::BadRequest)?;
        if body.len() + piece.len() > limit {
            return Err(Wrong::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

/// The one place for posts of a session. A post that breaks off is the end of the session.
struct Posting(Option<Arc<Entry>>);

impl Posting {
    fn claim(entry: &Arc<Entry>) -> Option<Self> {
        (!entry.posting.swap(true, Ordering::AcqRel)).then(|| Self(Some(entry.clone())))
    }

    /// Makes room for the next.
    fn end(mut self) {
        if let Some(entry) = self.0.take() {
            entry.posting.store(false, Ordering::Release);
        }
    }
}

impl Drop for Posting {
    fn drop(&mut self) {
        if let Some(entry) = self.0.take() {
            entry.posting.store(false, Ordering::Release);
            entry.session.give_up(GivenUp::Lost);
        }
    }
}

fn preflight(request: &HttpRequest) -> HttpResponse {
    let mut response = HttpResponse::NoContent();
    response.insert_header((ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"));
    response.insert_header((VARY, ACCESS_CONTROL_REQUEST_HEADERS.as_str()));
    if let Some(asked) = request.headers().get(ACCESS_CONTROL_REQUEST_HEADERS) {
        response.insert_header((ACCESS_CONTROL_ALLOW_HEADERS, asked.clone()));
    }
    response.finish()
}
