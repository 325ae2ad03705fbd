//! A reader's part of a request rate.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::REQUEST_RATES;
use crate::setting::InvalidSetting;

/// The part of a request rate that the reader of a split may use, where several readers share it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Share {
    /// The rate of all readers together. `None` if the only limit is the service's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) requests_per_second: Option<f64>,
    pub(crate) readers: u32,
    /// Which reader this is, from 0 on.
    pub(crate) turn: u32,
}

impl Share {
    /// The requests a second of one reader.
    pub(crate) fn rate(self) -> Option<f64> {
        self.requests_per_second.map(|all| self.part_of(all))
    }

    /// One reader's part of a rate.
    pub(crate) fn part_of(self, rate: f64) -> f64 {
        rate / f64::from(self.readers)
    }

    /// How long the first request waits: one interval, since another split may have sent a
    /// request just before, and a part of an interval more, so that readers that begin together
    /// take turns.
    pub(crate) fn first_wait(self) -> Duration {
        let Some(rate) = self.rate() else {
            return Duration::ZERO;
        };
        let turn = f64::from(self.turn % self.readers) / f64::from(self.readers);
        Duration::from_secs_f64((1.0 + turn) / rate)
    }

    /// Checks a share that was stored.
    pub(crate) fn validate(self) -> Result<(), InvalidSetting> {
        if self.readers == 0 {
            return Err(InvalidSetting::new("readers", 0, "it must be at least 1"));
        }
        match self.requests_per_second {
            Some(rate) if !REQUEST_RATES.contains(&rate) => {
                let expected = "it must be from 0.001 to 1000";
                Err(InvalidSetting::new("requests_per_second", rate, expected))
            }
            _ => Ok(()),
        }
    }
}
