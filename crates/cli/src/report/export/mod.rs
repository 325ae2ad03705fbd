//! The runs of an export on this machine.

mod count;
mod csv;
mod find;
mod jsonl;
mod latest;
mod parquet;
mod part;

use std::path::Path;

use self::latest::Latest;
use self::part::Found;
use super::coverage::Coverage;
use super::row::ReportRow;
use crate::counts::counted;
use crate::exit::{Exit, Failure};

/// Reads all runs of an export. Of several rows of one run, the last one counts.
pub(crate) async fn read(
    path: &Path,
    mut each: impl FnMut(ReportRow),
) -> Result<Coverage, Failure> {
    let mut coverage = Coverage {
        source: path.display().to_string(),
        ..Coverage::default()
    };
    let mut found = Found::default();
    let parts = find::parts(path, &mut coverage).await?;
    // Two outputs may have runs in common.
    let is_once = matches!(&parts[..], [part] if part.is_once());
    let mut latest = Latest::default();
    for part in parts {
        let before = found.rows;
        part.read(&mut found, &mut |row| match is_once {
            true => each(row),
            false => latest.add(row),
        })?;
        part.note(found.rows - before, &mut coverage)?;
    }
    latest.into_rows().for_each(each);
    found.fields.check(path)?;
    coverage.missing_fields = found.fields.missing();
    let unreadable = found.unreadable + found.without_id;
    let shown = path.display();
    if unreadable > 0 && unreadable == found.rows {
        let message = format!("no row of {shown} is a run");
        return Err(Failure::new(Exit::Output, message));
    }
    if unreadable > 0 {
        let rows = counted(unreadable, "row");
        coverage
            .problems
            .push(format!("{rows} of {shown} could not be read"));
    }
    Ok(coverage)
}
