//! The statuses of runs on the command line.

use std::ffi::OsStr;

use apify_runs::RunStatus;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::error::Error;
use clap::{Arg, Command};

/// Reads a status of the API reference, in any case and with `_` for `-`.
#[derive(Clone)]
pub(crate) struct StatusParser;

impl StatusParser {
    fn names() -> PossibleValuesParser {
        RunStatus::KNOWN
            .iter()
            .map(RunStatus::as_str)
            .map(String::from)
            .into()
    }
}

impl TypedValueParser for StatusParser {
    type Value = RunStatus;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<RunStatus, Error> {
        let name = value
            .to_string_lossy()
            .trim()
            .to_uppercase()
            .replace('_', "-");
        let name = Self::names().parse_ref(command, argument, OsStr::new(&name))?;
        Ok(RunStatus::from(name.as_str()))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let names = RunStatus::KNOWN
            .iter()
            .map(|status| PossibleValue::new(status.as_str().to_owned()));
        Some(Box::new(names))
    }
}
