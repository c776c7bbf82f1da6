//! A certificate authority of the test's own, made by the `openssl` program.

use super::db::run;
use std::path::PathBuf;
use std::process::Command;

/// Its files, which servers of another account may read too.
pub struct Authority {
    dir: tempfile::TempDir,
}

impl Authority {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("pcloud-ca-").tempdir().expect("a directory");
        let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
        std::fs::set_permissions(dir.path(), mode).expect("own directory");
        let this = Self { dir };
        run(Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
            .args(["-days", "30", "-subj", "/CN=test authority", "-keyout"])
            .arg(this.path("ca-key.pem"))
            .arg("-out")
            .arg(this.path("ca.pem")));
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Its own certificate.
    pub fn ca(&self) -> String {
        self.path("ca.pem").display().to_string()
    }

    /// Certificate and key for somebody, with these names (`IP:127.0.0.1`, `DNS:db.example`).
    pub fn sign(&self, who: &str, names: &str) -> (String, String) {
        let file = |end: &str| self.path(&format!("{who}{end}"));
        let (key, request, cert, extensions) = (file("-key.pem"), file(".csr"), file(".pem"), file(".ext"));
        run(Command::new("openssl")
            .args(["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
            .args(["-subj", &format!("/CN={who}"), "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&request));
        let text = format!("basicConstraints=critical,CA:FALSE\nsubjectAltName={names}\n");
        std::fs::write(&extensions, text).expect("written");
        run(Command::new("openssl")
            .args(["x509", "-req", "-days", "30", "-CAcreateserial", "-in"])
            .arg(&request)
            .arg("-CA")
            .arg(self.path("ca.pem"))
            .arg("-CAkey")
            .arg(self.path("ca-key.pem"))
            .arg("-extfile")
            .arg(&extensions)
            .arg("-out")
            .arg(&cert));
        let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o644);
        std::fs::set_permissions(&key, mode).expect("own file");
        (cert.display().to_string(), key.display().to_string())
    }
}
