//! A bucket that is found by the `AWS_…` environment variables.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sessile_lake::object_store::RetryConfig;
use sessile_lake::object_store::aws::AmazonS3Builder;
use sessile_lake::{Bucket, Error};

/// The time for which requests to an unavailable server are retried.
const PATIENCE: Duration = Duration::from_secs(60);

/// The bucket of `s3://BUCKET/PREFIX`, with keys and endpoint from the `AWS_…`
/// variables.
pub(crate) fn bucket(url: &Path, rest: &str) -> Result<Bucket, Error> {
    let failed =
        |source: io::Error| Error::Io { action: "connect to", path: url.to_owned(), source };
    // If a provider is installed already, that one is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        let text = "the bucket is missing; write s3://BUCKET/PREFIX";
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, text)));
    }
    let retry = RetryConfig { max_retries: 5, retry_timeout: PATIENCE, ..RetryConfig::default() };
    let store = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_retry(retry)
        .build()
        .map_err(|err| failed(err.into()))?;
    // Errors name it like this, with files below it.
    Ok(Bucket::new(Arc::new(store), prefix)?.named(url))
}
