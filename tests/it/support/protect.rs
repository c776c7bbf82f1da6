//! A `pcloud protect` that goes on.

use super::archive::pcloud;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

pub const PATIENCE: Duration = Duration::from_secs(60);

/// A `protect` that goes on, and what it says.
pub struct Protect {
    pub child: Child,
    said: Receiver<String>,
    all: Vec<String>,
}

impl Protect {
    pub fn start(mut command: Command) -> Protect {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("pcloud starts");
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let (tell, said) = channel();
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).for_each(|l| drop(tell.send(l))));
        Protect { child, said, all: Vec::new() }
    }

    pub fn of(archive: &Path, source: &str) -> Protect {
        let mut command = pcloud(archive);
        command.args(["protect", source, "--name", "c"]);
        Protect::start(command)
    }

    /// Waits for a line that holds this.
    pub fn says(&mut self, wanted: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.said.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.all.push(line.clone());
                    if line.contains(wanted) {
                        return line;
                    }
                }
                Err(e) => {
                    let ended = if e == RecvTimeoutError::Disconnected { "it ended" } else { "nothing more came" };
                    panic!("'{wanted}' was not said; {ended}; it said:\n{}", self.all.join("\n"));
                }
            }
        }
    }
}

impl Drop for Protect {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
