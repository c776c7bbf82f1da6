//! Who can read the archive? Public keys that objects are encrypted to, and identities that open them.
//!
//! The one place that knows what kinds of keys there are: age's own (X25519), SSH keys, and those of age plugins
//! (hardware tokens, key services). Secrets are never shown.

use crate::error::{Error, Kind, Result};
use age::secrecy::{ExposeSecret, SecretString};
use age::{Decryptor, IdentityFile, ssh, x25519};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Asks a person for a passphrase; `None`: there is nobody to ask.
pub type Ask = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Longer is no identity file.
const FILE_LIMIT: u64 = 1 << 20;
/// 2^20 rounds of scrypt: seconds and a gigabyte; more is an attack.
const WORK_LIMIT: u8 = 20;

type Recipient = Box<dyn age::Recipient + Send + Sync>;
type AnIdentity = Box<dyn age::Identity + Send + Sync>;

/// The public keys that objects are encrypted to: at least one.
#[derive(Clone)]
pub struct Recipients {
    texts: Vec<String>,
    /// Or why nothing is encrypted here.
    keys: std::result::Result<Arc<Vec<Recipient>>, Error>,
}

impl Recipients {
    /// Each as age writes it: `age1…`, `ssh-ed25519 …`, `ssh-rsa …`, `age1plugin1…`.
    /// Errors: `Usage`, when one is no public key, when one is there twice, when there is none, or when they do not go together.
    pub fn parse(texts: &[String]) -> Result<Self> {
        let mut kept: Vec<String> = Vec::new();
        let mut keys: Vec<Recipient> = Vec::new();
        for text in texts.iter().map(|t| t.trim()) {
            keys.push(recipient(text)?);
            let text = without_comment(text);
            if kept.contains(&text) {
                return Err(Error::new(Kind::Usage, format!("the public key {text} is given twice")));
            }
            kept.push(text);
        }
        if keys.is_empty() {
            return Err(Error::new(Kind::Usage, "there is no public key to encrypt to"));
        }
        let this = Self { texts: kept, keys: Ok(Arc::new(keys)) };
        let tried = this.encryptor().and_then(|encryptor| encryptor.wrap_output(std::io::sink()));
        tried.map_err(|e| {
            Error::new(Kind::Usage, format!("nothing can be encrypted to these public keys: {}", words(e))).hint(
                "Of post-quantum keys either all or none may be: one of another kind would undo what they are for.",
            )
        })?;
        Ok(this)
    }

    /// Those of an archive that is there: of keys that cannot be used on this machine (a plugin is not installed) it is said only
    /// when something is to be encrypted.
    /// Errors: as `parse`, when another is no public key.
    pub fn of_archive(texts: &[String]) -> Result<Self> {
        Self::parse(texts).or_else(|error| {
            let of_plugin = |text: &String| text.parse::<age::plugin::Recipient>().is_ok();
            let (plugins, others): (Vec<_>, Vec<_>) = texts.iter().partition(|text| of_plugin(text));
            others.into_iter().try_for_each(|text| recipient(text).map(drop))?;
            if plugins.is_empty() { Err(error) } else { Ok(Self { texts: texts.to_vec(), keys: Err(error) }) }
        })
    }

    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    pub(super) fn encryptor(&self) -> std::io::Result<age::Encryptor> {
        let keys = self.keys.as_ref().map_err(|e| std::io::Error::other(e.clone()))?;
        let keys = keys.iter().map(|key| key.as_ref() as &dyn age::Recipient);
        age::Encryptor::with_recipients(keys).map_err(std::io::Error::other)
    }
}

impl std::fmt::Debug for Recipients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.texts).finish()
    }
}

/// An SSH key's comment is no part of it.
fn without_comment(text: &str) -> String {
    if text.starts_with("ssh-") { text.split_whitespace().take(2).collect::<Vec<_>>().join(" ") } else { text.into() }
}

/// age's own words, in one line, without the marks that it puts around names.
fn words(error: impl std::fmt::Display) -> String {
    error.to_string().replace(['\u{2068}', '\u{2069}'], "").replace('\n', " ")
}

/// What of a public key is shown: those of plugins may have thousands of characters.
fn shown(text: &str) -> String {
    if text.len() > 100 { format!("{}…", text.chars().take(40).collect::<String>()) } else { text.into() }
}

