//! The encoders. They only write, and do not know that their output is pulled.
//!
//! A file is read in small pieces, where the encoder needs them. Each read blocks the other downloads of this core. For
//! files on a slow disk, use `Thread` instead of `Local`.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use cap_std::fs::{Dir, File};
use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{EntryType, Header};
use time::{OffsetDateTime, PrimitiveDateTime};
use zip::write::SimpleFileOptions;
use zip::{DateTime, ZipWriter};

use super::tree::{Entry, Kind, walk};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Zip,
    TarGz,
}

impl Format {
    pub const ALL: [Format; 2] = [Format::Zip, Format::TarGz];

    /// Returns the file extension, which is also the query of the URL.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Zip => "zip",
            Format::TarGz => "tar.gz",
        }
    }

    pub fn media_type(self) -> &'static str {
        match self {
            Format::Zip => "application/zip",
            Format::TarGz => "application/gzip",
        }
    }

    /// Writes everything below `dir` into `w`, under the name `top`. Calls `skip` with each path that cannot be
    /// archived.
    pub fn write(self, dir: Dir, top: &Path, w: &mut impl Write, skip: impl FnMut(&Path)) -> io::Result<()> {
        match self {
            Format::Zip => write_zip(dir, top, w, skip),
            Format::TarGz => write_tar_gz(dir, top, w, skip),
        }
    }
}

/// Writes a file. The file must have `size` bytes.
pub fn write_file(file: File, size: u64, w: &mut impl Write) -> io::Result<()> {
    io::copy(&mut Exactly { file, left: size }, w).map(drop)
}

fn write_zip(dir: Dir, top: &Path, w: &mut impl Write, mut skip: impl FnMut(&Path)) -> io::Result<()> {
    let shut = Cell::new(false);
    let mut zip = ZipWriter::new_stream(Valve { sink: w, shut: &shut });
    let options = |entry: &Entry| {
        SimpleFileOptions::default()
            .unix_permissions(entry.mode)
            .last_modified_time(zip_time(entry.modified))
            // Compression may exceed 4 GiB for a file just below it, and the compressed size is not known here.
            .large_file(entry.size >= u32::MAX as u64 - (1 << 24))
    };
    let walked = walk(dir, top, |dir, path, entry| {
        let name = path.to_string_lossy();
        match &entry.kind {
            Kind::Directory => zip.add_directory(name, options(entry))?,
            Kind::Link(target) => zip.add_symlink(name, target.to_string_lossy(), options(entry))?,
            Kind::File => {
                let mut file = Exactly::open(dir, entry)?;
                zip.start_file(name, options(entry))?;
                io::copy(&mut file, &mut zip)?;
            }
            Kind::Other => skip(path),
        }
        Ok(())
    });
    match walked {
        Ok(()) => zip.finish().map(drop)?,
        Err(_) => shut.set(true),
    }
    walked
}

/// A sink that discards everything after an error. A dropped `ZipWriter` still writes the archive's directory, which
/// would make a truncated archive look complete.
struct Valve<'a, W> {
    sink: W,
    shut: &'a Cell<bool>,
}

impl<W: Write> Valve<'_, W> {
    fn through<T>(&mut self, kept: T, write: impl FnOnce(&mut W) -> io::Result<T>) -> io::Result<T> {
        if self.shut.get() {
            return Ok(kept);
        }
        let written = write(&mut self.sink);
        self.shut.set(written.is_err());
        written
    }
}

impl<W: Write> Write for Valve<'_, W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.through(buf.len(), |sink| sink.write(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.through((), |sink| sink.flush())
    }
}

/// Converts a time to that of a zip archive: since 1980, in steps of two seconds, without a time zone.
fn zip_time(time: SystemTime) -> DateTime {
    let time = OffsetDateTime::from(time);
    DateTime::try_from(PrimitiveDateTime::new(time.date(), time.time())).unwrap_or_default()
}

fn write_tar_gz(dir: Dir, top: &Path, w: &mut impl Write, mut skip: impl FnMut(&Path)) -> io::Result<()> {
    let mut tar = tar::Builder::new(GzEncoder::new(w, Compression::default()));
    walk(dir, top, |dir, path, entry| {
        let mut header = Header::new_gnu();
        header.set_mode(entry.mode);
        header.set_mtime(entry.modified.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()));
        header.set_size(0);
        match &entry.kind {
            Kind::Directory => {
                header.set_entry_type(EntryType::Directory);
                tar.append_data(&mut header, path, io::empty())
            }
            Kind::Link(target) => {
                header.set_entry_type(EntryType::Symlink);
                tar.append_link(&mut header, path, target)
            }
            Kind::File => {
                header.set_entry_type(EntryType::Regular);
                header.set_size(entry.size);
                tar.append_data(&mut header, path, Exactly::open(dir, entry)?)
            }
            Kind::Other => {
                skip(path);
                Ok(())
            }
        }
    })?;
    tar.into_inner()?.finish()?;
    Ok(())
}

/// A reader of exactly the announced length. Bytes appended since are left out. Missing bytes are an error, because the
/// length is sent before the bytes.
struct Exactly {
    file: File,
    left: u64,
}

impl Exactly {
    fn open(dir: &Dir, entry: &Entry) -> io::Result<Exactly> {
        Ok(Exactly { file: dir.open(&entry.name)?, left: entry.size })
    }
}

impl Read for Exactly {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Ok(0);
        }
        let most = into.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        match self.file.read(&mut into[..most])? {
            0 if most > 0 => {
                let message = format!("the file ended {} bytes early", self.left);
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, message))
            }
            len => {
                self.left -= len as u64;
                Ok(len)
            }
        }
    }
}
