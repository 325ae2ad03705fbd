//! Pages that were rendered before.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::content_encoding::ContentEncoding;
use super::response::ResponseDraft;

/// Pages that were rendered before, by their content coding and their query.
#[derive(Default)]
pub(super) struct PageCache(Mutex<Pages>);

type Pages = HashMap<Option<ContentEncoding>, HashMap<String, ResponseDraft>>;

impl PageCache {
    pub(super) fn get(
        &self,
        encoding: Option<ContentEncoding>,
        query: &str,
    ) -> Option<ResponseDraft> {
        self.pages().get(&encoding)?.get(query).cloned()
    }

    pub(super) fn insert(
        &self,
        encoding: Option<ContentEncoding>,
        query: &str,
        page: ResponseDraft,
    ) {
        let mut pages = self.pages();
        pages
            .entry(encoding)
            .or_default()
            .insert(query.into(), page);
    }

    pub(super) fn clear(&self) {
        self.pages().clear();
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
