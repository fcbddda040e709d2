//! Garbled input: bytes, lines, and JSON that means something else.

use serde_json::{Map, Number, Value};

use crate::support::Chance;

/// Text that somebody forgot to think of.
const TEXTS: &[&str] = &[
    "",
    " ",
    "\u{0}",
    "a\u{0}b",
    "\u{1b}[31mred\u{7}",
    "\u{feff}",
    "\u{202e}",
    "\u{d7ff}\u{e000}\u{10ffff}",
    "e\u{301}\u{df}\u{130}\u{3c3}",
    "..",
    "../../x",
    "/",
    "%s%n",
    "' OR 1 --",
    "message:0",
    "message:-1",
    "message:99999999999999999999",
    "2026-02-30T25:61:61Z",
    "9999-12-31T23:59:60.999999999999Z",
    "-0001-01-01T00:00:00Z",
    "00000000-0000-0000-0000-000000000000",
    "null",
    "{}",
    "\"",
];

/// Numbers in the spelling that JSON allows.
const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "-1",
    "1e400",
    "-1e400",
    "0.1e-400",
    "1E+2",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "4294967296",
    "2147483648",
    "1.7976931348623159e308",
];

/// A value in place of another.
pub(crate) fn value(chance: &mut Chance) -> Value {
    match chance.below(9) {
        0 => Value::Null,
        1 => Value::Bool(chance.one_in(2)),
        2 | 3 => number(chance),
        4 => Value::Array(vec![]),
        5 => Value::Object(Map::new()),
        6 => Value::String("long ".repeat(1 << chance.below(14))),
        7 => nested(chance.below(600)),
        _ => Value::String((*chance.of(TEXTS)).to_owned()),
    }
}

fn number(chance: &mut Chance) -> Value {
    let text = *chance.of(NUMBERS);
    let number: Option<Number> = serde_json::from_str(text).ok();
    number.map_or_else(|| Value::String(format!("{MARK}{text}{MARK}")), Value::Number)
}

/// Stands around numbers that a `Value` cannot hold, until they are text.
const MARK: &str = "\u{e123}";

/// JSON of a garbled value, with the spellings that `Value` has no place for.
pub(crate) fn json(value: &Value, chance: &mut Chance) -> String {
    let mut text =
        value.to_string().replace(&format!("\"{MARK}"), "").replace(&format!("{MARK}\""), "");
    match chance.below(12) {
        0 => text = text.replace(':', " : ").replace(',', " ,\t"),
        1 => text = text.replacen("\"a\"", "\"\\u0061\"", 3),
        2 => text = text.replacen('e', "\\ud83d", 1),
        3 => text = text.replacen(",\"", ",\"id\":\"twice\",\"", 1),
        _ => {}
    }
    text
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::Null, |inner, _| Value::Array(vec![inner]))
}

/// Changes one place of a value.
pub(crate) fn change(root: &mut Value, chance: &mut Chance) {
    let mut at = root;
    loop {
        // Down to some place, or stop on the way.
        let len = match &*at {
            Value::Object(map) => map.len(),
            Value::Array(items) => items.len(),
            _ => 0,
        };
        if len == 0 || chance.one_in(3) {
            break;
        }
        let n = chance.below(len);
        at = match at {
            Value::Object(map) => map.iter_mut().nth(n).unwrap().1,
            Value::Array(items) => &mut items[n],
            _ => unreachable!(),
        };
    }
    change_here(at, chance);
}

fn change_here(at: &mut Value, chance: &mut Chance) {
    match at {
        Value::Object(map) if !map.is_empty() && !chance.one_in(5) => {
            let key = map.keys().nth(chance.below(map.len())).unwrap().clone();
            match chance.below(4) {
                0 => {
                    map.remove(&key);
                }
                1 => {
                    let moved = map.remove(&key).unwrap();
                    map.insert((*chance.of(TEXTS)).to_owned(), moved);
                }
                2 => {
                    let other = map.values().nth(chance.below(map.len())).unwrap().clone();
                    map.insert(key, other);
                }
                _ => {
                    map.insert(key, value(chance));
                }
            }
        }
        Value::Array(items) if !items.is_empty() && !chance.one_in(5) => {
            let n = chance.below(items.len());
            match chance.below(3) {
                0 => {
                    items.remove(n);
                }
                1 => items.insert(n, value(chance)),
                _ => items.push(items[n].clone()),
            }
        }
        Value::String(text) if chance.one_in(3) => {
            let chars: Vec<char> = text.chars().collect();
            let end = chance.below(chars.len() + 1);
            *text = chars[..end].iter().collect::<String>() + *chance.of(TEXTS);
        }
        at => *at = value(chance),
    }
}

/// Changes bytes, whatever they are.
pub(crate) fn bytes(bytes: &mut Vec<u8>, chance: &mut Chance) {
    let at = chance.below(bytes.len() + 1);
    let end = (at + 1 + chance.below(40)).min(bytes.len());
    match chance.below(8) {
        0 if at < bytes.len() => bytes[at] ^= 1 << chance.below(8),
        1 => bytes.insert(at, chance.below(256) as u8),
        2 if at < end => {
            bytes.drain(at..end);
        }
        3 => bytes.truncate(at),
        4 if at < end => {
            let copied = bytes[at..end].to_vec();
            bytes.splice(at..at, copied);
        }
        5 => {
            let odd: &[&[u8]] = &[
                b"\0\0\0\0",
                b"\r\n",
                b"\r",
                b"\n\n",
                b"\xff\xfe",
                b"\xed\xa0\x80",
                b"\xef\xbb\xbf",
            ];
            bytes.splice(at..at, odd[chance.below(odd.len())].iter().copied());
        }
        6 if at < end => bytes[at..end].fill(0),
        _ => bytes.extend_from_slice(b"{\"type\":\"message\""),
    }
}

/// Changes a file of lines: the lines themselves, their order, or the JSON in one.
pub(crate) fn lines(content: &mut Vec<u8>, chance: &mut Chance) {
    let mut all: Vec<Vec<u8>> =
        content.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    if all.is_empty() {
        return bytes(content, chance);
    }
    let (n, other) = (chance.below(all.len()), chance.below(all.len()));
    match chance.below(8) {
        0 => {
            all.remove(n);
        }
        1 => all.insert(other, all[n].clone()),
        2 => all.swap(n, other),
        3 => {
            // Two records on one line.
            if all[n].ends_with(b"\n") {
                all[n].pop();
            }
        }
        4 => bytes(&mut all[n], chance),
        _ => {
            if let Ok(mut value) = serde_json::from_slice::<Value>(&all[n]) {
                for _ in 0..1 + chance.below(2) {
                    change(&mut value, chance);
                }
                all[n] = (json(&value, chance) + "\n").into_bytes();
            }
        }
    }
    *content = all.concat();
}
