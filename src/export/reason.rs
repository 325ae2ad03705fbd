//! Why a request to object storage failed, without secrets.

use std::env;
use std::error::Error as StdError;
use std::fmt;

use serde::Deserialize;

use super::role_credentials::NoCredentials;
use crate::error::{Error, ErrorKind};
use crate::excerpt::excerpt;

/// The variables that hold secrets.
const SECRETS: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_TOKEN",
    "AWS_SSE_CUSTOMER_KEY_BASE64",
    "GOOGLE_BEARER_TOKEN",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_MASTER_KEY",
    "AZURE_STORAGE_CLIENT_SECRET",
    "AZURE_CLIENT_SECRET",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_TOKEN",
    "AZURE_STORAGE_ENCRYPTION_KEY",
    "AZURE_FABRIC_SESSION_TOKEN",
    "IDENTITY_HEADER",
];
/// The variables that name a file. By mistake, the key itself may be in them.
const KEY_FILES: &[&str] = &[
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
    "SERVICE_ACCOUNT",
];

/// An error about an object or a bucket.
pub(super) fn failed(name: &str, what: &str, error: &object_store::Error) -> Error {
    Error::new(ErrorKind::Output, format!("{name} {what}")).with_source(Reason::of(error))
}

/// What object storage has said, in words.
///
/// Not its whole response: to a signature that is wrong or has expired, S3 repeats the request
/// with the session token in it.
#[derive(Debug)]
struct Reason(String);

impl Reason {
    fn of(error: &object_store::Error) -> Self {
        match bottom(error).downcast_ref::<NoCredentials>() {
            Some(missing) => Self(missing.to_string()),
            None => Self::without(&secrets(|name| env::var(name).ok()), error),
        }
    }

    /// Leaves these secrets out: what stands before a service may repeat anything.
    fn without(secrets: &[String], error: &object_store::Error) -> Self {
        let text = without_secrets(error, secrets);
        let mut shown = before_markup(&text);
        let cause = before_markup(&without_secrets(bottom(error), secrets));
        let ErrorBody { code, message } = ErrorBody::of(&text);
        // Azure says more in the next lines: the number of the request, and the time.
        let message = message.lines().next().unwrap_or_default().to_owned();
        // What was escaped is known as a secret only now.
        let said = [code, message].map(|said| excerpt(&replace_secrets(said, secrets)));
        let more = [cause].into_iter().chain(said);
        for more in more.filter(|more| !more.is_empty()) {
            if !shown.contains(&more) {
                shown = format!("{shown}: {more}");
            }
        }
        Self(shown)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Reason {}

/// The secrets in these variables.
fn secrets(variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let keys = KEY_FILES.iter().filter_map(|name| variable(name));
    let keys = keys.filter(|text| text.contains('{'));
    let secrets = SECRETS.iter().filter_map(|name| variable(name));
    let mut secrets: Vec<_> = secrets.chain(keys).collect();
    // A shared access signature is sent in pieces.
    let signatures: Vec<_> = secrets.iter().filter_map(|text| signature(text)).collect();
    let decoded = signatures.iter().map(|text| base64_from_url(text));
    secrets.extend(decoded.chain(signatures.clone()).collect::<Vec<_>>());
    secrets.retain(|secret| !secret.is_empty());
    secrets
}

/// The signature in the query of a URL.
fn signature(query: &str) -> Option<String> {
    let parameters = query.trim_start_matches('?').split('&');
    let mut values = parameters.filter_map(|parameter| parameter.strip_prefix("sig="));
    values.next().map(str::to_owned)
}

/// Base64 that is percent-encoded.
fn base64_from_url(text: &str) -> String {
    let text = text.replace("%2B", "+").replace("%2b", "+");
    let text = text.replace("%2F", "/").replace("%2f", "/");
    text.replace("%3D", "=").replace("%3d", "=")
}

/// The text of an error, without secrets.
fn without_secrets(error: &dyn StdError, secrets: &[String]) -> String {
    replace_secrets(error.to_string(), secrets)
}

fn replace_secrets(text: String, secrets: &[String]) -> String {
    let replace = |text: String, secret: &String| text.replace(secret, "[secret]");
    secrets.iter().fold(text, replace)
}

/// What is at the bottom of an error, such as that the connection was refused.
fn bottom<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause
}

/// The beginning of a text, up to the body of a response in XML or HTML.
fn before_markup(text: &str) -> String {
    let before = text.split('<').next().unwrap_or_default();
    // Azure's XML begins with a byte order mark.
    excerpt(before.trim_end_matches([':', ' ', '\n', '\u{feff}']))
}

/// What a service says in the body of a response, if that is XML.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct ErrorBody {
    code: String,
    message: String,
}

