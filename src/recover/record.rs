//! Decodes records, the values of a row, by SQLite's file format.

use super::page::varint;

/// More columns than any of our tables has.
const MAX_COLUMNS: usize = 200;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'r> {
    Null,
    Integer(i64),
    Real,
    Text(&'r str),
    Blob(&'r [u8]),
}

/// The values of a record; `None` if the bytes are not one.
pub(super) fn decode(record: &[u8]) -> Option<Vec<Value<'_>>> {
    let (header_size, mut at) = varint(record)?;
    let header = record.get(..usize::try_from(header_size).ok()?)?;
    let mut body = &record[header.len()..];
    let mut values = Vec::new();
    while at < header.len() {
        let (serial, length) = varint(header.get(at..)?)?;
        at += length;
        let (value, rest) = value(serial, body)?;
        body = rest;
        values.push(value);
        if MAX_COLUMNS < values.len() {
            return None;
        }
    }
    (at == header.len() && body.is_empty()).then_some(values)
}

fn value(serial: u64, body: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let length = match serial {
        0 | 8 | 9 => 0,
        1..=4 => serial as usize,
        5 => 6,
        6 | 7 => 8,
        10 | 11 => return None,
        _ => usize::try_from((serial - 12) / 2).ok()?,
    };
    let (bytes, rest) = body.split_at_checked(length)?;
    let value = match serial {
        0 => Value::Null,
        1..=6 => Value::Integer(integer(bytes)),
        7 => Value::Real,
        8 => Value::Integer(0),
        9 => Value::Integer(1),
        _ if serial.is_multiple_of(2) => Value::Blob(bytes),
        _ => Value::Text(std::str::from_utf8(bytes).ok()?),
    };
    Some((value, rest))
}

/// A signed big-endian integer of one to eight bytes.
fn integer(bytes: &[u8]) -> i64 {
    let sign = if bytes.first().is_some_and(|byte| 0x80 <= *byte) { -1 } else { 0 };
    bytes.iter().fold(sign, |value, byte| value << 8 | i64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_type_are_read() {
        let record = [
            9, 0, 1, 2, 7, 8, 9, 16, 17, // header
            0xFF, 0x01, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 5, 6, b'x', b'y',
        ];

        let values = decode(&record).unwrap();

        use Value::*;
        let expected = [
            Null,
            Integer(-1),
            Integer(256),
            Real,
            Integer(0),
            Integer(1),
            Blob(&[5, 6]),
            Text("xy"),
        ];
        assert_eq!(values, expected);
    }

    #[test]
    fn what_is_cut_off_is_no_record() {
        let record = [4, 1, 2, 16, 1, 2, 3, 4, 5];
        assert!(decode(&record).is_some());
        for cut in 0..record.len() {
            assert!(decode(&record[..cut]).is_none(), "{cut}");
        }
        assert!(decode(&[2, 10]).is_none());
        assert!(decode(&[2, 15, 0xFF]).is_none(), "text that is no UTF-8");
    }
}
