//! Parts as objects with a common prefix, on S3 or a compatible store.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientConfigKey, GetResult, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    RetryConfig, UpdateVersion,
};
use serde::Deserialize;
use tokio::runtime::Handle;

use super::checkpoint::Checkpoint;
use super::part_names::MANIFEST;
use super::part_store::{Found, PartStore, not_replaced};
use super::segment::Listing;
use crate::error::{Error, ErrorKind, Result};
use crate::excerpt::excerpt;

/// For how long a request is repeated. The crate's own default, ten times, is over after a few
/// seconds, which is less than a service takes to come back; its three minutes leave somebody at
/// a terminal without a word for too long. Requests are signed once, and signatures are good
/// for 15 minutes.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);
/// Enough for the time above.
const MAX_RETRIES: usize = 100;
const MAX_DELAY: Duration = Duration::from_secs(10);
/// How long one attempt to move a part may take. The crate's own default, 30 seconds, would fail
/// each part of 64 MiB on a line of less than 18 Mbit/s, again and again.
const PART_TIMEOUT: &str = "5m";
/// How often a manifest is put that may have been put before. Each time is a minute, if nothing
/// responds.
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
    ///
    /// # Errors
    ///
    /// `ErrorKind::Damaged` also if a segment is missing or damaged.
    pub(super) async fn read_manifest(&self) -> Result<Option<Checkpoint>> {
        let bucket = self.clone().open()?;
        loop {
            let Some(manifest) = bucket.read_manifest().await? else {
                return Ok(None);
            };
            let listing = bucket.read_listing(&manifest).await?;
            let Err(error) = listing.complete(|name| self.full_name(name)) else {
                return Ok(Some(manifest));
            };
            // An export that starts again may have removed them meanwhile.
            let now = bucket.read_manifest().await?;
            if now.is_some_and(|now| now.segment == manifest.segment) {
                return Err(error);
            }
        }
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
            max_backoff: MAX_DELAY,
            base: 3.0,
            ..BackoffConfig::default()
        },
        max_retries: MAX_RETRIES,
        retry_timeout: RETRY_TIMEOUT,
    }
}

/// What object storage has said, in words.
///
/// Not its whole response: to a signature that is wrong or has expired, S3 repeats the request
/// with the session token in it.
#[derive(Debug)]
struct Reason(String);

impl Reason {
    fn of(error: &object_store::Error) -> Self {
        let secrets = SECRETS.iter().filter_map(|name| std::env::var(name).ok());
        let secrets: Vec<_> = secrets.filter(|secret| !secret.is_empty()).collect();
        Self::without(&secrets, error)
    }

    /// Leaves these secrets out: what stands before S3 may repeat anything.
    fn without(secrets: &[String], error: &object_store::Error) -> Self {
        let text = without_secrets(error, secrets);
        let mut shown = before_markup(&text);
        let cause = before_markup(&without_secrets(bottom(error), secrets));
        let ErrorBody { code, message } = ErrorBody::of(&text);
        // What was escaped is known as a secret only now.
        let said = [code, message].map(|said| excerpt(&replace_secrets(said, secrets)));
        let more = [cause].into_iter().chain(said);
        for more in more.filter(|more| !more.is_empty()) {
            if !shown.contains(&more) {
                shown = format!("{shown}: {more}");
            }
        }
        Self(shown)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Reason {}

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

/// What an error says, without what nobody is to read.
fn without_secrets(error: &dyn StdError, secrets: &[String]) -> String {
    replace_secrets(error.to_string(), secrets)
}

fn replace_secrets(text: String, secrets: &[String]) -> String {
    let replace = |text: String, secret: &String| text.replace(secret, "[secret]");
    secrets.iter().fold(text, replace)
}

/// What is at the bottom of an error, such as that the connection was refused.
fn bottom<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause
}

/// The beginning of a text, up to the body of a response in XML or HTML.
fn before_markup(text: &str) -> String {
    let before = text.split('<').next().unwrap_or_default();
    excerpt(before.trim_end_matches([':', ' ', '\n']))
}

/// What S3 says in the body of a response, if that is XML.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct ErrorBody {
    code: String,
    message: String,
}

impl ErrorBody {
    /// Reads the XML that is in a text.
    fn of(text: &str) -> Self {
        let body = text.find('<').and_then(|start| text.get(start..));
        let body = body.and_then(|body| quick_xml::de::from_str(body).ok());
        body.unwrap_or_default()
    }
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

    /// The manifest, if there is one. Its segments are not read.
    pub(super) async fn read_manifest(&self) -> Result<Option<Checkpoint>> {
        let name = self.address.full_name(MANIFEST);
        let manifest = self.get_manifest().await?;
        let manifest = manifest.map(|(text, _)| Checkpoint::parse(&text, &name));
        manifest.transpose()
    }

