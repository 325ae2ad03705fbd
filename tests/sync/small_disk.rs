//! A file system that is full after a few rows.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A small file system on a folder of its own.
pub(crate) struct SmallDisk(TempDir);

impl SmallDisk {
    /// `options` are those of `tmpfs`. `None` if this process may not mount: only root may.
    pub(crate) fn mount(options: &str) -> Option<Self> {
        let disk = Self(tempfile::tempdir().unwrap());
        disk.run(options).then_some(disk)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Makes room for all rows of a test.
    pub(crate) fn grow(&self) {
        assert!(self.run("remount,size=100m"));
    }

    fn run(&self, options: &str) -> bool {
        let mut command = Command::new("mount");
        let command = command.args(["-t", "tmpfs", "-o", options, "tmpfs"]);
        let status = command.arg(self.path()).status();
        status.is_ok_and(|status| status.success())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The folder is removed next, which fails if it is still mounted.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
