//! The pacers of a client: one for each list, and one for all lists together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Url;
use tokio::time::Instant;

use super::pace::Pacer;
use super::rate::Rate;

/// Up to this many lists are remembered, idle or not.
const MIN_SWEPT: usize = 1024;

/// The pacers of a client and all its clones.
pub(crate) struct Pacers {
    /// Requests a second for each list.
    list_rate: f64,
    /// Requests a second for all lists together.
    total_rate: f64,
    lists: Mutex<Lists>,
    client: Pacer,
}

struct Lists {
    /// By the path of the list's address.
    pacers: HashMap<String, Arc<Pacer>>,
    /// The number of lists at which idle ones are forgotten next.
    sweep_at: usize,
}

impl Pacers {
    /// Lets `list_rate` requests a second through for each list, and `total_rate` for all of them.
    pub(crate) fn new(list_rate: f64, total_rate: f64) -> Self {
        let lists = Lists {
            pacers: HashMap::new(),
            sweep_at: MIN_SWEPT,
        };
        Self {
            list_rate,
            total_rate,
            lists: Mutex::new(lists),
            client: Pacer::new(Rate::fixed(total_rate)),
        }
    }

    /// The pacer of the list at this address, which all its readers share.
    pub(crate) fn of_list(&self, url: &Url) -> Arc<Pacer> {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pacer) = lists.pacers.get(url.path()) {
            return Arc::clone(pacer);
        }
        lists.sweep();
        let pacer = Arc::new(Pacer::new(Rate::new(self.list_rate)));
        let path = url.path().to_owned();
        lists.pacers.insert(path, Arc::clone(&pacer));
        pacer
    }

    /// Requests a second for each list, by the client's settings.
    pub(crate) fn list_rate(&self) -> f64 {
        self.list_rate
    }

    /// Requests a second for all lists together, by the client's settings.
    pub(crate) fn total_rate(&self) -> f64 {
        self.total_rate
    }

    /// The pacer of all lists together.
    pub(crate) fn of_client(&self) -> &Pacer {
        &self.client
    }
}

impl Lists {
    /// Removes lists that no client reads and whose requests no longer count. A list that was just
    /// read is remembered: its next reader must wait for its turn.
    fn sweep(&mut self) {
        if self.pacers.len() < self.sweep_at {
            return;
        }
        let now = Instant::now();
        self.pacers
            .retain(|_, pacer| Arc::strong_count(pacer) > 1 || !pacer.is_idle(now));
        self.sweep_at = (self.pacers.len() * 2).max(MIN_SWEPT);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn list(number: usize) -> Url {
        let url = format!("https://api.apify.com/v2/acts/actor-{number}/runs?offset={number}");
        url.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_has_one_pacer_until_it_is_idle() {
        let pacers = Pacers::new(30.0, f64::INFINITY);
        let held = pacers.of_list(&list(0));
        let again: Url = "https://api.apify.com/v2/acts/actor-0/runs?offset=5"
            .parse()
            .unwrap();
        assert!(Arc::ptr_eq(&held, &pacers.of_list(&again)));
        pacers.of_list(&list(1)).permit().await;
        let fill = |from: usize| {
            for number in from..from + MIN_SWEPT * 2 {
                pacers.of_list(&list(number));
            }
        };
        let recent = Arc::downgrade(&pacers.of_list(&list(1)));
        fill(10);
        assert!(recent.upgrade().is_some(), "its last second counts");
        tokio::time::advance(Duration::from_secs(3)).await;
        fill(100_000);
        assert!(recent.upgrade().is_none());
        assert!(Arc::ptr_eq(&held, &pacers.of_list(&list(0))));
        let remembered = pacers.lists.lock().unwrap().pacers.len();
        assert!(remembered <= MIN_SWEPT, "{remembered}");
    }
}
