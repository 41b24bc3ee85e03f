//! Everything that is measured: the hub, the floor under it, its peers, and how each of them is started.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::str::FromStr;

use super::Result;
use super::child::Running;
use super::generator::wire::Wire;
use super::tables::{Named, named};

/// What is measured. The same hub counts several times where it makes a difference whether something is stored, and in which
/// dialect it is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Server {
    Hub,
    HubStored,
    HubPostgres,
    HubSocketIo,
    HubSocketIoStored,
    Floor,
    Writer,
    WriterPostgres,
    Bun,
    SocketIo,
    Socketioxide,
    Centrifuge,
}

impl Server {
    pub const ALL: [Self; 12] = [
        Self::Hub,
        Self::HubStored,
        Self::HubPostgres,
        Self::HubSocketIo,
        Self::HubSocketIoStored,
        Self::Floor,
        Self::Writer,
        Self::WriterPostgres,
        Self::Bun,
        Self::SocketIo,
        Self::Socketioxide,
        Self::Centrifuge,
    ];
    pub const PEERS: [Self; 4] = [Self::Bun, Self::SocketIo, Self::Socketioxide, Self::Centrifuge];

    /// As people read it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Hub => "Tertulia",
            Self::HubStored => "Tertulia, stored in SQLite",
            Self::HubPostgres => "Tertulia, stored in PostgreSQL",
            Self::HubSocketIo => "Tertulia over Socket.IO",
            Self::HubSocketIoStored => "Tertulia over Socket.IO, stored in SQLite",
            Self::Floor => "the floor: `epoll` and `send`",
            Self::Writer => "a bare writer, SQLite",
            Self::WriterPostgres => "a bare writer, PostgreSQL",
            Self::Bun => "Bun, raw text",
            Self::SocketIo => "Socket.IO on Node.js",
            Self::Socketioxide => "socketioxide",
            Self::Centrifuge => "centrifuge (Go)",
        }
    }

    pub fn wire(self) -> Wire {
        match self {
            Self::Hub => Wire::Typing,
            Self::HubStored | Self::HubPostgres | Self::Writer | Self::WriterPostgres => Wire::Messages,
            Self::HubSocketIo => Wire::SocketIoTyping,
            Self::HubSocketIoStored => Wire::SocketIoMessages,
            Self::Floor | Self::Bun => Wire::Raw,
            Self::SocketIo | Self::Socketioxide => Wire::SocketIo,
            Self::Centrifuge => Wire::Centrifuge,
        }
    }
}

impl Named for Server {
    fn name(self) -> &'static str {
        match self {
            Self::Hub => "hub",
            Self::HubStored => "hub-stored",
            Self::HubPostgres => "hub-postgres",
            Self::HubSocketIo => "hub-socketio",
            Self::HubSocketIoStored => "hub-socketio-stored",
            Self::Floor => "floor",
            Self::Writer => "writer",
            Self::WriterPostgres => "writer-postgres",
            Self::Bun => "bun",
            Self::SocketIo => "socketio",
            Self::Socketioxide => "socketioxide",
            Self::Centrifuge => "centrifuge",
        }
    }
}

impl FromStr for Server {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        named("server", &Self::ALL, "", name)
    }
}

/// Where everything is, and with what settings it is started.
pub struct Place {
    /// Of the repository.
    pub root: PathBuf,
    /// For results, logs and data.
    pub out: PathBuf,
    pub hub: PathBuf,
    pub workers: usize,
    pub postgres: Option<String>,
    pub secret: String,
}

impl Place {
    pub fn data(&self) -> PathBuf {
        self.out.join("data")
    }

    /// The payload that the hub was seen to deliver, for the floor.
    pub fn delivery(&self) -> PathBuf {
        self.out.join("delivery")
    }

    pub fn peer(&self, server: Server) -> PathBuf {
        self.root.join("target/peers").join(server.name())
    }

    /// Why a server cannot be measured here.
    pub fn missing(&self, server: Server) -> Option<String> {
        match server {
            Server::HubPostgres | Server::WriterPostgres if self.postgres.is_none() => {
                Some("no --postgres URL was given".to_owned())
            }
            peer if Server::PEERS.contains(&peer) && !self.program(peer).exists() => {
                Some("not installed; --install-peers does that".to_owned())
            }
            _ => None,
        }
    }

    /// The file that has to be there for a peer to start.
    fn program(&self, server: Server) -> PathBuf {
        let home = self.peer(server);
        match server {
            Server::Bun => home.join("node_modules/.bin/bun"),
            Server::SocketIo => home.join("node_modules/socket.io/package.json"),
            Server::Socketioxide => home.join("release/tertulia-peer-socketioxide"),
            _ => home.join("peer"),
        }
    }

    /// Starts a server with an empty data directory.
    pub fn start(&self, server: Server) -> Result<Running> {
        let data = self.data();
        let _ = fs::remove_dir_all(&data);
        fs::create_dir_all(&data)?;
        Running::start(&self.out, server.name(), |port| self.command(server, port))
    }

    /// The command that starts a server on a port of loopback.
    fn command(&self, server: Server, port: u16) -> Result<Command> {
        let home = self.peer(server);
        let mut command = match server {
            Server::Hub | Server::HubStored | Server::HubPostgres | Server::HubSocketIo | Server::HubSocketIoStored => {
                self.hub_command(server, port)
            }
            Server::Floor => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("floor").arg("--listen").arg(format!("127.0.0.1:{port}"));
                command.arg("--threads").arg(self.workers.to_string()).arg("--delivery").arg(self.delivery());
                command
            }
            Server::Bun => {
                let mut command = Command::new(self.program(server));
                command.arg(home.join("server.js"));
                command
            }
            Server::SocketIo => {
                let mut command = Command::new("node");
                command.arg(home.join("server.js"));
                command
            }
            Server::Socketioxide | Server::Centrifuge => Command::new(self.program(server)),
            Server::Writer | Server::WriterPostgres => return Err("the writer is no server".into()),
        };
        command.env_clear().envs(std::env::vars_os().filter(|(key, _)| key == "PATH" || key == "HOME"));
        command.env("JWT_SECRET", &self.secret).env("PORT", port.to_string()).env("NODE_ENV", "production");
        command.current_dir(self.data());
        Ok(command)
    }

    fn hub_command(&self, server: Server, port: u16) -> Command {
        let mut command = Command::new(&self.hub);
        command.arg("serve").arg("--data-dir").arg(self.data());
        command.arg("--listen").arg(format!("127.0.0.1:{port}")).arg("--workers").arg(self.workers.to_string());
        command.args(["--log", "warn", "--set", "rooms.auto_create=true"]);
        let limits = ["max_connections_per_user", "requests_per_ip", "events_per_connection", "typing_per_connection"];
        for limit in limits {
            command.arg("--set").arg(format!("limits.{limit}=0"));
        }
        if let (Server::HubPostgres, Some(url)) = (server, &self.postgres) {
            command.arg("--database-url").arg(url);
        }
        command
    }
}
