//! The settings of a walk.

use std::ops::RangeInclusive;
use std::time::Duration;

use chrono::TimeDelta;

use super::monitor::WalkMonitor;
use crate::cursor::Cursor;
use crate::emit::Emit;
use crate::error::{Error, Result};
use crate::http::token::Token;
use crate::limits::{DEFAULT_LOOKBACK, MAX_CONCURRENCY};
use crate::query::RunSource;
use crate::setting::check_duration;
use crate::walk::Rules;

/// The shortest interval at which a list is followed.
const MIN_INTERVAL: Duration = Duration::from_millis(100);
/// The longest interval, and the longest lookback.
const MAX_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
/// What the pages in flight may take, unless their number is fixed.
const DEFAULT_BUFFERED_BYTES: usize = 64 << 20;
const BUFFERED_BYTES: RangeInclusive<usize> = 1 << 10..=1 << 30;

/// What a walk reads, and how: see [`Runs`](crate::Runs) for each setting.
#[derive(Debug, Clone)]
pub(crate) struct WalkOptions {
    pub(crate) source: RunSource,
    pub(crate) concurrency: Concurrency,
    pub(crate) emit: Emit,
    pub(crate) follow: Option<Duration>,
    pub(crate) lookback: Duration,
    pub(crate) resume: Cursor,
    /// Whether rows come with the text they were received as.
    pub(crate) keeps_raw_rows: bool,
    pub(crate) monitor: Option<WalkMonitor>,
}

/// How many pages are in flight, or wait for the consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Concurrency {
    /// As many as the rate and the latency of the list need, whose bodies take `max_bytes`.
    Adaptive {
        max_bytes: usize,
    },
    Fixed(usize),
}

impl Concurrency {
    fn validate(self) -> Result<()> {
        match self {
            Self::Fixed(pages) if !(1..=MAX_CONCURRENCY).contains(&pages) => {
                let expected = format!("it must be from 1 to {MAX_CONCURRENCY}");
                Err(Error::config("concurrency", pages, &expected))
            }
            Self::Adaptive { max_bytes } if !BUFFERED_BYTES.contains(&max_bytes) => {
                let expected = "it must be from 1024 (1 KiB) to 1073741824 (1 GiB)";
                Err(Error::config("max_buffered_bytes", max_bytes, expected))
            }
            Self::Fixed(_) | Self::Adaptive { .. } => Ok(()),
        }
    }
}

impl WalkOptions {
    pub(crate) fn new(source: RunSource) -> Self {
        Self {
            source,
            concurrency: Concurrency::Adaptive {
                max_bytes: DEFAULT_BUFFERED_BYTES,
            },
            emit: Emit::default(),
            follow: None,
            lookback: DEFAULT_LOOKBACK,
            resume: Cursor::default(),
            keeps_raw_rows: false,
            monitor: None,
        }
    }

    /// Checks every setting, and returns the cursor at the beginning of the walk.
    pub(crate) fn begin(&self, token: &Token) -> Result<Cursor> {
        token.reject_in_query(&self.source.query)?;
        self.source.validate()?;
        self.concurrency.validate()?;
        if let Some(interval) = self.follow {
            check_duration("follow", interval, MIN_INTERVAL..=MAX_INTERVAL)?;
            if self.source.query.descending {
                let expected = "a descending walk cannot follow the list";
                return Err(Error::config("follow", format!("{interval:?}"), expected));
            }
        }
        check_duration("lookback", self.lookback, Duration::ZERO..=MAX_INTERVAL)?;
        if self.emit == Emit::Finished && self.source.query.wants_only_unfinished() {
            let expected = "the query lets only unfinished runs through";
            return Err(Error::config("emit", "Finished", expected));
        }
        Ok(self.resume.bind(&self.source, self.emit)?)
    }

    pub(crate) fn rules(&self) -> Rules {
        Rules {
            emit: self.emit,
            // Checked to be short when the walk begins.
            lookback: TimeDelta::from_std(self.lookback).unwrap_or_default(),
            follow: self.follow.is_some(),
            undated_first: self.source.undated_first,
        }
    }

    /// What is requested. A filter by status must not hide runs that will pass it
    /// later, but from a descending walk, which usually does not come back, for which those
    /// that run now would come first.
    pub(crate) fn wire_source(&self) -> RunSource {
        let comes_back = self.emit != Emit::Snapshot || self.resume != Cursor::default();
        if self.source.query.descending && !comes_back {
            return self.source.clone();
        }
        RunSource {
            query: self.source.query.clone().widened(),
            ..self.source.clone()
        }
    }
}
