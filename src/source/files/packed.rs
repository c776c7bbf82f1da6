//! What bytes does a file hold, packed or not? Unpacked as it is read, so that memory holds a window of it.

use crate::error::{Context, Error, Kind, Result};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Bytes that are read at once.
const WINDOW: usize = 1 << 20;

/// What the first bytes of a file say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    Text,
    BinaryLog,
}

/// Opens a file: plain, gzip or zstd by its first bytes (several compressed parts may follow each other).
/// Errors: `Io`; `Unsupported` for other ways to compress.
pub fn open(path: &Path) -> Result<Box<dyn BufRead + Send>> {
    let mut file = BufReader::with_capacity(WINDOW, File::open(path).context(path.display())?);
    let head = file.fill_buf().context(path.display())?;
    let unpacked: Box<dyn Read + Send> = match head {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::with_buffer(file).context(path.display())?),
        [b'B', b'Z', b'h', ..] => return Err(other(path, "bzip2")),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => return Err(other(path, "xz")),
        [0x04, 0x22, 0x4d, 0x18, ..] => return Err(other(path, "lz4")),
        [b'P', b'K', 3, 4, ..] => return Err(other(path, "zip")),
        _ => return Ok(Box::new(file)),
    };
    Ok(Box::new(BufReader::with_capacity(WINDOW, unpacked)))
}

fn other(path: &Path, how: &str) -> Error {
    Error::new(Kind::Unsupported, format!("{} is compressed with {how}", path.display()))
        .hint("Unpack it first, or compress it with gzip or zstd.")
}

/// Tells a binlog file from text: by its first bytes, or by a name like `….000042`, which is a damaged log rather than
/// a dump. Errors: `Io`; `Unsupported` for an encrypted or a compressed binlog file.
pub fn sort(path: &Path) -> Result<Sort> {
    let numbered = |e: &std::ffi::OsStr| e.len() >= 6 && e.as_encoded_bytes().iter().all(u8::is_ascii_digit);
    let mut head = [0u8; 4];
    let n = read_up_to(&mut File::open(path).context(path.display())?, &mut head).context(path.display())?;
    match &head[..n] {
        b"\xfebin" => return Ok(Sort::BinaryLog),
        b"\xfdbin" => return Err(encrypted(&path.display().to_string())),
        _ => {}
    }
    if path.extension().is_some_and(numbered) {
        return Ok(Sort::BinaryLog);
    }
    let n = match open(path)?.read(&mut head) {
        Ok(n) => n,
        Err(_) => return Ok(Sort::Text), // reading it says what is wrong, and where
    };
    if &head[..n] == b"\xfebin" {
        return Err(Error::new(Kind::Unsupported, format!("binlog file {} is compressed as a file", path.display()))
            .hint("Unpack it, and keep the name that the server gave it: binlog.000042."));
    }
    Ok(Sort::Text)
}

/// What to say of a binlog file that only its server can read.
pub fn encrypted(path: &str) -> Error {
    Error::new(Kind::Unsupported, format!("binlog file {path} is encrypted")).hint(
        "Read it from the server, which decrypts it: pcloud protect; or mysqlbinlog (mariadb-binlog) \
         --read-from-remote-server --raw, and import what that writes.",
    )
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut n = 0;
    while n < buffer.len() {
        match file.read(&mut buffer[n..])? {
            0 => break,
            more => n += more,
        }
    }
    Ok(n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn packed_files_are_read_as_what_they_hold_and_others_refused_by_name() {
        let dir = tempfile::tempdir().expect("a directory");
        let write = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).expect("written");
            path
        };
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(b"SELECT 1;").expect("packed");
        let gz = gz.finish().expect("packed");
        let zst = zstd::encode_all(&b"SELECT 1;"[..], 1).expect("packed");
        for path in [
            write("a", b"SELECT 1;"),
            write("b", &gz),
            write("c", &zst),
            write("d", &[zst.clone(), zst[..0].to_vec()].concat()),
        ] {
            let mut text = String::new();
            open(&path).expect("opened").read_to_string(&mut text).expect("read");
            assert_eq!((text.as_str(), sort(&path).expect("text")), ("SELECT 1;", Sort::Text));
        }
        let mut twice = String::new();
        open(&write("e", &[zst.clone(), zst].concat())).expect("opened").read_to_string(&mut twice).expect("read");
        assert_eq!(twice, "SELECT 1;SELECT 1;");
        assert_eq!(sort(&write("binlog.000001", b"\xfebin...")).expect("a log"), Sort::BinaryLog);
        assert_eq!(sort(&write("binlog.000002", b"\xfebix...")).expect("a damaged log"), Sort::BinaryLog);
        assert_eq!(sort(&write("empty", b"")).expect("nothing"), Sort::Text);
        let log = zstd::encode_all(&b"\xfebin..."[..], 1).expect("packed");
        for (path, word) in [
            (write("f", b"\xfdbin..."), "encrypted"),
            (write("g", &log), "compressed as a file"),
            (write("h", b"BZh9..."), "bzip2"),
            (write("i", b"\xfd7zXZ\0"), "xz"),
        ] {
            let error = sort(&path).err().unwrap_or_else(|| panic!("{word}"));
            assert!(error.kind == Kind::Unsupported && error.message.contains(word) && error.hint.is_some(), "{error}");
        }
    }
}
