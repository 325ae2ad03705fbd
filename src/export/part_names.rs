//! The names of the files of an output in parts.
//!
//! Programs that read a folder as a table, such as Spark, ignore names that begin with `_` or `.`.

use super::durable::UNFINISHED;
use super::format::Format;

/// The name of the manifest.
pub(super) const MANIFEST: &str = "_manifest.json";
/// The file that is locked while an export writes to a folder.
pub(super) const LOCK: &str = ".lock";
/// How the name of a part begins.
pub(super) const PART: &str = "part-";
/// How the name of a segment of the manifest begins, and how it ends.
const SEGMENT: &str = "_segment-";
const SEGMENT_FORMAT: &str = "json";

/// A name for a part that no other part has, nor ever had. `number` is how many parts come before
/// it. In the order of their names, the first million parts are in the order of the walk; the
/// manifest has all of them in that order.
pub(super) fn new_part(number: u64, format: Format) -> String {
    new_name(PART, number, &format.to_string())
}

/// A name for a segment that no other segment has, nor ever had. `number` is how many parts come
/// before those that it lists.
pub(super) fn new_segment(number: u64) -> String {
    new_name(SEGMENT, number, SEGMENT_FORMAT)
}

fn new_name(start: &str, number: u64, ending: &str) -> String {
    let noise = fastrand::u32(..);
    format!("{start}{number:06}-{noise:08x}.{ending}")
}

/// Whether an export has given a part its name.
pub(super) fn is_part(name: &str) -> bool {
    ending(name, PART).is_some_and(|ending| ending.parse::<Format>().is_ok())
}

/// Whether an export has given a segment its name.
pub(super) fn is_segment(name: &str) -> bool {
    ending(name, SEGMENT) == Some(SEGMENT_FORMAT)
}

/// Whether an export has given the name to a file that was being written.
pub(super) fn is_unfinished(name: &str) -> bool {
    let name = name.strip_prefix('.');
    let name = name.and_then(|name| name.strip_suffix(UNFINISHED));
    name.is_some_and(|name| name == MANIFEST || is_part(name) || is_segment(name))
}

/// What is behind the dot of a name that [`new_name`] can have made.
fn ending<'a>(name: &'a str, start: &str) -> Option<&'a str> {
    let is_number = |text: &str| text.len() >= 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_noise =
        |text: &str| text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (place, ending) = name.strip_prefix(start)?.split_once('.')?;
    let (number, noise) = place.split_once('-')?;
    (is_number(number) && is_noise(noise)).then_some(ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_an_export_names_like_that_is_a_part_or_a_segment() {
        for name in [
            "part-000000-0badc0de.jsonl",
            "part-1000000-0badc0de.csv.zst",
            "part-000007-0badc0de.parquet",
        ] {
            assert!(is_part(name) && !is_segment(name), "{name}");
            assert!(is_unfinished(&format!(".{name}.unfinished")), "{name}");
        }
        for name in [
            "_segment-000000-0badc0de.json",
            "_segment-1000000-0badc0de.json",
        ] {
            assert!(is_segment(name) && !is_part(name), "{name}");
            assert!(is_unfinished(&format!(".{name}.unfinished")), "{name}");
        }
        for name in [
            "",
            "/dev/zero",
            "part-list.txt",
            "part-00000-c000.snappy.parquet",
            "part-000000-0badc0de.txt",
            "part-000000-0badc0de.json",
            "part-000000-0badc0de",
            "part-000000-0badc0de.jsonl/../../secret",
            "part-000000-0badc0de./../jsonl",
            "../part-000000-0badc0de.jsonl",
            "_segment-000000-0badc0de.jsonl",
            "_segment-000000-0badc0de.json/../../secret",
            "_segment-000000.json",
            "../_segment-000000-0badc0de.json",
        ] {
            assert!(!is_part(name) && !is_segment(name), "{name}");
            assert!(!is_unfinished(&format!(".{name}.unfinished")), "{name}");
        }
        assert!(is_unfinished("._manifest.json.unfinished"));
        assert!(!is_unfinished("part-000000-0badc0de.jsonl"));
    }

    #[test]
    fn new_names_are_known_again() {
        for number in [0, 999_999, 1_000_000] {
            let format: Format = "csv.zst".parse().unwrap();
            assert!(is_part(&new_part(number, format)));
            assert!(is_segment(&new_segment(number)));
        }
    }
}
