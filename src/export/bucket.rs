//! Objects with a common prefix, on S3 or what speaks its protocol.

use std::fmt;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion};
use tokio::runtime::Handle;

use super::checkpoint::Checkpoint;
use super::parts::{MANIFEST, Store};
use crate::error::{Error, ErrorKind, Result};

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
        let store = AmazonS3Builder::from_env()
            .with_bucket_name(&self.bucket)
            .build()
            .map_err(|error| self.error("cannot be opened", error))?;
        Ok(Bucket {
            address: self,
            store,
            runtime: Handle::current(),
            version: None,
        })
    }

    /// The manifest, if there is one.
    pub(super) async fn read_manifest(&self) -> Result<Option<Checkpoint>> {
        let name = self.full_name(MANIFEST);
        let manifest = self.clone().open()?.get(MANIFEST).await?;
        let manifest = manifest.map(|(text, _)| Checkpoint::parse(&text, &name));
        manifest.transpose()
    }

    fn full_name(&self, name: &str) -> String {
        format!("{self}/{name}")
    }

    fn error(&self, what: &str, error: object_store::Error) -> Error {
        Error::new(ErrorKind::Output, format!("{self} {what}")).with_source(error)
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
    runtime: Handle,
    /// The manifest that was read or put last. `None`: there was none.
    version: Option<UpdateVersion>,
}

impl Bucket {
    fn path(&self, name: &str) -> Path {
        self.address.prefix.clone().join(name)
    }

    /// An object and its version, if it is there.
    pub(super) async fn get(&self, name: &str) -> Result<Option<(Vec<u8>, UpdateVersion)>> {
        let failed = |error| {
            let message = format!("{} cannot be read", self.address.full_name(name));
            Error::new(ErrorKind::Output, message).with_source(error)
        };
        let found = match self.store.get(&self.path(name)).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let version = UpdateVersion {
            e_tag: found.meta.e_tag.clone(),
            version: found.meta.version.clone(),
        };
        let bytes = found.bytes().await.map_err(failed)?;
        Ok(Some((bytes.into(), version)))
    }

    /// Puts an object, if the place is as `mode` says: its new version, or `None` if not.
    async fn put_if(
        &self,
        name: &str,
        bytes: Vec<u8>,
        mode: PutMode,
    ) -> Result<Option<UpdateVersion>> {
        let options = PutOptions::from(mode);
        match self
            .store
            .put_opts(&self.path(name), bytes.into(), options)
            .await
        {
            Ok(put) => Ok(Some(put.into())),
            Err(
                object_store::Error::Precondition { .. }
                | object_store::Error::AlreadyExists { .. },
            ) => Ok(None),
            Err(error) => {
                let message = format!("{} cannot be written", self.address.full_name(name));
                Err(Error::new(ErrorKind::Output, message).with_source(error))
            }
        }
    }

    async fn replace(&mut self, manifest: Vec<u8>) -> Result<()> {
        let mode = match self.version.clone() {
            Some(version) => PutMode::Update(version),
            None => PutMode::Create,
        };
        if let Some(version) = self.put_if(MANIFEST, manifest.clone(), mode).await? {
            self.version = Some(version);
            return Ok(());
        }
        // An answer that was lost on the way looks the same, when the request is repeated.
        match self.get(MANIFEST).await? {
            Some((found, version)) if found == manifest => {
                self.version = Some(version);
                Ok(())
            }
            _ => {
                let message = format!("another export has taken over {}", self.address);
                Err(Error::new(ErrorKind::Locked, message))
            }
        }
    }

    async fn names(&self) -> Result<Vec<String>> {
        let prefix = Some(&self.address.prefix);
        let listed = self.store.list_with_delimiter(prefix).await;
        let listed = listed.map_err(|error| self.address.error("cannot be listed", error))?;
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
        let found = self.runtime.block_on(self.get(MANIFEST))?;
        Ok(found.map(|(manifest, version)| {
            self.version = Some(version);
            manifest
        }))
    }

    fn replace_manifest(&mut self, manifest: Vec<u8>) -> Result<()> {
        let runtime = self.runtime.clone();
        runtime.block_on(self.replace(manifest))
    }

    fn put(&mut self, name: &str, part: Vec<u8>) -> Result<()> {
        // Not `Create`: no other part has this name, and a request that is repeated must not
        // meet itself.
        let put = self.put_if(name, part, PutMode::Overwrite);
        self.runtime.block_on(put).map(|_| ())
    }

    fn list(&self) -> Result<Vec<String>> {
        self.runtime.block_on(self.names())
    }

    fn delete(&self, name: &str) -> Result<()> {
        let deleted = self.runtime.block_on(self.store.delete(&self.path(name)));
        deleted.map_err(|error| {
            let message = format!("{} cannot be removed", self.full_name(name));
            Error::new(ErrorKind::Output, message).with_source(error)
        })
    }
}
