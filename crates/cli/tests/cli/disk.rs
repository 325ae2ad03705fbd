//! Disks that are full, read-only or gone.

use apify_runs::emulator::Emulator;

use super::*;

/// A small disk in memory, until it is dropped.
struct Disk(TempDir);

impl Disk {
    /// `None` if this user may not mount any.
    fn with(options: &str) -> Option<Self> {
        let disk = Self(tempfile::tempdir().unwrap());
        let is_mounted = disk.mount(&["-t", "tmpfs", "-o", options, "tmpfs"]);
        if !is_mounted {
            skip("this user may not mount a disk");
        }
        is_mounted.then_some(disk)
    }

    fn remount(&self, options: &str) {
        assert!(self.mount(&["-o", &format!("remount,{options}")]));
    }

    fn mount(&self, arguments: &[&str]) -> bool {
        let mut mount = std::process::Command::new("mount");
        let mount = mount.args(arguments).arg(self.0.path());
        mount.output().is_ok_and(|output| output.status.success())
    }

    fn place(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let mut umount = std::process::Command::new("umount");
        let _ = umount.arg(self.0.path()).output();
    }
}

/// The error of an export, which is one line, with or without a command behind it.
#[track_caller]
fn error(assert: &Assert) -> String {
    let message = stderr(assert);
    let mut lines = message.lines();
    let error = lines.next().unwrap().to_owned();
    assert!(error.starts_with("error: "), "{message}");
    assert!(
        lines.all(|line| line.starts_with("to resume: ")),
        "{message}"
    );
    error
}

const SMALL_PAGES: [&str; 3] = ["--page-size=100", "--part-rows=100", "--concurrency=1"];

#[test]
fn a_full_disk_is_1_and_the_export_goes_on_when_it_has_room() {
    for kilobytes in [
        100, 152, 156, 160, 164, 168, 172, 176, 180, 184, 188, 192, 196,
    ] {
        let Some(disk) = Disk::with(&format!("size={kilobytes}k")) else {
            return;
        };
        let service = Service::with_runs(1000);
        let out = disk.place("runs.jsonl");
        let full = service.export(&out, &SMALL_PAGES).code(1);
        let message = error(&full);
        assert!(message.contains("No space left on device"), "{message}");
        assert!(offered(&stderr(&full)).is_some(), "{full}");
        let rows = committed(&checkpoint_of(&out));
        assert!(rows < 1000, "{rows}");
        assert_whole(&out);
        // As full as before.
        service.export(&out, &SMALL_PAGES).code(1);
        disk.remount("size=4m");
        service.export(&out, &SMALL_PAGES).success();
        assert_exact(&service, &out);
    }
}

#[test]
fn a_full_disk_keeps_the_parts_that_were_committed() {
    for kilobytes in [100, 180, 192] {
        let Some(disk) = Disk::with(&format!("size={kilobytes}k")) else {
            return;
        };
        let service = Service::with_runs(1000);
        let out = disk.place("runs.jsonl");
        let folder = format!("{}/", out.display());
        let folder = Path::new(&folder);
        let full = service.export(folder, &SMALL_PAGES).code(1);
        let message = error(&full);
        assert!(message.contains("No space left on device"), "{message}");
        assert!(committed(&out.join("_manifest.json")) > 0);
        assert_whole(&out);
        disk.remount("size=4m");
        service.export(folder, &SMALL_PAGES).success();
        let parts = outputs::parts(&out);
        let written: Vec<_> = parts.iter().flat_map(|part| ids(part)).collect();
        assert_eq!(written, service.ids());
        assert_whole(&out);
    }
}

