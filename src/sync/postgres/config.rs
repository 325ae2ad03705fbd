//! The address of a server.

use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

use super::tls::{Tls, Verification};
use crate::error::{Error, Result};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// After this long without data from the server, a TCP keepalive probe is sent.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_RETRIES: u32 = 3;
/// How long what was sent may stay without a sign of the server.
const USER_TIMEOUT: Duration = Duration::from_secs(60);

/// How to connect. The password is in it, and in no message.
pub(super) struct Address {
    pub(super) config: Config,
    pub(super) tls: Tls,
}

/// Reads an address.
///
/// # Errors
///
/// `ErrorKind::Config` if it cannot be used. The message shows no part of the address.
pub(super) fn parse(address: &str, password: Option<String>) -> Result<Address> {
    let invalid = |what: &str| Error::config("database", "(not shown)", what);
    let (base, query) = address.split_once('?').unwrap_or((address, ""));
    let (mut options, mut verifies, mut root) = (Vec::new(), false, None);
    for option in query.split('&').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("sslmode", "verify-full" | "verify-ca")) => {
                verifies = true;
                options.push("sslmode=require");
            }
            Some(("sslrootcert", "system")) => verifies = true,
            Some(("sslrootcert", path)) => {
                verifies = true;
                root = Some(PathBuf::from(decoded(path)));
            }
            _ => options.push(option),
        }
    }
    let address = match options.is_empty() {
        true => base.to_owned(),
        false => format!("{base}?{}", options.join("&")),
    };
    let parsed = address.parse::<Config>();
    let mut config = parsed.map_err(|_| {
        invalid("it must be postgres://USER:PASSWORD@HOST:PORT/DATABASE?OPTION=VALUE")
    })?;
    if config.get_hosts().is_empty() {
        return Err(invalid("it must name a host"));
    }
    if let Some(password) = password {
        config.password(password);
    }
    let has = |name: &str| {
        let mut names = options.iter().filter_map(|option| option.split('=').next());
        names.any(|option| option == name)
    };
    if !has("connect_timeout") {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if !has("keepalives_idle") {
        config.keepalives_idle(KEEPALIVE_IDLE);
    }
    if !has("keepalives_interval") {
        config.keepalives_interval(KEEPALIVE_INTERVAL);
    }
    if !has("keepalives_retries") {
        config.keepalives_retries(KEEPALIVE_RETRIES);
    }
    if !has("tcp_user_timeout") {
        config.tcp_user_timeout(USER_TIMEOUT);
    }
    if config.get_application_name().is_none() {
        config.application_name("apify-runs");
    }
    let verification = match (config.get_ssl_mode(), root) {
        (SslMode::Disable, _) => Verification::None,
        (_, Some(root)) => Verification::Root(root),
        (_, None) if verifies => Verification::System,
        _ => Verification::None,
    };
    Ok(Address {
        config,
        tls: Tls::new(verification)?,
    })
}

/// Text of an address without its escapes. What is no escape stays.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let byte = after.get(..2).map(|hex| u8::from_str_radix(hex, 16));
        match byte {
            Some(Ok(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(b'%');
                rest = after;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_never_shown() {
        let parsed = parse(
            "postgres://me:secret@db:5433/runs?sslmode=verify-full",
            None,
        )
        .unwrap();
        assert_eq!(parsed.config.get_ports(), [5433]);
        assert_eq!(parsed.config.get_ssl_mode(), SslMode::Require);
        assert_eq!(parsed.config.get_connect_timeout(), Some(&CONNECT_TIMEOUT));
        let set = parse(
            "postgres://me@db/runs?connect_timeout=3",
            Some("other".into()),
        )
        .unwrap();
        assert_eq!(
            set.config.get_connect_timeout(),
            Some(&Duration::from_secs(3))
        );
        assert_eq!(set.config.get_password(), Some("other".as_bytes()));
        for address in [
            "postgres://me:secret@db:port/runs",
            "postgres://me:secret@db/runs?unknown=1",
            "postgres:secret",
        ] {
            let Err(error) = parse(address, None) else {
                panic!("{address}");
            };
            assert!(
                !format!("{error:?} {error}").contains("secret"),
                "{error:?}"
            );
        }
    }

    #[test]
    fn escapes_are_decoded() {
        assert_eq!(decoded("%2Fa%20b/c%"), "/a b/c%");
    }
}
