//! The address of the API.

use reqwest::Url;

use crate::setting::InvalidSetting;

/// Checks a base URL and gives it its final `/v2`.
pub(crate) fn parse(text: &str, allow_http: bool) -> Result<Url, InvalidSetting> {
    // A user, a password, a query or a fragment may hold a secret: then nothing is shown.
    let may_hold_secret = text.contains(['@', '?', '#']);
    let shown = if may_hold_secret {
        "(not shown)".into()
    } else {
        format!("{text:?}")
    };
    let refuse = |expected: &'static str| Err(InvalidSetting::new("base_url", &shown, expected));
    let Ok(mut url) = Url::parse(text.trim()) else {
        return refuse("it must be a URL such as https://api.apify.com");
    };
    if !matches!(url.scheme(), "http" | "https") {
        return refuse("it must begin with https://");
    }
    if may_hold_secret {
        return refuse("it may not contain a user, a password, a query or a fragment");
    }
    if url.scheme() == "http" && !allow_http && !is_loopback(&url) {
        return refuse("plain http would show the token to others; use https");
    }
    let segments: Vec<_> = url
        .path()
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    let prefix = segments.strip_suffix(&["v2"]).unwrap_or(&segments);
    let path = prefix
        .iter()
        .map(|segment| format!("/{segment}"))
        .collect::<String>();
    url.set_path(&format!("{path}/v2"));
    Ok(url)
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    match address.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        // Others that end in `.localhost` may be looked up anywhere.
        Err(_) => host == "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> Result<String, InvalidSetting> {
        parse(text, false).map(String::from)
    }

    #[test]
    fn a_base_url_ends_in_v2_however_it_was_given() {
        for (given, expected) in [
            ("https://api.apify.com", "https://api.apify.com/v2"),
            ("https://api.apify.com/", "https://api.apify.com/v2"),
            ("https://api.apify.com/v2", "https://api.apify.com/v2"),
            (" https://api.apify.com/v2/ ", "https://api.apify.com/v2"),
            ("https://api.apify.com//v2//", "https://api.apify.com/v2"),
            (
                "https://proxy.example/apify",
                "https://proxy.example/apify/v2",
            ),
            ("http://localhost:8080", "http://localhost:8080/v2"),
            ("http://127.0.0.1:1/v2", "http://127.0.0.1:1/v2"),
            ("http://[::1]:1", "http://[::1]:1/v2"),
        ] {
            assert_eq!(base(given).unwrap(), expected, "{given}");
        }
    }

    #[test]
    fn a_bad_base_url_is_refused_by_name_and_value() {
        for given in [
            "",
            "api.apify.com",
            "ftp://api.apify.com",
            "data:text/plain,x",
            "http://api.apify.com",
            "http://10.0.0.1",
            "http://localhost.example",
            "http://apify.localhost",
        ] {
            let error = base(given).unwrap_err();
            let expected = format!("invalid base_url {given:?}: ");
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
    }

    #[test]
    fn secrets_in_a_base_url_are_refused_and_not_shown() {
        for given in [
            "https://janedoe:hunter2@api.apify.com",
            "https://api.apify.com/v2?token=hunter2",
            "https://api.apify.com/#token=hunter2",
            "https://jane:hunter2@api.apify.com:99999/",
            "https://api.apify.com:x/v2?token=hunter2",
            "jane:hunter2@host",
        ] {
            let error = base(given).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }
}
