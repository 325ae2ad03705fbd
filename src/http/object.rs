//! Fetching an object that is no page of runs.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use serde::de::DeserializeOwned;

use super::counters::RequestCounters;
use super::fetch::{send, with_retries};
use super::pace::Permit;
use super::response;
use super::settings::Settings;
use super::url;
use crate::actor::Actor;
use crate::error::Result;
use crate::query::RunQuery;

/// Fetches the Actor with this ID or name.
pub(crate) async fn actor(settings: &Arc<Settings>, id: &str) -> Result<Actor> {
    let query = RunQuery::actor(id);
    settings.token.reject_in_query(&query)?;
    query.validate()?;
    object(settings, &url::of_actor(&settings.base_url, id)).await
}

async fn object<T: DeserializeOwned>(settings: &Settings, url: &Url) -> Result<T> {
    // Each resource has a rate of its own.
    let pacer = settings.pacers.of_list(url);
    let counters = RequestCounters::default();
    let attempt = |permit: Permit, time_left: Duration| {
        let pacer = &pacer;
        async move {
            let mut body = Vec::new();
            let head = send(settings, pacer, permit, url, time_left, &mut body).await?;
            response::read_object(settings, head, &body)
        }
    };
    let (object, _) = with_retries(settings, &pacer, &counters, url, 0, attempt).await?;
    Ok(object)
}
