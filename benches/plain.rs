//! What a program writes without this crate: a struct of `String`s, and a loop around it.

use async_stream::try_stream;
use chrono::{DateTime, Utc};
use futures::Stream;
use serde::Deserialize;

#[derive(Deserialize)]
pub struct Answer {
    pub data: List,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "a program would read them")]
pub struct List {
    pub total: u64,
    pub offset: u64,
    pub limit: u64,
    pub desc: bool,
    pub count: u64,
    pub items: Vec<Run>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "a program would read them")]
pub struct Run {
    pub id: String,
    pub act_id: String,
    pub user_id: Option<String>,
    pub actor_task_id: Option<String>,
    pub status: String,
    pub started_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
    pub build_id: String,
    pub build_number: Option<String>,
    pub build_number_int: Option<i64>,
    pub meta: Meta,
    pub usage_total_usd: Option<f64>,
    pub default_key_value_store_id: String,
    pub default_dataset_id: String,
    pub default_request_queue_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "a program would read them")]
pub struct Meta {
    pub origin: String,
    pub client_ip: Option<String>,
    pub user_agent: Option<String>,
    pub schedule_id: Option<String>,
    pub scheduled_at: Option<DateTime<Utc>>,
}

/// The loop: one page after the other, by offset, until one is empty.
#[allow(dead_code, reason = "not every benchmark walks")]
pub fn runs(
    http: reqwest::Client,
    base_url: String,
    token: String,
) -> impl Stream<Item = reqwest::Result<Run>> {
    try_stream! {
        let mut offset = 0;
        loop {
            let url = format!("{base_url}/v2/acts/a/runs?offset={offset}&limit=1000");
            let request = http.get(url).bearer_auth(&token);
            let answer: Answer = request.send().await?.json().await?;
            if answer.data.items.is_empty() {
                break;
            }
            offset += answer.data.items.len();
            for run in answer.data.items {
                yield run;
            }
        }
    }
}
