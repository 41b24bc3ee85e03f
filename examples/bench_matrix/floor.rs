//! The floor: a server that does nothing but `send`. What costs less than this, costs nothing.
//!
//! As many threads as the hub has, each with its own epoll and its share of the connections. Whoever reads a publish
//! writes it to everyone else in the room at once: one call for each, the bytes always the same frame, of which only the
//! mark changes. No tokens, no JSON, no heartbeats, no outbox.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use mio::net::TcpStream;

use super::Result;
use super::epoll::{self, Service, send};
use super::generator::{frames, mark};

/// Of the sample nonce in RFC 6455, which the generator always sends.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

type Members = Arc<Mutex<Vec<Arc<TcpStream>>>>;

/// What all threads know.
struct House {
    rooms: Mutex<HashMap<String, Members>>,
    /// The frame that everyone gets, and where its mark stands.
    frame: Vec<u8>,
    mark: usize,
}

/// Serves until it is killed. The payload of what it delivers is in the file `delivery`.
pub fn serve(listen: SocketAddr, threads: usize, delivery: &Path) -> Result<()> {
    let payload = fs::read(delivery).map_err(|error| format!("{}: {error}", delivery.display()))?;
    let frame = frames::from_server(frames::TEXT, &payload);
    let Some((mark, ..)) = mark::Finder::new().all(&frame).next() else {
        return Err(format!("{}: no mark in it", delivery.display()).into());
    };
    let house = Arc::new(House { rooms: Mutex::default(), frame, mark });
    let listeners: Vec<_> = (0..threads).map(|_| epoll::bind(listen)).collect::<Result<_>>()?;
    let workers: Vec<_> = listeners
        .into_iter()
        .map(|listener| {
            let house = Arc::clone(&house);
            thread::spawn(move || epoll::serve(listener, Floor::new(house)).map_err(|error| error.to_string()))
        })
        .collect();
    for worker in workers {
        worker.join().map_err(|_| "a thread panicked")??;
    }
    Ok(())
}

struct Floor {
    house: Arc<House>,
    frame: Vec<u8>,
    finder: mark::Finder,
}

impl Floor {
    fn new(house: Arc<House>) -> Self {
        let (frame, finder) = (house.frame.clone(), mark::Finder::new());
        Self { house, frame, finder }
    }

    /// Answers the request and takes the guest into the room of its query.
    fn welcome(&self, stream: &Arc<TcpStream>, place: &mut Option<Members>, bytes: &[u8]) -> Option<usize> {
        let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return Some(0) };
        let request = std::str::from_utf8(&bytes[..end]).ok()?;
        let (_, query) = request.lines().next()?.split_once("?room=")?;
        let room = query.split(['&', ' ']).next()?;
        let members = Arc::clone(locked(&self.house.rooms).entry(room.to_owned()).or_default());
        locked(&members).push(Arc::clone(stream));
        *place = Some(members);
        let mut answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
        )
        .into_bytes();
        answer.extend(frames::from_server(frames::TEXT, b"joined"));
        send(stream, &answer);
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

impl Service for Floor {
    /// The room; `None` until its request has come.
    type State = Option<Members>;

    fn consume(&mut self, stream: &Arc<TcpStream>, place: &mut Self::State, bytes: &mut [u8]) -> Option<usize> {
        let Some(room) = place else { return self.welcome(stream, place, bytes) };
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
                self.tell(&room, stream, payload);
            }
            used = end;
        }
        Some(used)
    }

    fn leave(&mut self, stream: &Arc<TcpStream>, place: &Self::State) {
        if let Some(room) = place {
            locked(room).retain(|member| !Arc::ptr_eq(member, stream));
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
