//! What does a failure of S3 mean? Turned into object_store's errors, with S3's own words kept.

use super::STORE;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use object_store::Error;
use std::error::Error as StdError;

/// S3's status and code, if it answered at all.
pub fn status<E>(error: &SdkError<E, HttpResponse>) -> u16 {
    error.raw_response().map_or(0, |r| r.status().as_u16())
}

/// As object_store names it. `what`: the object's path, or the bucket.
pub fn said<E>(what: &str, error: SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let code = error.code().unwrap_or_default().to_string();
    let status = status(&error);
    let path = what.to_string();
    let source: Box<dyn StdError + Send + Sync> = words(&error, &code, status).into();
    match (status, code.as_str()) {
        (404, "NoSuchBucket") => Error::Generic { store: STORE, source },
        (404, _) => Error::NotFound { path, source },
        (304, _) => Error::NotModified { path, source },
        (412, _) => Error::Precondition { path, source },
        (403, _) => Error::PermissionDenied { path, source },
        (501, _) | (_, "NotImplemented") => {
            Error::NotImplemented { operation: format!("{what}: {source}"), implementer: STORE.into() }
        }
        (401, _) => Error::Unauthenticated { path, source },
        _ => Error::Generic { store: STORE, source },
    }
}

fn words<E>(error: &SdkError<E, HttpResponse>, code: &str, status: u16) -> String
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    match error {
        SdkError::TimeoutError(_) => "S3 did not answer in time".into(),
        SdkError::DispatchFailure(_) => format!("S3 is not reached: {}", DisplayErrorContext(error)),
        _ if !code.is_empty() => match error.message() {
            Some(message) => format!("S3 says {status} {code}: {message}"),
            None => format!("S3 says {status} {code}"),
        },
        _ if status > 0 => format!("S3 says {status}"),
        _ => DisplayErrorContext(error).to_string(),
    }
}
