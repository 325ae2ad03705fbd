//! `apify-runs report`.

mod arguments;
mod by;
mod charts;
mod coverage;
mod csv;
mod database;
mod demo;
mod export;
mod fields;
mod json;
mod numbers;
mod page;
mod page_file;
mod row;
mod tally;
mod terminal;
mod totals;
mod window;
mod words;

use std::path::Path;

use chrono::Utc;
use serde_json::json;

pub(crate) use arguments::ReportArguments;

use crate::console::{Console, Level};
use crate::counts::counted;
use crate::destination;
use crate::exit::{Exit, Failure};
use crate::stdout::{print, print_json};
use by::By;
use coverage::Coverage;
use totals::Totals;
use window::Window;

/// Sums up runs of a database or an export.
pub(crate) async fn run(arguments: ReportArguments, console: &Console) -> Result<Exit, Failure> {
    let window = Window::new(arguments.since.as_ref(), arguments.until.as_ref())?;
    if let Some(path) = &arguments.out {
        page_file::check(path)?;
    }
    let mut totals = Totals::new(window, &groupings(&arguments));
    let coverage = read(&arguments, &mut totals).await?;
    for problem in &coverage.problems {
        console.log(Level::Warning, problem, json!({}));
    }
    if let Some(path) = &arguments.out {
        let page = page::render(&mut totals, &coverage, arguments.by, Utc::now())?;
        if page_file::is_stdout(path) {
            return print(page.as_bytes());
        }
        page_file::replace(path, &page)?;
        let runs = counted(totals.all.runs, "run");
        let text = format!("complete: a report of {runs} in {}", path.display());
        console.result(&text, json!({"runs": totals.all.runs, "output": path}));
        return Ok(Exit::Complete);
    }
    if arguments.json {
        return print_json(&json::object(&totals, &coverage));
    }
    if arguments.csv {
        return print(&csv::records(&totals, &coverage)?);
    }
    print(terminal::page(&totals, &coverage, arguments.by.is_some()).as_bytes())
}

/// The groupings to compute. The page always has charts by day and by Actor.
fn groupings(arguments: &ReportArguments) -> Vec<By> {
    let mut groupings = match arguments.by {
        Some(by) => vec![by],
        None => vec![By::Day, By::Actor],
    };
    if arguments.out.is_some() {
        for by in [By::Day, By::Actor] {
            if !groupings.contains(&by) {
                groupings.push(by);
            }
        }
    }
    groupings
}

/// Reads all runs of the source.
async fn read(arguments: &ReportArguments, totals: &mut Totals) -> Result<Coverage, Failure> {
    let each = |row| totals.add(&row);
    if let Some(runs) = arguments.demo {
        return Ok(demo::read(runs, each));
    }
    let Some(source) = &arguments.source else {
        let message = "name what to report: a database of sync such as sqlite:runs.db, a file or \
                       folder of export, or --demo for generated runs";
        return Err(Failure::usage(message));
    };
    if database::is_address(source) {
        return database::read(source, arguments, each).await;
    }
    let of_database = [
        ("--schema", &arguments.schema),
        ("--table", &arguments.table),
    ];
    for (flag, value) in of_database {
        if value.is_some() {
            let message = format!("{flag} is for a database, and {source} is none");
            return Err(Failure::usage(message));
        }
    }
    export::read(Path::new(&destination::local(source)?), each).await
}
