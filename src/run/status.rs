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
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $( $(#[$variant_meta])* $variant, )+
            /// A value this crate does not know, as the service spelled it.
            Other(Id),
        }

        impl $name {
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
    /// ```
    /// use apify_runs::RunStatus;
    ///
    /// assert_eq!(RunStatus::from("TIMED-OUT"), RunStatus::TimedOut);
    /// assert_eq!(RunStatus::from("PAUSED").to_string(), "PAUSED");
    /// ```
    RunStatus, "a run status",
    {
        /// `READY`: waits to be started.
        Ready = "READY",
        /// `RUNNING`: at work.
        Running = "RUNNING",
        /// `SUCCEEDED`: finished well.
        Succeeded = "SUCCEEDED",
        /// `FAILED`: finished with an error.
        Failed = "FAILED",
        /// `TIMING-OUT`: is being stopped because its time is up.
        TimingOut = "TIMING-OUT",
        /// `TIMED-OUT`: was stopped because its time was up.
        TimedOut = "TIMED-OUT",
        /// `ABORTING`: is being stopped by a user or the system.
        Aborting = "ABORTING",
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
    RunOrigin, "the origin of a run",
    {
        /// `DEVELOPMENT`: the Actor's own page in the Console.
        Development = "DEVELOPMENT",
        /// `WEB`: the Console.
        Web = "WEB",
        /// `API`: a call of the API.
        Api = "API",
        /// `SCHEDULER`: a schedule.
        Scheduler = "SCHEDULER",
        /// `TEST`: the service's own test of an Actor.
        Test = "TEST",
        /// `WEBHOOK`: a webhook.
        Webhook = "WEBHOOK",
        /// `ACTOR`: another Actor.
        Actor = "ACTOR",
        /// `CLI`: the command line.
        Cli = "CLI",
        /// `STANDBY`: a request to an Actor in standby mode.
        Standby = "STANDBY",
    }
}
