//! Parts as objects with a common prefix, in a cloud's object storage.

use std::sync::Arc;

use object_store::path::Path;
use object_store::{GetResult, ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion};
use tokio::runtime::Handle;

use super::address::Address;
use super::checkpoint::Checkpoint;
use super::cloud::Stores;
use super::part_names::MANIFEST;
use super::part_store::{Found, PartStore, not_replaced};
use super::reason::failed;
use super::segment::Listing;
use crate::error::{Error, Result};

/// How often a manifest is put that may have been put before. Each time is a minute, if nothing
/// responds.
const MANIFEST_PUTS: u32 = 2;
/// How services call a bucket that does not exist, with the same status as an object.
const NO_BUCKET: [&str; 2] = ["NoSuchBucket", "ContainerNotFound"];

/// The manifest at an address, if there is one.
///
/// # Errors
///
/// `ErrorKind::Damaged` also if a segment is missing or damaged.
pub(super) async fn read_manifest(address: &Address) -> Result<Option<Checkpoint>> {
    let bucket = Bucket::open(address.clone())?;
    loop {
        let Some(manifest) = bucket.read_manifest().await? else {
            return Ok(None);
        };
        let listing = bucket.read_listing(&manifest).await?;
        let Err(error) = listing.complete(|name| address.full_name(name)) else {
            return Ok(Some(manifest));
        };
        // An export that starts again may have removed them meanwhile.
        let now = bucket.read_manifest().await?;
        if now.is_some_and(|now| now.segment == manifest.segment) {
            return Err(error);
        }
    }
}

/// An open place for objects.
pub(super) struct Bucket {
    address: Address,
    stores: Stores,
    runtime: Handle,
    /// The manifest that was read or put last. `None`: there was none.
    version: Option<UpdateVersion>,
}

impl Bucket {
    /// Opens it. No request is sent.
    pub(super) fn open(address: Address) -> Result<Self> {
        address.cloud.check_environment()?;
        let stores = address.cloud.open(&address.bucket);
        let stores =
            stores.map_err(|error| failed(&address.to_string(), "cannot be opened", &error))?;
        Ok(Self {
            address,
            stores,
            runtime: Handle::current(),
            version: None,
        })
    }

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
        let Some(found) = self.get(&self.stores.part_store, name).await? else {
            return Ok(Found::Nothing);
        };
        if found.meta.size != length {
            return Ok(Found::OtherLength);
        }
        let bytes = found.bytes().await;
        let bytes = bytes.map_err(|error| self.cannot_read(name, &error))?;
        Ok(Found::Bytes(bytes.into()))
    }

    /// The manifest and its version, if it exists.
    async fn get_manifest(&self) -> Result<Option<(Vec<u8>, UpdateVersion)>> {
        let Some(found) = self.get(&self.stores.store, MANIFEST).await? else {
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

    /// An object that is not read yet, if it exists.
    async fn get(&self, store: &Arc<dyn ObjectStore>, name: &str) -> Result<Option<GetResult>> {
        match store.get(&self.path(name)).await {
            Ok(found) => Ok(Some(found)),
            Err(error @ object_store::Error::NotFound { .. }) if !is_no_bucket(&error) => Ok(None),
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
        let put = self
            .stores
            .store
            .put_opts(&path, manifest.into(), options)
            .await?;
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
        match (found, &self.version) {
            (Some(found), Some(known)) => {
                // Google's entity tag is a checksum, and not every service has versions.
                let has_versions = found.version.is_some() && known.version.is_some();
                found.e_tag == known.e_tag && (!has_versions || found.version == known.version)
            }
            (found, known) => found.is_none() && known.is_none(),
        }
    }

    pub(super) async fn names(&self) -> Result<Vec<String>> {
        let prefix = Some(&self.address.prefix);
        let listed = self.stores.store.list_with_delimiter(prefix).await;
        let listed = listed
            .map_err(|error| failed(&self.address.to_string(), "cannot be listed", &error))?;
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
        let put = self.stores.part_store.put(&path, bytes.into());
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
        let deleted = self
            .runtime
            .block_on(self.stores.store.delete(&self.path(name)));
        deleted.map_err(|error| failed(&self.full_name(name), "cannot be removed", &error))
    }
}

/// Whether the bucket itself does not exist, so that nothing can be said of an object in it.
fn is_no_bucket(error: &object_store::Error) -> bool {
    let text = error.to_string();
    NO_BUCKET.iter().any(|code| text.contains(code))
}
