//! The fields that an export is to write.

use apify_runs::RunSummary;
use apify_runs::export::Format;

use crate::arguments::DestinationArguments;
use crate::exit::Failure;
use crate::flags;

/// How alike two names must be for one to be suggested, from 0 to 1.
const LIKENESS: f64 = 0.8;

/// Refuses fields that no run has, as far as the API reference says.
///
/// CSV and Parquet have columns for known fields only, which the library checks. JSON lines take
/// any name: a mistyped one would be left out of every row.
pub(crate) fn check(arguments: &DestinationArguments, format: Format) -> Result<(), Failure> {
    if arguments.any_field || !matches!(format, Format::Jsonl(_)) {
        return Ok(());
    }
    let mut names = arguments.fields.iter().map(|field| field.trim());
    let is_unknown = |name: &&str| !name.is_empty() && !RunSummary::FIELDS.contains(name);
    let Some(name) = names.find(is_unknown) else {
        return Ok(());
    };
    let suggestion = match similar(name) {
        Some(similar) => format!("did you mean {similar}? "),
        None => String::new(),
    };
    let expected = format!(
        "the API reference has no such field of a run; {suggestion}--any-field takes it all the same"
    );
    let name = format!("{name:?}");
    Err(Failure::usage(flags::invalid("--fields", &name, &expected)))
}

fn similar(name: &str) -> Option<&'static str> {
    let likeness = |known: &&str| {
        let (known, name) = (known.to_lowercase(), name.to_lowercase().replace('_', ""));
        let last = known
            .rsplit('.')
            .next()
            .map_or(0.0, |last| strsim::jaro_winkler(last, &name));
        strsim::jaro_winkler(&known, &name).max(last)
    };
    let scored = RunSummary::FIELDS
        .iter()
        .map(|known| (likeness(known), *known));
    let best = scored.max_by(|one, other| one.0.total_cmp(&other.0))?;
    (best.0 >= LIKENESS).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_field_is_suggested() {
        for (name, expected) in [
            ("finishdAt", Some("finishedAt")),
            ("started_at", Some("startedAt")),
            ("origin", Some("meta.origin")),
            ("usage", Some("usageTotalUsd")),
            ("xyz", None),
        ] {
            assert_eq!(similar(name), expected, "{name}");
        }
    }
}
