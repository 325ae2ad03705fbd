#![cfg_attr(docsrs, feature(doc_cfg))]
// The programs in them are compiled in tests/pages, not as doctests.
#![cfg_attr(not(doctest), doc = include_str!("../docs/library.md"))]
#![cfg_attr(not(doctest), doc = include_str!("../docs/guarantees.md"))]

#[cfg(feature = "__internals")]
#[doc(hidden)]
pub mod __internals;
mod actor;
mod client;
mod clocks;
#[cfg(any(feature = "export", feature = "sync"))]
mod compact;
mod cursor;
mod direction;
mod emit;
#[cfg(feature = "emulator")]
pub mod emulator;
mod error;
mod excerpt;
#[cfg(feature = "export")]
pub mod export;
mod http;
mod limits;
mod lists;
mod page;
mod pool;
mod query;
mod run;
mod runs;
mod setting;
mod split;
mod stream;
#[cfg(feature = "sync")]
pub mod sync;
mod timestamp;
mod trace;
mod walk;

pub use actor::Actor;
pub use chrono;
pub use client::{Client, ClientBuilder};
pub use cursor::Cursor;
pub use emit::Emit;
pub use error::{Error, ErrorKind, Result};
pub use http::retry::{RetryEvent, RetryPolicy};
pub use lists::{ListEvent, ListItem, RunLists};
pub use query::{RunQuery, RunSource, Scope};
pub use run::{Id, RunMeta, RunOrigin, RunStatus, RunSummary};
pub use runs::Runs;
pub use setting::InvalidSetting;
pub use split::Split;
pub use stream::monitor::{WalkMonitor, WalkStatus};
pub use stream::pages::RunPages;
pub use stream::rows::RunStream;
pub use stream::run_page::{ListPage, RunPage};
pub use stream::stats::WalkStats;
