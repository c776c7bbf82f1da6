//! What goes wrong while the writers write: the capture and the server are killed, the log goes on in another file.

use super::World;
use crate::support::archive::pcloud;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// `pcloud protect`.
pub struct Capture {
    child: Child,
    archive: PathBuf,
    url: String,
    log: PathBuf,
}

impl Capture {
    pub fn start(archive: &Path, url: &str, log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).expect("a log");
        let mut command = pcloud(archive);
        command.args(["protect", url, "--name", "c"]).stdout(Stdio::null()).stderr(file);
        let child = command.spawn().expect("pcloud starts");
        Self { child, archive: archive.to_path_buf(), url: url.to_string(), log: log.to_path_buf() }
    }

    fn kill(&mut self) {
        if let Some(status) = self.child.try_wait().expect("asks") {
            let said = std::fs::read_to_string(&self.log).unwrap_or_default();
            let last: Vec<_> = said.lines().rev().take(5).collect();
            panic!("pcloud protect ended by itself ({status}):\n{}", last.join("\n"));
        }
        self.child.kill().expect("kill -9");
        self.child.wait().expect("it is gone");
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Kills and restarts until the time is over; the capture is gone then.
pub async fn disturb(world: &Arc<World>, mut capture: Capture, until: Instant) {
    let mut rng = fastrand::Rng::with_seed(world.seed ^ 0xbad);
    loop {
        let pause = Duration::from_secs(rng.u64(4..12)).min(until.saturating_duration_since(Instant::now()));
        if pause.is_zero() {
            return capture.kill();
        }
        tokio::time::sleep(pause).await;
        world.count.disturbances.fetch_add(1, Ordering::Relaxed);
        match rng.u8(..8) {
            0..=2 => {
                capture.kill();
                capture = Capture::start(&capture.archive, &capture.url, &capture.log);
            }
            3 => rotate(world).await,
            4 => {
                // within a burst of writes: the next file of the log, a restart, the next file
                world.burst.store(true, Ordering::Relaxed);
                for restart in [false, true, false] {
                    tokio::time::sleep(Duration::from_millis(rng.u64(100..500))).await;
                    rotate(world).await;
                    if restart {
                        again(world, rng.bool()).await;
                    }
                }
                world.burst.store(false, Ordering::Relaxed);
            }
            n => again(world, n == 5).await,
        }
    }
}

async fn rotate(world: &Arc<World>) {
    let world = world.clone();
    tokio::task::spawn_blocking(move || world.db.sql("FLUSH BINARY LOGS")).await.expect("the log goes on");
}

/// Stops the server, or kills it, and starts it.
async fn again(world: &Arc<World>, crash: bool) {
    let world = world.clone();
    let again = move || {
        world.db.stop(crash);
        world.db.start_again();
    };
    tokio::task::spawn_blocking(again).await.expect("the server starts again");
}
