//! A socket that goes on where a signal has interrupted it: one with a time limit does not by itself (signal(7)).

use std::io::{ErrorKind, Read, Result, Write};
use std::net::TcpStream;

pub struct Patient(pub TcpStream);

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

impl Write for Patient {
    fn write(&mut self, buffer: &[u8]) -> Result<usize> {
        loop {
            match self.0.write(buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.0.flush()
    }
}
