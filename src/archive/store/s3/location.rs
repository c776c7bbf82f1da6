//! What does an `s3://` URL say? The bucket, the prefix, and options in its query.

use crate::error::{Error, Kind, Result};
use url::Url;

/// `s3://bucket/prefix?option=value&…`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct S3Location {
    pub bucket: String,
    /// Without a slash at either end; may be empty.
    pub prefix: String,
    /// Where another server than Amazon's answers: `http://host:port`.
    pub endpoint: Option<String>,
    pub region: Option<String>,
    /// A profile of the AWS configuration files.
    pub profile: Option<String>,
    /// `http://endpoint/bucket` instead of `http://bucket.endpoint`; if not said: whenever there is an endpoint.
    pub path_style: Option<bool>,
    /// `STANDARD_IA`, `INTELLIGENT_TIERING`, …
    pub storage_class: Option<String>,
    /// `AES256`, `aws:kms`, …, and the KMS key.
    pub encryption: Option<String>,
    pub kms_key: Option<String>,
    /// Object Lock: objects cannot be removed for so many days, in this mode (`GOVERNANCE`, `COMPLIANCE`).
    pub lock_days: Option<u32>,
    pub lock_mode: Option<String>,
    /// Checksums only where S3 requires them: for servers that know no others.
    pub few_checksums: bool,
}

const OPTIONS: &str =
    "region, endpoint, profile, path-style, storage-class, encryption, kms-key, lock-days, lock-mode, checksums";

impl S3Location {
    /// Errors: `Usage` for whatever is not understood, so that no misspelt option is passed over.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: String| {
            Err(Error::new(Kind::Usage, format!("{text}: {why}"))
                .hint(format!("Write s3://bucket/prefix?option=value; options: {OPTIONS}.")))
        };
        let Ok(url) = Url::parse(text) else { return wrong("this is no URL".into()) };
        let Some(bucket) = url.host_str().filter(|b| !b.is_empty()) else { return wrong("it names no bucket".into()) };
        if !url.username().is_empty() || url.password().is_some() || url.port().is_some() || url.fragment().is_some() {
            return Err(Error::new(Kind::Usage, "an s3:// URL holds no keys, ports or fragments")
                .hint("Keys come from the environment, ~/.aws, or the instance's role; another server is named by ?endpoint=http://host:port."));
        }
        let prefix = url.path().trim_matches('/');
        let parts: Vec<&str> = prefix.split('/').collect();
        let plain = |part: &&str| {
            part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-=".contains(&b)) && *part != "." && *part != ".."
        };
        if !prefix.is_empty() && !parts.iter().all(|part| !part.is_empty() && plain(part)) {
            return wrong("a prefix consists of letters, digits, '_', '-', '.', '=' and single slashes".into());
        }
        let mut found = Self { bucket: bucket.to_string(), prefix: prefix.to_string(), ..Self::default() };
        for (name, value) in url.query_pairs() {
            let value = value.into_owned();
            if value.is_empty() {
                return wrong(format!("option {name} has no value"));
            }
            match name.as_ref() {
                "region" => found.region = Some(value),
                "endpoint" if value.starts_with("http://") || value.starts_with("https://") => {
                    found.endpoint = Some(value)
                }
                "profile" => found.profile = Some(value),
                "path-style" => match value.as_str() {
                    "true" => found.path_style = Some(true),
                    "false" => found.path_style = Some(false),
                    _ => return wrong("path-style is true or false".into()),
                },
                "storage-class" => found.storage_class = Some(value),
                "encryption" => found.encryption = Some(value),
                "kms-key" => found.kms_key = Some(value),
                "lock-days" => match value.parse() {
                    Ok(days) if days > 0 => found.lock_days = Some(days),
                    _ => return wrong("lock-days is a number of days".into()),
                },
                "lock-mode" if matches!(value.as_str(), "GOVERNANCE" | "COMPLIANCE") => found.lock_mode = Some(value),
                "checksums" if value == "required" => found.few_checksums = true,
                _ => return wrong(format!("{name}={value} is not understood")),
            }
        }
        if found.lock_mode.is_some() && found.lock_days.is_none() {
            return wrong("lock-mode goes with lock-days".into());
        }
        Ok(found)
    }

    /// The key of the object at a path below the prefix; of the empty path the prefix with its slash.
    pub fn key(&self, relative: &str) -> String {
        match (self.prefix.is_empty(), relative.is_empty()) {
            (true, _) => relative.to_string(),
            (false, true) => format!("{}/", self.prefix),
            (false, false) => format!("{}/{relative}", self.prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_all_there_is_to_say() {
        let all = "s3://b/p/q/?region=eu-1&endpoint=http://127.0.0.1:9&profile=x&path-style=false&storage-class=STANDARD_IA\
                   &encryption=aws:kms&kms-key=k&lock-days=7&lock-mode=COMPLIANCE&checksums=required";
        let parsed = S3Location::parse(all).expect("parsed");
        assert_eq!((parsed.bucket.as_str(), parsed.prefix.as_str()), ("b", "p/q"));
        assert_eq!((parsed.lock_days, parsed.path_style, parsed.few_checksums), (Some(7), Some(false), true));
        assert_eq!((parsed.key("x/y"), parsed.key("")), ("p/q/x/y".to_string(), "p/q/".to_string()));
        assert_eq!(S3Location::parse("s3://b").expect("parsed").key("x"), "x");
    }

    #[test]
    fn what_is_misspelt_is_refused() {
        for bad in [
            "s3://",
            "s3:///prefix",
            "s3://b/a//c",
            "s3://b/a%2fb",
            "s3://key:secret@b/p",
            "s3://b:9000/p",
            "s3://b/p?regoin=x",
            "s3://b/p?region=",
            "s3://b/p?endpoint=host",
            "s3://b/p?lock-mode=COMPLIANCE",
            "s3://b/p?lock-days=0",
            "s3://b/p?lock-days=1&lock-mode=compliance",
            "s3://b/p?path-style=yes",
        ] {
            assert_eq!(S3Location::parse(bad).expect_err(bad).kind, Kind::Usage, "{bad}");
        }
    }
}
