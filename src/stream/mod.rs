//! A walk as streams of pages and of rows.

pub(crate) mod batch;
pub(crate) mod monitor;
pub(crate) mod options;
pub(crate) mod pages;
mod pieces;
mod read_ahead;
pub(crate) mod rows;
pub(crate) mod run_page;
pub(crate) mod stats;
