//! What benchmarks need of the inside. No part of the API.

use std::hint::black_box;

use chrono::TimeDelta;

use crate::Emit;
use crate::cursor::{Cursor, CursorTracker};
use crate::page::{Page, decode};
use crate::query::RunQuery;
use crate::walk::{Next, Rules, Walk};

/// A walk over pages in memory, without network and streams.
pub struct BareWalk {
    pages: Vec<Page>,
}

impl BareWalk {
    /// `bodies` are the responses to the requests of a walk over a list that stands still, of
    /// fewer than 20,000 rows. What is no page is left out.
    pub fn new(bodies: &[Vec<u8>]) -> Self {
        let pages = bodies.iter().filter_map(|body| decode::page(body).ok());
        Self {
            pages: pages.collect(),
        }
    }

    /// Takes all pages, drops their rows, and returns how many there were.
    pub fn run(&self) -> u64 {
        let query = RunQuery::actor("a");
        let rules = Rules {
            emit: Emit::Snapshot,
            lookback: TimeDelta::seconds(60),
            follow: false,
            undated_first: false,
        };
        let mut trail = CursorTracker::new(Cursor::default(), rules.retention(&query));
        let mut walk = Walk::new(&query, rules, Cursor::default());
        for page in &self.pages {
            let Next::Fetch(request) = walk.next() else {
                break;
            };
            let Ok(taken) = walk.take(request, page) else {
                break;
            };
            trail.extend(taken.updates);
            for row in taken.rows {
                black_box(row);
                trail.hand_out();
            }
            trail.finish();
        }
        trail.rows()
    }
}
