//! The output of an export.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

#[cfg(feature = "object-store")]
use super::address::Address;
#[cfg(feature = "object-store")]
use super::bucket::{self, Bucket};
use super::checkpoint::Checkpoint;
use super::checkpoint_file;
use super::committed_file::CommittedFile;
use super::directory::{self, Directory};
use super::file_sink::FileSink;
use super::part_names::MANIFEST;
use super::parts_sink::PartsSink;
use super::sink::Sink;
use super::spec::ExportSpec;
use super::threads::blocking;
use super::writer_sink::WriterSink;
use crate::error::{Error, Result};

/// Where an export goes, and where its checkpoint is.
///
/// | | what is written | the checkpoint |
/// |---|---|---|
/// | [`file`](Self::file) | one file, appended to | `<file>.checkpoint`, or where you say |
/// | [`directory`](Self::directory) | parts: files that do not change | `_manifest.json` among them |
/// | `url` | parts: objects | `_manifest.json` among them |
/// | [`writer`](Self::writer) | a stream, such as standard output | where you say, or none |
///
/// ```
/// use apify_runs::emulator::Emulator;
/// use apify_runs::export::{Export, Output};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let emulator = Emulator::builder().runs(300).start().await?;
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("runs");
/// let runs = emulator.client().runs("janedoe/my-actor");
/// Export::new(runs, Output::directory(&path)).run().await?;
/// assert!(path.join("_manifest.json").exists());
/// # Ok(())
/// # }
/// ```
pub struct Output(Destination);

/// Where an export goes.
pub(super) enum Destination {
    File {
        path: PathBuf,
        checkpoint: PathBuf,
    },
    Directory(PathBuf),
    #[cfg(feature = "object-store")]
    Bucket(Address),
    Writer {
        // In a mutex, so that references to an output can go to other threads.
        writer: Mutex<Box<dyn Write + Send>>,
        checkpoint: Option<PathBuf>,
    },
}

