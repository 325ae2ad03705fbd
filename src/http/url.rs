//! The address of a page.

use reqwest::Url;

use crate::direction::Direction;
use crate::query::{RunQuery, Scope, with_tilde};
use crate::timestamp;
use crate::walk::PageRequest;

/// The address of a query's list below `base_url`, which ends in `/v2`.
pub(crate) fn of_list(base_url: &Url, query: &RunQuery) -> Url {
    let mut url = base_url.clone();
    // A base URL is checked to be one that has a path.
    if let Ok(mut path) = url.path_segments_mut() {
        match &query.scope {
            Scope::Actor(id) => path.extend(["acts", &with_tilde(id), "runs"]),
            Scope::Task(id) => path.extend(["actor-tasks", &with_tilde(id), "runs"]),
            Scope::Account => path.push("actor-runs"),
        };
    }
    url
}

/// The address of an Actor below `base_url`.
pub(super) fn of_actor(base_url: &Url, id: &str) -> Url {
    let mut url = base_url.clone();
    // A base URL is checked to be one that has a path.
    if let Ok(mut path) = url.path_segments_mut() {
        path.extend(["acts", &with_tilde(id)]);
    }
    url
}

/// The address of one page of the query's list, which is at `list`.
pub(crate) fn of_page(list: &Url, query: &RunQuery, request: PageRequest) -> Url {
    let mut url = list.clone();
    let direction = request
        .whole_list()
        .unwrap_or(Direction::new(query.descending));
    let mut pairs = url.query_pairs_mut();
    pairs.append_pair("offset", &request.offset().to_string());
    pairs.append_pair("limit", &request.limit().to_string());
    if direction == Direction::Descending {
        pairs.append_pair("desc", "1");
    }
    if query.has_filter() && request.until().is_none() {
        pairs.append_pair("status", &query.joined_statuses());
    }
    if request.whole_list().is_some() {
        drop(pairs);
        return url;
    }
    let (from, to) = if query.descending {
        (request.until(), request.anchor())
    } else {
        (request.anchor(), request.until())
    };
    let after = [query.started_after, from].into_iter().flatten().max();
    let before = [query.last_bound(), to].into_iter().flatten().min();
    if let Some(time) = after {
        pairs.append_pair("startedAfter", &timestamp::to_query(time));
    }
    if let Some(time) = before {
        pairs.append_pair("startedBefore", &timestamp::to_query(time));
    }
    drop(pairs);
    url
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::run::RunStatus;

    fn time(text: &str) -> DateTime<Utc> {
        timestamp::parse(text).unwrap()
    }

    fn url(query: &RunQuery) -> String {
        let base = Url::parse("https://api.apify.com/v2").unwrap();
        let list = of_list(&base, query);
        of_page(&list, query, PageRequest::rows(999, 1000)).to_string()
    }

    #[test]
    fn a_plain_query_asks_for_a_page() {
        assert_eq!(
            url(&RunQuery::actor("janedoe/my-actor")),
            "https://api.apify.com/v2/acts/janedoe~my-actor/runs?offset=999&limit=1000"
        );
        assert_eq!(
            url(&RunQuery::task("HG7ML7M8z78YcAPEB")),
            "https://api.apify.com/v2/actor-tasks/HG7ML7M8z78YcAPEB/runs?offset=999&limit=1000"
        );
        assert_eq!(
            url(&RunQuery::account()),
            "https://api.apify.com/v2/actor-runs?offset=999&limit=1000"
        );
    }

    #[test]
    fn filters_are_in_the_query_in_the_apis_own_form() {
        let query = RunQuery::actor("a")
            .statuses([RunStatus::Succeeded, RunStatus::TimedOut])
            .started_after(time("2025-09-01T02:00:00.1239+02:00"))
            .started_before(time("2025-09-17T23:59:59Z"))
            .descending(true);
        let url = Url::parse(&url(&query)).unwrap();
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let expected = [
            ("offset", "999"),
            ("limit", "1000"),
            ("desc", "1"),
            ("status", "SUCCEEDED,TIMED-OUT"),
            ("startedAfter", "2025-09-01T00:00:00.123Z"),
            ("startedBefore", "2025-09-17T23:59:59.000Z"),
        ];
        assert_eq!(pairs, expected.map(|(k, v)| (k.to_string(), v.to_string())));
    }

    #[test]
    fn an_excluded_end_is_sent_as_the_next_millisecond() {
        for (end, sent) in [
            ("2025-09-17T10:00:00.001Z", "2025-09-17T10:00:00.001Z"),
            ("2025-09-17T10:00:00.0005Z", "2025-09-17T10:00:00.001Z"),
        ] {
            let query = RunQuery::actor("a").ends_before(time(end));
            let url = Url::parse(&url(&query)).unwrap();
            let mut pairs = url.query_pairs();
            assert!(pairs.any(|pair| pair == ("startedBefore".into(), sent.into())));
        }
    }

    #[test]
    fn no_name_escapes_its_place_in_the_path() {
        for (name, segment) in [
            ("a b", "a%20b"),
            ("a?token=x", "a%3Ftoken=x"),
            ("a#b", "a%23b"),
            ("a%2Fb", "a%252Fb"),
            ("../../users", ""),
            ("../users", "..~users"),
            ("žluť~actor", "%C5%BElu%C5%A5~actor"),
            ("a\\b", "a\\b"),
        ] {
            let query = RunQuery::actor(name);
            if segment.is_empty() {
                assert!(query.validate().is_err(), "{name}");
                continue;
            }
            query.validate().unwrap();
            let url = Url::parse(&url(&query)).unwrap();
            let segments: Vec<_> = url.path_segments().unwrap().collect();
            assert_eq!(segments.len(), 4, "{url}");
            assert_eq!(segments[2].replace("%5C", "\\"), segment, "{url}");
            assert_eq!(url.query_pairs().count(), 2, "{url}");
        }
    }
}
