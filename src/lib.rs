#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]

mod base_url;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
mod client;
mod clocks;
mod cursor;
mod decode;
mod emit;
#[cfg(feature = "emulator")]
pub mod emulator;
mod error;
#[cfg(feature = "export")]
pub mod export;
mod fast;
mod fetch;
#[cfg(any(fuzzing, feature = "bench"))]
#[doc(hidden)]
pub mod fuzzing;
mod lenient;
mod pace;
mod pages;
mod pool;
mod prefetch;
mod query;
mod retry;
mod run;
mod split;
mod stats;
mod stream;
mod texts;
mod timestamp;
mod token;
mod trace;
mod walk;

pub use client::{Client, ClientBuilder};
pub use cursor::Cursor;
pub use emit::Emit;
pub use error::{Error, ErrorKind, Result};
pub use pages::{RunPage, RunPages};
pub use query::{RunQuery, Scope};
pub use retry::{RetryEvent, RetryPolicy};
pub use run::{Id, RunMeta, RunOrigin, RunStatus, RunSummary};
pub use split::Split;
pub use stats::WalkStats;
pub use stream::{RunStream, Runs};

/// The examples of the guides, which compile, too.
#[cfg(doctest)]
mod guides {
    #[doc = include_str!("../docs/cookbook.md")]
    mod cookbook {}
    #[doc = include_str!("../docs/migration.md")]
    mod migration {}
}
