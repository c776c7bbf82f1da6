//! A `pcloud serve` that runs, and a client on it.

use super::archive::{pcloud, text};
use super::db::Product;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

pub struct Serve {
    child: Child,
    pub port: u16,
    client: Product,
}

impl Serve {
    pub fn start(archive: &Path) -> Serve {
        Self::start_as(pcloud(archive))
    }

    /// `serve`, of a program that was told everything else.
    pub fn start_as(mut command: Command) -> Serve {
        command.args(["serve", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped());
        let mut child = command.spawn().expect("pcloud starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let line =
            lines.find_map(|l| l.ok().filter(|l| l.starts_with("connect with"))).expect("it says how to connect");
        let port = line.rsplit(' ').next().and_then(|p| p.parse().ok()).expect("a port at the line's end");
        std::thread::spawn(move || lines.for_each(drop));
        Serve { child, port, client: Product::MariaDb1011 }
    }

    /// Asks by this server's own client from now on.
    pub fn asked_by(mut self, client: Product) -> Serve {
        self.client = client;
        self
    }

    /// The client of the real server's packages.
    pub fn client(&self) -> Command {
        let mut c = Command::new(self.client.tree().join("bin").join(self.client.client()));
        c.args(["--no-defaults", "-h127.0.0.1", "-utester", "--default-character-set=utf8mb4"]);
        c.arg(format!("-P{}", self.port)).stdin(Stdio::null());
        c
    }

    /// Runs statements in one connection; what they print, tab-separated, without headings.
    pub fn sql(&self, statements: &str) -> String {
        let out = self.client().args(["-N", "-B", "-e", statements]).output().expect("the client starts");
        assert!(out.status.success(), "{statements}: {}", text(&out.stderr));
        text(&out.stdout)
    }

    /// The error that a statement gives: `ERROR 1146 (42S02) at line 1: …`.
    pub fn error(&self, statement: &str) -> String {
        let out = self.client().args(["-N", "-B", "-e", statement]).output().expect("the client starts");
        assert!(!out.status.success(), "{statement} succeeded: {}", text(&out.stdout));
        // the client repeats the statement before
        let said = text(&out.stderr);
        said.find("ERROR").map_or_else(|| said.clone(), |at| said[at..].to_string())
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
