//! Exports a list to files, an object store or a stream.
//!
//! An [`Export`] writes the rows of a walk to an [`Output`]: JSON lines, CSV or Parquet, in one
//! file, in a folder or bucket of parts, or in a stream. It may be stopped or killed, and the
//! machine may lose power, at any moment. The same export, started again, resumes with exactly the
//! next run, so each run is in the output once.
//!
//! # Example: an export that resumes where it stopped
//!
//! ```
//! use apify_runs::emulator::Emulator;
//! use apify_runs::export::{Export, Output};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = Emulator::builder().runs(5000).start().await?;
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("runs.jsonl.zst");
//!
//! // Half of it.
//! let half = apify_runs::RunQuery::actor("janedoe/my-actor").limit(2500);
//! let runs = emulator.client().runs(half);
//! let summary = Export::new(runs, Output::file(&path)).run().await?;
//! assert_eq!(summary.rows, 2500);
//!
//! // The rest.
//! let runs = emulator.client().runs("janedoe/my-actor");
//! let summary = Export::new(runs, Output::file(&path)).run().await?;
//! assert_eq!((summary.rows, summary.output_rows), (2500, 5000));
//! # Ok(())
//! # }
//! ```
//!
//! # Commits
//!
//! **One file.** Each commit appends rows, waits until they are on the disk (`fdatasync`), and
//! then replaces the checkpoint: a new one is written beside it, synced (`fsync`) and renamed, and
//! the folder is synced. The checkpoint holds the [`Cursor`](crate::Cursor) and the length of the
//! file with exactly the rows before it. The next start truncates the file to that length. In a
//! compressed file, each commit ends a frame, so the file can be read up to any commit.
//!
//! **Parts.** Each commit stores a part under a name of its own, and then replaces the
//! manifest, which lists the parts that count and holds the cursor. Older parts are listed in
//! segments: files that do not change, which the manifest refers to. The next start removes the
//! parts and segments that are not listed. In object storage the manifest is replaced only if it is
//! still the one that this export knows (a conditional put).
//!
//! **Locks.** A file and a folder are locked while an export writes to them; a second
//! one fails with [`ErrorKind::Locked`](crate::ErrorKind::Locked). Object storage has no locks:
//! there, the export that is started later takes over, and the other one fails at its next
//! commit, without harm.
//!
//! Pages are fetched during a commit. The next commit takes all of them together.

#[cfg(feature = "object-store")]
mod address;
#[cfg(feature = "object-store")]
mod bucket;
mod builder;
mod checkpoint;
mod checkpoint_file;
mod checksum;
#[cfg(feature = "object-store")]
mod cloud;
#[cfg(any(feature = "csv", feature = "parquet"))]
mod columns;
mod committed_file;
mod committer;
mod compression;
#[cfg(feature = "csv")]
mod csv;
mod directory;
mod durable;
mod encoder;
mod encoding;
#[cfg(test)]
#[cfg(all(feature = "csv", feature = "emulator", feature = "parquet"))]
mod every_field;
mod file_sink;
mod files;
mod format;
mod ids;
mod jsonl;
mod output;
#[cfg(feature = "parquet")]
mod parquet;
mod part_names;
mod part_store;
mod parts_sink;
#[cfg(feature = "object-store")]
mod reason;
#[cfg(feature = "object-store")]
mod role_credentials;
mod row_check;
mod run;
mod segment;
mod sink;
mod spec;
mod summary;
mod threads;
mod verification;
mod verify;
mod writer;
mod writer_sink;
mod writer_thread;

pub use builder::Export;
pub use checkpoint::Checkpoint;
pub use committed_file::CommittedFile;
pub use compression::Compression;
pub use format::Format;
pub use output::Output;
pub use summary::{Progress, Summary};
pub use verification::Verification;
pub use verify::verify;
