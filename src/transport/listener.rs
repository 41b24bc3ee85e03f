//! Listening addresses: HTTP to an application, requests for sockets to an upgrade handler, plain or over TLS.
//!
//! A connection that was upgraded no longer counts as one of the server's: sessions are counted, limited and ended
//! by themselves.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_http::body::MessageBody;
use actix_http::error::DispatchError;
use actix_http::{ConnectionType, HttpService, Protocol, Request, Response};
use actix_server::{Server, ServerBuilder};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, apply_fn_factory, boxed, fn_service, map_config,
};
use actix_tls::accept::TlsError;
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use actix_web::Error;
use actix_web::dev::AppConfig;
use rustls::ServerConfig;
use socket2::{Domain, SockRef, Socket, Type};
use tokio::net::TcpStream;

use super::gate::admit;
use super::patient::Patient;
use super::upgrade::{UpgradeHandler, upgrade};

/// How many connections the kernel completes before they are accepted.
const BACKLOG: i32 = 4096;

/// How long a client may take for the head of its request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// How much the kernel takes from a client before it is read. A request's head must fit, as it is read only when it is
/// complete; what it comes in takes room besides.
const RECEIVE_BUFFER: usize = 128 * 1024;

/// How much the kernel keeps for a client that does not read, before that becomes the outbox's to keep, or to end. Left
/// to itself it keeps up to 4 MB for each, and a few hundred of them take what there is for all sockets of the machine.
const SEND_BUFFER: usize = 256 * 1024;

/// How long an idle HTTP connection is kept for another request.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long the server waits for any request, since it last wrote something. Longer than an idle connection is kept.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long data may wait for its acknowledgement before the peer counts as gone.
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// As it is called in the negotiation within a TLS handshake.
const HTTP_2: &[u8] = b"h2";

/// TLS handshakes that a worker has under way at once. While they are at this number it takes no connection of any
/// kind, so it is high; each ends within seconds.
const TLS_HANDSHAKES: usize = 16_384;

/// A server that is being put together.
///
/// Plain connections pass a gate that holds them back until their first request's head is there. Over TLS it would
/// see nothing but ciphertext, and there it would save little: what a connection takes until then is mostly the state
/// of its TLS session, which has to be there to read any head. What bounds those are the time that a TLS handshake may
/// take and the HTTP stack's own time and limit for a head.
pub struct Listeners {
    builder: ServerBuilder,
}

impl Listeners {
    /// A server with this number of worker threads, each with a runtime of its own.
    pub fn new(workers: usize) -> Self {
        let builder = Server::build().workers(workers.clamp(1, 512)).disable_signals().shutdown_timeout(5);
        Self { builder }
    }

    /// Listens on an address, and tells which port it is where 0 was asked for.
    ///
    /// `app` makes the HTTP application of a worker thread. With `tls`, nothing else is spoken.
    ///
    /// # Errors
    /// Where the address cannot be bound.
    pub fn bind<F, I, S, B>(
        &mut self,
        address: SocketAddr,
        tls: Option<&Arc<ServerConfig>>,
        app: F,
        handler: UpgradeHandler,
    ) -> io::Result<SocketAddr>
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Error: Into<Error>,
        S::InitError: fmt::Debug,
        S::Response: Into<Response<B>>,
        B: MessageBody + 'static,
    {
        let socket = bind(address)?;
        let bound = socket.local_addr()?;
        // An `HttpService` is generic over its socket, so both kinds are spelled out.
        macro_rules! service {
            ($io:ty) => {{
                let handler = handler.clone();
                HttpService::build()
                    .client_request_timeout(REQUEST_TIMEOUT)
                    .keep_alive(KEEP_ALIVE)
                    .on_connect_ext(|io: &Patient<$io>, data| {
                        data.insert(io.caller().clone());
                    })
                    .upgrade(fn_service(move |(request, framed)| upgrade(handler.clone(), request, framed)))
                    .finish(map_config(
                        apply_fn_factory(app(), tell_of_the_end)
                            .map_err(|error| -> Response<_> { error.into().error_response().into() }),
                        |()| AppConfig::default(),
                    ))
            }};
        }
        let builder = std::mem::take(&mut self.builder);
        self.builder = if let Some(tls) = tls {
            actix_tls::accept::max_concurrent_tls_connect(TLS_HANDSHAKES);
            let mut tls = ServerConfig::clone(tls);
            tls.alpn_protocols = vec![HTTP_2.to_vec(), b"http/1.1".to_vec()];
            builder.listen("tls", socket, move || {
                Acceptor::new(tls.clone())
                    .map_init_err(drop)
                    .map_err(TlsError::into_service_error)
                    .and_then(fn_service(secured))
                    .and_then(service!(TlsStream<TcpStream>).map_err(TlsError::Service))
            })?
        } else {
            // Boxed, so that a connection that waits at the gate has no room for the HTTP stack's state.
            builder
                .listen("plain", socket, move || fn_service(admitted).and_then(boxed::factory(service!(TcpStream))))?
        };
        Ok(bound)
    }

