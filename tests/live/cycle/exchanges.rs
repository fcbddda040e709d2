//! What befalls files beside their program: they change places, and lose what they held.

use std::fs;

use super::Sides;

impl Sides {
    /// The program adds a line to the other session.
    pub(super) fn other_goes_on(&self) {
        let mut log = fs::read(self.root().join(self.other)).unwrap();
        let message = "{\"role\":\"user\",\"content\":\"o\",\"timestamp\":1}";
        let line = format!(
            "{{\"type\":\"message\",\"id\":\"o{}\",\"parentId\":null,\"timestamp\":\"2026-01-01T00:00:01.000Z\",\"message\":{message}}}\n",
            log.len()
        );
        log.extend(line.into_bytes());
        self.put(self.other, &log);
    }

    /// Both files change places.
    pub(super) fn swap(&mut self, count: u8) {
        if self.other.is_empty() {
            return;
        }
        let [one, other, aside] =
            [self.path, self.other, "aside"].map(|path| self.root().join(path));
        if count == 2 {
            // By what they hold: each stays the file that it was.
            let (ours, theirs) = (self.at_root(), fs::read(&other).unwrap());
            self.put(self.path, &theirs);
            self.put(self.other, &ours);
        } else {
            fs::rename(&one, &aside).unwrap();
            fs::rename(&other, &one).unwrap();
            fs::rename(&aside, &other).unwrap();
        }
        std::mem::swap(&mut self.path, &mut self.other);
        if 0 < count {
            self.program_adds(count);
            self.other_goes_on();
        }
        self.import();
    }

    /// The other file is moved onto ours, and ours is restored where that was.
    pub(super) fn move_onto(&mut self, count: u8) {
        if self.other.is_empty() {
            return;
        }
        let ours = self.at_root();
        fs::rename(self.root().join(self.other), self.root().join(self.path)).unwrap();
        std::mem::swap(&mut self.path, &mut self.other);
        self.import();
        self.put(self.path, &ours);
        if 0 < count {
            self.program_adds(count);
        }
        self.import();
    }

    /// A folder has the file's name until the next import but one.
    pub(super) fn folder(&mut self) {
        let (there, at) = (self.at_root(), self.root().join(self.path));
        fs::remove_file(&at).unwrap();
        fs::create_dir(&at).unwrap();
        self.import();
        fs::remove_dir(&at).unwrap();
        self.put(self.path, &there);
        self.import();
    }

    /// The file loses lines, and has them again.
    pub(super) fn shorten(&mut self, count: u8) {
        self.import();
        let lost = |sides: &Self| -> u32 {
            sides.store.prunable().unwrap().iter().map(|one| one.lost).sum()
        };
        let (there, before) = (self.at_root(), lost(self));
        let lines = there.split_inclusive(|byte| *byte == b'\n').take(count.into());
        self.put(self.path, &lines.collect::<Vec<_>>().concat());
        self.import();
        self.step += 1;
        self.put(self.path, &there);
        self.import();
        assert_eq!(lost(self), before, "what was restored is told as lost");
    }
}
