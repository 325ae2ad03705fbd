//! One page over the network.

mod averages;
pub(crate) mod base_url;
pub(crate) mod counters;
pub(crate) mod fetch;
pub(crate) mod object;
pub(crate) mod pace;
pub(crate) mod pacers;
pub(crate) mod rate;
mod response;
pub(crate) mod retry;
pub(crate) mod retry_budget;
pub(crate) mod settings;
pub(crate) mod token;
mod turn;
pub(crate) mod url;
