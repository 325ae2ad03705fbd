//! The fields of a run, listed once.
//!
//! Everything that has to know all fields is made from this list: the structs, how they are read
//! and written as JSON, the columns of exports, and the rows that the emulator generates. A field
//! that is added here needs no other change.

/// Hands the list of fields to a macro.
///
/// A field has a variant of [`Field`], its name in Rust, its name in JSON, and a variant of
/// [`Kind`]. `row` lists the fields of a [`RunSummary`](super::RunSummary), `meta` those of a
/// [`RunMeta`](super::RunMeta), and `details` the other fields of `meta`, which few rows have.
/// They are in the order of the API reference.
macro_rules! fields {
    ($expand:ident) => {
        $expand! {
            row {
                /// The run's ID: 17 letters and digits.
                Id id "id" Id,
                /// The Actor that ran.
                ActId act_id "actId" Text,
                /// Who started the run. Often absent.
                UserId user_id "userId" Text,
                /// The task the run was started from, if it was.
                ActorTaskId actor_task_id "actorTaskId" Text,
                /// Where the run is in its life. An empty [`RunStatus::Other`] if the row has none.
                Status status "status" Status,
                /// When the run started. Sorts the list. May be absent for a moment on a new run.
                StartedAt started_at "startedAt" Time,
                /// When the run finished. `None` while it runs.
                FinishedAt finished_at "finishedAt" Time,
                /// The build that ran.
                BuildId build_id "buildId" Text,
                /// The build's number as text, such as `0.0.377`. Of any shape.
                BuildNumber build_number "buildNumber" Text,
                /// The build's number as one integer, if the service gives it.
                BuildNumberInt build_number_int "buildNumberInt" Integer,
                /// How the run was started. Empty if the row has none.
                Meta meta "meta" Meta,
                /// What the run cost, in US dollars, at the prices of the moment of the request.
                ///
                /// Absent for runs of other people's pay-per-event Actors. Settles about ten
                /// seconds after the run has finished.
                UsageTotalUsd usage_total_usd "usageTotalUsd" Number,
                /// The run's default key-value store.
                DefaultKeyValueStoreId default_key_value_store_id "defaultKeyValueStoreId" Text,
                /// The run's default dataset.
                DefaultDatasetId default_dataset_id "defaultDatasetId" Text,
                /// The run's default request queue.
                DefaultRequestQueueId default_request_queue_id "defaultRequestQueueId" Text,
            }
            meta {
                /// What started the run.
                Origin origin "origin" Origin,
            }
            details {
                /// The address that started the run. `None` if the service does not return it.
                ClientIp client_ip "clientIp" Text,
                /// The program that started the run. `None` if the service does not return it.
                UserAgent user_agent "userAgent" Text,
                /// The schedule that started the run, if one did.
                ScheduleId schedule_id "scheduleId" Text,
                /// The time the run was scheduled for, if it was.
                ScheduledAt scheduled_at "scheduledAt" Time,
            }
        }
    };
}

pub(crate) use fields;

/// The type of a field, by its kind.
macro_rules! field_type {
    (Id) => { Id };
    (Text) => { Option<Id> };
    (Status) => { RunStatus };
    (Origin) => { Option<RunOrigin> };
    (Time) => { Option<DateTime<Utc>> };
    (Integer) => { Option<i64> };
    (Number) => { Option<f64> };
    (Meta) => { RunMeta };
}

pub(super) use field_type;

/// What the value of a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An ID that every row has.
    Id,
    /// A string.
    Text,
    /// A [`RunStatus`](super::RunStatus).
    Status,
    /// A [`RunOrigin`](super::RunOrigin).
    Origin,
    /// A time.
    Time,
    /// An integer.
    Integer,
    /// A number.
    Number,
    /// A [`RunMeta`](super::RunMeta).
    Meta,
}

macro_rules! field {
    (
        row { $($(#[$_row_doc:meta])* $row:ident $_row:ident $row_name:literal $row_kind:ident,)+ }
        meta { $($(#[$_meta_doc:meta])* $meta:ident $_meta:ident $meta_name:literal $meta_kind:ident,)+ }
        details { $($(#[$_doc:meta])* $detail:ident $_detail:ident $name:literal $kind:ident,)+ }
    ) => {
        /// A field of a row or of its `meta`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Field {
            $($row,)+
            $($meta,)+
            $($detail,)+
        }

        impl Field {
            /// The fields of a row.
            #[cfg(any(test, feature = "emulator"))]
            pub(crate) const ROW: &[Self] = &[$(Self::$row,)+];

            /// The fields of `meta`.
            #[cfg(any(test, feature = "emulator"))]
            pub(crate) const META: &[Self] = &[$(Self::$meta,)+ $(Self::$detail,)+];

            /// The field of a row with this name in JSON.
            #[inline]
            pub(crate) fn of_row(name: &str) -> Option<Self> {
                match name {
                    $($row_name => Some(Self::$row),)+
                    _ => None,
                }
            }

            /// The field of `meta` with this name in JSON.
            #[inline]
            pub(crate) fn of_meta(name: &str) -> Option<Self> {
                match name {
                    $($meta_name => Some(Self::$meta),)+
                    $($name => Some(Self::$detail),)+
                    _ => None,
                }
            }

            /// The names of all fields: those of `meta` behind `meta` and a dot.
            pub(crate) const NAMES: &[&str] = &[
                $($row_name,)+
                $(concat!("meta.", $meta_name),)+
                $(concat!("meta.", $name),)+
            ];

            /// Its name in JSON.
            #[cfg(any(test, feature = "emulator"))]
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$row => $row_name,)+
                    $(Self::$meta => $meta_name,)+
                    $(Self::$detail => $name,)+
                }
            }

            pub(crate) fn kind(self) -> Kind {
                match self {
                    $(Self::$row => Kind::$row_kind,)+
                    $(Self::$meta => Kind::$meta_kind,)+
                    $(Self::$detail => Kind::$kind,)+
                }
            }

            pub(crate) fn is_in_meta(self) -> bool {
                matches!(self, $(Self::$meta)|+ $(| Self::$detail)+)
            }
        }
    };
}

fields!(field);
