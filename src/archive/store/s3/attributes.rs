//! What is kept beside an object's bytes: HTTP headers and metadata.

use super::STORE;
use object_store::{Attribute, Attributes, Error, Result};
use std::collections::HashMap;

/// The put that made the object: see the head of `mod.rs`.
pub const TOKEN: &str = "pcloud-put";

pub fn token(metadata: Option<&HashMap<String, String>>) -> Option<&str> {
    metadata?.get(TOKEN).map(String::as_str)
}

#[derive(Default)]
pub struct HeadersOf {
    pub cache_control: Option<String>,
    pub content_disposition: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    pub content_type: Option<String>,
    pub metadata: HashMap<String, String>,
}

impl TryFrom<&Attributes> for HeadersOf {
    type Error = Error;

    fn try_from(attributes: &Attributes) -> Result<Self> {
        let mut headers = Self::default();
        for (attribute, value) in attributes {
            let value = value.to_string();
            match attribute {
                Attribute::CacheControl => headers.cache_control = Some(value),
                Attribute::ContentDisposition => headers.content_disposition = Some(value),
                Attribute::ContentEncoding => headers.content_encoding = Some(value),
                Attribute::ContentLanguage => headers.content_language = Some(value),
                Attribute::ContentType => headers.content_type = Some(value),
                Attribute::Metadata(name) => {
                    headers.metadata.insert(name.to_string(), value);
                }
                other => {
                    let operation = format!("keeping {other:?} of an object");
                    return Err(Error::NotImplemented { operation, implementer: STORE.into() });
                }
            }
        }
        Ok(headers)
    }
}

/// As they were put, without what is ours.
pub fn attributes(headers: HeadersOf) -> Attributes {
    let named = [
        (Attribute::CacheControl, headers.cache_control),
        (Attribute::ContentDisposition, headers.content_disposition),
        (Attribute::ContentEncoding, headers.content_encoding),
        (Attribute::ContentLanguage, headers.content_language),
        // what the SDK and servers say of bytes of no type
        (Attribute::ContentType, headers.content_type.filter(|t| !t.ends_with("/octet-stream"))),
    ];
    let metadata = headers.metadata.into_iter().filter(|(name, _)| name != TOKEN);
    let metadata = metadata.map(|(name, value)| (Attribute::Metadata(name.into()), Some(value)));
    named.into_iter().chain(metadata).filter_map(|(name, value)| Some((name, value?))).collect()
}
