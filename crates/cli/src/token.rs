//! Reads the API token.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::exit::{Exit, Failure};

const VARIABLE: &str = "APIFY_TOKEN";

/// The sources of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenSource {
    File(PathBuf),
    Variable,
    Login(PathBuf),
}

impl fmt::Display for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Variable => f.write_str(VARIABLE),
            Self::Login(path) => write!(f, "{}, the login of the Apify CLI", path.display()),
        }
    }
}

/// The token: from the file that was named, or else from the environment, or else from the login
/// of the Apify CLI.
pub(crate) fn find(file: Option<&Path>) -> Result<String, Failure> {
    let Some(source) = source(file) else {
        let message = format!(
            "no token: set {VARIABLE}, name a file with --token-file, or log in with the Apify \
             CLI (apify login)"
        );
        return Err(Failure::new(Exit::Auth, message));
    };
    let failure = |reason: String| {
        let message = format!("no token in {source}: {reason}");
        Failure::new(Exit::Auth, message)
    };
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| error.to_string());
    let token = match &source {
        TokenSource::Variable => env::var(VARIABLE).map_err(|_| "it is no text".to_owned()),
        TokenSource::File(path) => read(path),
        TokenSource::Login(path) => read(path).and_then(|text| login(&text)),
    };
    let token = token.map_err(failure)?.trim().to_owned();
    if token.is_empty() {
        return Err(failure("it is empty".into()));
    }
    Ok(token)
}

fn source(file: Option<&Path>) -> Option<TokenSource> {
    if let Some(path) = file {
        return Some(TokenSource::File(path.into()));
    }
    if env::var_os(VARIABLE).is_some_and(|token| !token.is_empty()) {
        return Some(TokenSource::Variable);
    }
    let path = env::home_dir()?.join(".apify").join("auth.json");
    path.is_file().then_some(TokenSource::Login(path))
}

/// The token in what `apify login` stores.
fn login(text: &str) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Login {
        token: String,
    }
    // What is in there is nobody's business: the error must not quote it.
    let login: Login = serde_json::from_str(text).map_err(|_| "it holds none".to_owned())?;
    Ok(login.token)
}

/// For `--help`: which token would be used now.
pub(crate) fn help() -> String {
    let found = match source(None) {
        Some(source) => format!("Now it would be the one in {source}."),
        None => "Now there is none.".into(),
    };
    format!(
        "Token:\n  The file of --token-file, or else {VARIABLE}, or else the login of the Apify \
         CLI\n  (~/.apify/auth.json). {found}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_of_the_apify_cli_holds_a_token() {
        let text = r#"{"username": "janedoe", "token": "apify_api_x", "id": "abc"}"#;
        assert_eq!(login(text).as_deref(), Ok("apify_api_x"));
        let error = login(r#"{"secret": "apify_api_x"}"#).unwrap_err();
        assert!(!error.contains("apify_api_x"), "{error}");
    }
}
