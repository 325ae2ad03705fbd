//! The API token.

use reqwest::header::HeaderValue;

use crate::query::{RunQuery, Scope};
use crate::setting::InvalidSetting;

/// What is shorter than any real token, and so may be a word of everyday texts.
const MIN_SECRET_BYTES: usize = 8;

/// The API token, which nothing prints.
#[derive(Clone)]
pub(crate) struct Token {
    /// In small letters, as it is looked for.
    secret: String,
    pub(crate) header: HeaderValue,
}

impl Token {
    pub(crate) fn new(token: Option<&str>) -> Result<Self, InvalidSetting> {
        let secret = token.unwrap_or_default().trim();
        if token.is_none() {
            return Err(InvalidSetting::new("token", "(not set)", "it is required"));
        }
        if secret.is_empty() {
            return Err(InvalidSetting::new("token", "", "it is empty"));
        }
        let printable = secret.bytes().all(|byte| byte.is_ascii_graphic());
        let header = HeaderValue::try_from(format!("Bearer {secret}"));
        let (true, Ok(mut header)) = (printable, header) else {
            let expected = "it may hold only printable ASCII characters";
            return Err(InvalidSetting::new("token", "(not shown)", expected));
        };
        header.set_sensitive(true);
        Ok(Self {
            secret: secret.to_ascii_lowercase(),
            header,
        })
    }

    /// Removes the token from a text from outside: a service may send it back, in
    /// part if its response breaks off.
    pub(crate) fn redact(&self, text: &str) -> String {
        const PLACEHOLDER: &str = "[token]";
        if self.secret.len() < MIN_SECRET_BYTES {
            return text.into();
        }
        let (lower, secret) = (text.to_ascii_lowercase(), self.secret.as_str());
        let (mut shown, mut end) = (String::new(), 0);
        for (start, found) in lower.match_indices(secret) {
            shown.push_str(&text[end..start]);
            shown.push_str(PLACEHOLDER);
            end = start + found.len();
        }
        shown.push_str(&text[end..]);
        let mut broken = (MIN_SECRET_BYTES..secret.len()).rev();
        let broken = broken.find(|length| lower[end..].ends_with(&secret[..*length]));
        if let Some(length) = broken {
            shown.truncate(shown.len() - length);
            shown.push_str(PLACEHOLDER);
        }
        shown
    }

    /// Whether a text gives the token away, in capital letters or small ones: a host is the same
    /// in both.
    ///
    /// What is shorter than any real token does not count: it is a word of everyday texts.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        self.secret.len() >= MIN_SECRET_BYTES && text.to_ascii_lowercase().contains(&self.secret)
    }

    /// Refuses a setting that would show the token to others.
    pub(crate) fn reject_in(
        &self,
        setting: &'static str,
        value: &str,
    ) -> Result<(), InvalidSetting> {
        if self.is_in(value) {
            let expected = "it holds the token";
            return Err(InvalidSetting::new(setting, "(not shown)", expected));
        }
        Ok(())
    }

    /// Refuses a query that would show the token: in addresses, errors and cursors.
    pub(crate) fn reject_in_query(&self, query: &RunQuery) -> Result<(), InvalidSetting> {
        match &query.scope {
            Scope::Actor(id) => self.reject_in("actor", id)?,
            Scope::Task(id) => self.reject_in("task", id)?,
            Scope::Account => {}
        }
        let mut statuses = query.statuses.iter();
        statuses.try_for_each(|status| self.reject_in("status", status.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        Token::new(Some("apify_api_S3cret0123456789")).unwrap()
    }

    #[test]
    fn the_token_is_taken_out_whole_or_broken_off_in_any_letters() {
        let token = token();
        for (text, shown) in [
            ("nothing", "nothing"),
            ("é apify_api_S3cret0123456789 é", "é [token] é"),
            ("APIFY_API_S3CRET0123456789.example", "[token].example"),
            (
                "apify_api_S3cret0123456789apify_api_S3cret0123456789",
                "[token][token]",
            ),
            ("é apify_api_S3cret01", "é [token]"),
            ("apify_api_S3cret0123456789 apify_api_S", "[token] [token]"),
            ("apify_a", "apify_a"),
            ("", ""),
        ] {
            assert_eq!(token.redact(text), shown, "{text}");
        }
        // A word of everyday texts.
        let short = Token::new(Some("run")).unwrap();
        assert_eq!(short.redact("a run"), "a run");
    }

    #[test]
    fn a_setting_that_shows_the_token_is_refused_and_not_shown() {
        let token = token();
        let error = token.reject_in("actor", "x/apify_api_s3cret0123456789\n");
        let error = error.unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid actor (not shown): it holds the token"
        );
        token.reject_in("actor", "apify/web-scraper").unwrap();
    }
}
