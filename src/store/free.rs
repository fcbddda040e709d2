//! Facts about the file system that the database is on.

use std::path::Path;

use super::{Store, parent_folder};

impl Store {
    /// Whether the database is on a network file system, where processes on different
    /// machines can corrupt it. Detected on Linux only; `false` elsewhere.
    pub fn on_network_file_system(&self) -> bool {
        on_network_file_system(&parent_folder(self.path()))
    }
}

/// Bytes that are free on the file system of a file; `None` if the system does not
/// say.
pub(crate) fn available(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(parent_folder(path)).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(target_os = "linux")]
fn on_network_file_system(folder: &Path) -> bool {
    // The type is a magic number of 32 bits, whatever the field's width and sign on
    // this platform.
    rustix::fs::statfs(folder).is_ok_and(|stat| is_network(stat.f_type as u32))
}

#[cfg(not(target_os = "linux"))]
fn on_network_file_system(_: &Path) -> bool {
    false
}

/// Whether a magic number of Linux is that of a network file system.
#[cfg(any(target_os = "linux", test))]
fn is_network(magic: u32) -> bool {
    const NFS: u32 = 0x6969;
    const SMB: u32 = 0x517B;
    const CIFS: u32 = 0xFF53_4D42;
    const SMB2: u32 = 0xFE53_4D42;
    const PLAN_9: u32 = 0x0102_1997;
    const AFS: u32 = 0x5346_414F;
    const CEPH: u32 = 0x00C3_6400;
    matches!(magic, NFS | SMB | CIFS | SMB2 | PLAN_9 | AFS | CEPH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_of_other_machines_are_known() {
        for magic in
            [0x6969, 0x517B, 0xFF53_4D42, 0xFE53_4D42, 0x0102_1997, 0x5346_414F, 0x00C3_6400]
        {
            assert!(is_network(magic), "{magic:#x}");
        }
        // ext4, btrfs, xfs, tmpfs, overlayfs.
        for magic in [0xEF53, 0x9123_683E, 0x5846_5342, 0x0102_1994, 0x794C_7630] {
            assert!(!is_network(magic), "{magic:#x}");
        }
    }

    #[test]
    fn a_folder_has_space() {
        let folder = tempfile::tempdir().unwrap();

        assert!(available(&folder.path().join("x.db")).is_some());
        assert_eq!(available(&folder.path().join("no/x.db")), None);
    }
}