    /// Starts the workers. The server ends when its handle says so.
    pub fn run(self) -> Server {
        self.builder.run()
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listeners").finish_non_exhaustive()
    }
}

/// Serves a request. The HTTP stack closes the connection behind one that speaks of an upgrade, even of an upgrade to
/// nothing as some proxies do on every request: its answer must say so, or a proxy would use the connection again.
fn tell_of_the_end<S, B>(request: Request, app: &S) -> impl Future<Output = Result<Response<B>, S::Error>> + use<S, B>
where
    S: Service<Request>,
    S::Response: Into<Response<B>>,
{
    let is_last = request.head().connection_type() == ConnectionType::Upgrade;
    let answer = app.call(request);
    async move {
        let mut response = answer.await?.into();
        if is_last {
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        Ok(response)
    }
}

/// What the HTTP stack takes over.
type Connection<T> = (Patient<T>, Protocol, Option<SocketAddr>);

/// A connection whose first request is there.
async fn admitted(tcp: TcpStream) -> Result<Connection<TcpStream>, DispatchError> {
    let tcp = admit(tcp, REQUEST_TIMEOUT).await.ok_or(DispatchError::SlowRequestTimeout)?;
    let peer = tcp.peer_addr().ok();
    Ok((Patient::new(tcp, PATIENCE), Protocol::Http1, peer))
}

/// A connection whose TLS handshake is done.
async fn secured(
    tls: TlsStream<TcpStream>,
) -> Result<Connection<TlsStream<TcpStream>>, TlsError<io::Error, DispatchError>> {
    let (tcp, session) = tls.get_ref();
    let protocol = if session.alpn_protocol() == Some(HTTP_2) { Protocol::Http2 } else { Protocol::Http1 };
    let peer = tcp.peer_addr().ok();
    Ok((Patient::new(tls, PATIENCE), protocol, peer))
}

/// Sets on a connection that was made from here what those have that were accepted.
pub fn tune(tcp: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(tcp);
    socket.set_tcp_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_send_buffer_size(SEND_BUFFER)
}

/// A listening socket. What is set on it, the sockets that it accepts inherit.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(socket2::Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    // Its size before the connection is made bounds the window, so it is the listener's to set.
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn accepted_sockets_inherit_what_the_listener_was_told() {
        let listener = bind(([127, 0, 0, 1], 0).into()).unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert!(accepted.nodelay().unwrap());
        assert!(SockRef::from(&accepted).recv_buffer_size().unwrap() >= RECEIVE_BUFFER);
        // The kernel doubles what it is asked for, up to what the system allows.
        assert!((SEND_BUFFER / 2..=2 * SEND_BUFFER).contains(&SockRef::from(&accepted).send_buffer_size().unwrap()));
        assert_eq!(SockRef::from(&accepted).tcp_user_timeout().unwrap(), Some(USER_TIMEOUT));
    }
}
