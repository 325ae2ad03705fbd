//! Objects with a common prefix, on S3 or what speaks its protocol.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientConfigKey, ObjectStore, ObjectStoreExt, PutMode, PutOptions, RetryConfig,
    UpdateVersion,
};
use tokio::runtime::Handle;

use super::checkpoint::Checkpoint;
use super::parts::{MANIFEST, Store};
use crate::decode::excerpt;
use crate::error::{Error, ErrorKind, Result};

/// For how long a request is repeated. The crate's own default, ten times, is over after a few
/// seconds, which is less than a service takes to come back; its three minutes leave somebody at
/// a terminal without a word for too long. Requests are signed once, and signatures are good
/// for 15 minutes.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);
/// Enough for the time above.
const MAX_RETRIES: usize = 100;
const LONGEST_DELAY: Duration = Duration::from_secs(10);
/// How long one attempt to move a part may take. The crate's own default, 30 seconds, would fail
/// each part of 64 MiB on a line of less than 18 Mbit/s, again and again.
const PART_TIMEOUT: &str = "5m";
/// How often a manifest is put that may have been put before. Each time is a minute, if nobody
/// answers.
const MANIFEST_PUTS: u32 = 2;

/// The variables that hold what nobody is to read.
const SECRETS: [&str; 3] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
];
/// The variables that the address of a service may come from.
const ENDPOINTS: [&str; 3] = ["AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"];

/// Where the objects are: `s3://bucket/prefix`.
#[derive(Clone)]
pub(super) struct Address {
    bucket: String,
    prefix: Path,
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self> {
        let place = url
            .strip_prefix("s3://")
            .map(|rest| rest.trim_end_matches('/'));
        let (bucket, prefix) = match place.and_then(|place| place.split_once('/')) {
            Some((bucket, prefix)) if !bucket.is_empty() => (bucket, prefix),
            _ => {
                let expected = "it must be s3://bucket/prefix";
                return Err(Error::config("output", format!("{url:?}"), expected));
            }
        };
        let prefix = Path::parse(prefix)
            .map_err(|error| Error::config("output", format!("{url:?}"), &error.to_string()))?;
        Ok(Self {
            bucket: bucket.into(),
            prefix,
        })
    }

    /// Opens it. Nothing is asked yet.
    pub(super) fn open(self) -> Result<Bucket> {
        check_endpoint()?;
        let open = |builder: AmazonS3Builder| {
            let builder = builder.with_bucket_name(&self.bucket);
            let store = builder.with_retry(retry_config()).build();
            store.map_err(|error| self.error("cannot be opened", &error))
        };
        let store = open(AmazonS3Builder::from_env())?;
        let part_store = match std::env::var_os("AWS_TIMEOUT") {
            Some(_) => store.clone(),
            None => {
                let timeout = AmazonS3ConfigKey::Client(ClientConfigKey::Timeout);
                open(AmazonS3Builder::from_env().with_config(timeout, PART_TIMEOUT))?
            }
        };
        Ok(Bucket {
            address: self,
            store,
            part_store,
            runtime: Handle::current(),
            version: None,
        })
    }

    /// The manifest, if there is one.
    pub(super) async fn read_manifest(&self) -> Result<Option<Checkpoint>> {
        let name = self.full_name(MANIFEST);
        let manifest = self.clone().open()?.get_manifest().await?;
        let manifest = manifest.map(|(text, _)| Checkpoint::parse(&text, &name));
        manifest.transpose()
    }

    fn full_name(&self, name: &str) -> String {
        format!("{self}/{name}")
    }

    fn error(&self, what: &str, error: &object_store::Error) -> Error {
        failed(&self.to_string(), what, error)
    }
}

fn failed(name: &str, what: &str, error: &object_store::Error) -> Error {
    Error::new(ErrorKind::Output, format!("{name} {what}")).with_source(Reason::of(error))
}

fn retry_config() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            max_backoff: LONGEST_DELAY,
            base: 3.0,
            ..BackoffConfig::default()
        },
        max_retries: MAX_RETRIES,
        retry_timeout: RETRY_TIMEOUT,
    }
}

/// What object storage has said, in words.
///
/// Not its whole answer: to a signature that is wrong or has expired, S3 repeats the request
/// with the session token in it.
#[derive(Debug)]
struct Reason(String);

