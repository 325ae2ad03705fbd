//! The address of a database.

#[cfg(feature = "sqlite")]
use std::path::PathBuf;

use super::schema::{Dialect, Schema};
use crate::error::{Error, Result};

/// Where an address leads.
pub(super) enum Place {
    #[cfg(feature = "sqlite")]
    Sqlite(PathBuf, Schema),
    #[cfg(feature = "postgres")]
    Postgres {
        address: String,
        password: Option<String>,
        schema: Schema,
    },
}

impl Place {
    /// Reads an address, and checks the other settings.
    ///
    /// # Errors
    ///
    /// `ErrorKind::Config` if one of them cannot be used.
    pub(super) fn new(
        address: String,
        schema: Option<String>,
        table: String,
        password: Option<String>,
    ) -> Result<Self> {
        match address.split_once(':') {
            #[cfg(feature = "sqlite")]
            Some(("sqlite", path)) => {
                let path = path.strip_prefix("//").unwrap_or(path);
                if path.is_empty() || path == ":memory:" {
                    let expected = "it must be sqlite: and the path of a file";
                    return Err(Error::config("database", &address, expected));
                }
                let others = [("schema", &schema), ("password", &password)];
                for (name, value) in others {
                    if value.is_some() {
                        let expected = "a database of SQLite has none";
                        return Err(Error::config(name, "(not shown)", expected));
                    }
                }
                let schema = Schema::new(Dialect::Sqlite, None, table)?;
                Ok(Self::Sqlite(PathBuf::from(path), schema))
            }
            #[cfg(feature = "postgres")]
            Some(("postgres" | "postgresql", _)) => {
                let name = schema.unwrap_or_else(|| super::postgres::SCHEMA.into());
                Ok(Self::Postgres {
                    schema: Schema::new(Dialect::Postgres, Some(name), table)?,
                    address,
                    password,
                })
            }
            _ => {
                let mut schemes = Vec::new();
                if cfg!(feature = "sqlite") {
                    schemes.push("sqlite:PATH");
                }
                if cfg!(feature = "postgres") {
                    schemes.push("postgres://USER@HOST/DATABASE");
                }
                let expected = format!("it must be {}", schemes.join(" or "));
                // It may have a password in it.
                Err(Error::config("database", "(not shown)", &expected))
            }
        }
    }
}