    /// Reads which parts there are.
    pub(super) async fn read_listing(&self, manifest: &Checkpoint) -> Result<Listing> {
        let mut reader = manifest.listing();
        while let Some(segment) = reader.next() {
            let found = self.find_part(&segment.name, segment.length).await?;
            reader.add(found);
        }
        Ok(reader.finish())
    }

    /// Reads a part or a segment that should have this length.
    pub(super) async fn find_part(&self, name: &str, length: u64) -> Result<Found> {
        let Some(found) = self.get(&self.part_store, name).await? else {
            return Ok(Found::Nothing);
        };
        if found.meta.size != length {
            return Ok(Found::OtherLength);
        }
        let bytes = found.bytes().await;
        let bytes = bytes.map_err(|error| self.cannot_read(name, &error))?;
        Ok(Found::Bytes(bytes.into()))
    }

    /// The manifest and its version, if it is there.
    async fn get_manifest(&self) -> Result<Option<(Vec<u8>, UpdateVersion)>> {
        let Some(found) = self.get(&self.store, MANIFEST).await? else {
            return Ok(None);
        };
        let version = UpdateVersion {
            e_tag: found.meta.e_tag.clone(),
            version: found.meta.version.clone(),
        };
        let bytes = found.bytes().await;
        let bytes = bytes.map_err(|error| self.cannot_read(MANIFEST, &error))?;
        Ok(Some((bytes.into(), version)))
    }

    /// An object that is not read yet, if it is there.
    async fn get(&self, store: &AmazonS3, name: &str) -> Result<Option<GetResult>> {
        match store.get(&self.path(name)).await {
            Ok(found) => Ok(Some(found)),
            // The same status as that of an object, but nothing can be said of the object.
            Err(error @ object_store::Error::NotFound { .. })
                if !error.to_string().contains("NoSuchBucket") =>
            {
                Ok(None)
            }
            Err(error) => Err(self.cannot_read(name, &error)),
        }
    }

    fn cannot_read(&self, name: &str, error: &object_store::Error) -> Error {
        failed(&self.address.full_name(name), "cannot be read", error)
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

    /// Whatever the response is, or if there is none, the manifest may have taken its place: a
    /// request that is repeated after its response was lost is refused because of itself, and not
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
                    let place = self.address.to_string();
                    return Err(not_replaced(&place, &name, found.is_some()));
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

impl PartStore for Bucket {
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

    fn put(&mut self, name: &str, bytes: Vec<u8>) -> Result<()> {
        // Not `Create`: nothing else has this name, and a request that is repeated must not
        // meet itself.
        let path = self.path(name);
        let put = self.part_store.put(&path, bytes.into());
        let put = self.runtime.block_on(put).map(|_| ());
        put.map_err(|error| failed(&self.full_name(name), "cannot be written", &error))
    }

    fn find(&self, name: &str, length: u64) -> Result<Found> {
        self.runtime.block_on(self.find_part(name, length))
    }

    fn list(&self) -> Result<Vec<String>> {
        self.runtime.block_on(self.names())
    }

    fn delete(&self, name: &str) -> Result<()> {
        let deleted = self.runtime.block_on(self.store.delete(&self.path(name)));
        deleted.map_err(|error| failed(&self.full_name(name), "cannot be removed", &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a response.
    fn said_of(response: &str) -> String {
        let error = object_store::Error::Generic {
            store: "S3",
            source: format!("403 Forbidden: {response}").into(),
        };
        Reason::without(&["SECRET".into(), "KEY".into()], &error).to_string()
    }

    #[test]
    fn no_secret_is_in_what_is_said_of_any_response() {
        for response in [
            "bad header x-amz-security-token: SECRET",
            "bad header x-amz-security-token: SECRET <id 7>",
            "<html><body>SECRET</body></html>",
            "<Error><Code>A</Code><Message>SECRET of KEY</Message><Token>SECRET</Token></Error>",
            "<Error><Code>A</Code><Message>&#83;ECRET of K&#x45;Y</Message></Error>",
            "KEY<Code>SECRET</Code>",
        ] {
            let said = said_of(response);
            assert!(!said.contains("SECRET") && !said.contains("KEY"), "{said}");
            assert!(said.contains("403 Forbidden"), "{said}");
        }
    }

    #[test]
    fn what_is_said_ends_with_a_reason() {
        assert_eq!(
            said_of("<html>no</html>"),
            "Generic S3 error: 403 Forbidden"
        );
        assert_eq!(
            said_of("<Error><Code>Expired</Code><Message>too old</Message></Error>"),
            "Generic S3 error: 403 Forbidden: Expired: too old"
        );
        assert_eq!(
            said_of("wrong <id 7>"),
            "Generic S3 error: 403 Forbidden: wrong"
        );
        // As S3 sends it.
        let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>A</Code><Message>no \
                    &quot;x&quot;</Message><Resource>/b</Resource><RequestId/></Error>";
        assert_eq!(
            said_of(body),
            "Generic S3 error: 403 Forbidden: A: no \"x\""
        );
        let long = format!("{} refused", "a".repeat(1000));
        assert!(said_of(&long).len() < 500);
    }
}
