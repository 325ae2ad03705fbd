//! Where objects are, as a URL says.

use std::fmt;

use object_store::path::Path;

use super::cloud::Cloud;
use crate::error::{Error, Result};

const EXPECTED: &str = "it must be s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or \
                        abfss://container@account.dfs.core.windows.net/prefix";
const PREFIX: &str = "the prefix must not have empty segments, . or ..";
/// What follows the account in the host of an Azure URL.
const AZURE_HOSTS: [&str; 2] = [".dfs.core.windows.net", ".blob.core.windows.net"];

/// A bucket, and the prefix of the objects in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Address {
    /// The beginning of its URL, up to the bucket: `s3://bucket`.
    root: String,
    pub(super) cloud: Cloud,
    pub(super) bucket: String,
    pub(super) prefix: Path,
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self> {
        let invalid =
            |expected: &str| Error::config("output", format!("{:?}", shown(url)), expected);
        let (scheme, place) = url.split_once("://").ok_or_else(|| invalid(EXPECTED))?;
        let place = place.trim_end_matches('/').split_once('/');
        let (authority, prefix) = place.ok_or_else(|| invalid(EXPECTED))?;
        let scheme = scheme.to_ascii_lowercase();
        let (cloud, bucket) = match scheme.as_str() {
            "s3" | "s3a" => (Cloud::S3, authority),
            "gs" => (Cloud::Google, authority),
            "az" | "abfs" | "abfss" => azure(authority).ok_or_else(|| invalid(EXPECTED))?,
            _ => return Err(invalid(EXPECTED)),
        };
        // What is before an @ may be a password.
        if bucket.is_empty() || bucket.contains(['@', ':']) {
            return Err(invalid(EXPECTED));
        }
        Ok(Self {
            root: format!("{scheme}://{authority}"),
            cloud,
            bucket: bucket.into(),
            prefix: Path::parse(prefix).map_err(|_| invalid(PREFIX))?,
        })
    }

    pub(super) fn full_name(&self, name: &str) -> String {
        format!("{self}/{name}")
    }
}

/// The account and the container that the authority of an Azure URL names: `container`, or
/// `container@account.dfs.core.windows.net`.
fn azure(authority: &str) -> Option<(Cloud, &str)> {
    let Some((container, host)) = authority.split_once('@') else {
        return Some((Cloud::Azure { account: None }, authority));
    };
    let host = host.to_ascii_lowercase();
    let account = AZURE_HOSTS.iter().find_map(|end| host.strip_suffix(end))?;
    let is_name = !account.is_empty() && account.chars().all(|char| char.is_ascii_alphanumeric());
    let account = is_name.then(|| account.to_owned())?;
    let account = Some(account);
    Some((Cloud::Azure { account }, container))
}

/// A URL as errors show it: without what may be a password, a token or a signature.
fn shown(url: &str) -> String {
    let is_scheme = |text: &str| {
        let is_plain = |char: char| char.is_ascii_alphanumeric() || "+-.".contains(char);
        text.chars().all(is_plain)
    };
    let has_secrets = |text: &str| text.contains(['@', ':', '?', '#']);
    match url.split_once("://") {
        Some((scheme, place)) if is_scheme(scheme) && has_secrets(place) => format!("{scheme}://…"),
        Some((scheme, _)) if is_scheme(scheme) => url.into(),
        None if !has_secrets(url) => url.into(),
        _ => "…".into(),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.root, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_parsed(url: &str, cloud: Cloud, bucket: &str, shown: &str) {
        let address = Address::parse(url).unwrap();
        assert_eq!(
            (&address.cloud, &*address.bucket),
            (&cloud, bucket),
            "{url}"
        );
        assert_eq!(address.full_name("name"), format!("{shown}/name"));
    }

    #[test]
    fn each_scheme_names_its_cloud_in_any_case() {
        assert_parsed("s3://b/a/b/", Cloud::S3, "b", "s3://b/a/b");
        assert_parsed("S3://b/a", Cloud::S3, "b", "s3://b/a");
        assert_parsed("s3a://b/a", Cloud::S3, "b", "s3a://b/a");
        assert_parsed("gs://b/a", Cloud::Google, "b", "gs://b/a");
        assert_parsed("Gs://B_1.x/a b", Cloud::Google, "B_1.x", "gs://B_1.x/a b");
        let azure = |account: Option<&str>| Cloud::Azure {
            account: account.map(str::to_owned),
        };
        for scheme in ["az", "abfs", "ABFSS"] {
            let shown = format!("{}://c/a", scheme.to_lowercase());
            assert_parsed(&format!("{scheme}://c/a"), azure(None), "c", &shown);
        }
        for url in [
            "abfss://c@account.dfs.core.windows.net/a",
            "abfs://c@account.blob.core.windows.net/a",
        ] {
            assert_parsed(url, azure(Some("account")), "c", url);
        }
    }

    #[test]
    fn everything_else_is_refused_without_its_secrets() {
        for (url, shown) in [
            ("s3://bucket", "s3://bucket"),
            ("s3://bucket/", "s3://bucket/"),
            ("gs:///a", "gs:///a"),
            ("s3://b/a//b", "s3://b/a//b"),
            ("runs.jsonl", "runs.jsonl"),
            ("ftp://host/a", "ftp://host/a"),
            ("file:///a/b", "file:///a/b"),
            ("postgres://me:hidden@host/db", "postgres://…"),
            ("postgres://host/db?password=hidden", "postgres://…"),
            (
                "https://a.blob.core.windows.net/c/a?sig=hidden",
                "https://…",
            ),
            ("s3://key:hidden@bucket/a", "s3://…"),
            ("s3://key:hid/den@bucket/a", "s3://…"),
            ("s3://hidden@bucket/a", "s3://…"),
            ("az://c:hidden@a.dfs.core.windows.net/a", "az://…"),
            ("az://hidden@example.com/a", "az://…"),
            ("az://c@.dfs.core.windows.net/a", "az://…"),
            ("me:hidden@host://a/b", "…"),
            ("me:hidden@host", "…"),
        ] {
            let error = Address::parse(url).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Config, "{url}");
            let begin = format!("invalid output {shown:?}: ");
            assert!(error.to_string().starts_with(&begin), "{error}");
            assert!(!format!("{error:?}").contains("hid"), "{error:?}");
        }
    }
}
