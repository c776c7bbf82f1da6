//! How is an S3 server reached? The SDK's client: its credentials, region, time-outs and retries.

use super::super::meter::Meter;
use super::counting::Counting;
use super::location::S3Location;
use aws_config::BehaviorVersion;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Region, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_smithy_http_client::{Builder, tls};
use std::sync::Arc;
use std::time::Duration;

/// A request is tried so often, with growing, jittered pauses…
const ATTEMPTS: u32 = 6;
/// …each try for so long…
const ATTEMPT: Duration = Duration::from_secs(60);
/// …and all of them together for so long.
const DEADLINE: Duration = Duration::from_secs(240);
const CONNECT: Duration = Duration::from_secs(5);
/// Of a server that is not Amazon's no region is known, and any will do.
const ANY_REGION: &str = "us-east-1";

/// Credentials are looked for when they are first needed: environment, profiles, SSO, web identity, instance roles.
pub async fn connect(location: &S3Location, meter: Arc<Meter>) -> Client {
    let http = Builder::new().tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring)).build_https();
    let time_out = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(DEADLINE)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS).with_max_backoff(Duration::from_secs(10)))
        .timeout_config(time_out);
    if let Some(region) = &location.region {
        loader = loader.region(Region::new(region.clone()));
    } else if location.endpoint.is_some() {
        loader =
            loader.region(RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new()).or_else(ANY_REGION));
    }
    if let Some(profile) = &location.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(endpoint) = &location.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    let shared = loader.load().await;
    let path_style = location.path_style.unwrap_or(shared.endpoint_url().is_some());
    let mut config =
        aws_sdk_s3::config::Builder::from(&shared).force_path_style(path_style).interceptor(Counting(meter));
    if location.few_checksums {
        config = config
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    }
    Client::from_conf(config.build())
}
