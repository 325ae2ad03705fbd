//! Enums of the service that stay open for new values.

use std::fmt;
use std::str::FromStr;

use serde::de::Deserializer;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::id::Id;
use super::text::FromStrVisitor;

/// An enum of the values known today that keeps any other value as it came.
macro_rules! open_enum {
    (
        $(#[$meta:meta])*
        $name:ident, $expected:literal,
        { $( $(#[$variant_meta:meta])* $variant:ident = $text:literal, )+ }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $( $(#[$variant_meta])* $variant, )+
            /// A value this crate does not know, as the service spelled it.
            Other(Id),
        }

        impl $name {
            /// The values that this version knows, in their order.
            pub const KNOWN: &'static [Self] = &[$(Self::$variant),+];

            /// The value in the API's own spelling.
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$variant => $text, )+
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $( $text => Self::$variant, )+
                    other => Self::Other(other.into()),
                }
            }
        }

        impl FromStr for $name {
            type Err = std::convert::Infallible;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Ok(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self.as_str(), f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(FromStrVisitor::new($expected))
            }
        }
    };
}

open_enum! {
    /// Where a run is in its life
    /// ([lifecycle](https://docs.apify.com/platform/actors/running/runs-and-builds#lifecycle)).
    ///
    /// Reads and writes in the API's spelling. A status this crate does not know is kept in
    /// [`Other`](Self::Other), never refused.
    ///
    /// Statuses are ordered as in the life of a run: those that wait or run, those that are being
    /// stopped, those that have finished, and then unknown ones by their text.
    ///
    /// ```
    /// use apify_runs::RunStatus;
    ///
    /// assert_eq!(RunStatus::from("TIMED-OUT"), RunStatus::TimedOut);
    /// assert_eq!(RunStatus::from("PAUSED").to_string(), "PAUSED");
    /// assert!(RunStatus::Ready < RunStatus::Running && RunStatus::Running < RunStatus::Succeeded);
    /// ```
    RunStatus, "a run status",
    {
        /// `READY`: waits to be started.
        Ready = "READY",
        /// `RUNNING`: at work.
        Running = "RUNNING",
        /// `TIMING-OUT`: is being stopped because its time is up.
        TimingOut = "TIMING-OUT",
        /// `ABORTING`: is being stopped by a user or the system.
        Aborting = "ABORTING",
        /// `SUCCEEDED`: finished well.
        Succeeded = "SUCCEEDED",
        /// `FAILED`: finished with an error.
        Failed = "FAILED",
        /// `TIMED-OUT`: was stopped because its time was up.
        TimedOut = "TIMED-OUT",
        /// `ABORTED`: was stopped by a user or the system.
        Aborted = "ABORTED",
    }
}

impl RunStatus {
    /// What a run can be before it has finished.
    pub(crate) const UNFINISHED: [Self; 4] =
        [Self::Ready, Self::Running, Self::TimingOut, Self::Aborting];

    /// Whether a run with this status has reached its end. `false` for
    /// [`Other`](Self::Other), of which nothing is known.
    pub fn is_finished(&self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Failed | Self::TimedOut | Self::Aborted
        )
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Other(text) if text.is_empty())
    }
}

impl Default for RunStatus {
    /// No status at all: an empty [`Other`](Self::Other).
    fn default() -> Self {
        Self::Other(Id::default())
    }
}

open_enum! {
    /// What started a run (`meta.origin`). The service keeps adding values: one that this
    /// crate does not know is kept in [`Other`](Self::Other), never refused.
    ///
    /// Origins are ordered by the API's spelling, with unknown ones behind the others.
    RunOrigin, "the origin of a run",
    {
        /// `ACTOR`: another Actor.
        Actor = "ACTOR",
        /// `API`: a call of the API.
        Api = "API",
        /// `CI`: a continuous integration service.
        Ci = "CI",
        /// `CLI`: the command line.
        Cli = "CLI",
        /// `DEVELOPMENT`: the Actor's own page in the Console.
        Development = "DEVELOPMENT",
        /// `MCP`: a client of the Model Context Protocol.
        Mcp = "MCP",
        /// `SCHEDULER`: a schedule.
        Scheduler = "SCHEDULER",
        /// `STANDBY`: a request to an Actor in standby mode.
        Standby = "STANDBY",
        /// `TEST`: the service's own test of an Actor.
        Test = "TEST",
        /// `WEB`: the Console.
        Web = "WEB",
        /// `WEBHOOK`: a webhook.
        Webhook = "WEBHOOK",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUSES: [&str; 8] = [
        "READY",
        "RUNNING",
        "TIMING-OUT",
        "ABORTING",
        "SUCCEEDED",
        "FAILED",
        "TIMED-OUT",
        "ABORTED",
    ];

    const ORIGINS: [&str; 11] = [
        "ACTOR",
        "API",
        "CI",
        "CLI",
        "DEVELOPMENT",
        "MCP",
        "SCHEDULER",
        "STANDBY",
        "TEST",
        "WEB",
        "WEBHOOK",
    ];

    #[test]
    fn known_values_go_both_ways_and_unknown_ones_stay() {
        let known = |status: &RunStatus| status.as_str().to_owned();
        assert_eq!(
            RunStatus::KNOWN.iter().map(known).collect::<Vec<_>>(),
            STATUSES
        );
        for text in STATUSES {
            let status = RunStatus::from(text);
            assert!(!matches!(status, RunStatus::Other(_)), "{text}");
            assert_eq!(status.as_str(), text);
        }
        for text in ORIGINS {
            let origin = RunOrigin::from(text);
            assert!(!matches!(origin, RunOrigin::Other(_)), "{text}");
            assert_eq!(origin.as_str(), text);
        }
        assert_eq!(RunOrigin::from("mcp"), RunOrigin::Other("mcp".into()));
        assert_eq!(RunStatus::from("ready").as_str(), "ready");
    }

    #[test]
    fn a_report_is_sorted_as_its_reader_expects() {
        let statuses = STATUSES.into_iter().chain(["", "MIGRATED", "PAUSED"]);
        let statuses: Vec<RunStatus> = statuses.map(RunStatus::from).collect();
        assert!(statuses.is_sorted(), "{statuses:?}");
        let unfinished = &statuses[..4];
        assert_eq!(unfinished, RunStatus::UNFINISHED);

        let origins = ORIGINS.into_iter().chain(["ALARM", "api"]);
        let origins: Vec<RunOrigin> = origins.map(RunOrigin::from).collect();
        assert!(origins.is_sorted(), "{origins:?}");
    }
}