impl ErrorBody {
    /// Reads the XML that is in a text.
    fn of(text: &str) -> Self {
        let body = text.find('<').and_then(|start| text.get(start..));
        let body = body.and_then(|body| quick_xml::de::from_str(body).ok());
        body.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a response.
    fn said_of(response: &str) -> String {
        let error = object_store::Error::Generic {
            store: "S3",
            source: format!("403 Forbidden: {response}").into(),
        };
        Reason::without(&["SECRET".into(), "KEY".into()], &error).to_string()
    }

    #[test]
    fn no_secret_is_in_what_is_said_of_any_response() {
        for response in [
            "bad header x-amz-security-token: SECRET",
            "bad header x-amz-security-token: SECRET <id 7>",
            "<html><body>SECRET</body></html>",
            "<Error><Code>A</Code><Message>SECRET of KEY</Message><Token>SECRET</Token></Error>",
            "<Error><Code>A</Code><Message>&#83;ECRET of K&#x45;Y</Message></Error>",
            "KEY<Code>SECRET</Code>",
        ] {
            let said = said_of(response);
            assert!(!said.contains("SECRET") && !said.contains("KEY"), "{said}");
            assert!(said.contains("403 Forbidden"), "{said}");
        }
    }

    #[test]
    fn what_is_said_ends_with_a_reason() {
        assert_eq!(
            said_of("<html>no</html>"),
            "Generic S3 error: 403 Forbidden"
        );
        assert_eq!(
            said_of("<Error><Code>Expired</Code><Message>too old</Message></Error>"),
            "Generic S3 error: 403 Forbidden: Expired: too old"
        );
        assert_eq!(
            said_of("wrong <id 7>"),
            "Generic S3 error: 403 Forbidden: wrong"
        );
        // As S3 sends it.
        let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>A</Code><Message>no \
                    &quot;x&quot;</Message><Resource>/b</Resource><RequestId/></Error>";
        assert_eq!(
            said_of(body),
            "Generic S3 error: 403 Forbidden: A: no \"x\""
        );
        let long = format!("{} refused", "a".repeat(1000));
        assert!(said_of(&long).len() < 500);
    }

    #[test]
    fn what_azure_says_is_read_behind_its_byte_order_mark() {
        let body = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>Wrong</Code>\
                    <Message>not so\nRequestId:1\nTime:2</Message></Error>";
        assert_eq!(
            said_of(body),
            "Generic S3 error: 403 Forbidden: Wrong: not so"
        );
    }

    #[test]
    fn signatures_and_keys_in_place_of_files_are_secrets() {
        let secrets = secrets(|name| match name {
            "AZURE_STORAGE_SAS_TOKEN" => Some("?sv=1&sig=a%2Bb%3D&sp=rw".into()),
            "GOOGLE_APPLICATION_CREDENTIALS" => Some("{\"private_key\":\"k\"}".into()),
            "GOOGLE_SERVICE_ACCOUNT" => Some("/etc/key.json".into()),
            "AWS_SESSION_TOKEN" => Some(String::new()),
            _ => None,
        });
        let expected = [
            "?sv=1&sig=a%2Bb%3D&sp=rw",
            "{\"private_key\":\"k\"}",
            "a+b=",
            "a%2Bb%3D",
        ];
        assert_eq!(secrets, expected);
    }

    #[test]
    fn missing_credentials_are_said_without_anything_else() {
        let error = object_store::Error::from(NoCredentials("set them"));
        assert_eq!(Reason::of(&error).to_string(), "set them");
    }
}
