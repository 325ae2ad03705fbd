//! A response's body as a page of rows.

pub(crate) mod decode;
pub(crate) mod fast;
pub(crate) mod lenient;
pub(crate) mod raw;