impl Reason {
    fn of(error: &object_store::Error) -> Self {
        let text = error.to_string();
        let Some((before, answer)) = text.split_once('<') else {
            return Self(with_cause(excerpt(&without_secrets(text)), error));
        };
        let before = before.trim_end_matches([':', ' ', '\n']);
        let said = ["Code", "Message"].map(|name| element(answer, name));
        let said: Vec<_> = said.into_iter().flatten().collect();
        Self(format!("{before}: {}", said.join(": ")))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Reason {}

/// What is no XML does not come from S3, but from something before it, which may repeat
/// anything.
fn without_secrets(text: String) -> String {
    let secrets = SECRETS.iter().filter_map(|name| std::env::var(name).ok());
    let secrets = secrets.filter(|secret| !secret.is_empty());
    secrets.fold(text, |text, secret| text.replace(&secret, "[secret]"))
}

/// Errors name the address of a request.
fn check_endpoint() -> Result<()> {
    for name in ENDPOINTS {
        if std::env::var(name).is_ok_and(|endpoint| endpoint.contains('@')) {
            let expected = "it must not have a user or a password in it";
            return Err(Error::config(name, "(not shown)", expected));
        }
    }
    Ok(())
}

/// Adds what is at the bottom of an error, such as that the connection was refused.
fn with_cause(mut text: String, error: &object_store::Error) -> String {
    let mut cause: &dyn StdError = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let cause = cause.to_string();
    if !text.contains(&cause) {
        text.push_str(": ");
        text.push_str(&cause);
    }
    text
}

/// The text of an element of an XML document.
fn element<'a>(document: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    rest.split_once("</").map(|(text, _)| text)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

/// An open place for objects.
pub(super) struct Bucket {
    address: Address,
    store: AmazonS3,
    /// The same, with more patience, for parts.
    part_store: AmazonS3,
    runtime: Handle,
    /// The manifest that was read or put last. `None`: there was none.
    version: Option<UpdateVersion>,
}

impl Bucket {
    fn path(&self, name: &str) -> Path {
        self.address.prefix.clone().join(name)
    }

    /// The manifest and its version, if it is there.
    async fn get_manifest(&self) -> Result<Option<(Vec<u8>, UpdateVersion)>> {
        self.get(&self.store, MANIFEST).await
    }

    /// A part, if it is there.
    pub(super) async fn get_part(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let found = self.get(&self.part_store, name).await?;
        Ok(found.map(|(part, _)| part))
    }

    async fn get(&self, store: &AmazonS3, name: &str) -> Result<Option<(Vec<u8>, UpdateVersion)>> {
        let failed = |error| failed(&self.address.full_name(name), "cannot be read", &error);
        let found = match store.get(&self.path(name)).await {
            Ok(found) => found,
            Err(error @ object_store::Error::NotFound { .. }) => {
                // The same status as that of an object, but nothing can be said of the object.
                if error.to_string().contains("NoSuchBucket") {
                    return Err(failed(error));
                }
                return Ok(None);
            }
            Err(error) => return Err(failed(error)),
        };
        let version = UpdateVersion {
            e_tag: found.meta.e_tag.clone(),
            version: found.meta.version.clone(),
        };
        let bytes = found.bytes().await.map_err(failed)?;
        Ok(Some((bytes.into(), version)))
    }

    /// Puts a manifest in the place of the one that is known, if that is still there: its
    /// version.
    async fn put_manifest(&self, manifest: Vec<u8>) -> object_store::Result<UpdateVersion> {
        let mode = match self.version.clone() {
            Some(version) => PutMode::Update(version),
            None => PutMode::Create,
        };
        let (path, options) = (self.path(MANIFEST), PutOptions::from(mode));
        let put = self.store.put_opts(&path, manifest.into(), options).await?;
        Ok(put.into())
    }

    /// Whatever the answer is, or if there is none, the manifest may have taken its place: a
    /// request that is repeated after its answer was lost is refused because of itself, and not
    /// every request is repeated. So it has to be looked at.
    async fn replace(&mut self, manifest: Vec<u8>) -> Result<()> {
        let mut puts = 0;
        loop {
            let error = match self.put_manifest(manifest.clone()).await {
                Ok(version) => {
                    self.version = Some(version);
                    return Ok(());
                }
                Err(error) => error,
            };
            puts += 1;
            let name = self.address.full_name(MANIFEST);
            let failed = failed(&name, "cannot be written", &error);
            let Ok(found) = self.get_manifest().await else {
                return Err(failed);
            };
            match found {
                Some((found, version)) if found == manifest => {
                    self.version = Some(version);
                    return Ok(());
                }
                found if !self.is_known(found.as_ref().map(|(_, version)| version)) => {
                    let message = format!("another export has taken over {}", self.address);
                    return Err(Error::new(ErrorKind::Locked, message));
                }
                // If one that was sent before comes later, the next one meets it.
                _ if puts < MANIFEST_PUTS => {}
                _ => return Err(failed),
            }
        }
    }

    /// Whether a manifest that was found is the one that was read or put last.
    fn is_known(&self, found: Option<&UpdateVersion>) -> bool {
        let e_tag = |version: &UpdateVersion| version.e_tag.clone();
        found.map(e_tag) == self.version.as_ref().map(e_tag)
    }

    async fn names(&self) -> Result<Vec<String>> {
        let prefix = Some(&self.address.prefix);
        let listed = self.store.list_with_delimiter(prefix).await;
        let listed = listed.map_err(|error| self.address.error("cannot be listed", &error))?;
        let name = |path: &Path| path.filename().unwrap_or_default().to_owned();
        let objects = listed.objects.iter();
        Ok(objects.map(|object| name(&object.location)).collect())
    }
}

impl Store for Bucket {
    fn full_name(&self, name: &str) -> String {
        self.address.full_name(name)
    }

    fn manifest(&mut self) -> Result<Option<Vec<u8>>> {
        let found = self.runtime.block_on(self.get_manifest())?;
        let (manifest, version) = found.unzip();
        self.version = version;
        Ok(manifest)
    }

    fn current_manifest(&self) -> Result<Option<Vec<u8>>> {
        let found = self.runtime.block_on(self.get_manifest())?;
        Ok(found.map(|(manifest, _)| manifest))
    }

    fn replace_manifest(&mut self, manifest: Vec<u8>) -> Result<()> {
        let runtime = self.runtime.clone();
        runtime.block_on(self.replace(manifest))
    }

    fn put(&mut self, name: &str, part: Vec<u8>) -> Result<()> {
        // Not `Create`: no other part has this name, and a request that is repeated must not
        // meet itself.
        let path = self.path(name);
        let put = self.part_store.put(&path, part.into());
        let put = self.runtime.block_on(put).map(|_| ());
        put.map_err(|error| failed(&self.full_name(name), "cannot be written", &error))
    }

    fn list(&self) -> Result<Vec<String>> {
        self.runtime.block_on(self.names())
    }

    fn delete(&self, name: &str) -> Result<()> {
        let deleted = self.runtime.block_on(self.store.delete(&self.path(name)));
        deleted.map_err(|error| failed(&self.full_name(name), "cannot be removed", &error))
    }
}