impl Output {
    /// One file, JSON lines or CSV, compressed or not. Its checkpoint is `<file>.checkpoint`.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self(Destination::File {
            checkpoint: checkpoint_file::beside(&path),
            path,
        })
    }

    /// A folder of parts, and a manifest that lists them. It is created if it does not exist.
    pub fn directory(path: impl Into<PathBuf>) -> Self {
        Self(Destination::Directory(path.into()))
    }

    /// Objects with a common prefix in object storage: parts, and a manifest that lists them.
    ///
    /// | service | URL |
    /// |---|---|
    /// | S3 and what speaks its protocol | `s3://bucket/prefix`, or `s3a` |
    /// | Google Cloud Storage | `gs://bucket/prefix` |
    /// | Azure Blob Storage | `az://container/prefix`, or `abfs` and `abfss` |
    /// | the same, with its account | `abfss://container@account.dfs.core.windows.net/prefix` |
    ///
    /// Schemes may be in upper case. For a path, use [`file`](Self::file) or
    /// [`directory`](Self::directory): `file://` is refused.
    ///
    /// # Credentials
    ///
    /// They are read from the environment, as [`object_store`](https://docs.rs/object_store) does:
    ///
    /// | service | variables |
    /// |---|---|
    /// | S3 | `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL` and others; files in `~/.aws` are not read |
    /// | Google | `GOOGLE_APPLICATION_CREDENTIALS`, `GOOGLE_SERVICE_ACCOUNT_KEY` and others, or the file of `gcloud auth application-default login` |
    /// | Azure | `AZURE_STORAGE_ACCOUNT_NAME`, and `AZURE_STORAGE_ACCOUNT_KEY`, `AZURE_STORAGE_SAS_TOKEN` or others |
    ///
    /// If none is set, the credentials of the machine's role are requested from its metadata
    /// service. If that does not respond within five seconds, the export fails with
    /// [`ErrorKind::Output`], and the error names the variables to set. No error contains the
    /// values of secret variables.
    ///
    /// # Conditional writes
    ///
    /// The manifest is replaced only if no other export has changed it. A service that implements
    /// S3's protocol must support `If-Match`: without it, two exports at once corrupt the output.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the scheme is another one, if the bucket or the prefix is missing,
    /// or if the URL has a user or a password, which the error does not show. The environment is
    /// read when the output is opened.
    ///
    /// # Example
    ///
    /// ```
    /// use apify_runs::ErrorKind;
    /// use apify_runs::export::Output;
    ///
    /// let output = Output::url("gs://warehouse/apify/runs")?;
    /// assert_eq!(output.to_string(), "gs://warehouse/apify/runs");
    ///
    /// let error = Output::url("postgres://me:secret@localhost/runs").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Config);
    /// assert!(error.to_string().starts_with("invalid output \"postgres://…\": "));
    /// # Ok::<_, apify_runs::Error>(())
    /// ```
    ///
    /// [`ErrorKind::Config`]: crate::ErrorKind::Config
    /// [`ErrorKind::Output`]: crate::ErrorKind::Output
    #[cfg(feature = "object-store")]
    pub fn url(url: &str) -> Result<Self> {
        Address::parse(url).map(|address| Self(Destination::Bucket(address)))
    }

    /// Any stream. With a checkpoint, an export can resume; rows that were written between the
    /// last commit and a crash are then written again, since a stream cannot be truncated.
    /// Without one, it cannot resume.
    ///
    /// A kill can leave part of a row at the end of a stream. If the next start appends to the same
    /// stream, write a line feed first, or else its first row ends up on that line. The program
    /// does so with `--out -`. A truncated frame of `.gz` or `.zst` cannot be repaired: for these,
    /// use a [`file`](Self::file).
    ///
    /// CSV begins with its header at each start, even if it resumes or has no rows.
    pub fn writer(writer: impl Write + Send + 'static) -> Self {
        Self(Destination::Writer {
            writer: Mutex::new(Box::new(writer)),
            checkpoint: None,
        })
    }

    /// Another place for the checkpoint of a [`file`](Self::file) or a
    /// [`writer`](Self::writer). Parts have theirs in the manifest.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the output has parts, or if it is the
    /// output itself.
    pub fn checkpoint(mut self, path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        match &mut self.0 {
            Destination::File { path: file, .. } if is_same(file, &path) => {
                let expected = "it must be another file than the output";
                return Err(Error::config("checkpoint", path.display(), expected));
            }
            Destination::File { checkpoint, .. } => *checkpoint = path,
            Destination::Writer { checkpoint, .. } => *checkpoint = Some(path),
            _ => {
                let expected = "the checkpoint of an output in parts is its manifest";
                let path = path.display();
                return Err(Error::config("checkpoint", path, expected));
            }
        }
        Ok(self)
    }

    /// Whether it is made of parts.
    pub fn has_parts(&self) -> bool {
        match self.0 {
            Destination::Directory(_) => true,
            #[cfg(feature = "object-store")]
            Destination::Bucket(_) => true,
            Destination::File { .. } | Destination::Writer { .. } => false,
        }
    }

    /// Reads the checkpoint, if there is one. Changes nothing, and does not wait for a running
    /// export.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Damaged`](crate::ErrorKind::Damaged) if the file is not a checkpoint, or refers
    /// to files that do not exist,
    /// [`ErrorKind::Output`](crate::ErrorKind::Output) if it cannot be read, and
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if a variable with the address of an object
    /// store has a password in it.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
    pub async fn read_checkpoint(&self) -> Result<Option<Checkpoint>> {
        let path = match &self.0 {
            Destination::File { checkpoint, .. } => checkpoint.clone(),
            Destination::Directory(path) => {
                let path = path.clone();
                return blocking(move || directory::read_manifest(&path)).await;
            }
            #[cfg(feature = "object-store")]
            Destination::Bucket(address) => return bucket::read_manifest(address).await,
            Destination::Writer { checkpoint, .. } => match checkpoint {
                Some(path) => path.clone(),
                None => return Ok(None),
            },
        };
        blocking(move || checkpoint_file::read(&path)).await
    }

    /// Returns the files that hold the committed rows, in the order of the walk. `None` if there is
    /// no checkpoint. Changes nothing, and does not wait for a running export.
    ///
    /// ```
    /// use apify_runs::emulator::Emulator;
    /// use apify_runs::export::{Export, Output};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let emulator = Emulator::builder().runs(300).start().await?;
    /// let folder = tempfile::tempdir()?;
    /// let runs = emulator.client().runs("janedoe/my-actor");
    /// Export::new(runs, Output::directory(folder.path())).run().await?;
    ///
    /// let files = Output::directory(folder.path()).committed_files().await?.unwrap();
    /// let mut lines = 0;
    /// for file in &files {
    ///     lines += std::fs::read_to_string(&file.path)?.lines().count();
    /// }
    /// assert_eq!((files.len(), lines), (1, 300));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`read_checkpoint`](Self::read_checkpoint), and
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for object storage and for a stream.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
    pub async fn committed_files(&self) -> Result<Option<Vec<CommittedFile>>> {
        match &self.0 {
            Destination::File { path, .. } => {
                let checkpoint = self.read_checkpoint().await?;
                let file = |it: Checkpoint| vec![CommittedFile::new(path.clone(), it.bytes())];
                Ok(checkpoint.map(file))
            }
            Destination::Directory(path) => {
                let path = path.clone();
                blocking(move || directory::committed_files(&path)).await
            }
            _ => {
                let expected = "it must be a file or a folder on this machine";
                Err(Error::config("output", self, expected))
            }
        }
    }

    /// Whether it is certain that there is no checkpoint. Sends no request to object storage.
    pub(super) fn is_new(&self) -> bool {
        match &self.0 {
            Destination::File { checkpoint, .. } => !checkpoint.exists(),
            Destination::Directory(path) => !path.join(MANIFEST).exists(),
            #[cfg(feature = "object-store")]
            Destination::Bucket(_) => false,
            Destination::Writer { checkpoint, .. } => {
                checkpoint.as_ref().is_none_or(|path| !path.exists())
            }
        }
    }

    /// Opens it exclusively for this export: to resume, or to start again.
    ///
    /// Blocks; for object storage, it needs a tokio runtime that runs meanwhile.
    pub(super) fn open(self, spec: &ExportSpec, restart: bool) -> Result<Box<dyn Sink>> {
        Ok(match self.0 {
            Destination::File { path, checkpoint } => {
                Box::new(FileSink::open(path, checkpoint, spec, restart)?)
            }
            Destination::Directory(path) => {
                Box::new(PartsSink::open(Directory::open(path)?, spec, restart)?)
            }
            #[cfg(feature = "object-store")]
            Destination::Bucket(address) => {
                Box::new(PartsSink::open(Bucket::open(address)?, spec, restart)?)
            }
            Destination::Writer { writer, checkpoint } => {
                let writer = writer.into_inner().unwrap_or_else(PoisonError::into_inner);
                Box::new(WriterSink::open(writer, checkpoint, spec, restart)?)
            }
        })
    }

    pub(super) fn destination(&self) -> &Destination {
        &self.0
    }
}

/// Whether two paths differ only in their spelling: `runs.jsonl` and `./runs.jsonl`.
fn is_same(one: &Path, other: &Path) -> bool {
    let whole = |path: &Path| std::path::absolute(path).ok();
    one == other || whole(one).is_some_and(|one| whole(other) == Some(one))
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Destination::File { path, .. } | Destination::Directory(path) => path.display().fmt(f),
            #[cfg(feature = "object-store")]
            Destination::Bucket(address) => address.fmt(f),
            Destination::Writer { .. } => f.write_str("a stream"),
        }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Output").field(&self.to_string()).finish()
    }
}
