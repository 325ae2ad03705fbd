//! What a program writes without this crate: a struct of `String`s, and a loop around it.

use async_stream::try_stream;
use chrono::{DateTime, Utc};
use futures::Stream;
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct ListResponse {
    pub(crate) data: List,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "a program would read them")]
pub(crate) struct List {
    pub(crate) total: u64,
    pub(crate) offset: u64,
    pub(crate) limit: u64,
    pub(crate) desc: bool,
    pub(crate) count: u64,
    pub(crate) items: Vec<Run>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "a program would read them")]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) act_id: String,
    pub(crate) user_id: Option<String>,
    pub(crate) actor_task_id: Option<String>,
    pub(crate) status: String,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
    pub(crate) build_id: String,
    pub(crate) build_number: Option<String>,
    pub(crate) build_number_int: Option<i64>,
    pub(crate) meta: Meta,
    pub(crate) usage_total_usd: Option<f64>,
    pub(crate) default_key_value_store_id: String,
    pub(crate) default_dataset_id: String,
    pub(crate) default_request_queue_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "a program would read them")]
pub(crate) struct Meta {
    pub(crate) origin: String,
    pub(crate) client_ip: Option<String>,
    pub(crate) user_agent: Option<String>,
    pub(crate) schedule_id: Option<String>,
    pub(crate) scheduled_at: Option<DateTime<Utc>>,
}

/// The loop: one page after the other, by offset, until one is empty.
#[allow(dead_code, reason = "not every benchmark walks")]
pub(crate) fn runs(
    http: reqwest::Client,
    base_url: String,
    token: String,
) -> impl Stream<Item = reqwest::Result<Run>> {
    try_stream! {
        let mut offset = 0;
        loop {
            let url = format!("{base_url}/v2/acts/a/runs?offset={offset}&limit=1000");
            let request = http.get(url).bearer_auth(&token);
            let response: ListResponse = request.send().await?.json().await?;
            if response.data.items.is_empty() {
                break;
            }
            offset += response.data.items.len();
            for run in response.data.items {
                yield run;
            }
        }
    }
}
