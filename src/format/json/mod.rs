//! Reads JSON in place, as leniently as the most lenient program that wrote or read
//! it.
//!
//! The session files were read by three JSON parsers that disagree: one accepts
//! comments and invalid UTF-8, one NaN and integers of any length, one neither. So
//! this reader accepts the union, and reports as [`Features`] what a line used;
//! each format decides which features make a line malformed.
//!
//! Nothing here recurses over input except [`clean`], whose depth is bounded, so a
//! line of 100,000 brackets costs a few kilobytes and no stack. Values are slices
//! of the line: numbers keep their spelling, objects the order of their keys.

mod plain;
mod raw;
mod scan;
mod value;
mod write;

pub(crate) use raw::{Kind, Object, Raw, code_points, distinct_members, has_lone_surrogate};
pub(crate) use scan::{Features, MAX_DIGITS, scan, scan_first, well_formed};
pub(crate) use value::value;
pub(crate) use write::{
    clean, clean_doubles, clean_slice, compact, spelt, stored_points, write_text,
};

/// The value in a text that [`compact`] made.
pub(crate) fn of_compact(text: &str) -> Raw<'_> {
    Raw::new(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_clean(line: &str, expected: &str) {
        let (value, _) = scan(line.as_bytes()).unwrap();

        assert_eq!(clean(value, "0"), expected);
    }

    #[test]
    fn plain_json_comes_out_compact_and_otherwise_as_it_stood() {
        check_clean(
            r#" { "a" : [ 1, -0.50e+3, true ], "é\/" : { } } "#,
            r#"{"a":[1,-0.50e+3,true],"é/":{}}"#,
        );
    }

    #[test]
    fn of_duplicate_keys_the_last_value_stands_at_the_first_place() {
        check_clean(r#"{"a":1,"b":2,"\u0061":3}"#, r#"{"a":3,"b":2}"#);
    }

    #[test]
    fn surrogates_are_joined_or_kept_as_escapes() {
        check_clean(
            r#"["\ud83d\ude00","\ud83dx","\ude00","\ud83d\u0041"]"#,
            "[\"😀\",\"\\ud83dx\",\"\\ude00\",\"\\ud83dA\"]",
        );
    }

    #[test]
    fn what_common_readers_choke_on_is_replaced() {
        check_clean("[NaN,-Infinity,1e400,1.5]", "[0,0,0,1.5]");
        check_clean(&"9".repeat(4_301), "0");
        let deep = format!("{}{}", "[".repeat(501), "]".repeat(501));
        check_clean(&deep, &format!("{}0{}", "[".repeat(500), "]".repeat(500)));
    }

    #[test]
    fn doubles_are_spelt_as_javascript_spells_them() {
        let (value, _) = scan(
            b"[1.0,-0,12345678901234567890,9007199254740993,1e21,-1E-7,0.000001,1.5,123456789012345678901234,1e400]",
        )
        .unwrap();

        assert_eq!(
            clean_doubles(value, "null"),
            "[1,0,12345678901234567000,9007199254740992,1e+21,-1e-7,0.000001,1.5,\
             1.2345678901234569e+23,null]"
        );
    }

    #[test]
    fn a_value_is_that_of_serde_json_where_there_is_one() {
        let line = r#"{"a":[1,-2.5,true,null,"\ud83d\ude00"],"b":{"c":1},"b":{"d":12345678901234567890123}}"#;
        let (value, _) = scan(line.as_bytes()).unwrap();

        let expected: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(super::value(value), expected);
        let (half, _) = scan(br#"["\ud83d"]"#).unwrap();
        assert_eq!(super::value(half), serde_json::json!(["\u{FFFD}"]));
    }

    #[test]
    fn comments_and_needless_escapes_vanish() {
        check_clean("/* a */ [1, /* ] */ \"\\x\\'\"] // end", "[1,\"x'\"]");
    }

    #[test]
    fn nesting_of_a_million_needs_no_stack() {
        let line = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));

        let (value, features) = scan(line.as_bytes()).unwrap();

        assert_eq!(features.depth, 1_000_000);
        assert_eq!(value.items().count(), 1);
    }

    #[test]
    fn features_say_what_a_line_uses() {
        let features = |line: &[u8]| scan(line).unwrap().1;

        assert!(features(b"[\"\xff\"]").invalid_utf8);
        assert!(features(b"[\"a\tb\"]").control_character);
        assert!(features(b"[1e400]").non_finite);
        for (integer, is_wide) in [
            ("18446744073709551615", false),
            ("18446744073709551616", true),
            ("-9223372036854775808", false),
            ("-9223372036854775809", true),
            ("340282366920938463463374607431768211455", true),
            ("340282366920938463463374607431768211456", false),
            ("18446744073709551616.0", false),
        ] {
            assert_eq!(features(integer.as_bytes()).wide_integer, is_wide, "{integer}");
        }
        assert!(!features(format!("[-{}]", "9".repeat(4_300)).as_bytes()).long_integer);
        assert!(features(format!("[-{}]", "9".repeat(4_301)).as_bytes()).long_integer);
        assert!(features(b"[1] //x").comment);
        assert_eq!(features(b"[[]]"), Features { depth: 2, ..Features::default() });
    }

    #[test]
    fn what_is_no_json_says_where() {
        for (line, offset) in [
            ("", 0),
            ("{\"a\":1,}", 7),
            ("[1,]", 3),
            ("{'a':1}", 1),
            ("01", 1),
            ("\"open", 0),
            ("{}{}", 2),
            ("\u{c}{}", 0),
            ("nil", 0),
            ("[1e]", 3),
            ("\"\\u12g4\"", 2),
        ] {
            assert_eq!(scan(line.as_bytes()).unwrap_err().offset, offset, "{line}");
        }
    }
}
