//! How the emulator responds.

use std::ops::{Bound, RangeBounds};
use std::time::Duration;

use super::faults::Fault;
use super::store::Store;
use crate::limits::MAX_PAGE_SIZE;

/// The only token that is accepted if none was chosen.
const DEFAULT_TOKEN: &str = "apify_api_emulator";

/// The limit that is sent if there is none: more than any client reaches.
const NO_RATE_LIMIT: u64 = 1_000_000;

/// How the emulator responds.
pub(super) struct Settings {
    pub(super) actor: Option<String>,
    pub(super) token: String,
    pub(super) latency: Duration,
    pub(super) rate_limit: Option<u64>,
    pub(super) sends_rate_limit: bool,
    pub(super) max_page_size: u64,
    pub(super) sends_max_page_size: bool,
    pub(super) compresses: bool,
    pub(super) is_compact: bool,
    pub(super) faults: Vec<(Bound<u64>, Bound<u64>, Fault)>,
    pub(super) choose_fault: Option<Box<ChooseFault>>,
    pub(super) keeps_pages: bool,
    pub(super) ignores_time_filters: bool,
    pub(super) before_each: Option<Box<StoreHook>>,
    pub(super) during_each: Option<Box<StoreHook>>,
}

/// Chooses the fault of the request with this number.
type ChooseFault = dyn Fn(u64) -> Option<Fault> + Send + Sync;

/// Changes the list for the request with this number.
type StoreHook = dyn Fn(u64, &mut Store) + Send + Sync;

impl Default for Settings {
    fn default() -> Self {
        Self {
            actor: None,
            token: DEFAULT_TOKEN.into(),
            latency: Duration::ZERO,
            rate_limit: None,
            sends_rate_limit: true,
            max_page_size: MAX_PAGE_SIZE.into(),
            sends_max_page_size: true,
            compresses: false,
            is_compact: false,
            faults: Vec::new(),
            choose_fault: None,
            keeps_pages: false,
            ignores_time_filters: false,
            before_each: None,
            during_each: None,
        }
    }
}

impl Settings {
    /// The fault of the request with this number, from 1.
    pub(super) fn fault(&self, request: u64) -> Option<Fault> {
        let mut faults = self.faults.iter();
        let found = faults.find(|(from, to, _)| (*from, *to).contains(&request));
        match found {
            Some((_, _, fault)) => Some(fault.clone()),
            None => self
                .choose_fault
                .as_ref()
                .and_then(|choose| choose(request)),
        }
    }

    /// The value of `X-RateLimit-Limit`, unless it is hidden.
    pub(super) fn sent_rate_limit(&self) -> Option<u64> {
        let limit = self.rate_limit.unwrap_or(NO_RATE_LIMIT);
        self.sends_rate_limit.then_some(limit)
    }
}
