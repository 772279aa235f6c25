//! The disk that the store lies on: how much is free, and whether it keeps what is written.

use std::path::{Path, PathBuf};

use crate::cli::doctor::finding::Findings;

/// Below 64 MiB nothing more is taken; someone should hear of it long before.
const LITTLE_BYTES: u64 = 1 << 30;
const TOO_LITTLE_BYTES: u64 = 64 << 20;

/// What a kind of file system means for a store.
enum Kind {
    /// By its name.
    Lasting(&'static str),
    /// Forgets everything with the machine, or with the container.
    Fleeting(&'static str),
    /// On another machine.
    Remote(&'static str),
    Unknown,
}

/// By the numbers of Linux' `statfs`.
fn kind(number: u64) -> Kind {
    match number & 0xffff_ffff {
        0xef53 => Kind::Lasting("ext4"),
        0x5846_5342 => Kind::Lasting("xfs"),
        0x9123_683e => Kind::Lasting("btrfs"),
        0x2fc1_2fc1 => Kind::Lasting("zfs"),
        0xf2f5_2010 => Kind::Lasting("f2fs"),
        0x0102_1994 => Kind::Fleeting("tmpfs, which is lost when the machine stops"),
        0x8584_58f6 => Kind::Fleeting("ramfs, which is lost when the machine stops"),
        0x794c_7630 => Kind::Fleeting("a container's own layer, which is lost with the container"),
        0x6969 => Kind::Remote("nfs"),
        0xff53_4d42 | 0xfe53_4d42 => Kind::Remote("smb"),
        _ => Kind::Unknown,
    }
}

pub(super) fn check(store: &Path, findings: &mut Findings) {
    let Some(place) = existing(store) else { return };
    let Ok(disk) = rustix::fs::statfs(&place) else {
        findings.note("disk", "the system does not tell of it");
        return;
    };
    #[expect(clippy::cast_sign_loss, reason = "these are bits, and sizes")]
    let (number, block) = (disk.f_type as u64, disk.f_bsize as u64);
    let free = disk.f_bavail.saturating_mul(block);
    let says = format!("{} MiB are free in {}", free >> 20, place.display());
    if free < TOO_LITTLE_BYTES {
        findings.wrong("disk", says, "free some space: deliveries are refused below 64 MiB");
    } else if free < LITTLE_BYTES {
        findings.warning("disk", says, "free some space, or take a larger disk");
    } else {
        findings.good("disk", says);
    }
    match kind(number) {
        Kind::Lasting(name) => findings.good("disk", format!("the store lies on {name}")),
        Kind::Fleeting(what) => findings.warning(
            "disk",
            format!("the store lies on {what}"),
            "let BURSAR_STORE name a folder on a disk or a volume that is kept",
        ),
        Kind::Remote(name) => findings.warning(
            "disk",
            format!("the store lies on {name}, where a confirmed write may still be lost"),
            "let BURSAR_STORE name a folder on a disk of this machine",
        ),
        Kind::Unknown => {
            findings
                .note("disk", format!("the kind of its file system is not known ({number:#x})"));
        }
    }
}

/// The folder itself, or the nearest above it that is there.
fn existing(folder: &Path) -> Option<PathBuf> {
    let folder = std::path::absolute(folder).ok()?;
    folder.ancestors().find(|place| place.exists()).map(Path::to_owned)
}
