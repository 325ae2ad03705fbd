//! The run list's endpoint in process, to test programs that read it.
//!
//! [`Emulator`] serves `GET /v2/acts/{actor}/runs` and its siblings over HTTP on a loopback
//! socket, as the [API reference](https://docs.apify.com/api/v2/act-runs-get) describes
//! them: filters, order, clamped limits, errors in Apify's shape. It can respond late, wrongly or
//! not at all, compress its responses, and limit the rate of requests. It records the requests
//! that it receives. A [`Store`] changes its list while a client reads it. Apify's own clients can
//! read it.
//!
//! # Endpoints
//!
//! | path | response |
//! |---|---|
//! | `/v2/acts/{actor}/runs` | the runs of an Actor |
//! | `/v2/actor-tasks/{task}/runs` | the same runs, as those of a task |
//! | `/v2/actor-runs` | the same runs, as those of the account |
//! | `/v2/acts/{actor}` | an Actor, with its `id`, `username`, `name` and `title` |
//! | `/v2/acts` | the Actors of the account: always one |
//!
//! `/v2/actors` is the same as `/v2/acts`. If no [`actor`](EmulatorBuilder::actor) is chosen,
//! `janedoe/my-actor` is listed, and every other Actor is found too. An Actor that is requested by
//! its name has the ID that generated runs have as `actId`.
//!
//! # Responses are as untidy as the service's
//!
//! JSON is [indented](EmulatorBuilder::compact). Every response has `X-RateLimit-Limit`, and every
//! page `X-Apify-Pagination-Offset`, `-Limit`, `-Count` and `-Total`, which repeat what the body
//! says. Some generated rows [lack fields](EmulatorBuilder::complete_rows), and others have fields
//! that the API reference does not know.
//!
//! `offset` and `limit` are numbers as in JSON: `limit=10.0` and `offset=2e3` are valid.
//!
//! `deployment`, on the lists of an Actor and of the account, selects runs of Actors in Standby
//! mode. It needs a `status`, and only statuses of unfinished runs; anything else is a 400
//! `standby-deployment-invalid`. No Actor of the emulator is deployed in that way: with a valid
//! `deployment`, no run is listed, and `total` is 0. The list of a task ignores the parameter.
//!
//! # Example: an export survives a bad minute
//!
//! ```
//! use apify_runs::emulator::{Emulator, Fault};
//! use futures::TryStreamExt;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> apify_runs::Result<()> {
//! let emulator = Emulator::builder()
//!     .runs(2500)
//!     .fault(2..=4, Fault::status(503))
//!     .virtual_time()
//!     .start()
//!     .await?;
//!
//! let runs: Vec<_> = emulator.client().runs("any-actor").stream().try_collect().await?;
//! assert_eq!(runs.len(), 2500);
//! assert_eq!(emulator.requests().len(), 6);
//! # Ok(())
//! # }
//! ```

mod actors;
mod body;
mod builder;
mod cache;
mod clock;
mod content_encoding;
mod faults;
mod generated;
mod handle;
mod indent;
mod life;
mod listing;
mod log;
mod parameters;
mod rate;
mod response;
mod routes;
mod schedule;
mod server;
mod settings;
mod shared;
mod socket;
mod store;

pub use builder::EmulatorBuilder;
pub use faults::Fault;
pub use handle::Emulator;
pub use log::RequestRecord;
pub use store::Store;
