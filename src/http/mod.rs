//! One page over the network.

pub(crate) mod base_url;
pub(crate) mod fetch;
pub(crate) mod pace;
pub(crate) mod retry;
pub(crate) mod token;