#[test]
fn a_disk_that_is_read_only_is_1() {
    let Some(disk) = Disk::with("size=4m") else {
        return;
    };
    let service = Service::with_runs(100);
    let out = disk.place("runs.jsonl");
    disk.remount("ro");
    let refused = service.export(&out, &[]).code(1);
    assert!(
        error(&refused).contains("Read-only file system"),
        "{refused}"
    );
    // Nothing has been done that could be gone on with.
    assert_eq!(offered(&stderr(&refused)), None);
    disk.remount("rw");
    service.export(&out, &["--max-items", "40"]).success();
    disk.remount("ro");
    let refused = service.export(&out, &[]).code(1);
    assert!(
        error(&refused).contains("Read-only file system"),
        "{refused}"
    );
    assert_whole(&out);
    disk.remount("rw");
    service.export(&out, &[]).success();
    assert_exact(&service, &out);
}

/// A service that removes a folder before it responds to the third page, when the pages before it
/// are committed.
fn removing(folder: &Path, checkpoint: &Path) -> Service {
    let (folder, checkpoint) = (folder.to_owned(), checkpoint.to_owned());
    let builder = Emulator::builder()
        .runs(100)
        .before_each(move |request, _| {
            if request == 3 {
                wait_until("pages are committed", || committed(&checkpoint) == 20);
                std::fs::remove_dir_all(&folder).unwrap();
            }
        });
    Service::start(builder)
}

const SLOWLY: [&str; 3] = ["--page-size=10", "--part-rows=10", "--concurrency=1"];

#[test]
fn a_folder_that_is_removed_under_a_file_is_6() {
    let (folder, inner) = place("inner");
    std::fs::create_dir(&inner).unwrap();
    let out = inner.join("runs.jsonl");
    let service = removing(&inner, &checkpoint_of(&out));
    let gone = service.export(&out, &SLOWLY).code(6);
    let message = error(&gone);
    assert!(message.contains("runs.jsonl is gone"), "{message}");
    // It is not made again behind somebody's back.
    assert!(!inner.exists());
    // The next start begins anew.
    service.export(&out, &SLOWLY).success();
    assert_exact(&service, &out);
    drop(folder);
}

#[test]
fn a_folder_of_parts_that_is_removed_is_1() {
    let (_folder, out) = place("runs.jsonl/");
    let service = removing(&out, &out.join("_manifest.json"));
    let gone = service.export(&out, &SLOWLY).code(1);
    let message = error(&gone);
    assert!(message.contains("No such file or directory"), "{message}");
    assert_eq!(offered(&stderr(&gone)), None, "{gone}");
    service.export(&out, &SLOWLY).success();
    let parts = outputs::parts(&out);
    let written: Vec<_> = parts.iter().flat_map(|part| ids(part)).collect();
    assert_eq!(written, service.ids());
}

#[test]
fn a_file_where_the_folder_of_a_checkpoint_should_be_is_1() {
    let service = Service::with_runs(20);
    let (folder, out) = place("runs.jsonl");
    let inner = folder.path().join("inner");
    std::fs::write(&inner, "mine").unwrap();
    let checkpoint = inner.join("checkpoint");
    let arguments = ["--checkpoint", checkpoint.to_str().unwrap()];
    service.export(&out, &arguments).code(1);
    // No row goes down a pipe that could not be gone on with.
    let failed = service.export(Path::new("-"), &arguments).code(1);
    assert_eq!(stdout(&failed), "");
    assert!(error(&failed).contains(inner.to_str().unwrap()), "{failed}");
    assert_eq!(std::fs::read_to_string(&inner).unwrap(), "mine");
}

#[test]
fn a_file_where_a_folder_should_be_is_1_and_a_folder_in_the_place_of_a_checkpoint_too() {
    let service = Service::with_runs(20);
    let (folder, out) = place("runs.jsonl");
    std::fs::write(&out, "mine").unwrap();
    let inside = format!("{}/", out.display());
    let failed = service.export(Path::new(&inside), &[]).code(1);
    assert_eq!(offered(&stderr(&failed)), None, "{}", error(&failed));
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "mine");

    let out = folder.path().join("other.jsonl");
    std::fs::create_dir(checkpoint_of(&out)).unwrap();
    let failed = service.export(&out, &[]).code(1);
    assert!(error(&failed).contains("other.jsonl.checkpoint cannot be read"));
}
