//! What the library's settings are called on the command line.

use apify_runs::InvalidSetting;

/// Each setting of the library that a flag or an argument sets.
const FLAGS: [(&str, &str); 25] = [
    ("actor", "ACTOR"),
    ("base_url", "--base-url"),
    ("checkpoint", "--checkpoint"),
    ("concurrency", "--concurrency"),
    ("database", "--to"),
    ("emit", "--emit"),
    ("field", "--fields"),
    ("follow", "--interval"),
    ("limit", "--max-items"),
    ("lookback", "--lookback"),
    ("max_requests_per_second", "--rate"),
    ("max_total_requests_per_second", "--total-rate"),
    ("n", "--into"),
    ("output", "OUT"),
    ("page_size", "--page-size"),
    ("part_interval", "--part-interval"),
    ("part_rows", "--part-rows"),
    ("schema", "--schema"),
    ("split", "--split"),
    ("started_after", "--since"),
    ("started_before", "--until"),
    ("status", "--status"),
    ("table", "--table"),
    ("task", "--task"),
    ("timeout", "--timeout"),
];

/// A message about a setting, by the name of its flag. Settings without a flag, such as variables
/// of the environment, keep their name.
pub(crate) fn message(setting: &InvalidSetting) -> String {
    let flag = FLAGS.iter().find(|(name, _)| *name == setting.name());
    let name = flag.map_or(setting.name(), |(_, flag)| flag);
    invalid(name, setting.value(), setting.expected())
}

/// A message about the value of a flag. An empty value is left out.
pub(crate) fn invalid(flag: &str, value: &str, expected: &str) -> String {
    match value {
        "" => format!("invalid {flag}: {expected}"),
        value => format!("invalid {flag} {value}: {expected}"),
    }
}
