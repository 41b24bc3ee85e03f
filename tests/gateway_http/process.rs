//! A gateway as these tests start it, and how they ask it.

use std::io::{Read as _, Write as _};
use std::ops::{Deref, DerefMut};

use crate::client::{Client, dial};
use crate::hub::gateway;

/// A gateway that can be asked for anything.
pub struct Gateway(gateway::Gateway);

/// What an upstream or the gateway answered.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &'_ str| line.split_once(':').is_some_and(|(it, _)| it.eq_ignore_ascii_case(name));
        self.head.lines().find(|line| named(line))?.split_once(':').map(|(_, value)| value.trim())
    }
}

impl Gateway {
    /// In front of these, with fast checks and further `settings` as on the command line.
    pub fn start(upstreams: &[String], settings: &[&str]) -> Self {
        let usual = ["--set", "gateway.health_interval=200ms", "--set", "limits.requests_per_ip=0"];
        let upstreams = upstreams.iter().flat_map(|url| ["--upstream", url]);
        Self(gateway::Gateway::with_arguments(upstreams.chain(usual).chain(settings.iter().copied())))
    }

    /// With the settings of this file alone.
    pub fn with_file(text: &str) -> Self {
        Self(gateway::Gateway::with_file(text, []))
    }

    /// Asks on a connection of its own.
    pub fn ask(&self, method: &str, path: &str, headers: &str) -> Reply {
        self.send(&format!("{method} {path} HTTP/1.1\r\nHost: chat.example.com\r\n{headers}\r\n"))
    }

    /// Asks for the head of an answer alone.
    pub fn head(&self, path: &str) -> Reply {
        let mut stream = dial(self.address);
        let request = format!("HEAD {path} HTTP/1.1\r\nHost: chat.example.com\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("a gateway that reads");
        let mut head = String::new();
        stream.read_to_string(&mut head).expect("a gateway that answers");
        let (head, body) = head.split_once("\r\n\r\n").expect("a whole head");
        reply((head.to_owned(), body.to_owned()))
    }

    pub fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, "")
    }

    /// Says exactly this.
    pub fn send(&self, request: &str) -> Reply {
        let mut client = Client::over(dial(self.address));
        client.send(request.as_bytes());
        reply(client.response())
    }

    /// The most memory that it ever had, in MiB.
    pub fn peak_mib(&self) -> u64 {
        self.peak().expect("a system that says it") / 1_024
    }
}

impl Deref for Gateway {
    type Target = gateway::Gateway;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Gateway {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

pub fn reply((head, body): (String, String)) -> Reply {
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("a status");
    Reply { status, head, body }
}
