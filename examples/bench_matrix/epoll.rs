//! A small server around `epoll`: it accepts, reads, and hands on what came. What it is for is said by its [`Service`].

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};

use super::Result;

const LISTENER: Token = Token(usize::MAX);

/// What a server does with the bytes of its connections.
pub trait Service {
    /// What is known of a connection besides its socket.
    type State: Default;

    /// How many of the bytes are dealt with; the others come again, with more. `None` ends the connection.
    fn consume(&mut self, stream: &Arc<TcpStream>, state: &mut Self::State, bytes: &mut [u8]) -> Option<usize>;

    /// The connection has ended.
    fn leave(&mut self, stream: &Arc<TcpStream>, state: &Self::State);
}

struct Guest<S> {
    stream: Arc<TcpStream>,
    state: S,
    rest: Vec<u8>,
}

/// Several sockets listen on one address; the kernel deals the connections out to them.
pub fn bind(listen: SocketAddr) -> Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(listen), Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&listen.into())?;
    socket.listen(4096)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Serves until it is killed, on one thread.
pub fn serve<S: Service>(mut listener: TcpListener, service: S) -> Result<()> {
    let poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    Worker { poll, listener, service, guests: Vec::new(), free: Vec::new() }.run()
}

struct Worker<S: Service> {
    poll: Poll,
    listener: TcpListener,
    service: S,
    guests: Vec<Option<Guest<S::State>>>,
    free: Vec<usize>,
}

impl<S: Service> Worker<S> {
    fn run(mut self) -> Result<()> {
        let mut events = Events::with_capacity(512);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    Token(nth) => self.attend(nth, &mut buffer),
                }
            }
        }
    }

    fn accept(&mut self) -> Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            stream.set_nodelay(true)?;
            let place = self.free.pop().unwrap_or(self.guests.len());
            self.poll.registry().register(&mut stream, Token(place), Interest::READABLE)?;
            let guest = Guest { stream: Arc::new(stream), state: S::State::default(), rest: Vec::new() };
            if place == self.guests.len() {
                self.guests.push(Some(guest));
            } else {
                self.guests[place] = Some(guest);
            }
        }
    }

    fn attend(&mut self, nth: usize, buffer: &mut [u8]) {
        let Some(mut guest) = self.guests.get_mut(nth).and_then(Option::take) else { return };
        if self.read(&mut guest, buffer) {
            self.guests[nth] = Some(guest);
        } else {
            self.service.leave(&guest.stream, &guest.state);
            self.free.push(nth);
        }
    }

    /// Whether the connection still stands.
    fn read(&mut self, guest: &mut Guest<S::State>, buffer: &mut [u8]) -> bool {
        loop {
            let count = match (&*guest.stream).read(buffer) {
                Ok(0) => return false,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            };
            let more = count == buffer.len();
            let used = if guest.rest.is_empty() {
                self.service.consume(&guest.stream, &mut guest.state, &mut buffer[..count]).inspect(|used| {
                    guest.rest.extend_from_slice(&buffer[*used..count]);
                })
            } else {
                let mut whole = std::mem::take(&mut guest.rest);
                whole.extend_from_slice(&buffer[..count]);
                self.service.consume(&guest.stream, &mut guest.state, &mut whole).inspect(|used| {
                    whole.drain(..*used);
                    guest.rest = if whole.is_empty() { Vec::new() } else { whole };
                })
            };
            if used.is_none() || !more {
                return used.is_some();
            }
        }
    }
}

/// Everything or, to those who are gone, nothing. A full socket is waited for: nothing may be lost here either.
pub fn send(mut stream: &TcpStream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => thread::yield_now(),
            Err(_) => return,
        }
    }
}
