//! The floor: a server that does nothing but `send`. What costs less than this, costs nothing.
//!
//! As many threads as the hub has, each with its own epoll and its share of the connections. Whoever reads a publish
//! writes it to everyone else in the room at once: one call for each, the bytes always the same frame, of which only the
//! mark changes. No tokens, no JSON, no heartbeats, no outbox.

use std::collections::HashMap;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};

use super::Result;
use super::generator::{frames, mark};

/// Of the sample nonce in RFC 6455, which the generator always sends.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const LISTENER: Token = Token(usize::MAX);

type Members = Arc<Mutex<Vec<Arc<TcpStream>>>>;

/// What all threads know.
struct House {
    rooms: Mutex<HashMap<String, Members>>,
    /// The frame that everyone gets, and where its mark stands.
    frame: Vec<u8>,
    mark: usize,
}

struct Guest {
    stream: Arc<TcpStream>,
    /// `None` until its request has come.
    room: Option<Members>,
    rest: Vec<u8>,
}

/// Serves until it is killed. The payload of what it delivers is in the file `delivery`.
pub fn serve(listen: SocketAddr, threads: usize, delivery: &Path) -> Result<()> {
    let payload = fs::read(delivery).map_err(|error| format!("{}: {error}", delivery.display()))?;
    let frame = frames::from_server(frames::TEXT, &payload);
    let Some((mark, ..)) = mark::Finder::new().all(&frame).next() else {
        return Err(format!("{}: no mark in it", delivery.display()).into());
    };
    let house = Arc::new(House { rooms: Mutex::default(), frame, mark });
    let listeners: Vec<_> = (0..threads).map(|_| bind(listen)).collect::<Result<_>>()?;
    let workers: Vec<_> = listeners
        .into_iter()
        .map(|listener| {
            let house = Arc::clone(&house);
            thread::spawn(move || Worker::new(listener, house).and_then(Worker::run).map_err(|error| error.to_string()))
        })
        .collect();
    for worker in workers {
        worker.join().map_err(|_| "a thread panicked")??;
    }
    Ok(())
}

/// Several sockets listen on one address; the kernel deals the connections out to them.
fn bind(listen: SocketAddr) -> Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(listen), Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&listen.into())?;
    socket.listen(4096)?;
    Ok(TcpListener::from_std(socket.into()))
}

struct Worker {
    poll: Poll,
    listener: TcpListener,
    house: Arc<House>,
    guests: Vec<Option<Guest>>,
    free: Vec<usize>,
    frame: Vec<u8>,
    finder: mark::Finder,
}

impl Worker {
    fn new(mut listener: TcpListener, house: Arc<House>) -> Result<Self> {
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let (frame, finder) = (house.frame.clone(), mark::Finder::new());
        Ok(Self { poll, listener, house, guests: Vec::new(), free: Vec::new(), frame, finder })
    }

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
            let guest = Guest { stream: Arc::new(stream), room: None, rest: Vec::new() };
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
            leave(&guest);
            self.free.push(nth);
        }
    }

    /// Whether the connection still stands.
    fn read(&mut self, guest: &mut Guest, buffer: &mut [u8]) -> bool {
        loop {
            let count = match (&*guest.stream).read(buffer) {
                Ok(0) => return false,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            };
            let more = count == buffer.len();
            let used = if guest.rest.is_empty() {
                self.consume(guest, &mut buffer[..count]).inspect(|used| {
                    guest.rest.extend_from_slice(&buffer[*used..count]);
                })
            } else {
                let mut whole = std::mem::take(&mut guest.rest);
                whole.extend_from_slice(&buffer[..count]);
                self.consume(guest, &mut whole).inspect(|used| {
                    whole.drain(..*used);
                    guest.rest = if whole.is_empty() { Vec::new() } else { whole };
                })
            };
            if used.is_none() || !more {
                return used.is_some();
            }
        }
    }

    /// How many of the bytes are dealt with; `None` for what is not understood.
    fn consume(&mut self, guest: &mut Guest, bytes: &mut [u8]) -> Option<usize> {
        let Some(room) = &guest.room else { return self.welcome(guest, bytes) };
        let room = Arc::clone(room);
        let mut used = 0;
        while let Some(frame) = frames::first(&bytes[used..]).ok()? {
            let end = used + frame.payload.end;
            if frame.opcode == frames::CLOSE {
                return None;
            }
            let payload = &mut bytes[used + frame.payload.start..end];
            let mask = frame.mask?;
            for (nth, byte) in payload.iter_mut().enumerate() {
                *byte ^= mask[nth % 4];
            }
            if frame.opcode == frames::TEXT {
                self.tell(&room, &guest.stream, payload);
            }
            used = end;
        }
        Some(used)
    }

    /// Answers the request and takes the guest into the room of its query.
    fn welcome(&mut self, guest: &mut Guest, bytes: &[u8]) -> Option<usize> {
        let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return Some(0) };
        let request = std::str::from_utf8(&bytes[..end]).ok()?;
        let (_, query) = request.lines().next()?.split_once("?room=")?;
        let room = query.split(['&', ' ']).next()?;
        let members = Arc::clone(locked(&self.house.rooms).entry(room.to_owned()).or_default());
        locked(&members).push(Arc::clone(&guest.stream));
        guest.room = Some(members);
        let mut answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
        )
        .into_bytes();
        answer.extend(frames::from_server(frames::TEXT, b"joined"));
        send(&guest.stream, &answer);
        Some(end + 4)
    }

    fn tell(&mut self, room: &Members, publisher: &Arc<TcpStream>, payload: &[u8]) {
        let Some((at, ..)) = self.finder.all(payload).next() else { return };
        let mark = self.house.mark;
        self.frame[mark..mark + mark::LENGTH].copy_from_slice(&payload[at..at + mark::LENGTH]);
        for member in locked(room).iter() {
            if !Arc::ptr_eq(member, publisher) {
                send(member, &self.frame);
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn leave(guest: &Guest) {
    if let Some(room) = &guest.room {
        locked(room).retain(|member| !Arc::ptr_eq(member, &guest.stream));
    }
}

/// Everything or, to those who are gone, nothing. A full socket is waited for: nothing may be lost here either.
fn send(mut stream: &TcpStream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => thread::yield_now(),
            Err(_) => return,
        }
    }
}
