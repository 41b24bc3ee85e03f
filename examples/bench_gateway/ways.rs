//! The ways to the upstream: directly, and through each of several proxies, and how those are started.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use super::Result;
use super::child::Running;
use super::program::said;
use super::tables::{Named, named};

/// Proxies may be where only an administrator's shell looks.
const MORE_PLACES: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// How the clients reach the upstream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Way {
    Direct,
    Gateway,
    Nginx,
    /// With a buffer of 64 KiB instead of 4, in which a large frame has room.
    NginxLarge,
    Haproxy,
}

impl Way {
    pub const ALL: [Self; 5] = [Self::Direct, Self::Gateway, Self::Nginx, Self::NginxLarge, Self::Haproxy];

    /// As people read it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Gateway => "Tertulia's gateway",
            Self::Nginx => "nginx",
            Self::NginxLarge => "nginx, buffers of 64 KiB",
            Self::Haproxy => "HAProxy",
        }
    }

    fn program_name(self) -> Option<&'static str> {
        match self {
            Self::Direct | Self::Gateway => None,
            Self::Nginx | Self::NginxLarge => Some("nginx"),
            Self::Haproxy => Some("haproxy"),
        }
    }
}

impl Named for Way {
    fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Gateway => "gateway",
            Self::Nginx => "nginx",
            Self::NginxLarge => "nginx-large",
            Self::Haproxy => "haproxy",
        }
    }
}

impl FromStr for Way {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        named("way", &Self::ALL, "", name)
    }
}

/// Where everything is, and with what settings it is started.
pub struct Place {
    /// For results, logs and configurations.
    pub out: PathBuf,
    pub hub: PathBuf,
    pub secret: String,
}

impl Place {
    pub fn start_upstream(&self) -> Result<Running> {
        Running::start(&self.out, "upstream", |port| {
            let mut command = clean(std::env::current_exe()?);
            command.arg("echo").arg("--listen").arg(format!("127.0.0.1:{port}"));
            Ok(command)
        })
    }

    /// Starts the proxy of a way; `None` for the way that has none.
    pub fn start(&self, way: Way, upstream: SocketAddr) -> Result<Option<Running>> {
        let command = |port| match way {
            Way::Direct | Way::Gateway => Ok(self.gateway(port, upstream)),
            Way::Nginx => self.nginx(port, upstream, ""),
            Way::NginxLarge => self.nginx(port, upstream, "proxy_buffer_size 64k; proxy_buffers 8 64k;"),
            Way::Haproxy => self.haproxy(port, upstream),
        };
        if way == Way::Direct {
            return Ok(None);
        }
        Running::start(&self.out, way.name(), command).map(Some)
    }

    fn gateway(&self, port: u16, upstream: SocketAddr) -> Command {
        let mut command = clean(&self.hub);
        command.arg("gateway").arg("--listen").arg(format!("127.0.0.1:{port}"));
        command.arg("--upstream").arg(format!("http://{upstream}")).args(["--workers", "1", "--log", "warn"]);
        for limit in ["max_connections_per_user", "requests_per_ip"] {
            command.arg("--set").arg(format!("limits.{limit}=0"));
        }
        command.env("JWT_SECRET", &self.secret).current_dir(&self.out);
        command
    }

    /// One process, which is the worker without the master beside it: then it ends with the run, and all that it takes is its
    /// own.
    fn nginx(&self, port: u16, upstream: SocketAddr, more: &str) -> Result<Command> {
        let home = self.out.join("nginx");
        fs::create_dir_all(&home)?;
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|it| format!("{it}_temp_path {}/{it}; ", home.display()))
            .concat();
        let configuration = format!(
            "daemon off; master_process off; worker_processes 1;
             pid {home}/nginx.pid; error_log stderr warn;
             events {{ worker_connections 16000; }}
             http {{
                 access_log off; {temporary}
                 server {{
                     listen 127.0.0.1:{port} backlog=4096;
                     location / {{
                         proxy_pass http://{upstream};
                         proxy_http_version 1.1;
                         proxy_set_header Upgrade $http_upgrade;
                         proxy_set_header Connection upgrade;
                         proxy_set_header Host $host;
                         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                         proxy_set_header X-Forwarded-Proto $scheme;
                         proxy_buffering off; {more}
                         proxy_read_timeout 1h; proxy_send_timeout 1h;
                     }}
                 }}
             }}\n",
            home = home.display()
        );
        let file = home.join("nginx.conf");
        fs::write(&file, configuration)?;
        let mut command = clean(found("nginx").ok_or("nginx is not installed")?);
        command.arg("-p").arg(&home).arg("-c").arg(&file).args(["-e", "stderr"]);
        Ok(command)
    }

    fn haproxy(&self, port: u16, upstream: SocketAddr) -> Result<Command> {
        let file = self.out.join("haproxy.cfg");
        let configuration = format!(
            "global\n    nbthread 1\n    maxconn 8000\n\
             defaults\n    mode http\n    option forwardfor\n    timeout connect 5s\n    timeout client 1h\n    \
             timeout server 1h\n    timeout tunnel 1h\n\
             frontend clients\n    bind 127.0.0.1:{port} backlog 4096\n    default_backend upstream\n\
             backend upstream\n    server upstream {upstream}\n"
        );
        fs::write(&file, configuration)?;
        let mut command = clean(found("haproxy").ok_or("haproxy is not installed")?);
        command.arg("-db").arg("-f").arg(&file);
        Ok(command)
    }

    /// Why a way cannot be measured here.
    pub fn missing(&self, way: Way) -> Option<String> {
        match (way, way.program_name()) {
            (Way::Gateway, _) => {
                let mut help = Command::new(&self.hub);
                let answer = help.args(["gateway", "--help"]).output();
                let knows = answer.is_ok_and(|it| it.status.success());
                (!knows).then(|| format!("{} knows no `gateway`", self.hub.display()))
            }
            (_, Some(program)) if found(program).is_none() => {
                Some(format!("{program} is not installed, neither in PATH nor in {}", MORE_PLACES.join(" or ")))
            }
            _ => None,
        }
    }

    /// What stands in the way, in the version that is installed.
    pub fn version(&self, way: Way) -> Option<String> {
        match way {
            Way::Gateway => said(&self.hub.to_string_lossy(), "--version"),
            Way::Direct | Way::NginxLarge => None,
            Way::Nginx | Way::Haproxy => said(&found(way.program_name()?)?.to_string_lossy(), "-v"),
        }
    }
}

/// A command that inherits nothing but where programs are.
fn clean(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    command.env_clear().envs(std::env::vars_os().filter(|(key, _)| key == "PATH" || key == "HOME"));
    command
}

fn found(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(MORE_PLACES.map(PathBuf::from));
    places.map(|it| it.join(program)).find(|it| it.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let out = tempfile::tempdir().unwrap();
        let place = Place { out: out.path().to_owned(), hub: "/bin/false".into(), secret: String::new() };
        assert_eq!(place.missing(Way::Gateway).as_deref(), Some("/bin/false knows no `gateway`"));
        assert_eq!(place.missing(Way::Direct), None);
        assert!(found("sh").is_some() && found("no-such-program").is_none());
    }
}