fn recipient(text: &str) -> Result<Recipient> {
    let refused = |why: String| {
        Err(Error::new(Kind::Usage, format!("{:?} is no public key that can be encrypted to: {why}", shown(text)))
            .hint("pcloud keygen makes a key pair; give the age1… that it names, or a line of an SSH .pub file."))
    };
    if text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
        // not shown: it is a secret
        return Err(Error::new(Kind::Usage, "a secret key was given where a public key belongs")
            .hint("Give the public key that stands in the comment of the identity file, and keep the secret one off this machine."));
    }
    if let Ok(key) = text.parse::<x25519::Recipient>() {
        return Ok(Box::new(key));
    }
    if text.starts_with("ssh-") {
        return match text.parse::<ssh::Recipient>() {
            Ok(key) => Ok(Box::new(key)),
            Err(e) => refused(format!("{e:?}")),
        };
    }
    if let Ok(key) = text.parse::<age::plugin::Recipient>() {
        let plugin = key.plugin().to_string();
        return match age::plugin::RecipientPluginV1::new(&plugin, &[key], &[], age::NoCallbacks) {
            Ok(key) => Ok(Box::new(key)),
            Err(e) => {
                Err(Error::new(Kind::Usage, format!("the public key {} cannot be used: {}", shown(text), words(e)))
                    .hint(format!("Install age-plugin-{plugin} on this machine, in a directory of its PATH.")))
            }
        };
    }
    refused("it is misspelt, or of an unknown kind".into())
}

/// Secret keys that open what was encrypted to their public ones.
#[derive(Clone)]
pub struct Identities(Arc<Vec<AnIdentity>>);

impl std::fmt::Debug for Identities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identities({})", self.0.len())
    }
}

impl Identities {
    /// Reads identity files: age's, with or without a passphrase, or SSH private keys.
    /// Errors: `Usage` when a file is none of these, or its passphrase is wrong; `Io`.
    pub fn read(paths: &[PathBuf], ask: &Ask) -> Result<Self> {
        let mut all = Vec::new();
        for path in paths {
            all.extend(identities(path, ask)?);
        }
        if all.is_empty() {
            return Err(Error::new(Kind::Usage, "the identity files hold no identity"));
        }
        Ok(Self(Arc::new(all)))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.0.iter().map(|identity| identity.as_ref() as &dyn age::Identity)
    }
}

fn identities(path: &Path, ask: &Ask) -> Result<Vec<AnIdentity>> {
    let name = path.display().to_string();
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|e| Error::io(&name, e))?;
    file.take(FILE_LIMIT).read_to_end(&mut bytes).map_err(|e| Error::io(&name, e))?;
    let bytes = decrypted(&name, bytes, ask)?;
    if bytes.starts_with(b"-----BEGIN ") {
        return ssh_identity(&name, &bytes, ask);
    }
    let refused = |why: String| {
        Error::new(Kind::Usage, format!("{name} is no identity file: {why}"))
            .hint("pcloud keygen, age-keygen and ssh-keygen make identities.")
    };
    if bytes.split(|b| *b == b'\n').any(|line| line.starts_with(b"AGE-SECRET-KEY-PQ-")) {
        return Err(refused("its post-quantum identity is of age's own form".into())
            .hint("`age-plugin-pq -identity` makes the plugin's form of it, which can be used here."));
    }
    let file = IdentityFile::from_buffer(bytes.as_slice()).map_err(|e| refused(words(e)))?;
    let file = file.with_callbacks(Asking(ask.clone()));
    file.into_identities().map_err(|e| {
        Error::new(Kind::Usage, format!("the identities in {name} cannot be used: {}", words(e)))
            .hint("A plugin (age-plugin-…) must be installed on this machine, in a directory of its PATH.")
    })
}

/// The identity file inside a file that a passphrase protects; any other file as it is.
fn decrypted(name: &str, bytes: Vec<u8>, ask: &Ask) -> Result<Vec<u8>> {
    let armored = bytes.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----");
    if !armored && !bytes.starts_with(b"age-encryption.org/") {
        return Ok(bytes);
    }
    let refused = |why: String| Error::new(Kind::Usage, format!("the identity file {name} is not opened: {why}"));
    let decryptor = Decryptor::new_buffered(BufReader::new(age::armor::ArmoredReader::new(bytes.as_slice())))
        .map_err(|e| refused(e.to_string()))?;
    if !decryptor.is_scrypt() {
        return Err(refused("it is encrypted, but not with a passphrase".into()));
    }
    let passphrase = ask(&format!("Passphrase of {name}")).ok_or_else(|| {
        refused("nobody is there to type its passphrase".into())
            .hint("Start pcloud in a terminal, or give an identity file without one.")
    })?;
    let mut identity = age::scrypt::Identity::new(SecretString::from(passphrase));
    identity.set_max_work_factor(WORK_LIMIT);
    let mut plain = Vec::new();
    decryptor
        .decrypt(std::iter::once(&identity as &dyn age::Identity))
        .map_err(|_| refused("the passphrase is wrong".into()))?
        .read_to_end(&mut plain)
        .map_err(|e| refused(e.to_string()))?;
    Ok(plain)
}

