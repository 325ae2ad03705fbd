//! The API token.

use reqwest::header::HeaderValue;

use crate::error::{Error, ErrorKind, Result};

/// The API token, which nothing prints.
#[derive(Clone)]
pub(crate) struct Token {
    secret: String,
    pub(crate) header: HeaderValue,
}

impl Token {
    pub(crate) fn new(token: Option<&str>) -> Result<Self> {
        let secret = token.unwrap_or_default().trim();
        if token.is_none() {
            return Err(Error::config("token", "(not set)", "it is required"));
        }
        if secret.is_empty() {
            return Err(Error::new(ErrorKind::Config, "invalid token: it is empty"));
        }
        let printable = secret.bytes().all(|byte| byte.is_ascii_graphic());
        let header = HeaderValue::try_from(format!("Bearer {secret}"));
        let (true, Ok(mut header)) = (printable, header) else {
            let expected = "it may hold only printable ASCII characters";
            return Err(Error::config("token", "(not shown)", expected));
        };
        header.set_sensitive(true);
        Ok(Self {
            secret: secret.into(),
            header,
        })
    }

    /// Takes the token out of a text that comes from outside: a service may send it back.
    pub(crate) fn redact(&self, text: &str) -> String {
        if !self.is_in(text) {
            return text.into();
        }
        text.replace(&self.secret, "[token]")
    }

    /// Whether a text gives the token away.
    ///
    /// What is shorter than any real token does not count: it is a word of everyday texts.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        const SHORTEST: usize = 8;
        self.secret.len() >= SHORTEST && text.contains(&self.secret)
    }
}
