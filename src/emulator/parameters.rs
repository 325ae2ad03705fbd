//! The parameters of a request.

use hyper::Request;
use reqwest::Url;

use super::listing::ListQuery;
use super::response::ResponseDraft;
use super::settings::Settings;
use crate::limits::MAX_PAGE_SIZE;
use crate::run::RunStatus;
use crate::timestamp;

/// How Actors in Standby mode are deployed.
const DEPLOYMENTS: [&str; 4] = [
    "SINGLE_TENANT",
    "MULTI_TENANT_FREE_USERS",
    "MULTI_TENANT_PAYING_USERS",
    "MULTI_TENANT_OWNER_PAID",
];

/// The parameters of a request, decoded, in their order.
pub(super) fn parameters<B>(request: &Request<B>) -> Vec<(String, String)> {
    let query = request.uri().query().unwrap_or_default();
    let url = Url::parse(&format!("http://emulator/?{query}"));
    url.map(|url| url.query_pairs().into_owned().collect())
        .unwrap_or_default()
}

/// The rows that the parameters select.
///
/// # Errors
///
/// The response to parameters that are not valid.
pub(super) fn list_query(
    parameters: Vec<(String, String)>,
    settings: &Settings,
) -> Result<ListQuery, ResponseDraft> {
    let mut query = ListQuery::default();
    let mut deployment = None;
    for (name, value) in parameters {
        let invalid = || {
            let message = format!("Parameter \"{name}\" has a value that is not valid");
            ResponseDraft::error(400, "invalid-value", &message)
        };
        let number = || whole_number(&value).ok_or_else(invalid);
        let time = || timestamp::parse(&value).map(Some).ok_or_else(invalid);
        match name.as_str() {
            "offset" => query.offset = number()?,
            "limit" => query.limit = number()?,
            "desc" => query.descending = matches!(value.as_str(), "1" | "true"),
            "status" => query.statuses = value.split(',').map(str::to_owned).collect(),
            "startedAfter" | "startedBefore" if settings.ignores_time_filters => {}
            "startedAfter" => query.started_after = time()?,
            "startedBefore" => query.started_before = time()?,
            "deployment" => deployment = Some(value),
            _ => {}
        }
    }
    if let Some(deployment) = deployment {
        if !is_valid_deployment(&deployment, &query.statuses) {
            let message = "A deployment goes only with statuses of unfinished runs";
            return Err(ResponseDraft::error(
                400,
                "standby-deployment-invalid",
                message,
            ));
        }
        // No Actor is deployed in that way.
        query.is_empty = true;
    }
    // 0 means that no limit was given. More than the maximum means the maximum.
    let maximum = u64::from(MAX_PAGE_SIZE);
    let requested = match query.limit {
        0 => maximum,
        limit => limit.min(maximum),
    };
    query.limit = requested.min(settings.max_page_size);
    query.sent_limit = if settings.sends_max_page_size {
        query.limit
    } else {
        requested
    };
    Ok(query)
}

/// Whether all deployments are known, and all statuses those of unfinished runs.
fn is_valid_deployment(deployment: &str, statuses: &[String]) -> bool {
    let is_unfinished = |status: &String| {
        let mut unfinished = RunStatus::UNFINISHED.iter();
        unfinished.any(|unfinished| unfinished.as_str() == status)
    };
    let mut names = deployment.split(',');
    names.all(|name| DEPLOYMENTS.contains(&name))
        && !statuses.is_empty()
        && statuses.iter().all(is_unfinished)
}

/// A whole number from 0 on, in any form that a floating-point number has.
fn whole_number(text: &str) -> Option<u64> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let number: f64 = text.parse().ok()?;
    let is_whole = number.is_finite() && number >= 0.0 && number.fract() == 0.0;
    // A number that is too large becomes the maximum.
    is_whole.then_some(number as u64)
}