fn ssh_identity(name: &str, bytes: &[u8], ask: &Ask) -> Result<Vec<AnIdentity>> {
    let refused = |why: String| Error::new(Kind::Usage, format!("the SSH key {name} cannot be used: {why}"));
    match ssh::Identity::from_buffer(bytes, Some(name.to_string())).map_err(|e| refused(e.to_string()))? {
        ssh::Identity::Encrypted(key) => {
            let passphrase = ask(&format!("Passphrase of {name}"))
                .ok_or_else(|| refused("nobody is there to type its passphrase".into()))?;
            let open = key.decrypt(SecretString::from(passphrase)).map_err(|e| refused(e.to_string()))?;
            Ok(vec![Box::new(ssh::Identity::from(open))])
        }
        ssh::Identity::Unsupported(_) => {
            Err(refused("age knows only ssh-ed25519 and ssh-rsa keys".into()).hint("pcloud keygen makes an identity."))
        }
        open => Ok(vec![Box::new(open)]),
    }
}

/// What plugins may ask.
#[derive(Clone)]
struct Asking(Ask);

impl age::Callbacks for Asking {
    fn display_message(&self, message: &str) {
        tracing::warn!("{message}");
    }

    fn confirm(&self, _: &str, _: &str, _: Option<&str>) -> Option<bool> {
        None
    }

    fn request_public_string(&self, _: &str) -> Option<String> {
        None
    }

    fn request_passphrase(&self, description: &str) -> Option<SecretString> {
        (self.0)(description).map(SecretString::from)
    }
}

/// A new key pair: the identity file's text, under a passphrase if one is given, and the public key.
/// Errors: `Internal`.
pub fn generate(passphrase: Option<String>, created: &str) -> Result<(String, String)> {
    let identity = x25519::Identity::generate();
    let public = identity.to_public().to_string();
    let text = format!("# created: {created}\n# public key: {public}\n{}\n", identity.to_string().expose_secret());
    let Some(passphrase) = passphrase else { return Ok((text, public)) };
    let fault = |e: std::io::Error| Error::internal(format!("protecting the identity: {e}"));
    let armor = age::armor::ArmoredWriter::wrap_output(Vec::new(), age::armor::Format::AsciiArmor).map_err(fault)?;
    let encryptor = age::Encryptor::with_user_passphrase(SecretString::from(passphrase));
    let mut writer = encryptor.wrap_output(armor).map_err(fault)?;
    writer.write_all(text.as_bytes()).map_err(fault)?;
    let bytes = writer.finish().and_then(|armor| armor.finish()).map_err(fault)?;
    Ok((String::from_utf8_lossy(&bytes).into_owned(), public))
}

/// The public keys of a file: one a line; `#` begins a comment. Errors: `Io`.
pub fn read_recipients(path: &Path) -> Result<Vec<String>> {
    let file = std::fs::File::open(path).map_err(|e| Error::io(path.display(), e))?;
    let lines = BufReader::new(file.take(FILE_LIMIT)).lines();
    let lines: Vec<String> = lines.collect::<std::io::Result<_>>().map_err(|e| Error::io(path.display(), e))?;
    Ok(lines.into_iter().map(|l| l.trim().to_string()).filter(|l| !l.is_empty() && !l.starts_with('#')).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody() -> Ask {
        Arc::new(|_| None)
    }

    #[test]
    fn a_pair_is_made_and_read_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let (text, public) = generate(None, "now").expect("made");
        assert!(text.contains(&format!("# public key: {public}\n")) && public.starts_with("age1"));
        let path = directory.path().join("id");
        std::fs::write(&path, text).expect("written");
        let identities = Identities::read(std::slice::from_ref(&path), &nobody()).expect("read");
        assert_eq!(identities.all().count(), 1);
        let recipients = Recipients::parse(std::slice::from_ref(&public)).expect("a key");
        assert_eq!(recipients.texts(), std::slice::from_ref(&public));
        assert_eq!(Recipients::parse(&[public.clone(), public]).expect_err("twice").kind, Kind::Usage);
    }

    #[test]
    fn a_passphrase_protects_an_identity() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("id");
        let (text, _) = generate(Some("open sesame".into()), "now").expect("made");
        assert!(!text.contains("SECRET"));
        std::fs::write(&path, text).expect("written");
        let paths = [path];
        let with = |word: &'static str| -> Ask { Arc::new(move |_| Some(word.to_string())) };
        assert!(Identities::read(&paths, &with("open sesame")).is_ok());
        assert!(Identities::read(&paths, &with("wrong")).expect_err("wrong").message.contains("wrong"));
        assert_eq!(Identities::read(&paths, &nobody()).expect_err("nobody").kind, Kind::Usage);
    }

    #[test]
    fn whatever_is_misspelt_is_refused_and_no_secret_is_shown() {
        let (text, public) = generate(None, "now").expect("made");
        let secret = text.lines().last().expect("a line").to_string();
        for bad in ["", "age1", "age1qqqq", "ssh-dss AAAA", "ssh-ed25519", &public[..public.len() - 1], &secret] {
            let error = Recipients::parse(&[bad.to_string()]).expect_err("refused");
            assert_eq!(error.kind, Kind::Usage);
            assert!(!error.to_string().contains(&secret), "{error}");
        }
        assert_eq!(Recipients::parse(&[]).expect_err("none").kind, Kind::Usage);
    }
}
