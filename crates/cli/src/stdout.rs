//! Standard output.

use std::fs::File;
use std::io::{self, Stdout, Write};

use serde::Serialize;

use crate::exit::{Exit, Failure};

/// Prints to standard output. A reader that stops reading is no failure.
pub(crate) fn print(text: &[u8]) -> Result<Exit, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let message = format!("standard output cannot be written to: {error}");
            Err(Failure::new(Exit::Failed, message))
        }
        _ => Ok(Exit::Complete),
    }
}

/// Prints an object on one line.
pub(crate) fn print_json(value: &impl Serialize) -> Result<Exit, Failure> {
    let line = serde_json::to_string(value).map_err(io::Error::from)?;
    print(format!("{line}\n").as_bytes())
}

/// Standard output, for a format of lines.
///
/// A process that is killed may leave part of a line. If standard output is a file that does not
/// end with a line feed, one is written before anything else, so that the broken line is a line of
/// its own.
pub(crate) struct LineWriter {
    stdout: Stdout,
    has_begun: bool,
    /// Whether the file may end with a broken line, where that cannot be seen.
    resumes: bool,
}

impl LineWriter {
    pub(crate) fn new(resumes: bool) -> Self {
        Self {
            stdout: io::stdout(),
            has_begun: false,
            resumes,
        }
    }

    /// Whether the next byte would not be the first one of a line.
    fn is_in_line(&self) -> bool {
        let Ok(file) = duplicate(&self.stdout) else {
            return false;
        };
        match file.metadata() {
            Ok(metadata) if metadata.is_file() && metadata.len() > 0 => {
                last_byte(metadata.len()).map_or(self.resumes, |byte| byte != b'\n')
            }
            // What has gone down a pipe is not known.
            _ => false,
        }
    }
}

impl Write for LineWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !bytes.is_empty() && !self.has_begun {
            if self.is_in_line() {
                self.stdout.write_all(b"\n")?;
            }
            self.has_begun = true;
        }
        self.stdout.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }
}

#[cfg(unix)]
fn duplicate(stdout: &Stdout) -> io::Result<File> {
    use std::os::fd::AsFd;
    Ok(stdout.as_fd().try_clone_to_owned()?.into())
}

#[cfg(windows)]
fn duplicate(stdout: &Stdout) -> io::Result<File> {
    use std::os::windows::io::AsHandle;
    Ok(stdout.as_handle().try_clone_to_owned()?.into())
}

/// The last byte of the file that standard output is. A shell opens it only for writing, so it has
/// to be opened once more, which Linux can do.
#[cfg(unix)]
fn last_byte(length: u64) -> io::Result<u8> {
    use std::os::unix::fs::FileExt;
    let mut byte = [0];
    // Not by seeking: elsewhere, the position may be that of standard output.
    File::open("/dev/stdout")?.read_exact_at(&mut byte, length - 1)?;
    Ok(byte[0])
}

#[cfg(windows)]
fn last_byte(_: u64) -> io::Result<u8> {
    Err(io::ErrorKind::Unsupported.into())
}
