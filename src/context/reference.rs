//! References: placeholders for values that common JSON readers cannot read, naming
//! the file and line that contain them.

use crate::error::Result;
use crate::store::log;

/// Makes references. Consecutive ones are usually to the same file, whose name is
/// then spelt once.
#[derive(Debug, Default)]
pub(crate) struct References {
    /// A file, and the beginning of a reference to it, up to the line number.
    begun: Option<(i64, String)>,
}

impl References {
    /// A reference to a line in the file with this path.
    pub(crate) fn at(
        &mut self,
        line_key: i64,
        path: impl FnOnce() -> Result<Vec<u8>>,
    ) -> Result<String> {
        let file_id = log::file_of(line_key);
        let begun = match self.begun.take_if(|(of, _)| *of == file_id) {
            Some((_, begun)) => begun,
            None => begin(&path()?),
        };
        let reference = end(&begun, log::line_number(line_key));
        self.begun = Some((file_id, begun));
        Ok(reference)
    }
}

/// The reference to one line.
pub(crate) fn raw_reference(file: &[u8], line: u32) -> String {
    end(&begin(file), line)
}

fn begin(file: &[u8]) -> String {
    let file = serde_json::Value::from(String::from_utf8_lossy(file));
    format!("{{\"$raw\":[{file},")
}

fn end(begun: &str, line: u32) -> String {
    format!("{begun}{line}]}}")
}
