//! What a user of exports sees, on real HTTP, disks and object storage: one file for each kind
//! of output.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod file;
#[cfg(unix)]
mod locks;
mod parts;
mod proxy;
mod stores;
mod versions;
