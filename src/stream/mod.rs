//! A walk as streams of pages and of rows.

pub(crate) mod pages;
pub(crate) mod read_ahead;
pub(crate) mod rows;
pub(crate) mod stats;
