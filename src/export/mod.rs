//! Exports a list to files, an object store or a stream.
//!
//! An [`Export`] is a walk that ends in an [`Output`]: JSON lines, CSV or Parquet, in one file
//! that grows, in a folder or bucket of parts, or in a stream. It can be stopped, killed or cut
//! off from power at any moment. The same export, started again, resumes with exactly the next
//! run: from then on each run is in the output once.
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
//! # How it is safe
//!
//! **One file.** Each commit appends the rows that have come, waits until they are on the disk
//! (`fdatasync`), and then puts a new checkpoint in the place of the old one: written beside
//! it, `fsync`, renamed, `fsync` of the folder. The checkpoint holds the
//! [`Cursor`](crate::Cursor) and how long the file is with exactly its rows. The next start cuts
//! off what is behind that. Where the file is compressed, each commit ends with the end of a
//! frame, so that it can be read up to any of them.
//!
//! **Parts.** Each commit stores a part under a name of its own, and then replaces the
//! manifest, which lists the parts that count and holds the cursor. Older parts are listed in
//! segments: files that do not change, which the manifest refers to. The next start removes the
//! parts and segments that are not listed. On S3 the manifest is replaced only if it is still the
//! one that this export knows (`If-Match`).
//!
//! **Nobody else.** A file and a folder are locked while an export writes to them; a second
//! one fails with [`ErrorKind::Locked`](crate::ErrorKind::Locked). Object storage has no locks:
//! there, the export that is started later takes over, and the other one fails at its next
//! commit, without harm.
//!
//! Pages go on being fetched while a commit is made, and all that have come by then are
//! committed together.

#[cfg(feature = "object-store")]
mod bucket;
mod builder;
mod checkpoint;
mod checkpoint_file;
mod checksum;
#[cfg(any(feature = "csv", feature = "parquet"))]
mod columns;
mod committer;
mod compact;
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
pub use compression::Compression;
pub use format::Format;
pub use output::Output;
pub use summary::{Progress, Summary};
pub use verification::Verification;
pub use verify::verify;
