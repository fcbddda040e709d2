//! Escapes text of a log for HTML: it never becomes an element, an attribute or a
//! control character.

use crate::output;

/// Text between tags, or between the quotes of an attribute.
pub(crate) fn text(said: &str) -> String {
    let mut shown = Vec::with_capacity(said.len());
    output::visible(said.replace("\r\n", "\n").as_bytes(), &mut shown);
    let shown = String::from_utf8_lossy(&shown);
    let mut out = String::with_capacity(shown.len());
    for c in shown.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// The anchor of an entry: its id, with everything except letters, digits and `-` in
/// hex, so that different ids have different anchors.
pub(crate) fn anchor(id: &str) -> String {
    let spelled = id.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => char::from(byte).to_string(),
        byte => format!("_{byte:02x}"),
    });
    "e-".to_owned() + &spelled.collect::<String>()
}

/// The digits of base64.
pub(super) const DIGITS: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes as base64, in the alphabet that policies use for hashes.
pub(super) fn base64(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_text_opens_a_tag_or_ends_an_attribute(
            said in "([<>&\"'/ =a-z\\x00\\r\\n]|<script>|</pre>|<!--|\\PC|.){0,60}"
        ) {
            let shown = text(&said);
            prop_assert!(!shown.contains(['<', '>', '"', '\'', '\0', '\r']), "{shown}");
            // Each `&` begins one of the five references.
            for rest in shown.split('&').skip(1) {
                let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
                prop_assert!(known.iter().any(|name| rest.starts_with(name)), "{shown}");
            }
            prop_assert!(!anchor(&said).contains(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_'));
        }
    }

    #[test]
    fn nothing_of_a_text_is_markup() {
        assert_eq!(
            text("</script><b a=\"'\">&"),
            "&lt;/script&gt;&lt;b a=&quot;&#39;&quot;&gt;&amp;"
        );
        assert_eq!(text("a\u{0}b\u{202e}c\r\nd"), "a\\u0000b\\u202ec\nd");
    }

    #[test]
    fn base64_is_that_of_its_specification() {
        for (bytes, told) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), told);
        }
    }

    #[test]
    fn two_ids_have_two_anchors() {
        assert_eq!(anchor("a1-b"), "e-a1-b");
        assert_eq!(anchor("a_20"), "e-a_5f20");
        assert_eq!(anchor("a \""), "e-a_20_22");
    }
}
