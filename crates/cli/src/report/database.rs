//! The runs of a database.

use apify_runs::sync::{Database, DatabaseReader, StoredList};
use futures_util::TryStreamExt;

use super::arguments::ReportArguments;
use super::coverage::{Coverage, CoveredList};
use super::fields::Fields;
use super::row::ReportRow;
use crate::counts::counted;
use crate::exit::Failure;
use crate::flags;

/// Whether a source is the address of a database.
pub(crate) fn is_address(source: &str) -> bool {
    let scheme = source.split_once(':').map(|(scheme, _)| scheme);
    matches!(scheme, Some("sqlite" | "postgres" | "postgresql"))
}

/// Reads all runs of a database, at one moment.
pub(crate) async fn read(
    address: &str,
    arguments: &ReportArguments,
    mut each: impl FnMut(ReportRow),
) -> Result<Coverage, Failure> {
    let reader = open(address, arguments).await?;
    let mut snapshot = reader.snapshot().await?;
    let mut fields = Fields::default();
    while let Some(run) = snapshot.runs.try_next().await? {
        let row = run.into();
        fields.note(&row);
        each(row);
    }
    let names = snapshot.actors.into_iter();
    Ok(Coverage {
        source: reader.to_string(),
        problems: snapshot.lists.iter().flat_map(problems).collect(),
        lists: snapshot.lists.into_iter().map(covered).collect(),
        names: names.map(|actor| (actor.id.clone(), actor)).collect(),
        missing_fields: fields.missing(),
    })
}

async fn open(address: &str, arguments: &ReportArguments) -> Result<DatabaseReader, Failure> {
    let mut builder = Database::builder(address);
    if let Some(table) = &arguments.table {
        builder = builder.table(table);
    }
    if let Some(schema) = &arguments.schema {
        builder = builder.schema(schema);
    }
    if address.starts_with("postgres")
        && let Ok(password) = std::env::var("PGPASSWORD")
    {
        builder = builder.password(password);
    }
    builder
        .open_read_only()
        .await
        .map_err(|error| match error.setting() {
            Some(setting) if setting.name() == "database" => Failure::usage(flags::invalid(
                "SOURCE",
                setting.value(),
                setting.expected(),
            )),
            _ => error.into(),
        })
}

fn covered(list: StoredList) -> CoveredList {
    CoveredList {
        query: list.query,
        rows: list.rows,
        synced_at: list.last_success_at,
    }
}

/// Why runs of a list are missing.
fn problems(list: &StoredList) -> Vec<String> {
    let query = &list.query;
    let mut problems = Vec::new();
    if !list.is_complete() {
        problems.push(format!(
            "the last sync of {query} did not reach the end of the list: run sync again"
        ));
    }
    if list.skipped > 0 {
        let rows = counted(list.skipped, "row");
        problems.push(format!("{rows} of {query} could not be read by sync"));
    }
    problems
}
