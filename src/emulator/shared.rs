//! What the connections of an emulator share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::actors::Actors;
use super::cache::PageCache;
use super::clock::Clock;
use super::log::RequestLog;
use super::settings::Settings;
use super::store::Store;

/// What the connections of an emulator share.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) actors: Actors,
    pub(super) clock: Clock,
    pub(super) pages: PageCache,
    store: Mutex<Store>,
    log: Mutex<RequestLog>,
}

impl Shared {
    pub(super) fn new(settings: Settings, store: Store, clock: Clock) -> Self {
        Self {
            actors: Actors::new(settings.actor.as_deref(), store.seed()),
            settings,
            clock,
            pages: PageCache::default(),
            store: Mutex::new(store),
            log: Mutex::default(),
        }
    }

    /// The list as it is now, with all changes that have become due.
    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        if store.catch_up() {
            self.pages.clear();
        }
        store
    }

    /// Changes the list, and forgets the pages made of it before.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        let mut store = self.store();
        self.pages.clear();
        change(&mut store)
    }

    pub(super) fn log(&self) -> MutexGuard<'_, RequestLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a request as in flight until it is dropped.
pub(super) struct InFlight(Arc<Shared>);

impl InFlight {
    /// A request that the log counts as in flight already.
    pub(super) fn of(shared: &Arc<Shared>) -> Self {
        Self(Arc::clone(shared))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.log().in_flight -= 1;
    }
}

/// Notes the panic of a task when dropped by it, so that the emulator's owner panics too.
pub(super) struct PanicWitness(pub(super) Arc<Shared>);

impl Drop for PanicWitness {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.log().has_panicked = true;
        }
    }
}
