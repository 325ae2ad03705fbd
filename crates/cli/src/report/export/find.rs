//! Which files an export is made of.

use std::fs;
use std::path::{Path, PathBuf};

use apify_runs::export::{CommittedFile, Format, Output};

use super::part::{Part, cannot_read};
use crate::counts::counted;
use crate::exit::{Exit, Failure};
use crate::report::coverage::Coverage;

/// The outputs at a path: a file, a folder of parts, or the folders of several Actors.
pub(super) async fn parts(path: &Path, coverage: &mut Coverage) -> Result<Vec<Part>, Failure> {
    let metadata = fs::metadata(path).map_err(|error| cannot_read(path, error))?;
    if !metadata.is_dir() {
        let part = of_file(path, metadata.len(), coverage).await?;
        if part.checkpoint.is_none() && metadata.len() > 0 {
            let problem = "has no checkpoint beside it: runs may be missing";
            coverage
                .problems
                .push(format!("{} {problem}", path.display()));
        }
        return Ok(vec![part]);
    }
    if let Some(part) = of_folder(path).await? {
        return Ok(vec![part]);
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(|error| cannot_read(path, error))? {
        entries.push(entry.map_err(|error| cannot_read(path, error))?.path());
    }
    entries.sort();
    let mut parts = Vec::new();
    let mut has_checkpoints = true;
    for entry in &entries {
        if is_export(entry) {
            let metadata = fs::metadata(entry).map_err(|error| cannot_read(entry, error))?;
            let part = of_file(entry, metadata.len(), coverage).await?;
            has_checkpoints &= part.checkpoint.is_some();
            parts.push(part);
        } else if entry.is_dir() {
            match of_folder(entry).await? {
                Some(part) => parts.push(part),
                None if has_exports(entry)? => coverage.problems.push(format!(
                    "{} has no manifest: its runs are left out",
                    entry.display()
                )),
                None => {}
            }
        }
    }
    if !has_checkpoints {
        let problem = format!("{} has no manifest: runs may be missing", path.display());
        coverage.problems.push(problem);
    }
    if parts.is_empty() {
        let message = format!(
            "{} has no parts of an export: they are named .jsonl, .csv or .parquet",
            path.display()
        );
        return Err(Failure::new(Exit::Failed, message));
    }
    Ok(parts)
}

async fn of_file(path: &Path, length: u64, coverage: &mut Coverage) -> Result<Part, Failure> {
    let format = Format::of_name(&path.to_string_lossy()).ok_or_else(|| {
        let shown = path.display();
        Failure::usage(format!(
            "cannot tell what {shown} is: a database is named sqlite:{shown}, and an export ends \
             with .jsonl, .csv (each also .gz and .zst) or .parquet"
        ))
    })?;
    let output = Output::file(path);
    let checkpoint = output.read_checkpoint().await?;
    let files = match output.committed_files().await? {
        Some(files) => files.into_iter().map(file).collect(),
        None => vec![(path.to_owned(), length)],
    };
    let bytes: u64 = files.iter().map(|(_, bytes)| bytes).sum();
    let shown = path.display();
    if length > bytes {
        coverage.problems.push(format!(
            "{shown} is incomplete: its export was killed and left {} that do not count; run the \
             export again",
            counted(length - bytes, "byte")
        ));
    }
    Ok(Part {
        files,
        format,
        checkpoint,
    })
}

/// A folder with a manifest.
async fn of_folder(path: &Path) -> Result<Option<Part>, Failure> {
    let output = Output::directory(path);
    let (Some(checkpoint), Some(files)) = (
        output.read_checkpoint().await?,
        output.committed_files().await?,
    ) else {
        return Ok(None);
    };
    Ok(Some(Part {
        files: files.into_iter().map(file).collect(),
        format: checkpoint.format(),
        checkpoint: Some(checkpoint),
    }))
}

/// Whether a file has the name of an export.
fn is_export(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_hidden = name.starts_with(['.', '_']);
    path.is_file() && !is_hidden && Format::of_name(&name).is_some()
}

/// Whether files of a folder have the name of an export.
fn has_exports(folder: &Path) -> Result<bool, Failure> {
    for entry in fs::read_dir(folder).map_err(|error| cannot_read(folder, error))? {
        if is_export(&entry.map_err(|error| cannot_read(folder, error))?.path()) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn file(file: CommittedFile) -> (PathBuf, u64) {
    (file.path, file.bytes)
}
