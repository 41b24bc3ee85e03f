//! How long a message and its echo take, in each way in turn: one client waits for one answer at a time, so that whatever
//! else the machine does meets all ways alike.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::Result;
use super::generator::{connection, frames};

/// A server that does not answer for so long is given up.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between one round trip and the next.
const PAUSE: Duration = Duration::from_millis(1);

/// A client that waits.
pub struct Line {
    stream: TcpStream,
    bytes: Vec<u8>,
    scratch: Vec<u8>,
}

impl Line {
    pub fn open(server: SocketAddr, token: &str) -> Result<Self> {
        let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(connection::request(server, &format!("/api/v1/ws/messages?token={token}")).as_bytes())?;
        let mut line = Self { stream, bytes: Vec::new(), scratch: vec![0; 4096] };
        loop {
            if let Some(head) = connection::upgraded(&line.bytes)? {
                line.bytes.drain(..head);
                return Ok(line);
            }
            line.read()?;
        }
    }

    fn read(&mut self) -> Result<()> {
        let count = self.stream.read(&mut self.scratch)?;
        if count == 0 {
            return Err("the connection was closed".into());
        }
        self.bytes.extend_from_slice(&self.scratch[..count]);
        Ok(())
    }

    /// Says `text` and waits until it has come back. Nanoseconds.
    pub fn round_trip(&mut self, text: &str) -> Result<u64> {
        let frame = frames::from_client(frames::TEXT, text.as_bytes());
        let start = Instant::now();
        self.stream.write_all(&frame)?;
        loop {
            if let Some((message, payload)) = connection::from_server(&self.bytes)? {
                let is_echo = message.opcode == frames::TEXT;
                if is_echo && payload != text.as_bytes() {
                    return Err("something else came back than what was said".into());
                }
                if message.opcode == frames::PING {
                    let pong = frames::from_client(frames::PONG, payload);
                    self.stream.write_all(&pong)?;
                }
                self.bytes.drain(..message.end);
                if is_echo {
                    return Ok(start.elapsed().as_nanos() as u64);
                }
                continue;
            }
            self.read()?;
        }
    }
}

/// So many round trips over each of the ways, each of which has some lines; in order of size, in tenths of microseconds.
pub fn in_turn(ways: &mut [Vec<Line>], times: usize) -> Result<Vec<Vec<u32>>> {
    let mut measured = vec![Vec::with_capacity(times); ways.len()];
    let count = ways.len();
    // Not before everything is warm.
    for time in 0..times + times / 10 {
        for turn in 0..count {
            // Another one is the first each time.
            let nth = (time + turn) % count;
            let lines = ways.get_mut(nth).ok_or("a way is missing")?;
            let line = time % lines.len().max(1);
            let text = format!("{time:x<128}");
            let taken = lines.get_mut(line).ok_or("a way has no lines")?.round_trip(&text)?;
            if time >= times / 10 {
                measured[nth].push(u32::try_from(taken / 100).unwrap_or(u32::MAX));
            }
            thread::sleep(PAUSE);
        }
    }
    for way in &mut measured {
        way.sort_unstable();
    }
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::super::{echo, epoll};
    use super::*;

    /// An upstream, and a way to it that takes 5 ms more.
    fn upstream_and_detour() -> (SocketAddr, SocketAddr) {
        let upstream = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let listener = epoll::bind(upstream).unwrap();
        thread::spawn(move || epoll::serve(listener, echo::Echo::default()).map_err(|error| error.to_string()));
        let detour = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = detour.local_addr().unwrap();
        thread::spawn(move || {
            for client in detour.incoming() {
                let (mut client, mut server) = (client.unwrap(), TcpStream::connect(upstream).unwrap());
                let (mut back, mut forth) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || std::io::copy(&mut back, &mut forth));
                thread::spawn(move || {
                    let mut bytes = [0; 4096];
                    while let Ok(count @ 1..) = client.read(&mut bytes) {
                        thread::sleep(Duration::from_millis(5));
                        server.write_all(&bytes[..count]).unwrap();
                    }
                });
            }
        });
        (upstream, address)
    }

    #[test]
    fn a_detour_is_seen() {
        let (direct, detour) = upstream_and_detour();
        let open = |address| (0..2).map(|_| Line::open(address, "token").unwrap()).collect::<Vec<_>>();
        let times = in_turn(&mut [open(direct), open(detour)], 10).unwrap();
        assert_eq!((times[0].len(), times[1].len()), (10, 10));
        assert!(times.iter().all(|way| way.is_sorted()));
        assert!(times[1][0] >= 50_000, "tenths of microseconds: {times:?}");
        assert!(times[0][5] < times[1][5], "{times:?}");
    }
}
